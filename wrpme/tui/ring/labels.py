"""The nodes' marks around the ring and their names, which never overlap each other or the ring. Pure.

Names are placed in the order of their importance: what is selected or part of a request's way, what is unwell, then
the others if there are few. Each tries the places around its mark, the longest form of its text first; a name that is
only nice to have is left out where there is no place, any other one moves along the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import cos, pi, sin

from msgspec import Struct

from wrpme.limits import SLOTS
from wrpme.tui.ring.geometry import Geometry
from wrpme.tui.state import format
from wrpme.tui.state.cells import cut, visible, width_of
from wrpme.tui.state.scene import Mood, NodeShown, NodeState, Scene, Way
from wrpme.tui.terminal.palette import Theme, colour_of, name_colour

TICK = "•"
NAME_MIN = 3
"""A name keeps at least so many characters."""
ALIAS_LENGTHS = (24, 12, 8, 5)
"""So many cells of an entry's alias are shown."""
WIDE = 30
"""From this width on a pane keeps its last column free of names."""
SPAN_CELLS = len(" 59 min 59 s")
"""Room that is kept for how long a node is in its state, so that its name does not move as that grows."""
FAR_ROWS = 6
FAR_COLUMNS = 48
"""A name that must be shown moves at most so far away from its mark."""
_GRAVITY = {
    NodeState.DOWN: 0,
    NodeState.SILENT: 1,
    NodeState.SUSPECTED: 2,
    NodeState.LEAVING: 3,
    NodeState.JOINING: 4,
    NodeState.UP: 9,
}


class Mark(Struct, frozen=True):
    """A text at a column and row; ``node`` is the node that it stands for, -1 for an entry."""

    x: int
    y: int
    text: str
    colour: str
    bold: bool
    node: int


class Wish(Struct, frozen=True):
    """A name to be placed beside the mark at a column and row: its forms, the best first, each of one or two lines;
    ``cuts`` are those that show it in part."""

    node: int
    slot: int
    x: int
    y: int
    glyph: str
    forms: tuple[tuple[str, ...], ...]
    cuts: tuple[tuple[str, ...], ...]
    colour: str
    bold: bool
    must: bool


