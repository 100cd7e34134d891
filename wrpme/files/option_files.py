"""Options from a file of TOML and from variables of the environment: what they say, and what in them is a slip. Pure.

The file of wrpmed has the options by their names. That of wrpmesh also has tables, one for each hive that it names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wrpme import options
from wrpme.files import toml_text
from wrpme.errors import UsageError
from wrpme.options import WRPMED, WRPMESH, Given, Syntax
from wrpme.files.toml_text import TomlLines, shown

VARIABLE_LIKENESS = 0.7
"""How much a variable has in common with the one that was meant: it may also belong to another program."""
_KUBERNETES = re.compile(r"WRPME_(.+_)?(SERVICE_(HOST|PORT.*)|PORT(_.*)?)")
"""What Kubernetes sets in each container beside a service whose name begins with wrpme."""


class OptionFile(Struct, frozen=True):
    """What a file says: values by the names of options, where each stands, and the same for each hive that is named."""

    values: dict[str, Any]
    origins: dict[str, str]
    hives: dict[str, OptionFile]
    source: str


def parse(syntax: Syntax, text: str, source: str) -> OptionFile:
    """Returns what a file with that text says; ``source`` is its name in sentences.

    Raises:
        UsageError: something in it is wrong; the sentence has the line.
    """
    document = toml_text.parse(text, source)
    lines = TomlLines(text)
    named = document.pop("hive", {}) if syntax is WRPMESH else {}
    if not isinstance(named, dict) or not all(isinstance(table, dict) for table in named.values()):
        line = lines.header("hive") or lines.key("", "hive")
        raise UsageError(f"{_place(source, line)}: hive should be tables, each with the name of a hive: [hive.prod]")
    hives = {name: _table(syntax, table, lines, source, name) for name, table in named.items()}
    return replace(_table(syntax, document, lines, source), hives=hives)


def stray_variables(environment: Mapping[str, str]) -> list[str]:
    """Returns variables that begin as ours do and mean nothing here.

    Raises:
        UsageError: one of them looks as if another was meant.
    """
    known = {option.environment for syntax in (WRPMED, WRPMESH) for option in syntax.all if option.environment}
    stray = [
        name
        for name in environment
        if name.startswith("WRPME_") and name not in known and not _KUBERNETES.fullmatch(name)
    ]
    bare = [name.removeprefix("WRPME_").lower() for name in sorted(known)]
    for name in stray:
        if near := options.nearest(name.removeprefix("WRPME_"), bare, VARIABLE_LIKENESS):
            raise UsageError(f"there is no variable {name[:80]}; did you mean WRPME_{near.upper()}?")
    return sorted(stray)


def named_hive(given: Given, file: OptionFile | None, looked_at: str) -> Given:
    """Returns what was given, with what the file says of the hive that was asked for by name, and then of all hives.
    ``looked_at`` is the name of the file, which need not be there.

    Raises:
        UsageError: there is no hive of that name.
    """
    name = given["hive-name"]
    if name:
        hives = file.hives if file is not None else {}
        if name not in hives:
            raise UsageError(_no_hive(name, file, looked_at))
        chosen = hives[name]
        if "daemon" not in chosen.values:
            raise UsageError(
                f'{looked_at}: [hive.{name}] has no daemon; it needs one, such as daemon = "10.0.0.1:5909"'
            )
        values = {key: value for key, value in chosen.values.items() if key not in given}
        origins = {key: chosen.origins[key] for key in values}
        given = replace(given, values=given.values | values, origins=given.origins | origins)
    return options.layered(given, file.values, file.origins) if file is not None else given


def _no_hive(name: str, file: OptionFile | None, looked_at: str) -> str:
    if file is None:
        return f"there is no hive {shown(name)}: the file {looked_at}, which would name it, is not there"
    near = options.nearest(name, list(file.hives))
    if near:
        return f"{looked_at} names no hive {shown(name)}; did you mean {near}?"
    wanted = shown(name).strip('"')
    names = ", ".join(sorted(file.hives)[: options.NAMED_MAX])
    return f"{looked_at} names no hive {shown(name)}; " + (
        f"it has {names}" if names else f"it needs a table [hive.{wanted}]"
    )


def _table(syntax: Syntax, table: Mapping[str, Any], lines: TomlLines, source: str, hive: str = "") -> OptionFile:
    """Reads the options of the file, or of one of its hives."""
    known = {option.name: option for option in syntax.all if option.is_setting}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, given in table.items():
        if hive:
            line = lines.key_below("hive", hive, key)
        else:
            line = lines.key("", key) or lines.header(key)
        place = _place(source, line)
        option = known.get(key)
        if option is None and isinstance(given, dict):
            raise UsageError(f"{place}: there is no table {shown(key)}; options stand before the first table")
        if option is None:
            raise UsageError(f"{place}: {_unknown(syntax, key, list(known))}")
        try:
            values[key] = options.from_toml(option, given)
        except UsageError as error:
            raise UsageError(f"{place}: {key} {error.sentence}") from None
        origins[key] = place
    return OptionFile(values, origins, {}, source)


def _unknown(syntax: Syntax, key: str, known: list[str]) -> str:
    meant = next((one.name for one in syntax.all if one.is_setting and f"--{key}" in one.meant_by), None)
    near = meant or options.nearest(key.replace("_", "-"), known, options.LIKENESS)
    head = f"there is no option {shown(key)}"
    if key.replace("_", "-") in {option.name for option in syntax.all if not option.is_setting}:
        return f"{shown(key)} can't stand in a file; give it on the command line"
    return f"{head}; did you mean {near}?" if near else f"{head}; {syntax.help} lists them"


def _place(source: str, line: int) -> str:
    return f"{source}, line {line}" if line else source
