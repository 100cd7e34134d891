"""The distributions that wrpme needs on a host, for the host's Python and processor.

Where what is installed here runs there too, its files are taken, checked against the record that came with them: an
operator without a package index can send what he has. Everything else pip fetches, once; it is kept in the cache.
"""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from errno import ENOTEMPTY
from hashlib import sha256
from importlib import metadata
from io import StringIO
from pathlib import Path

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wrpme.bootstrap.bundle import pip, strip
from wrpme.bootstrap.bundle.platform import Target
from wrpme.errors import DamagedError, RemoteError

Say = Callable[[str], None]
MISSING = "missing"
"""In place of a wheel: there was none."""
NEW = ".new-"
"""How names of the cache begin that are not complete yet."""
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, StopIteration, zipfile.BadZipFile, zlib.error)
_INSTALLERS = {"INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json", "uv_cache.json"}
"""What whoever installs adds to a distribution, and what we write anew."""


class Need(Struct, frozen=True):
    """A distribution that is needed, or at least wished (``optional``); ``requirement`` is what pip is asked for."""

    name: str
    requirement: str
    optional: bool = False


class Part(Struct, frozen=True):
    """A distribution that is at hand: ``place`` is the wheel, or the directory where it is installed; ``listing`` has
    the files that are sent, by their path in site-packages, with their hash in the form of a RECORD."""

    name: str
    place: Path
    listing: tuple[tuple[str, str], ...]


def cache_directory() -> Path:
    """Where what was fetched and what was made of it is kept."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "wrpme"


def digest(content: bytes) -> str:
    """The hash of a file, in the form of a RECORD."""
    return "sha256=" + urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()


def needs(target: Target) -> tuple[Need, ...]:
    """What wrpme needs there: in the version that is installed here, else any that wrpme accepts."""
    try:
        accepted = {canonicalize_name(one.name): one for one in map(Requirement, metadata.requires("wrpme") or [])}
    except metadata.PackageNotFoundError:
        accepted = {}
    plyvel = "plyvel" if target.python < (3, 12) else "plyvel-next"

    def requirement(name: str) -> str:
        try:
            return f"{name}=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            found = accepted.get(canonicalize_name(name))
            return f"{name}{found.specifier}" if found else name

    return (
        Need("h11", requirement("h11")),
        Need("msgpack", requirement("msgpack")),
        Need("msgspec", requirement("msgspec")),
        Need(plyvel, requirement(plyvel)),
        Need("prometheus-client", requirement("prometheus-client")),
        Need("uvloop", requirement("uvloop"), optional=True),
        *(
            (Need("cryptography", requirement("cryptography")), Need("cffi", requirement("cffi")))
            if target.makes_keys
            else ()
        ),
    )


def known(target: Target) -> tuple[Part, ...] | None:
    """What is needed there, as far as it can be said without fetching anything; None if something must be fetched."""
    parts = []
    for need in needs(target):
        place = _place(need, target)
        part = installed(need.name, target) or _fetched(need, place)
        if part is not None:
            parts.append(part)
        elif not (need.optional and (place / MISSING).exists()):
            return None
    return tuple(parts)


async def collect(target: Target, say: Say) -> dict[Part, Mapping[str, bytes]]:
    """What is needed there, with the contents of all files; ``say`` is told what is being fetched.

    Raises:
        RemoteError: something can't be had; the sentence says what, why, and what to do.
        DamagedError: something that is installed here is not what was installed.
        OSError: the cache can't be written.
    """
    found = await asyncio.gather(*[_one(need, target, say) for need in needs(target)], return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return dict(one for one in found if isinstance(one, tuple))


async def _one(need: Need, target: Target, say: Say) -> tuple[Part, Mapping[str, bytes]] | None:
    here = installed(need.name, target)
    if here is not None:
        return here, await asyncio.to_thread(contents, here)
    place = _place(need, target)
    for fetched_now in (False, True):
        if fetched_now:
            say(f"fetching {need.requirement} for {target}")
            await _fetch(need, target, place)
        if need.optional and (place / MISSING).exists():
            return None
        part = _fetched(need, place)
        if part is not None:
            with suppress(DamagedError):
                found = await asyncio.to_thread(contents, part)
                os.utime(place)
                return part, found
    raise RemoteError(f"the wheel of {need.requirement} that pip fetched for {target} is damaged: it is in {place}")


def installed(name: str, target: Target) -> Part | None:
    """That distribution as it is installed here, if it came as a wheel that runs there as well."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    wheel, record = found.read_text("WHEEL"), found.read_text("RECORD")
    if not wheel or not record:
        return None
    tags = [line.split(":", 1)[1].strip() for line in wheel.split("\n") if line.startswith("Tag:")]
    if not any(map(target.accepts, tags)):
        return None
    programs = {one.name for one in found.entry_points if one.group == "console_scripts"}
    try:
        return Part(name, Path(str(found.locate_file(""))), _listing(record, programs))
    except ValueError:
        return None


