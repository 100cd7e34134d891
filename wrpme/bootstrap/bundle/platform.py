"""What a machine is, as far as wheels are concerned: its Python, its processor and its C library. Pure.

The names of wheels say where they run (PEP 425, 600 and 656): ``cp311-cp311-manylinux_2_17_x86_64`` is CPython 3.11 on
x86_64 with glibc 2.17 or later. ``musllinux`` is the same for musl, ``any`` needs no processor in particular.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Protocol

from msgspec import Struct
from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from wrpme.errors import RemoteError

OLDEST_PYTHON = (3, 11)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "i486": "i686", "i586": "i686"}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""By the minor version of glibc: names of before PEP 600."""
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
"""Elsewhere it is 17."""


class Described(Protocol):
    """What a machine says of itself: the hello of the agent."""

    @property
    def python(self) -> tuple[int, int, int]: ...

    @property
    def machine(self) -> str: ...

    @property
    def libc(self) -> tuple[str, str]: ...


class Target(Struct, frozen=True):
    """CPython ``python`` (major, minor) on ``machine`` with ``libc`` (glibc or musl) of ``libc_version``.

    ``makes_keys`` says whether keys are made there, which takes one more library.
    """

    python: tuple[int, int]
    machine: str
    libc: str
    libc_version: tuple[int, int]
    makes_keys: bool = False

    def __str__(self) -> str:
        libc = ".".join(map(str, self.libc_version))
        return f"Python {self.python_version} on {self.machine} with {self.libc} {libc}"

    @property
    def python_version(self) -> str:
        """As in ``3.11``."""
        return ".".join(map(str, self.python))

    @property
    def abi(self) -> str:
        """As in ``cp311``."""
        return "cp" + "".join(map(str, self.python))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there, best first. (``packaging`` knows those of this machine only.)"""
        major, minor = self.libc_version
        if self.libc == "musl":
            return tuple(f"musllinux_{major}_{step}_{self.machine}" for step in range(minor, -1, -1))
        oldest = _OLDEST_GLIBC.get(self.machine, 17)
        tags = []
        for step in range(minor, oldest - 1, -1):
            tags.append(f"manylinux_{major}_{step}_{self.machine}")
            if step in _LEGACY:
                tags.append(f"{_LEGACY[step]}_{self.machine}")
        return tuple(tags)

    def accepts(self, tag: str) -> bool:
        """Whether a wheel of that tag (``PYTHON-ABI-PLATFORM``, each possibly several with dots between) runs there."""
        try:
            return not _tags(self).isdisjoint(parse_tag(tag))
        except ValueError:  # no tag at all
            return False


@cache
def _tags(target: Target) -> frozenset[Tag]:
    """The tags of all wheels that run there."""
    binary = cpython_tags(target.python, [target.abi], target.platforms)
    return frozenset((*binary, *compatible_tags(target.python, target.abi, target.platforms)))


def target_of(hello: Described) -> Target:
    """What wheels that machine needs; the patch level of its Python makes no difference.

    Raises:
        RemoteError: wrpme does not run on such a machine; the sentence does not name it.
    """
    python, (libc, version) = hello.python[:2], hello.libc
    machine = hello.machine.lower()
    machine = _MACHINES.get(machine, machine)
    numbers = re.match(r"(\d{1,2})\.(\d{1,2})", version)
    if libc not in ("glibc", "musl") or numbers is None:
        found = f"{libc} {version}".strip() or "neither"
        raise RemoteError(f"wrpme runs on Linux with glibc or musl, but this is {found}")
    if not re.fullmatch(r"[a-z0-9_]{1,32}", machine):
        raise RemoteError(f"no wheel is made for a machine of the kind {machine[:40]!r}")
    if python < OLDEST_PYTHON:
        raise RemoteError(f"wrpme needs Python 3.11 or later, but this is Python {'.'.join(map(str, python))}")
    return Target(python, machine, libc, (int(numbers[1]), int(numbers[2])))
