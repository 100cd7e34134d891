"""The files of ``deploy/`` that are made from the tables of options and commands, and from the parts of units:
``python -m tests.deploy`` writes them, a test compares them."""

from __future__ import annotations

from pathlib import Path

from tests.deploy import completions, man_pages, units
from tests.deploy.shape import PROGRAMS

ROOT = Path(__file__).parent.parent.parent
COMPLETIONS = "deploy/completions"
MAN = "deploy/man"
UNIT = "deploy/systemd/wrpmed.service"


def generated() -> dict[str, str]:
    """The text of each file by its path in the project."""
    files = {UNIT: units.unit()}
    for program in PROGRAMS:
        files[f"{COMPLETIONS}/bash/{program.name}"] = completions.bash(program)
        files[f"{COMPLETIONS}/zsh/_{program.name}"] = completions.zsh(program)
        files[f"{COMPLETIONS}/fish/{program.name}.fish"] = completions.fish(program)
        files[f"{MAN}/{program.name}.1"] = man_pages.page(program)
    return files
