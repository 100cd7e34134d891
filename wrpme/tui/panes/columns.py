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
from wrpme.tui.state.figures import FIGURES
from wrpme.tui.state.lines import Part, Row
from wrpme.tui.state.scene import NodeShown, NodeState, Scene


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


def _of(label: str, title: str, width: int, rank: int) -> Column:
    """Returns the column of a figure."""
    figure = FIGURES[label]
    return Column(title, width, rank, figure.value, lambda n, i, s: figure.text(n, s), fresh=figure.told)


_SEVERITY = (
    NodeState.DOWN, NodeState.SILENT, NodeState.SUSPECTED, NodeState.LEAVING, NodeState.JOINING, NodeState.UP,
)  # fmt: skip


def _severity(node: NodeShown) -> int:
    return _SEVERITY.index(node.state)


COLUMNS: tuple[Column, ...] = (
    Column("NODE", 22, 0, lambda n: natural(n.address), lambda n, i, s: n.address, False, False, False),
    Column("STATE", 15, 1, _severity, lambda n, i, s: format.state_text(n, s.at), False, False, False),
    _of("share", "SHARE", 7, 5),
    _of("entries", "ENTRIES", 7, 6),
    _of("bytes", "BYTES", 9, 8),
    _of("op/s", "OPS/S", 6, 2),
    _of("p50", "P50", 7, 4),
    _of("p99", "P99", 7, 3),
    _of("disk free", "DISK FREE", 9, 9),
    _of("disk", "DISK", 9, 13),
    _of("memory", "MEMORY", 9, 10),
    _of("uptime", "UPTIME", 10, 11),
    _of("lease", "LEASE", 6, 14),
    _of("heartbeat", "BEAT", 6, 15),
    _of("copies", "COPIES", 7, 12),
    _of("received", "IN", 10, 16),
    _of("sent", "OUT", 10, 17),
    _of("epoch", "EPOCH", 8, 18),
    Column("COPYING", 18, 7, lambda n: None, lambda n, i, s: format.copying_text(i, s), False, False),
)


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
            parts.append((f"{format.cut_middle(name, width - 2):<{width - 2}} ", f"node{node.colour}"))
            continue
        text = column.text(node, index, scene)
        role = "dim" if column.rank > 10 else "text"
        if column.fresh and node.stale:
            text = format.old_text(text, width) if node.age is not None else format.UNKNOWN
            role = "dim"
        elif column.title == "STATE":
            role = format.ROLES[node.state]
        if len(text) > width:
            text = text[: width - 1] + "…"
        parts.append((f"{text.rjust(width) if column.right else text.ljust(width)} ", role))
    return tuple(parts)


def whole(layout: Layout, index: int, scene: Scene, part: int) -> str:
    """Returns what a part of :func:`row` stands for if it is shown shortened, else nothing: of a node its address."""
    node = scene.nodes[index]
    if part == 1:
        return node.address
    column, width = layout.columns[max(0, part - 1)]
    text = column.text(node, index, scene) if part and not (column.fresh and node.stale) else ""
    return text if len(text) > width else ""


def rows(layout: Layout, indexes: Sequence[int], scene: Scene) -> list[Row]:
    """Returns the cells of all these nodes."""
    return [row(layout, index, scene) for index in indexes]
