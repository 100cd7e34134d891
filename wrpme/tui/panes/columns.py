"""The table of nodes: its columns, which of them fit, in what order the nodes stand, and each cell. Pure.

A row is made of parts, each a text and the role of its colour; roles are names of
:func:`wrpme.tui.terminal.roles.style_of`. What is stale stands in parentheses: it must not be taken for fresh, with or
without colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from wrpme.shell.format import natural
from wrpme.tui.state import format
from wrpme.tui.state.scene import NodeShown, NodeState, Scene

Part = tuple[str, str]
Row = tuple[Part, ...]


class Column(Struct, frozen=True):
    """A column of the table: ``width`` is in cells, ``rank`` its importance (0 first), ``value`` what is sorted by
    (None comes last), ``text`` formats a cell. ``fresh`` says that a cell is only as good as the node's last report."""

    title: str
    width: int
    rank: int
    value: Callable[[NodeShown], Any]
    text: Callable[[NodeShown, int, Scene], str]
    right: bool = True
    fresh: bool = True
    descending: bool = True
    """Whether its largest values come first."""


_SEVERITY = (
    NodeState.DOWN, NodeState.SILENT, NodeState.SUSPECTED, NodeState.LEAVING, NodeState.JOINING, NodeState.UP,
)  # fmt: skip


def _severity(node: NodeShown) -> int:
    return _SEVERITY.index(node.state)


COLUMNS: tuple[Column, ...] = (
    Column("NODE", 22, 0, lambda n: natural(n.address), lambda n, i, s: n.address, False, False, False),
    Column("STATE", 15, 1, _severity, lambda n, i, s: format.state_text(n, s.at), False, False, False),
    Column("SHARE", 7, 3, lambda n: n.share, lambda n, i, s: format.percent(n.share), fresh=False),
    Column("ENTRIES", 7, 4, lambda n: n.entries, lambda n, i, s: format.count_text(n.entries)),
    Column("BYTES", 9, 8, lambda n: n.bytes, lambda n, i, s: format.bytes_text(n.bytes)),
    Column(
        "OPS/S", 6, 2, lambda n: n.operations_per_second, lambda n, i, s: format.rate_text(n.operations_per_second)
    ),
    Column("P50", 7, 7, lambda n: n.p50_seconds, lambda n, i, s: format.latency_text(n.p50_seconds)),
    Column("P99", 7, 6, lambda n: n.p99_seconds, lambda n, i, s: format.latency_text(n.p99_seconds)),
    Column(
        "DISK FREE", 9, 9, lambda n: n.disk_free_bytes and -n.disk_free_bytes,
        lambda n, i, s: format.bytes_text(n.disk_free_bytes or None),
    ),
    Column("DISK", 9, 13, lambda n: n.disk_bytes, lambda n, i, s: format.bytes_text(n.disk_bytes)),
    Column("MEMORY", 9, 10, lambda n: n.memory_bytes, lambda n, i, s: format.bytes_text(n.memory_bytes)),
    Column("UPTIME", 10, 11, lambda n: n.uptime_seconds, lambda n, i, s: format.span(n.uptime_seconds)),
    Column("LEASE", 6, 14, lambda n: n.lease_seconds, lambda n, i, s: _lease(n)),
    Column("BEAT", 6, 15, lambda n: n.heartbeat_age_seconds, lambda n, i, s: _seconds(n.heartbeat_age_seconds)),
    Column("COPIES", 7, 12, lambda n: n.copies, lambda n, i, s: format.count_text(n.copies)),
    Column("IN/S", 9, 16, lambda n: n.received_bytes_per_second, lambda n, i, s: _rate(n.received_bytes_per_second)),
    Column("OUT/S", 9, 17, lambda n: n.sent_bytes_per_second, lambda n, i, s: _rate(n.sent_bytes_per_second)),
    Column("EPOCH", 6, 18, lambda n: n.epoch or None, lambda n, i, s: str(n.epoch) if n.epoch else format.UNKNOWN),
    Column("COPYING", 18, 5, lambda n: None, lambda n, i, s: format.copying_text(i, s), False, False),
)  # fmt: skip


def _rate(bytes_per_second: float | None) -> str:
    return format.bytes_text(bytes_per_second)


