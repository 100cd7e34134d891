"""What tests of bundles share: this machine as a target, and small bundles."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from wrpme.bootstrap.bundle import installer
from wrpme.bootstrap.bundle.platform import Target, target_of


PYTHON = getattr(sys, "_base_executable", sys.executable)
"""As it is on a host: no virtual environment."""


class Here:
    """This machine, as its agent would describe it."""

    python = sys.version_info[:3]
    machine = platform.machine()
    libc = (platform.libc_ver()[0] or "musl", platform.libc_ver()[1] or "1.2")


def here() -> Target:
    """What wheels this machine needs."""
    return target_of(Here())


def skip_without_index(sentence: str) -> None:
    """Skips the test if that says that no package index can be reached; on CI one can."""
    if "pip can't read" in sentence and not os.environ.get("CI"):
        pytest.skip(sentence)


def small_bundle(path: Path, files: dict[str, bytes], python: str = "", magic: str = "", checksum: int = 0) -> Path:
    """A bundle with these files by their path in site-packages, without compiled code."""
    version = python or "{}.{}".format(*sys.version_info)
    script = b"#!/bin/sh\n"
    whole = b"".join(files.values()) + script
    packages = f"lib/python{version}/site-packages"
    lines = [f"644 {len(content)} 0 {packages}/{name}\n" for name, content in files.items()]
    listing = "".join([*lines, f"755 {len(script)} 0 bin/script\n"])
    head = f"release 1.0-{'0' * 8}\npython {version}\nmagic {magic or importlib.util.MAGIC_NUMBER.hex()}\n"
    head += f"checksum {checksum or zlib.crc32(listing.encode(), zlib.crc32(whole))}\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(str(installer.__file__), "__main__.py")
        archive.writestr("index", head + listing)
        archive.writestr("contents", whole)
    return path
