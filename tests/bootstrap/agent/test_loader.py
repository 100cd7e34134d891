"""Modules out of sources that came through a channel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wrpme.bootstrap.agent import loader

SOURCES = {
    "far.away.agent": '"""A package."""\nX = 1\n',
    "far.away.agent.one": "from far.away.agent import X\nfrom far.away.agent.two import Y\nZ = X + Y\n",
    "far.away.agent.two": "Y = 2\ndef fail(): raise ValueError(1)\n",
    "far.away.agent.broken": "this is no Python",
}


def run(program: str) -> str:
    """In a Python of its own, in which the loader is all that there is of us."""
    text = Path(loader.__file__).read_text()
    whole = f"{text}\nsys.meta_path.insert(0, Sources({SOURCES!r}))\n{program}"
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", whole], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_modules_import_each_other() -> None:
    assert run("import far.away.agent.one as one; print(one.Z)") == "3\n"


def test_packages_above_are_empty() -> None:
    assert run("import far.away.agent; print(hasattr(far.away, 'X'), far.away.agent.X)") == "False 1\n"


def test_what_nobody_imports_is_not_compiled() -> None:
    assert "SyntaxError" in run("import far.away.agent.broken")
    assert run("import far.away.agent.two; print('fine')") == "fine\n"


def test_a_traceback_names_the_module() -> None:
    said = run("import far.away.agent.two as two; two.fail()")
    assert 'File "far/away/agent/two.py", line 2, in fail' in said


@pytest.mark.parametrize("name", ["far.away.agent.missing", "far.missing", "missing"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    assert f"No module named '{name}'" in run(f"import {name}")
