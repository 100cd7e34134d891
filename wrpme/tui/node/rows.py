"""What the screen of one node says, as rows of parts: a text and the role of its colour. Pure.

Figures that are not of the moment that is shown stand in parentheses, with their age above them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from wrpme.limits import SLOTS
from wrpme.protocol.administration import SlowLog, place_in_words
from wrpme.shell.format import escaped, natural, slow_request
from wrpme.tui.node.graph import Points, columns, trendline
from wrpme.tui.state import format
from wrpme.tui.state.figures import BY_SERIES, FIGURES, Figure
from wrpme.tui.state.lines import Part, Row, broken
from wrpme.tui.state.scene import ArcShown, Mode, Mood, NodeShown, NodeState, Scene

FIGURE_CELLS = 25
LABEL_CELLS = 10
BAR_CELLS = 16
LEVELS = {"DEBUG": "dim", "INFO": "text", "WARN": "warn", "ERROR": "bad", "AUDIT": "accent"}
"""Role of each level of a log line."""


def index_of(node: bytes, scene: Scene) -> int | None:
    """Returns the place of that node in the scene; None if it is no member at that moment."""
    return next((at for at, other in enumerate(scene.nodes) if other.id == node), None)


def counted(number: int, one: str, many: str) -> str:
    """Returns a count with the singular or the plural of its noun."""
    return f"{number} {one if number == 1 else many}"


# --- the head ----------------------------------------------------------------------------------------------------


def head(node: NodeShown, scene: Scene) -> Row:
    """Returns the node's address and state, and since when it is in that state."""
    role = format.ROLES[node.state]
    word = format.word_of(node)
    parts: list[Part] = [(f"{format.GLYPHS[node.state]} ", role), (node.address, f"node{node.colour}"), ("  ", "text")]
    if node.since is not None:
        word += f" for {format.span(scene.at - node.since)}, since {format.clock(node.since)}"
    parts.append((word, role))
    if node.reason:
        parts.append((f": {node.reason}", "text"))
    return tuple(parts)


def subhead(node: NodeShown, scene: Scene) -> Row:
    """Returns the node's id, its version, and its part in decisions."""
    vote = "senior voter" if node.senior else "voter" if node.voter else "not a voter"
    known = [f"id {node.id.hex()[:8]}", f"wrpme {node.version}" if node.version else "", vote, f"epoch {scene.epoch}"]
    if node.key:
        known.append(f"{node.key} on the ring")
    return (("  ".join(part for part in known if part), "dim"),)


def absent_head(address: str, scene: Scene) -> Row:
    """Returns the heading for a node that is no member at that moment."""
    if not scene.nodes:
        why = "no node has told anything yet" if scene.mode is Mode.LIVE else "nothing is known of the hive"
    else:
        why = "is no member of the hive"
    when = "" if scene.mode is Mode.LIVE else f" at {format.clock(scene.at)}"
    return ("? ", "warn"), (address or "this node", "bold"), (f"  {why}{when}", "warn")


def time_part(scene: Scene) -> Part:
    """Returns which time is shown; ``!`` in a role reverses it."""
    if scene.mode is Mode.LIVE:
        if scene.mood is Mood.DISCONNECTED and scene.silent_since is not None:
            return f" NO WORD SINCE {format.clock(scene.silent_since)} ", "bad!"
        return f" {format.mode_text(scene)} ", "dim"
    return f" {format.mode_text(scene)} - NOT NOW ", "warn!"


# --- figures -----------------------------------------------------------------------------------------------------


class FigureShown(Struct, frozen=True):
    """A figure of one node as it is shown; ``series`` names its series over time if no graph shows it."""

    label: str
    text: str
    role: str = "text"
    series: str = ""


def figures(node: NodeShown, scene: Scene) -> list[FigureShown]:
    """Returns the figures of a node, the important ones first."""
    return [_shown(label, figure, node, scene) for label, figure in FIGURES.items()]


def _shown(label: str, figure: Figure, node: NodeShown, scene: Scene) -> FigureShown:
    text = figure.text(node, scene)
    series = "" if figure.graphed else figure.series
    if figure.told and node.stale:
        return FigureShown(label, format.old_text(text, FIGURE_CELLS - LABEL_CELLS), "dim", series)
    return FigureShown(label, text, "warn" if figure.warns(node, scene) else "text", series)


def figures_title(node: NodeShown | None) -> str:
    """Returns the title of the figures, with their age if they are stale."""
    if node is None:
        return "FIGURES"
    if node.age is None:
        return "FIGURES: it has told none"
    return f"FIGURES OLD: as of {format.span(node.age)} ago" if node.stale else "FIGURES"


