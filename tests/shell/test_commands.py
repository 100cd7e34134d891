"""The table of commands, and the help that follows from it."""

from __future__ import annotations

from wrpme import errors
from wrpme.options import COMMANDS, help_lines
from wrpme.shell import commands
from wrpme.shell.commands import Command, help_text
from wrpme.shell.parsing import parse, parse_words


def test_help_of_every_command() -> None:
    for spec in commands.COMMANDS:
        assert spec.syntax in help_text()
        text = help_text(spec.name)
        assert text.startswith(spec.syntax) and spec.summary in text
        assert all(word in text for word in (*spec.fails_with, *spec.synonyms)), spec.name
        assert all(f"    {line}" in text for line in help_lines(spec.options)), spec.name
        assert all(word in {kind.word for kind in errors.BY_CODE.values()} for word in spec.fails_with), spec.name


def test_help_stays_narrow() -> None:
    lines = help_text().splitlines()
    assert max(map(len, lines)) <= 120
    at = lines.index(commands.spec_of("node_start").syntax)
    assert lines[at + 1].strip() == commands.spec_of("node_start").summary
    assert lines[at + 1].index(lines[at + 1].strip()) == lines[0].index("prints the content")


def test_commands_about_other_machines_check_their_words_there() -> None:
    remote = [spec.name for spec in commands.COMMANDS if spec.remote]
    files = ["check", "plan", "apply", "logs", "upgrade", "rotate", "stop", "start", "destroy"]
    assert remote == ["node_start", *(f"hive_{name}" for name in files)]
    for name in remote:
        assert parse(name) == parse_words([name]) == Command(name)


def test_options_belong_to_commands_that_take_them() -> None:
    """Each one of the table is a command's, and either carried out elsewhere or a field of the command."""
    assert set(COMMANDS) <= set(commands.BY_WORD)
    for name, syntax in COMMANDS.items():
        if not commands.spec_of(name).remote:
            assert {option.name.replace("-", "_") for option in syntax.all} <= set(Command.__struct_fields__)