def contents(part: Part) -> dict[str, bytes]:
    """All files that are sent of it, by their path in site-packages.

    Raises:
        DamagedError: something is not as its record says.
    """
    try:
        if part.place.is_dir():
            found = {path: (part.place / path).read_bytes() for path, _ in part.listing}
        else:
            with zipfile.ZipFile(part.place) as archive:
                found = {path: archive.read(path) for path, _ in part.listing}
        differs = next((path for path, wanted in part.listing if digest(found[path]) != wanted), "")
    except _UNREADABLE as error:
        differs = str(error)
    if differs:
        again = f"{sys.executable} -m pip install --force-reinstall {part.name} repairs it"
        raise DamagedError(f"{part.name} in {part.place} is not as it was installed ({differs}); {again}")
    return found


def _listing(record: str, programs: Container[str] = ()) -> tuple[tuple[str, str], ...]:
    """The files of a RECORD that are sent, sorted. ``programs`` are of whoever installed it: no module needs them.

    Raises:
        ValueError: it is not a record of modules that lie in site-packages and nowhere else.
    """
    listing = []
    for path, hashed, *_ in csv.reader(StringIO(record, newline="")):
        folder, _, name = path.rpartition("/")
        of_installer = name.endswith(".pyc") or (folder.endswith(".dist-info") and name in _INSTALLERS)
        of_installer |= name in programs and folder.endswith("../bin")
        if of_installer or not strip.is_read(path):
            continue
        outside = path.startswith(("/", "../")) or "/../" in path or ".data/" in path
        if outside or path.endswith(".pth") or not hashed.startswith("sha256="):
            raise ValueError(path)
        listing.append((path, hashed))
    return tuple(sorted(listing))


# --- what pip has fetched --------------------------------------------------------------------------------------------


def _place(need: Need, target: Target) -> Path:
    """The directory of the cache that has that wheel, or :data:`MISSING`, and nothing else."""
    libc = f"{target.libc}{'.'.join(map(str, target.libc_version))}"
    short = sha256(need.requirement.encode()).hexdigest()[:8]
    return cache_directory() / "wheels" / f"{need.name}-{target.abi}-{target.machine}-{libc}-{short}"


def _fetched(need: Need, place: Path) -> Part | None:
    try:
        (wheel,) = place.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
            return Part(need.name, wheel, _listing(archive.read(name).decode()))
    except _UNREADABLE:
        return None


async def _fetch(need: Need, target: Target, place: Path) -> None:
    """Puts the wheel into that directory of the cache, all at once: another process may do the same now."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=place.parent))
    try:
        try:
            await pip.fetch(need.requirement, target, new)
        except pip.NoWheelError:
            if not need.optional:
                raise
            (new / MISSING).touch()
        shutil.rmtree(place, ignore_errors=True)
        try:
            os.rename(new, place)
        except OSError as error:
            if error.errno != ENOTEMPTY:  # the other one was first
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