def side_of(scene: Scene, width: int) -> int:
    """Returns how many cells beside the ring are for names; the same in all states."""
    longest = max((len(node.name) for node in scene.nodes), default=0)
    return min(longest + 4, max(3, width // 6))


def roles_of(way: Way | None) -> dict[int, str]:
    """Returns the part that each node has in a request."""
    if way is None:
        return {}
    roles: dict[int, str] = {}
    for node, role in ((way.asked, "asked"), (way.owner, "owner"), *((holder, "copy") for holder in way.holders)):
        if node >= 0 and not (role == "copy" and node == way.owner):
            roles[node] = f"{roles[node]}, {role}" if node in roles else role
    return roles


def kin_of(scene: Scene, selected: int) -> set[int]:
    """Returns the nodes that hold copies of arcs of the selected one, or what it held before it died."""
    if selected < 0:
        return set()
    theirs = [arc for arc in scene.arcs if arc.holders[:1] == (selected,) or selected in arc.awaited]
    return {holder for arc in theirs for holder in arc.holders if holder != selected}


def marks(
    geometry: Geometry, scene: Scene, selected: int, way: Way | None, theme: Theme, glyphs: Mapping[NodeState, str]
) -> list[Mark]:
    """Returns all marks and names; none lies over another."""
    roles, kin = roles_of(way), kin_of(scene, selected)
    few = len(scene.nodes) <= max(3, geometry.height - 4)
    board = _Board(geometry)
    found: list[Mark] = []
    wishes: list[Wish] = []
    if way is not None:
        x, y = geometry.outside(way.slot)
        sign = "◆" if glyphs[NodeState.UP] == format.GLYPHS[NodeState.UP] else "*"
        found.append(Mark(x, y, sign, theme.accent, True, -1))
        board.take(x, y, 1)
        alias = visible(way.alias)
        shown = [(text,) for text in dict.fromkeys(cut(alias, length) for length in ALIAS_LENGTHS)]
        wishes.append(Wish(-1, way.slot, x, y, sign, (shown[0],), tuple(shown[1:]), theme.accent, True, True))
    order = sorted(range(len(scene.nodes)), key=lambda node: _rank(scene.nodes[node], node, selected, roles))
    for index in order:
        node = scene.nodes[index]
        unwell = node.state is not NodeState.UP
        lost = scene.mood is Mood.DISCONNECTED and not few and node.state is NodeState.SILENT  # as all of them are
        must = (unwell and not lost) or index == selected or index in roles
        named = must or few or (index in kin and len(kin) <= 2 * geometry.height)
        dimmed = selected >= 0 and not must and index not in kin
        unknown = scene.mood is Mood.DISCONNECTED or (node.stale and not unwell)
        grey = dimmed or unknown
        colour = theme.dim if grey else _colour(node, theme, colour_of)
        ink = theme.dim if grey else _colour(node, theme, name_colour)
        place = _free(geometry, board, node.place, named, must)
        if place is None:
            continue
        glyph = glyphs[node.state] if named or unwell else (TICK if glyphs[NodeState.UP] != "o" else ".")
        found.append(Mark(*place, glyph, colour, must, index))
        board.take(*place, 1)
        if named:
            forms = tuple(_forms(node, scene.at, roles.get(index, "")))
            lengths = range(len(node.name) - 1, NAME_MIN - 1, -2)
            cuts = tuple((format.cut_middle(node.name, length),) for length in lengths)
            bold = index == selected or unwell
            wishes.append(Wish(index, node.place, *place, glyph, forms, cuts, ink, bold, must))
    for wish in wishes:
        found += _placed(board, wish)
    return found


def _rank(node: NodeShown, index: int, selected: int, roles: Mapping[int, str]) -> tuple[int, int, int]:
    return (0 if index == selected or index in roles else 1, _GRAVITY[node.state], index)


def _colour(node: NodeShown, theme: Theme, own: Callable[[int, Theme], str]) -> str:
    """Returns the colour of a node that is up by ``own``, of any other that of its state."""
    if node.state is NodeState.UP:
        return own(node.colour, theme)
    return {"warn": theme.warn, "bad": theme.bad}.get(format.ROLES[node.state], theme.accent)


def _free(geometry: Geometry, board: _Board, slot: int, named: bool, must: bool) -> tuple[int, int] | None:
    """Returns a cell for a mark: at its position, else further out, else beside it."""
    aside = SLOTS // len(geometry.middles)
    for step in range(2 * FAR_ROWS if must else 1):
        shifted = slot + (step + 1) // 2 * aside * (-1 if step % 2 else 1)
        for skip in range(3 if named else 1):
            x, y = geometry.outside(shifted, skip)
            if board.free(x, y, 1):
                return x, y
    return None


def _forms(node: NodeShown, at: float, role: str) -> Iterator[tuple[str, ...]]:
    """Yields the texts of a node, the best first."""
    name = node.name
    if node.state is not NodeState.UP:
        word = format.word_of(node)
        state = f"{format.state_text(node, at):<{len(word) + SPAN_CELLS}}"
        if role:
            yield f"{name} {role}", state
        yield (f"{name} {state}",)
        yield name, state
        yield (f"{name} {word}",)
        yield name, word
    elif role:
        yield (f"{name} {role}",)
        yield name, role
    yield (name,)


def _placed(board: _Board, wish: Wish) -> list[Mark]:
    for forms in (wish.forms, wish.cuts):
        for form in forms:
            found = _at_one_of(board, wish, form, _places(wish, form), 1)
            if found:
                return found
        for name, *more in forms if wish.must else ():  # away from its mark the text shows the glyph too
            form = (f"{wish.glyph} {name}", *more)
            found = _at_one_of(board, wish, form, _far_places(wish, form), 2)
            if found:
                return found
    return []


def _at_one_of(
    board: _Board, wish: Wish, form: tuple[str, ...], places: Iterable[tuple[int, int]], air: int
) -> list[Mark]:
    wide = max(map(width_of, form))
    for wanted, y in places:
        x = min(max(wanted, 0), board.edge - wide) if air > 1 else wanted
        if all(board.clear(x, y + line, wide, air) for line in range(len(form))):
            right = x + wide <= wish.x
            return [
                _written(board, wish, x + (wide - width_of(text) if right else 0), y + line, text, right)
                for line, text in enumerate(form)
            ]
    return []


def _written(board: _Board, wish: Wish, x: int, y: int, text: str, right: bool) -> Mark:
    """Returns a text in the cells from ``x`` on; it may need fewer of them than are kept for it."""
    wide, shown = width_of(text), text.rstrip()
    board.take(x, y, wide)
    return Mark(x + (wide - width_of(shown) if right else 0), y, shown, wish.colour, wish.bold, wish.node)


def _places(wish: Wish, form: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yields the positions of a text beside its mark, the best first."""
    across, up = sin(2 * pi * wish.slot / SLOTS), cos(2 * pi * wish.slot / SLOTS)
    sides = _sides(wish, form)
    upper, lower = wish.y, wish.y - len(form) + 1
    for x in sides[: 1 if abs(across) > 0.5 else 2]:
        yield from ((x, lower), (x, upper)) if up > 0.3 else ((x, upper), (x, lower))
    for x in (wish.x - max(map(width_of, form)) // 2, *sides, wish.x):
        yield x, (wish.y - len(form) if up > 0 else wish.y + 1)


def _far_places(wish: Wish, form: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yields positions a few rows away from the mark, outwards first, then positions further along its row."""
    outward = -1 if cos(2 * pi * wish.slot / SLOTS) > 0 else 1
    for direction in (outward, -outward):
        for step in range(1, FAR_ROWS + 1):
            for x in (*_sides(wish, form), wish.x):
                yield x, wish.y + direction * step + (1 - len(form) if direction < 0 else 0)
    for step in range(1, FAR_COLUMNS):
        for x in (wish.x + step, wish.x - step):
            yield x, wish.y


def _sides(wish: Wish, form: tuple[str, ...]) -> tuple[int, int]:
    """Returns the columns of a text on both sides of its mark, the outward one first."""
    right, left = wish.x + 2, wish.x - 1 - max(map(width_of, form))
    return (right, left) if sin(2 * pi * wish.slot / SLOTS) >= 0 else (left, right)


class _Board:
    """Keeps which cells are taken."""

    def __init__(self, geometry: Geometry) -> None:
        self._width, self._height = geometry.width, geometry.height
        self.edge = self._width - (1 if self._width >= WIDE else 0)
        self._taken = bytearray(geometry.solid)
        for row in range(self._height):
            inside = geometry.chord(row)
            if inside:
                first = int(geometry.center_x - inside / 2)
                self._taken[row * self._width + first : row * self._width + first + inside] = b"\1" * inside

    def free(self, x: int, y: int, wide: int) -> bool:
        """Returns whether these cells are in the pane, and nothing stands there."""
        if x < 0 or x + wide > self._width or not 0 <= y < self._height:
            return False
        first = y * self._width + x
        return not any(self._taken[first : first + wide])

    def clear(self, x: int, y: int, wide: int, air: int) -> bool:
        """Returns whether these cells are free with so many free cells on both sides; in a wide pane the last column
        stays free."""
        left, right = max(0, x - air), min(self._width, x + wide + air)
        return x + wide <= self.edge and self.free(x, y, wide) and self.free(left, y, right - left)

    def take(self, x: int, y: int, wide: int) -> None:
        """Takes these cells."""
        first = y * self._width + x
        self._taken[first : first + wide] = b"\1" * wide
