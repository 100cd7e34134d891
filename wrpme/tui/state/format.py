"""Formats figures in few characters, as an operator reads them; a figure that is not known is ``?``."""

from __future__ import annotations

import re
from datetime import datetime

from rich.cells import cell_len, chop_cells

from wrpme.protocol.quoting import size_text
from wrpme.shell.format import span_text
from wrpme.tui.state.scene import Mode, Mood, NodeShown, NodeState, Scene

UNKNOWN = "?"
GLYPHS = {
    NodeState.UP: "●",
    NodeState.SUSPECTED: "◐",
    NodeState.SILENT: "◌",
    NodeState.JOINING: "◔",
    NodeState.LEAVING: "◕",
    NodeState.DOWN: "✕",
}
ROLES = {
    NodeState.UP: "good",
    NodeState.SUSPECTED: "warn",
    NodeState.SILENT: "warn",
    NodeState.JOINING: "accent",
    NodeState.LEAVING: "accent",
    NodeState.DOWN: "bad",
}
"""The colour role of each state; its glyph and its word tell the same."""
_PARTS = re.compile(r"[^.:\-]*[.:\-]|[^.:\-]+")
_DECIMALS = re.compile(r"\.\d+")
WORDS = {NodeState.SILENT: "no answer"}


def count_text(number: float | None) -> str:
    """Returns a count in at most 5 characters: 999, 12.3k, 4.56M."""
    if number is None:
        return UNKNOWN
    if number < 999.5:
        return f"{number:.0f}"
    for unit in ("k", "M", "G"):
        number /= 1000
        if number < 999.5:
            return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f}{unit}"
    return f"{number / 1000:.1f}T"


def counted(number: float, one: str, many: str) -> str:
    """Returns a count with the singular or the plural of its noun."""
    return f"{count_text(number)} {one if number == 1 else many}"


def rate_text(rate: float | None) -> str:
    """Returns operations per second; below 10 with one decimal."""
    return count_text(rate) if rate is None or rate >= 10 or rate == 0 else f"{rate:.1f}"


def latency_text(seconds: float | None) -> str:
    """Returns a latency with three digits, in us, ms or s."""
    if seconds is None:
        return UNKNOWN
    for unit, size in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        value = seconds / size
        if value < 999.5 or unit == "s":
            return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f} {unit}"
    raise AssertionError("s fits everything")


def bytes_text(size: float | None) -> str:
    """Returns bytes in the unit that fits."""
    return UNKNOWN if size is None else size_text(size)


def bytes_rate_text(size: float | None) -> str:
    """Returns bytes per second in the unit that fits."""
    return UNKNOWN if size is None else f"{size_text(size)}/s"


def span(seconds: float | None) -> str:
    """Returns a span of time in its two largest units."""
    return UNKNOWN if seconds is None else span_text(max(0.0, seconds))


def took_text(seconds: float) -> str:
    """Returns how long something took; below a minute in tenths of seconds."""
    return f"{seconds:.1f} s" if seconds < 60 else span_text(seconds)


def percent(share: float | None) -> str:
    """Returns a share of 0 to 1 in percent."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def progress_text(scene: Scene) -> str:
    """Returns how far the copying has come, in percent; empty if nothing is copied."""
    if scene.progress is None or scene.mood in (Mood.DISCONNECTED, Mood.CONNECTING, Mood.STABLE):
        return ""
    return f"copying {100 * scene.progress:.0f} %"


def clock(at: float) -> str:
    """Returns the local time of day of ``at``, in seconds since 1970."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")  # noqa: DTZ006 - an operator's own time


def word_of(node: NodeShown) -> str:
    """Returns the state in a word."""
    return WORDS.get(node.state, node.state.value)


def state_text(node: NodeShown, at: float) -> str:
    """Returns the state, and for how long it lasts if the node is not up."""
    word = word_of(node)
    if node.state is NodeState.UP or node.since is None:
        return word
    return f"{word} {span(at - node.since)}"


def copying_text(node: int, scene: Scene) -> str:
    """Returns what a node sends and receives, and how far that has come."""
    parts: list[str] = []
    for arrow, moves in (
        ("→", [(move.target, move) for move in scene.moves if move.source == node]),
        ("←", [(move.source, move) for move in scene.moves if move.target == node]),
    ):
        if moves:
            share = sum(move.share for _, move in moves)
            done = sum(move.share * move.done for _, move in moves) / share if share else 0.0
            others = ",".join(dict.fromkeys(scene.nodes[other].name for other, _ in moves[:2]))
            parts.append(f"{arrow}{others}{'..' if len(moves) > 2 else ''} {100 * done:.0f}%")
    return " ".join(parts)


def mode_text(scene: Scene) -> str:
    """Returns which time is shown."""
    if scene.mode is Mode.LIVE:
        return f"LIVE {clock(scene.at)}"
    return f"{scene.mode.value.upper()} {clock(scene.at)}"


def old_text(text: str, width: int) -> str:
    """Returns a figure that is old in parentheses, in ``width`` cells if that is possible: it gives up blanks and
    decimals rather than its unit."""
    if text == UNKNOWN:
        return UNKNOWN
    close = text.replace(" ", "")
    forms = [f"({form})" for form in (text, close, _DECIMALS.sub("", close))]
    return next((form for form in forms if len(form) <= width), forms[-1])


def cut_middle(name: str, width: int) -> str:
    """Returns a name or an address in at most ``width`` characters. It is cut in the middle, never within a number: of
    an address the end tells most, so that its last part is kept first, then its beginning."""
    if len(name) <= width:
        return name
    parts = _PARTS.findall(name)
    kept = len(parts) - 1
    while kept > 1 and sum(map(len, parts[kept - 1 :])) + 1 + len(parts[0]) <= width:
        kept -= 1
    tail = "".join(parts[kept:])
    if len(tail) + 1 > width:
        return name[: max(0, width - 1)].rstrip("0123456789.:-") + "…"[:width]
    room = width - 1 - len(tail)
    head = ""
    for part in parts[:kept]:
        if len(head) + len(part) > room:
            letters = part.rstrip("0123456789.:-")
            head += letters[: room - len(head)].rstrip("0123456789")
            break
        head += part
    return f"{head}…{tail}"


def clipped(text: str, width: int) -> str:
    """Returns a sentence in at most ``width`` characters, cut between two words."""
    if len(text) <= width:
        return text
    words = text[: max(0, width)].rpartition(" ")[0] if width < len(text) else text
    return f"{words.rstrip(' ,;:')} …" if words else "…"[: max(0, width)]


def wrapped(text: str, width: int) -> list[str]:
    """Returns a line as lines of at most ``width`` cells, broken at spaces where there are any; blanks of a table
    stay."""
    return [line for _, line in wrapped_at(text, width)]


def wrapped_at(text: str, width: int) -> list[tuple[str, str]]:
    """Returns the lines of :func:`wrapped`, before each what was left out there: a space, or nothing."""
    first, *words = text.split(" ")
    if cell_len(text) <= width:
        first, words = text, []
    found: list[tuple[str, str]] = []
    joint, line = "", ""
    for number, word in enumerate((first, *words)):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            found.append((joint, line))
            joint, line = " ", word
        else:
            line = f"{line} {word}" if number else word
        if cell_len(line) > width:
            *whole, line = chop_cells(line, width)
            for part in whole:
                found.append((joint, part))
                joint = ""
    return [*found, (joint, line)]