def figure_rows(
    shown: Sequence[FigureShown],
    series: Mapping[str, Points],
    span: tuple[float, float],
    size: tuple[int, int],
    plain: bool,
) -> list[Row]:
    """Returns the figures below each other with what they were like in the span of time, or in several columns if they
    would be too high for ``size`` (width and height)."""
    width, height = size
    if height >= len(shown) and width >= FIGURE_CELLS:
        bars = width - FIGURE_CELLS - 2
        return [
            (*_figure(one, FIGURE_CELLS), *_trend(one, series, span, bars, plain)) if bars >= 4 else _figure(one, width)
            for one in shown
        ]
    across = max(1, (width + 2) // (FIGURE_CELLS + 1))
    down = -(-len(shown) // across)
    rows = []
    for line in range(down):
        parts: list[Part] = []
        for one in shown[line::down]:
            parts += [*_figure(one, FIGURE_CELLS - 1), ("  ", "text")]
        rows.append(tuple(parts))
    return rows


def _figure(figure: FigureShown, width: int) -> Row:
    room = width - LABEL_CELLS
    return (f"{figure.label:<{LABEL_CELLS}}", "dim"), (f"{figure.text[:room]:<{room}}", figure.role)


def _trend(
    figure: FigureShown, series: Mapping[str, Points], span: tuple[float, float], width: int, plain: bool
) -> Row:
    points = series.get(figure.series)
    if not points:
        return ((" " * (width + 2), "text"),)
    bars, scale = trendline(columns(points, *span, width), BY_SERIES[figure.series].unit, width, plain)
    return (f"  {bars}", "accent"), (scale, "dim")


# --- arcs --------------------------------------------------------------------------------------------------------

ROLE_CELLS = len("owner, not served") + 1
ARCS_HEADING: Row = ((f"{'ARC':<10}  SHARE  {'ROLE':<{ROLE_CELLS}}COPIES  WITH", "head"),)


def arcs(node: int, scene: Scene) -> list[Row]:
    """Returns a row for each arc that the node owns, holds or receives, in the order of the ring; positions are the
    first digits of hashes."""
    return [_arc(arc, node, scene) for arc in scene.arcs if _has(arc, node)]


def arcs_title(node: int | None, scene: Scene) -> str:
    """Returns how many arcs of each kind there are."""
    if node is None:
        return "ARCS"
    own = [arc for arc in scene.arcs if arc.holders and arc.holders[0] == node]
    copies = sum(node in arc.holders[1:] for arc in scene.arcs)
    parts = [f"{len(own)} owned", counted(copies, "copy", "copies")]
    if incoming := sum(any(one.node == node for one in arc.incoming) for arc in scene.arcs):
        parts.append(f"{incoming} incoming")
    if lacking := sum(_has(arc, node) and arc.lacking > 0 for arc in scene.arcs):
        parts.append(f"{lacking} {'lacks' if lacking == 1 else 'lack'} copies")
    return f"ARCS {', '.join(parts)}"


def _has(arc: ArcShown, node: int) -> bool:
    return node in arc.holders or any(one.node == node for one in arc.incoming)


def _arc(arc: ArcShown, node: int, scene: Scene) -> Row:
    end = f"{arc.end - 1:04x}"
    word, role = _role(arc, node)
    grave = "bad" if not arc.served else "warn" if arc.lacking else "dim"
    others = [other for other in arc.holders if other != node]
    parts: list[Part] = [
        (f"{arc.first:04x}-{end} ", "text"),
        (f"{100 * (arc.end - arc.first) / SLOTS:6.2f} % ", "text"),
        (f"{word:<{ROLE_CELLS}}", role),
        (f"{arc.wanted - arc.lacking} of {arc.wanted}  ", grave),
        *(_named(other, scene) for other in others),
    ]
    for one in arc.incoming:
        if one.node != node:
            parts += [_named(one.node, scene), (f"at {100 * one.done:.0f} % ", "accent")]
    return tuple(parts)


def _role(arc: ArcShown, node: int) -> Part:
    coming = next((one for one in arc.incoming if one.node == node), None)
    if coming is not None:
        return f"incoming {100 * coming.done:.0f} %", "accent"
    word = "owner" if arc.holders[0] == node else "copy"
    if not arc.served:
        return f"{word}, not served", "bad"
    if arc.changing:
        return f"{word}, not yet" if word == "owner" else word, "accent"
    return word, "bold" if word == "owner" else "text"


def _named(node: int, scene: Scene) -> Part:
    other = scene.nodes[node]
    sign = "" if other.state is NodeState.UP else format.GLYPHS[other.state]
    return f"{sign}{other.name} ", f"node{other.colour}"


# --- neighbours --------------------------------------------------------------------------------------------------


def neighbours(node: int, scene: Scene, plain: bool) -> list[Row]:
    """Returns what the node sends and receives, then each neighbour: when it was heard, and who suspects whom."""
    return [*_moves(node, scene, plain), *_heard(node, scene)]


def _moves(node: int, scene: Scene, plain: bool) -> list[Row]:
    rows: list[Row] = []
    for move in scene.moves:
        if node not in (move.source, move.target):
            continue
        sends = move.source == node
        rows.append(
            (
                (f"{bar(move.done, BAR_CELLS, plain)} {100 * move.done:3.0f} %  ", "accent"),
                (
                    f"{'sends' if sends else 'receives'} {format.percent(move.share)} {'to' if sends else 'from'} ",
                    "text",
                ),
                _named(move.target if sends else move.source, scene),
            )
        )
    return rows


def _heard(node: int, scene: Scene) -> list[Row]:
    this = scene.nodes[node]
    by_address = {other.address: at for at, other in enumerate(scene.nodes)}
    heard = dict(this.neighbours)
    against = {other.address for other in scene.nodes if this.address in other.suspects}
    rows: list[Row] = []
    for address in sorted({*heard, *this.suspects, *against}, key=natural):
        at = by_address.get(address)
        state = scene.nodes[at].state if at is not None else NodeState.DOWN
        age = f"heard {format.took_text(heard[address])} ago" if address in heard else "no neighbour"
        parts: list[Part] = [
            (f"{format.GLYPHS[state]} ", format.ROLES[state]),
            (f"{address} ", f"node{scene.nodes[at].colour}" if at is not None else "text"),
            (f"({age})" if this.stale else age, "dim" if this.stale else "text"),
        ]
        if address in this.suspects:
            parts.append(("  suspected by this node", "warn"))
        if address in against:
            parts.append(("  suspects this node", "warn"))
        rows.append(tuple(parts))
    return rows


def bar(done: float, width: int, plain: bool) -> str:
    """Returns a bar that shows how far something has come, 0 to 1."""
    full = round(min(1.0, max(0.0, done)) * width)
    return ("#" if plain else "█") * full + ("-" if plain else "░") * (width - full)


# --- what the node itself says -----------------------------------------------------------------------------------


def log_rows(lines: Sequence[str], width: int) -> list[Row]:
    """Returns the lines of a log, broken where they are too long; the date stands where it changes."""
    rows: list[Row] = []
    day = ""
    for line in lines:
        date, _, rest = escaped(line, keep="").partition(" ")
        clock, _, rest = rest.partition(" ")
        level = rest[:5].strip()
        if level not in LEVELS or date.count("-") != 2:
            rows += broken((), escaped(line, keep=""), "text", width)
            continue
        if date != day:
            day = date
            rows.append(((date, "dim"),))
        role = LEVELS[level]
        rows += broken(((f"{clock} ", "dim"), (f"{level:<6}", role)), rest[6:].strip(), role, width)
    return rows


def slow_rows(slow: SlowLog, width: int) -> list[Row]:
    """Returns a row for each slow request, the latest last, and how many there were."""
    rows: list[Row] = []
    for one in reversed(slow.requests):
        took = f"{one.milliseconds:7.0f} ms  "
        begin = ((f"{format.clock(one.at / 1000)} ", "dim"), (took, "warn"))
        rows += broken(begin, f"{escaped(slow_request(one), keep='')}  {place_in_words(one)}", "text", width)
    told = f"{slow.noted} over {slow.threshold_milliseconds:g} ms since its start"
    return [*rows, *broken((), told, "dim", width)]


def config_rows(config: Mapping[str, Any], width: int) -> list[Row]:
    """Returns a configuration as JSON, an option to a line, with where its value is from."""
    rows: list[Row] = []
    traced = {name: found for name, found in config.items() if isinstance(found, dict) and "origin" in found}
    values = {name: found.get("value") if name in traced else found for name, found in config.items()}
    for line in json.dumps(values, indent=2, ensure_ascii=False).split("\n"):
        name, colon, value = line.partition('": ')
        if not colon:
            value = line.lstrip()
            name = line[: len(line) - len(value)]
        elif (found := traced.get(name.removeprefix('  "'))) is not None:
            value += f"  # {found['origin']}"
        rows += broken(((name + colon, "dim"),), escaped(value, keep=""), "text", width)
    return rows
