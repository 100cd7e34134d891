"""How an unfinished line may go on: commands at first, then addresses, commands and options where they belong. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wrpme import options
from wrpme.errors import NoSuchCommandError
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol.quoting import SEPARATORS
from wrpme.shell.commands import BY_WORD, WORDS, Kind, Spec, meant, spec_of
from wrpme.shell.parsing import options_before

COPIES = [str(number) for number in range(1, REPLICATION_MAX + 1)]
WORDS_SHOWN_MAX = 12
"""Of the words that a line may begin with, a hint lists so many."""


def complete(line: str, nodes: Sequence[str] = ()) -> list[str]:
    """Returns what the last word of a line may become; ``nodes`` are the addresses that are known."""
    first, *words = line.lstrip(SEPARATORS).split(" ")
    if not words:
        return [word for word in WORDS if word.startswith(first)]
    spec = BY_WORD.get(first)
    if spec is None:
        return []
    return [choice for choice in _choices(spec, words, nodes) if choice.startswith(words[-1])]


def hint(line: str) -> str:
    """Returns a line of help for what has been typed so far: how the command is written and what it does, or what its
    first word may become. Empty where nothing has been typed."""
    line = line.lstrip(SEPARATORS)
    if not line:
        return ""
    word, *rest = line.split(" ", 1)
    try:
        spec = spec_of(word)
    except NoSuchCommandError:
        if rest:
            near = meant(word)
            return f"there is no command {word}" + (f": {near}?" if near else "")
        words = complete(word)
        more = " ..." if len(words) > WORDS_SHOWN_MAX else ""
        return "  ".join(words[:WORDS_SHOWN_MAX]) + more
    fails = f" (fails with {', '.join(spec.fails_with)})" if spec.fails_with else ""
    return f"{spec.syntax}: {spec.summary}{fails}"


def completed(line: str, nodes: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the line as far as it is certain how it goes on, and the words among which it is not."""
    found = complete(line, nodes)
    head = line[: len(line) - len(line.split(" ")[-1])]
    if not found:
        return line, []
    if len(found) == 1:
        return f"{head}{found[0]} ", []
    common = found[0]
    for word in found[1:]:
        while not word.startswith(common):
            common = common[:-1]
    return head + common, found


def takes_file(line: str) -> bool:
    """Returns whether the last word of a line may name a topology file."""
    first, *words = line.lstrip(SEPARATORS).split(" ")
    spec = BY_WORD.get(first)
    if spec is None or not spec.remote or len(words) != 1:
        return False
    return spec.parameters[0].name == "FILE" and not words[0].startswith("-")


def _choices(spec: Spec, words: Sequence[str], nodes: Sequence[str]) -> Sequence[str]:
    """What may stand in the place of the last word of a command."""
    *before, last = words
    is_first = not before and not last
    if spec.remote:
        return () if is_first else options.completions(spec.options, before, nodes)
    if last.startswith("-") and (not spec.options.has_command or options_before(spec, before) == len(before)):
        return options.completions(spec.options, before, nodes)
    if len(before) < len(spec.parameters):
        known = {Kind.ADDRESS: nodes, Kind.COMMAND: WORDS, Kind.COPIES: COPIES}
        return known.get(spec.parameters[len(before)].kind, ())
    return options.completions(spec.options, before, nodes)
