"""What is sent to a host: one file that installs itself, with wrpme and all it needs there.

A release is named after what is in it: ``0.1.0-5f3a09c2`` are the version and a digest of all files that are installed.
The same files have the same name on any day and whoever made the bundle, so a host that has a release needs no other.
Bundles are kept in the cache under the digest of the file itself, by which a damaged one is noticed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import marshal
import os
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

from msgspec import Struct

from wrpme import version
from wrpme.bootstrap.bundle import installer, strip, wheels
from wrpme.bootstrap.bundle.platform import OLDEST_PYTHON, Target, target_of
from wrpme.bootstrap.bundle.wheels import Part, Say, digest
from wrpme.bootstrap.limits import BUNDLES_CACHED_MAX, CACHE_LEFT_SECONDS, WHEELS_CACHED_MAX
from wrpme.errors import StorageError

__all__ = ["Bundle", "Target", "bundle", "release", "target_of"]

_HERE_ONLY = {"bootstrap", "contrib", "tui", "__pycache__"}
"""A host runs the daemon, and wrpmesh in pipes and for single commands; the rest needs packages that are not sent."""
_SCRIPTS = {"wrpmed": "wrpme.daemon.main", "wrpmesh": "wrpme.cli"}
_SCRIPT = """\
#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -B "$0" "$@"
' '''
import sys

from {module} import main

sys.exit(main())
"""
"""Works wherever the directory is, and writes no bytecode into it."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all entries of a zip: the first that it can say."""


class Bundle(Struct, frozen=True):
    """A file that installs ``release`` (``python3 -I PATH DIRECTORY``)."""

    release: str
    path: Path
    size_bytes: int


class _Entry(Struct, frozen=True):
    """A file that is installed, by its path in the directory of the release."""

    path: str
    content: bytes
    mode: int = 0o644


_Stat = tuple[int, int, int]
_made: dict[Target, tuple[Bundle, _Stat | None]] = {}
"""What this process has found good, and what its file looked like then."""
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, defaultdict[Target, asyncio.Lock]] = WeakKeyDictionary()


async def bundle(target: Target, say: Say) -> Bundle:
    """What is sent to such a machine, from the cache, or collected now; ``say`` is told what is being fetched.

    Raises:
        RemoteError: something that is needed there can't be had; the sentence says what, why, and what to do.
        DamagedError: something that is installed here is not what was installed.
        StorageError: the cache can't be written.
    """
    locks = _locks.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))
    async with locks[target]:
        try:
            found, seen = _made.get(target, (None, None))
            if found is None or seen != _seen(found.path) or found.path.parent != _bundles():
                found = await asyncio.to_thread(_cached, target)
                if found is None:
                    parts = await wheels.collect(target, say)
                    found = await asyncio.to_thread(_build, target, parts)
                _made[target] = found, _seen(found.path)
            return found
        except OSError as error:
            where = f"{wheels.cache_directory()}, where what is sent to hosts is kept"
            advice = "make room there, or set XDG_CACHE_HOME to another directory"
            raise StorageError(f"can't write {where} ({error.strerror or error}); {advice}") from None


def _seen(path: Path) -> _Stat | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def release(target: Target) -> str:
    """The name of what would be sent to such a machine; empty while that is not known, as wheels must be fetched
    first."""
    parts = wheels.known(target)
    return "" if parts is None else _name(target, _own(target), parts)


def _name(target: Target, own: Mapping[str, bytes], parts: Iterable[Part]) -> str:
    whole = sha256(f"{target.abi} {target.machine} {target.libc}\n".encode())
    for rules in (installer, strip):  # they decide what becomes of the files
        whole.update(sha256(Path(str(rules.__file__)).read_bytes()).digest())
    listing = {path: digest(content) for path, content in own.items()}
    for part in parts:
        listing.update(part.listing)
    for path, hashed in sorted(listing.items()):
        whole.update(f"{path} {hashed}\n".encode())
    return f"{version.VERSION}-{whole.hexdigest()[:8]}"


def _own(target: Target) -> dict[str, bytes]:
    """The files of wrpme itself, by their path in site-packages."""
    root = Path(version.__file__).parent
    found = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _HERE_ONLY]
        for file in files:
            if file.endswith(".py") or file == "py.typed":
                path = Path(directory, file)
                found[path.relative_to(root.parent).as_posix()] = path.read_bytes()
    oldest = ".".join(map(str, OLDEST_PYTHON))
    said = ["Metadata-Version: 2.1", "Name: wrpme", f"Version: {version.VERSION}", f"Requires-Python: >={oldest}"]
    said += [f"Requires-Dist: {need.name}" for need in wheels.needs(target) if not need.optional]
    scripts = [f"{name} = {module}:main" for name, module in _SCRIPTS.items()]
    about = f"wrpme-{version.VERSION}.dist-info"
    found[f"{about}/METADATA"] = "".join(f"{line}\n" for line in said).encode()
    found[f"{about}/entry_points.txt"] = "".join(f"{line}\n" for line in ["[console_scripts]", *scripts]).encode()
    return found


