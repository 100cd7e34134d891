"""The man pages as texts of roff, with the macros of man(7)."""

from __future__ import annotations

from tests.deploy.shape import PROGRAMS, SUMMARIES, Program, described
from wrpme import options
from wrpme.options import Option, Syntax
from wrpme.shell.commands import Kind, Spec
from wrpme.version import VERSION

_ABOUT = {
    "wrpmed": (
        "A node keeps a part of the entries of its hive, and copies of others. Without --peer and data it founds "
        "a hive, with --peer it joins that of the peer, in any order of start. On a directory with data it comes back.",
    ),
    "wrpmesh": (
        "Without COMMAND it is interactive, or takes one command a line from standard input.",
        "An option counts before a variable of the environment, and that before the file of options.",
    ),
    "wrpme-data": (
        "DIR is the data directory of a node (--root of wrpmed, db/HOST-PORT without it); one that is in use is "
        "refused. Only compact changes it: the other commands look at a copy, for which tables are linked and the rest "
        "is copied.",
        "Where the hive has other copies nothing of this is needed: a node that is started sets a damaged directory "
        "aside, and gets its copies anew.",
    ),
}
_EXIT = {
    "wrpmed": (
        ("0", "The node was stopped in a planned way."),
        ("1", "It can't start, or can't go on; one sentence on standard error says why."),
        ("2", "An option or a value is wrong."),
    ),
    "wrpmesh": (
        ("0", "All went well. As for hive_status: the hive is stable."),
        ("1", "A command failed, or the answer of exists is no."),
        ("2", "The command line is wrong."),
        ("3", "hive_status: the hive is stabilizing or degraded."),
        ("4", "hive_status: the hive is unavailable."),
        ("130, 141, 143", "It was ended by Ctrl-C, by a reader that has gone, or by SIGTERM."),
    ),
    "wrpme-data": (
        ("0", "All went well."),
        ("1", "Something in the directory is not as it must be, or it can't be read."),
        ("2", "The command line is wrong, or the directory is none of a node."),
        ("130, 141", "It was ended by Ctrl-C, or by a reader that has gone."),
    ),
}
_SIGNALS = (
    ("SIGTERM, SIGINT", "A planned stop: the hive is told first, then the node ends. A second one ends it at once."),
    ("SIGHUP", "The log file is opened again, and the file of options read again."),
)
_FILES = {
    "wrpmed": (("db/HOST-PORT", "The data directory under the current one, without --root."),),
    "wrpmesh": (("~/.config/wrpme/wrpmesh.toml", "The file of options, and of hives with their names."),),
}


def page(program: Program) -> str:
    """The page of a program."""
    name = program.name
    lines = [
        f'.\\" {program.head}',
        f'.TH {_plain(name.upper())} 1 "" "wrpme {VERSION}" "wrpme"',
        ".nh",
        ".ad l",
        ".SH NAME",
    ]
    lines += [f"{_plain(name)} \\- {_plain(SUMMARIES[name])}", ".SH SYNOPSIS", f".B {_plain(name)}"]
    lines += [_plain(f"{options.synopsis(program.syntax)} {program.words}".rstrip()), ".SH DESCRIPTION"]
    for paragraph in _ABOUT[name]:
        lines += [".PP", _plain(paragraph)]
    lines += [".SH OPTIONS", *_options(program.syntax)]
    if program.commands:
        lines += [".SH COMMANDS"]
        for spec in program.commands:
            lines += _command(spec)
        kinds = {one.kind: one.name for spec in program.commands for one in spec.parameters}
        rows = [(shown, kind.value) for kind, shown in kinds.items() if kind is not Kind.WORDS]
        lines += [".SH ARGUMENTS", *_rows(sorted(rows))]
    if name == "wrpmed":
        lines += [".SH SIGNALS", *_rows(_SIGNALS)]
    variables = [(one.environment, f"Serves for {one.written}.") for one in program.syntax.all if one.environment]
    if variables:
        lines += [".SH ENVIRONMENT", *_rows(variables)]
    if name in _FILES:
        lines += [".SH FILES", *_rows(_FILES[name])]
    others = [f".BR {_plain(other.name)} (1)" for other in PROGRAMS if other is not program]
    lines += [".SH EXIT STATUS", *_rows(_EXIT[name]), ".SH SEE ALSO", *",\n".join(others).split("\n")]
    return "\n".join([*lines, ""])


def _command(spec: Spec) -> list[str]:
    lines = [".SS " + _quoted(spec.syntax), _plain(f"{spec.summary[0].upper()}{spec.summary[1:]}.")]
    if spec.detail:
        lines.append(_plain(spec.detail))
    if spec.synonyms:
        lines.append(_plain(f"The same: {', '.join(spec.synonyms)}."))
    if spec.fails_with:
        lines.append(_plain(f"Fails with {', '.join(spec.fails_with)}."))
    return lines + _options(spec.options)


def _options(syntax: Syntax) -> list[str]:
    return _rows([(_head(option), described(option)) for option in syntax.all])


def _head(option: Option) -> str:
    return f"{', '.join(option.spellings)} {option.value_shown}".rstrip()


def _rows(rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> list[str]:
    return [line for head, text in rows for line in (".TP", f".B {_plain(head)}", _plain(text))]


def _plain(text: str) -> str:
    """A text as roff shows it: a dash that can be copied, nothing that begins a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _quoted(text: str) -> str:
    return '"' + _plain(text).replace('"', '""') + '"'
