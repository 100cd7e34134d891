"""The scripts in ``tests/core/scripts``: what the nodes say and do upon each command is compared, line by line.

``WRPME_SCRIPTS=write pytest tests/core/test_scripts.py`` writes what they say now into the files; read the difference
before you commit it. docs/simulation.md, "Scripts", tells how one is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.core import script_rules
from tests.core.script_driver import Driver
from tests.sim import bounds, mutations

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "simulation.md"
SCRIPTS = sorted((ROOT / "tests" / "core" / "scripts").glob("*.txt"))
WRITE = os.environ.get("WRPME_SCRIPTS") == "write"
FEW_ARCS = {"STRETCHES_FIRST": 1}
SILENCE = "(nothing)"
RULES = mutations.ALL | {rule.__name__: rule for rule in script_rules.ALL}
"""What a script may name after ``fails if``."""


@dataclass
class Step:
    """Some commands, and what is seen of them; ``text`` is whatever stands before them."""

    text: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)


def steps_of(text: str) -> Iterator[Step]:
    """A block ends with an empty line; a line of four dashes stands between commands and what is expected."""
    for block in re.split(r"\n{2,}", text.strip()):
        lines = block.splitlines()
        step = Step([line for line in lines if line.startswith("#")])
        rest = [line for line in lines if not line.startswith("#")]
        at = rest.index("----") if "----" in rest else len(rest)
        step.commands, step.expected = rest[:at], rest[at + 1 :]
        yield step


def words_after(text: str, label: str) -> list[str]:
    """Of a line of the heading, such as ``# fails if: no_lease, no_promise``."""
    found = re.search(rf"^# {label}: (.*)$", text, re.MULTILINE)
    return re.split(r",?\s+", found[1]) if found else []


def bounds_of(text: str) -> dict[str, int]:
    pairs = (word.split("=") for word in words_after(text, "bounds"))
    return FEW_ARCS | {name: int(value) for name, value in pairs}


def played(text: str) -> str:
    """The script with what the nodes say now."""
    driver, blocks = Driver(), []
    with bounds.small(True, bounds_of(text)):
        for step in steps_of(text):
            seen = [line for command in step.commands for line in driver.run(command)]
            said = ["----", *(seen or [SILENCE])] if step.commands else []
            blocks.append("\n".join([*step.text, *step.commands, *said]))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_nodes_say_what_the_script_says(path: Path) -> None:
    text = path.read_text("utf-8")
    now = played(text)
    if WRITE:
        path.write_text(now, "utf-8")
    else:
        assert now == text


@pytest.mark.parametrize(
    ("path", "rule"),
    [(path, rule) for path in SCRIPTS for rule in words_after(path.read_text("utf-8"), "fails if")],
    ids=lambda value: value.stem[:2] if isinstance(value, Path) else value,
)
def test_a_broken_rule_is_seen(path: Path, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that shows a rule shows something else without it."""
    text = path.read_text("utf-8")
    monkeypatch.setattr(*RULES[rule]())
    try:
        now = played(text)
    except AssertionError:  # a node contradicts itself, or what the script waits for never comes
        return
    assert now != text


def test_each_script_has_a_title_and_says_what_breaks_it() -> None:
    for number, path in enumerate(SCRIPTS, 1):
        text = path.read_text("utf-8")
        assert path.name.startswith(f"{number:02d}-"), "they are read in order"
        assert re.match(r"# \S.*[^.]\n#\n(# \S.*\n)+", text), f"{path.name} begins with a title and why it matters"
        assert words_after(text, "fails if"), f"{path.name} can't fail"


def test_the_document_lists_all_scripts_and_commands() -> None:
    text = DOCUMENT.read_text("utf-8")
    lines = [f"| [{path.stem}](../{path.relative_to(ROOT)}) | {title(path)} |" for path in SCRIPTS]
    head = ["<!-- scripts -->", "", "| script | what it shows |", "|---|---|"]
    table = "\n".join([*head, *lines, "", "<!-- /scripts -->"])
    if WRITE:
        text = re.sub(r"<!-- scripts -->.*?<!-- /scripts -->", table, text, flags=re.DOTALL)
        DOCUMENT.write_text(text, "utf-8")
    assert table in text, "WRPME_SCRIPTS=write writes it"
    for name in vars(Driver):
        if name.startswith("do_"):
            command = "by hand" if name == "do_by_hand" else name.removeprefix("do_")
            assert re.search(rf"`{command}[ `]", text), f"{command} is not among the commands"
            assert any(re.search(rf"^{command}\b", path.read_text("utf-8"), re.MULTILINE) for path in SCRIPTS), command


def title(path: Path) -> str:
    return path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
