"""Man pages as groff reads them. That they are those of the tables is in test_completions.py."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests import programs
from tests.deploy.generated import MAN, ROOT
from tests.deploy.shape import PROGRAMS, Program


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_groff_reads_a_page_and_shows_all_of_it(program: Program) -> None:
    groff = [
        programs.program("groff"),
        "-man",
        "-Tutf8",
        "-ww",
        "-rLL=200n",
        "-P-cbou",
        str(ROOT / MAN / f"{program.name}.1"),
    ]
    found = subprocess.run(groff, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    shown = " ".join(found.stdout.split())
    for option in program.syntax.all:
        assert f"{', '.join(option.spellings)} {option.value_shown}".rstrip() in shown
    for spec in program.commands:
        assert " ".join(spec.syntax.split()) in shown
        assert " ".join(spec.detail.split()) in shown
    assert not re.search(r"\\[&e(-]", shown), "an escape is shown as it is"