# --- the file --------------------------------------------------------------------------------------------------------


def _build(target: Target, parts: Mapping[Part, Mapping[str, bytes]]) -> Bundle:
    """Makes the bundle and puts it into the cache.

    Raises:
        OSError: the cache can't be written.
    """
    own = _own(target)
    name = _name(target, own, parts)
    content = _zipped(name, target, _entries(target, [own, *parts.values()]))
    directory = _bundles()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(prefix=wheels.NEW, dir=directory)
    try:
        with open(handle, "wb") as file:
            file.write(content)
        path = directory / f"{name}.{sha256(content).hexdigest()[:16]}.zip"
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise
    _prune(directory, BUNDLES_CACHED_MAX)
    _prune(directory.parent / "wheels", WHEELS_CACHED_MAX)
    return Bundle(name, path, len(content))


def _entries(target: Target, distributions: Iterable[Mapping[str, bytes]]) -> list[_Entry]:
    """All files of the directory of the release but those that name the machine: sorted, each distribution with the
    record of its files as they are there."""
    packages = f"lib/python{target.python_version}/site-packages"
    entries = []
    for files in distributions:
        lines = []
        for path, content in files.items():
            entry = _Entry(f"{packages}/{path}", strip.without_debug_information(content))
            lines.append(f"{_quoted(path)},{digest(entry.content)},{len(entry.content)}\n")
            entries.append(entry)
        about = next(path.partition("/")[0] for path in files if path.split("/")[0].endswith(".dist-info"))
        for kept, text in (("INSTALLER", "wrpme\n"), ("RECORD", "".join([*sorted(lines), f"{about}/RECORD,,\n"]))):
            entries.append(_Entry(f"{packages}/{about}/{kept}", text.encode()))
    for name, module in _SCRIPTS.items():
        entries.append(_Entry(f"bin/{name}", _SCRIPT.format(module=module).encode(), 0o755))
    return sorted(entries, key=lambda entry: entry.path)


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if "," in path or '"' in path else path


def _zipped(name: str, target: Target, entries: Iterable[_Entry]) -> bytes:
    """The bundle, as :mod:`wrpme.bootstrap.bundle.installer` reads it. All files are compressed as one, and what Python
    makes of them here is sent along if it is of the version that runs there."""
    same = sys.version_info[:2] == target.python and sys.implementation.name == "cpython"
    lines, contents = [], []
    for entry in entries:
        code = b""
        if same and entry.path.endswith(".py"):
            code = marshal.dumps(compile(entry.content, entry.path, "exec", dont_inherit=True, optimize=0))
        lines.append(f"{entry.mode:o} {len(entry.content)} {len(code)} {entry.path}\n")
        contents += [entry.content, code]
    whole = b"".join(contents)
    said = {"release": name, "python": target.python_version, "magic": importlib.util.MAGIC_NUMBER.hex()}
    checksum = zlib.crc32("".join(lines).encode(), zlib.crc32(whole))
    head = [f"{key} {value}\n" for key, value in {**said, "checksum": checksum}.items()]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in (
            ("__main__.py", Path(installer.__file__).read_bytes()),
            ("index", "".join(head + lines).encode()),
            ("contents", whole),
        ):
            archive.writestr(zipfile.ZipInfo(path, _TIME), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


# --- the cache -------------------------------------------------------------------------------------------------------


def _bundles() -> Path:
    return wheels.cache_directory() / "bundles"


def _cached(target: Target) -> Bundle | None:
    """The bundle for that machine, if it is in the cache; damaged ones are removed.

    Raises:
        OSError: the cache can't be read.
    """
    name = release(target)
    for path in _bundles().glob(f"{name}.*.zip") if name else ():
        with suppress(FileNotFoundError):  # removed by another process
            content = path.read_bytes()
            if sha256(content).hexdigest()[:16] == path.name.split(".")[-2]:
                os.utime(path)
                return Bundle(name, path, len(content))
            path.unlink()
    return None


def _prune(directory: Path, count_max: int) -> None:
    """Removes what has not been used for longest, and what nobody will complete; nothing that may be in use."""
    with suppress(FileNotFoundError):
        ages = sorted((time.time() - path.lstat().st_mtime, path) for path in directory.iterdir())
        for number, (seconds, path) in enumerate(ages):
            if seconds > CACHE_LEFT_SECONDS and (number >= count_max or path.name.startswith(wheels.NEW)):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
