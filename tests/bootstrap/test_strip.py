"""What is left out of wheels, and that what is left of libraries still loads."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.bootstrap.bundle.strip import is_read, without_debug_information

LIBRARIES = [Path(str(import_module(name).__file__)) for name in ("msgspec._core", "uvloop.loop")]


def test_what_only_compilers_read_stays_here() -> None:
    assert not is_read("uvloop/loop.pyx")
    assert not is_read("msgspec/__init__.pyi")
    assert is_read("uvloop/__init__.py")
    assert is_read("plyvel.libs/libleveldb-e43d8649.so.1.22.0")
    assert is_read("uvloop-0.23.0.dist-info/licenses/LICENSE-MIT")


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda path: path.name.split(".")[0])
def test_a_library_loads_without_what_is_cut_off(library: Path, tmp_path: Path) -> None:
    whole = library.read_bytes()
    slim = without_debug_information(whole)
    assert len(slim) < len(whole)
    assert slim[64:] == whole[64 : len(slim)], "nothing but the head of the file is changed"
    assert without_debug_information(slim) == slim
    (tmp_path / library.name).write_bytes(slim)
    code = f"import ctypes; ctypes.CDLL({str(tmp_path / library.name)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("content", [b"", b"print()", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01" + bytes(200)])
def test_anything_else_stays_as_it_is(content: bytes) -> None:
    assert without_debug_information(content) == content


@given(head=st.binary(max_size=200))
def test_a_file_that_only_begins_like_a_library(head: bytes) -> None:
    content = b"\x7fELF\x02\x01" + head
    assert content.startswith(without_debug_information(content)[:16])
