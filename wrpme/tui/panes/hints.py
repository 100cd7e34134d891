"""What stands beside a command while it is typed: how it is written, what it does, or what its first word may become.
Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wrpme.errors import NoSuchCommandError
from wrpme.shell.commands import SEPARATORS, WORDS, nearest, spec_of
from wrpme.shell.completion import complete

WORDS_SHOWN_MAX = 12


def hint(line: str) -> str:
    """A line of help for what has been typed so far; empty where nothing has."""
    line = line.lstrip(SEPARATORS)
    if not line:
        return ""
    word, *rest = line.split(" ", 1)
    try:
        spec = spec_of(word)
    except NoSuchCommandError:
        if rest:
            near = nearest(word, WORDS)
            return f"there is no command {word}" + (f": {near}?" if near else "")
        words = complete(word)
        more = " ..." if len(words) > WORDS_SHOWN_MAX else ""
        return "  ".join(words[:WORDS_SHOWN_MAX]) + more
    fails = f" (fails with {', '.join(spec.fails_with)})" if spec.fails_with else ""
    return f"{spec.syntax}: {spec.summary}{fails}"


def completed(line: str, nodes: Sequence[str]) -> tuple[str, list[str]]:
    """The line as far as it is certain how it goes on, and the words among which it is not."""
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
