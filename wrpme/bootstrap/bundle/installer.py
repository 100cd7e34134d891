"""Runs on a host, as the ``__main__`` of a bundle: ``python3 -I BUNDLE DIRECTORY`` makes the directory a virtual
environment with wrpme in it. It knows the standard library only, needs no network, and loads little of it, since it
must be quick: many hosts are installed at once, and some are small.

A bundle is a zip of three: this module, ``index``, and ``contents``, all files one after the other. The index is text::

    release 0.1.0-5f3a09c2
    python 3.11
    magic a70d0d0a
    checksum 2773118837
    644 5210 4981 lib/python3.11/site-packages/wrpme/errors.py

that is, for each file its mode, its size, and the size of its compiled code, which lies behind it. That code is used
where Python is of the version that it is for; elsewhere it is compiled here. The checksum is of all that follows.

The file ``complete`` is written when all else is on the disk; a directory without it is made anew.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from errno import EDQUOT, ENOSPC
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import MAGIC_NUMBER, cache_from_source
from struct import pack
from zipimport import ZipImportError, zipimporter

COMPLETE = "complete"
BLOCK_BYTES = 4096


class RefusedError(Exception):
    """The bundle can't be installed here; the text says why."""


class File:
    """One file of a bundle: ``path`` below the directory, ``size`` and ``code_size`` in bytes, where it begins."""

    __slots__ = ("at", "code_size", "mode", "path", "size")

    def __init__(self, line: str, at: int) -> None:
        mode, size, code_size, self.path = line.split(" ", 3)
        self.mode, self.size, self.code_size, self.at = int(mode, 8), int(size), int(code_size), at


class Bundle:
    """What a bundle holds.

    Raises:
        RefusedError: it did not arrive as it was sent, or is for another Python.
    """

    def __init__(self, path: str) -> None:
        try:
            archive = zipimporter(path)
            *head, listing = archive.get_data("index").decode().split("\n", 4)
            contents = archive.get_data("contents")
            said = dict(line.split(" ") for line in head)
            if zlib.crc32(listing.encode(), zlib.crc32(contents)) != int(said["checksum"]):
                raise ValueError("its checksum differs")
        except (ZipImportError, OSError, EOFError, ValueError, KeyError, zlib.error) as error:
            raise RefusedError(f"{path} is damaged ({error})") from None
        here = "{}.{}".format(*sys.version_info)
        if said["python"] != here:
            raise RefusedError(f"it is made for Python {said['python']}, but this is Python {here}")
        self.release = said["release"]
        self.compiled_for_this = said["magic"] == MAGIC_NUMBER.hex()
        self.contents = memoryview(contents)
        self.files = []
        at = 0
        for line in filter(None, listing.split("\n")):
            self.files.append(File(line, at))
            at += self.files[-1].size + self.files[-1].code_size

    @property
    def disk_bytes(self) -> int:
        """What the files take on a disk, at most, where they are compiled."""
        return sum(file.size + (file.code_size or file.size) + 2 * BLOCK_BYTES for file in self.files)

    def source(self, file: File) -> memoryview:
        """What that file holds."""
        return self.contents[file.at : file.at + file.size]

    def code(self, file: File, path: str) -> memoryview | bytes:
        """The code of that module, which will lie at ``path``."""
        begin = file.at + file.size
        if self.compiled_for_this and file.code_size:
            return self.contents[begin : begin + file.code_size]
        return marshal.dumps(compile(bytes(self.source(file)), path, "exec", dont_inherit=True))


