"""What completions and man pages are made of: programs, their options and commands, from the tables of both."""

from __future__ import annotations

from msgspec import Struct

from wrpme import options
from wrpme.files.option_values import DIRECTORY, FILE
from wrpme.options import WRPMED, WRPMESH, Option, Syntax
from wrpme.shell import commands
from wrpme.shell.commands import Kind, Spec

HEAD = "Made by python -m tests.deploy from wrpme/options.py and wrpme/shell/commands.py: change them, not this file."
SUMMARIES = {"wrpmed": "the daemon of wrpme, a distributed key/value store", "wrpmesh": "the shell of a wrpme hive"}
FILES, DIRECTORIES, ANYTHING, NOTHING = "file", "directory", "any", ""


class Program(Struct, frozen=True):
    """A program with its options, and its commands, if it has any."""

    syntax: Syntax
    commands: tuple[Spec, ...] = ()

    @property
    def name(self) -> str:
        return self.syntax.name

    def syntaxes(self) -> list[tuple[str, Syntax]]:
        """The options of the program under an empty name, and those of each command that has some."""
        found = [(spec.name, spec.options) for spec in self.commands if spec.options.all]
        return [("", self.syntax), *found]


PROGRAMS = (Program(WRPMED), Program(WRPMESH, commands.COMMANDS))


def value_kind(option: Option) -> str:
    """How the value of an option is completed: with files or directories, its choices, or by nobody; empty for a
    flag."""
    if option.value is None:
        return NOTHING
    if option.value.choices:
        return " ".join(option.value.choices)
    return {FILE: FILES, DIRECTORY: DIRECTORIES}.get(option.value, ANYTHING)


def takes_file(spec: Spec) -> bool:
    """Whether the words of a command name a file."""
    return any(one.kind in (Kind.FILE, Kind.SOURCE) or one.name == "FILE" for one in spec.parameters)


def takes_command(spec: Spec) -> bool:
    """Whether the words of a command name a command."""
    return any(one.kind is Kind.COMMAND for one in spec.parameters)


def described(option: Option) -> str:
    """What an option does, what is allowed and what its default is: the line of the help without its head."""
    row = options.help_lines(Syntax("", (option,)))[0]
    return row.partition("  ")[2].strip()
