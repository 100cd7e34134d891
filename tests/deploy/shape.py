"""What completions and man pages are made of: programs, their options and commands, from the tables of both."""

from __future__ import annotations

from msgspec import Struct

from wrpme import options
from wrpme.daemon.data import main as data
from wrpme.files.option_values import DIRECTORY, FILE
from wrpme.options import WRPME_DATA, WRPMED, WRPMESH, Option, Syntax
from wrpme.shell import commands
from wrpme.shell.commands import Kind, Parameter, Spec

SUMMARIES = {
    "wrpmed": "the daemon of wrpme, a distributed key/value store",
    "wrpmesh": "the shell of a wrpme hive",
    "wrpme-data": "looks at the data directory of a wrpme node that does not run",
}
FILES, DIRECTORIES, ANYTHING, NOTHING = "file", "directory", "any", ""


class Program(Struct, frozen=True):
    """A program with its options, and its commands, if it has any."""

    syntax: Syntax
    commands: tuple[Spec, ...] = ()
    source: str = "wrpme/shell/commands.py"
    """Where the table of the commands is."""
    words: str = ""
    """What follows the options in the synopsis."""

    @property
    def name(self) -> str:
        return self.syntax.name

    @property
    def identifier(self) -> str:
        """Its name as functions of shells may have it."""
        return self.name.replace("-", "_")

    @property
    def head(self) -> str:
        """The line that says what its files are made from."""
        return f"Made by python -m tests.deploy from wrpme/options.py and {self.source}: change them, not this file."

    def syntaxes(self) -> list[tuple[str, Syntax]]:
        """The options of the program under an empty name, and those of each command that has some."""
        found = [(spec.name, spec.options) for spec in self.commands if spec.options.all]
        return [("", self.syntax), *found]


_WORDS = {"DIR": Parameter("DIR", Kind.WORDS, ""), "FILE": Parameter("FILE", Kind.FILE, "")}
DATA_COMMANDS = tuple(
    Spec(name, tuple(map(_WORDS.__getitem__, data.TAKES[name])), what) for name, what in data.COMMANDS.items()
)
PROGRAMS = (
    Program(WRPMED),
    Program(WRPMESH, commands.COMMANDS, words="[COMMAND [ARGUMENT...]]"),
    Program(WRPME_DATA, DATA_COMMANDS, "wrpme/daemon/data/main.py", "COMMAND DIR [FILE]"),
)


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


def takes_directory(spec: Spec) -> bool:
    """Whether the first word of a command names a directory."""
    return any(one.name == "DIR" for one in spec.parameters[:1])


def takes_command(spec: Spec) -> bool:
    """Whether the words of a command name a command."""
    return any(one.kind is Kind.COMMAND for one in spec.parameters)


def described(option: Option) -> str:
    """What an option does, what is allowed and what its default is: the line of the help without its head."""
    row = options.help_lines(Syntax("", (option,)))[0]
    return row.partition("  ")[2].strip()