def main(arguments: list[str]) -> int:
    """The program; its exit code: 0 if the directory is complete, else 1 after one line on standard error."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python3 -I BUNDLE DIRECTORY\n")
        return 1
    directory = os.path.abspath(arguments[1])
    try:
        if not os.path.exists(f"{directory}/{COMPLETE}"):
            install(Bundle(arguments[0]), directory)
    except RefusedError as error:
        sys.stderr.write(f"can't install wrpme in {directory}: {error}\n")
        return 1
    return 0


def install(bundle: Bundle, directory: str) -> None:
    """Makes that directory, of which nothing is left if that fails.

    Raises:
        RefusedError: the disk is full, the directory can't be written, or what was installed does not run here.
    """
    os.umask(0o022)  # the daemon may run as another user than the one who installs
    try:
        _remove(directory)
        made = _make_directories(bundle, directory)
        made += _unpack(bundle, directory)
        made += _make_environment(directory)
        _try_extensions(bundle, directory)
        for path in made:
            _sync(path)
        _write(f"{directory}/{COMPLETE}", f"{bundle.release}\n".encode(), 0o644)
        for path in (f"{directory}/{COMPLETE}", directory, os.path.dirname(directory)):
            _sync(path)
    except BaseException as error:
        _remove(directory, anyhow=True)
        if not isinstance(error, OSError):
            raise
        reason = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        if error.errno in (ENOSPC, EDQUOT):
            reason += f"; {_mebibytes(bundle.disk_bytes)} are needed, {_mebibytes(_free_bytes(directory))} are free"
        raise RefusedError(reason) from None


def _make_directories(bundle: Bundle, directory: str) -> list[str]:
    wanted = {os.path.dirname(file.path) for file in bundle.files}
    wanted |= {f"{os.path.dirname(file.path)}/__pycache__" for file in bundle.files if file.path.endswith(".py")}
    for path in sorted(wanted):
        os.makedirs(f"{directory}/{path}", exist_ok=True)
    return [path for path, _, _ in os.walk(directory)]


def _unpack(bundle: Bundle, directory: str) -> list[str]:
    """Writes all files, and compiled code beside its source; their paths."""
    written = []
    for file in bundle.files:
        path = f"{directory}/{file.path}"
        changed = _write(path, bundle.source(file), file.mode)
        written.append(path)
        if path.endswith(".py"):
            # It carries the time of its source, as Python writes it: a module that is changed by hand is compiled anew.
            head = MAGIC_NUMBER + pack("<III", 0, changed & 0xFFFFFFFF, file.size)
            written.append(cache_from_source(path))
            _write(written[-1], head, file.mode, bundle.code(file, path))
    return written


def _write(path: str, content: memoryview | bytes, mode: int, more: memoryview | bytes = b"") -> int:
    """Writes a new file, and has the disk begin with it, so that all are there soon; when it was changed, in s."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        file.write(more)
        file.flush()
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return int(os.fstat(file.fileno()).st_mtime)


def _make_environment(directory: str) -> list[str]:
    """What :mod:`venv` would make, which takes longer than all the rest, and is not there on every Debian."""
    base: str = os.path.abspath(getattr(sys, "_base_executable", None) or sys.executable)
    home = os.path.dirname(base)
    name = "python{}.{}".format(*sys.version_info)
    # python3 may be another version tomorrow, for which nothing here is made.
    executable = f"{home}/{name}" if os.path.exists(f"{home}/{name}") else base
    os.symlink(executable, f"{directory}/bin/python")
    for other in ("python3", name):
        os.symlink("python", f"{directory}/bin/{other}")
    said = {
        "home": home,
        "include-system-site-packages": "false",
        "version": "{}.{}.{}".format(*sys.version_info),
        "executable": executable,
    }
    _write(f"{directory}/pyvenv.cfg", "".join(f"{key} = {value}\n" for key, value in said.items()).encode(), 0o644)
    return [f"{directory}/pyvenv.cfg"]


def _try_extensions(bundle: Bundle, directory: str) -> None:
    """Loads what is made for one kind of machine: better now than when a node that ran has been stopped for it."""
    try:
        from ctypes import CDLL
    except ImportError:  # a Python that was built without it
        return
    for file in bundle.files:
        if file.path.endswith((EXTENSION_SUFFIXES[0], ".abi3.so")):
            try:
                CDLL(f"{directory}/{file.path}")
            except OSError as error:
                raise RefusedError(f"{file.path} does not run on this machine ({error})") from None


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(directory: str, anyhow: bool = False) -> None:
    if os.path.lexists(directory):
        import shutil

        shutil.rmtree(directory, ignore_errors=anyhow)


def _free_bytes(directory: str) -> int:
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv))