def _seconds(seconds: float | None) -> str:
    return format.UNKNOWN if seconds is None else f"{seconds:.1f} s"


def _lease(node: NodeShown) -> str:
    if node.lease_seconds is None:
        return "alone" if node.age is not None else format.UNKNOWN
    return _seconds(node.lease_seconds)


class Layout(Struct, frozen=True):
    """The columns that are shown, with their widths. ``short`` says that nodes stand by their short names, ``keys``
    that each has the character beside it that it has on a ring without colours."""

    columns: tuple[tuple[Column, int], ...]
    short: bool
    keys: bool


def fit(scene: Scene, width: int, keys: bool = False) -> Layout:
    """Returns the most important columns that fit into ``width`` cells, in their order; COPYING only while copies
    move."""
    full = max((len(node.address) for node in scene.nodes), default=8)
    brief = max((len(node.name) for node in scene.nodes), default=4)
    short = width < full + 34
    first = max(4, brief if short else full) + (2 if keys else 0)
    chosen: list[Column] = []
    left = width - (first + 4)
    for column in sorted(COLUMNS[1:], key=lambda column: column.rank):
        if column.title == "COPYING" and not scene.moves:
            continue
        if column.width + 1 > left:
            if column.rank > 1:
                break
            continue
        left -= column.width + 1
        chosen.append(column)
    ordered = [column for column in COLUMNS[1:] if column in chosen]
    spread = [(column, column.width) for column in ordered]
    return Layout(((COLUMNS[0], first + 3), *spread), short, keys)


def ordered(scene: Scene, by: str, reverse: bool, words: str = "") -> list[int]:
    """Returns the indexes of the nodes that match all words, sorted by the column of that title, and by address where
    its values are equal."""
    column = next(column for column in COLUMNS if column.title == by)
    found = [index for index, node in enumerate(scene.nodes) if _matches(node, words)]
    found.sort(key=lambda index: natural(scene.nodes[index].address))
    known = [index for index in found if column.value(scene.nodes[index]) is not None]
    known.sort(key=lambda index: column.value(scene.nodes[index]), reverse=column.descending != reverse)
    return known + [index for index in found if index not in set(known)]


def _matches(node: NodeShown, words: str) -> bool:
    text = f"{node.address} {format.word_of(node)} {node.reason}".lower()
    return all(word in text for word in words.lower().split())


def header(layout: Layout, by: str, reverse: bool) -> Row:
    """Returns the titles, with an arrow at the one that is sorted by."""
    parts: list[Part] = []
    for column, width in layout.columns:
        title = column.title
        if title == by:
            title += "▼" if column.descending != reverse else "▲"
        text = title.rjust(width) if column.right else title.ljust(width)
        parts.append((f"{text} "[: width + 1], "head"))
    return tuple(parts)


def title_at(layout: Layout, x: int) -> str | None:
    """Returns the title of the column at a cell."""
    for column, width in layout.columns:
        if x <= width:
            return column.title
        x -= width + 1
    return None


def row(layout: Layout, index: int, scene: Scene) -> Row:
    """Returns the cells of a node."""
    node = scene.nodes[index]
    parts: list[Part] = []
    for column, width in layout.columns:
        if column.title == "NODE":
            mark = "*" if node.senior else "+" if node.voter else " "
            name = node.name if layout.short else node.address
            if layout.keys:
                name = f"{node.key or '#'} {name}"
            parts.append((f"{format.GLYPHS[node.state]}{mark}", format.ROLES[node.state]))
            parts.append((f"{name[: width - 2]:<{width - 2}} ", f"node{node.colour}"))
            continue
        text = column.text(node, index, scene)
        role = "dim" if column.rank > 10 else "text"
        if column.fresh and node.stale:
            text = f"({text})" if node.age is not None and text != format.UNKNOWN else format.UNKNOWN
            role = "dim"
        elif column.title == "STATE":
            role = format.ROLES[node.state]
        if len(text) > width:
            text = text[: width - 1] + "…"
        parts.append((f"{text.rjust(width) if column.right else text.ljust(width)} ", role))
    return tuple(parts)


def rows(layout: Layout, indexes: Sequence[int], scene: Scene) -> list[Row]:
    """Returns the cells of all these nodes."""
    return [row(layout, index, scene) for index in indexes]
