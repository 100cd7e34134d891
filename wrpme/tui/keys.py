"""Every key of the dashboard, once: bindings, the help page and the reference follow from this table. Pure."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap

from msgspec import Struct


class Key(Struct, frozen=True):
    """A key of the dashboard: ``keys`` is its name in Textual, ``shown`` its name for an operator, ``footer`` its word
    in the key bar (empty: it is not there). ``where`` says where it is of use: "all", "panes" (not while typing),
    "node", "time", "replay", "local" or "machines"."""

    keys: str
    action: str
    shown: str
    what: str
    footer: str = ""
    where: str = "panes"


KEYS: tuple[Key, ...] = (
    Key("enter", "open", "Enter", "opens the node; on an event: goes to that moment", "open"),
    Key("S", "stop", "S", "stops the node in a planned way", "stop", "node"),
    Key("L", "leave", "L", "lets the node go for good, its data first", "leave", "node"),
    Key("F", "forget", "F", "gives up a dead node that never returns", "forget", "node"),
    Key("l", "logs", "l", "the latest log lines of the node", "log", "node"),
    Key("K", "kill", "K", "kill -9 of the node", "kill -9", "local"),
    Key("P", "pause", "P", "pauses the node, or lets it go on", "pause", "local"),
    Key("R", "restart", "R", "starts the node again", "restart", "local"),
    Key("A", "add", "A", "adds a node", "add", "local"),
    Key("M", "add_machine", "M", "adds a node on another machine: its command, to be completed", "add", "machines"),
    Key("space", "pause_time", "Space", "holds the events; in a replay: holds it, or lets it go on", "hold/go", "time"),
    Key("plus,equals_sign", "app.faster(1)", "+", "a replay twice as fast", "faster", "replay"),
    Key("minus", "app.faster(-1)", "-", "half as fast", "slower", "replay"),
    Key("0", "app.now", "0", "back to now; in a replay to its end", "now", "time"),
    Key("left_square_bracket", "app.earlier", "[", "back in time by 5 s, up to 30 min", "earlier", "time"),
    Key("right_square_bracket", "app.later", "]", "forward by 5 s", "later", "time"),
    Key("left_curly_bracket", "app.previous_event", "{", "back to the event before", "", "time"),
    Key("right_curly_bracket", "app.next_event", "}", "forward to the next event", "", "time"),
    Key("question_mark", "help", "?", "all keys, and what the signs on the ring mean", "help"),
    Key("q,ctrl+q", "leave_app", "q", "leaves the dashboard (Ctrl+Q everywhere)", "quit"),
    Key("slash", "filter", "/", "filter of nodes or events: words that a line must have", "filter"),
    Key("colon,s", "shell", ":", "to the shell (s, too)", "shell"),
    Key("n", "nodes", "n", "to the table of nodes", "nodes"),
    Key("e", "events", "e", "to the events (in a low terminal: in the place of the nodes)", "events"),
    Key("escape", "escape", "Esc", "from the shell to the nodes; ends a filter, a full pane, a light", "panes", "all"),
    Key("f1", "keys", "F1", "the same while typing", "help", "all"),
    Key("ctrl+y", "copy_value", "Ctrl+Y", "copies the value that the shell printed last, bit for bit", where="all"),
    Key("ctrl+p", "command_palette", "Ctrl+P", "search among all commands, keys and nodes", "search", "all"),
    Key("o", "sort(1)", "o", "sorts the nodes by the next column (a click on its title, too)"),
    Key("O", "reverse", "O", "turns the order around"),
    Key("z", "zoom", "z", "the pane with the keyboard fills the screen; again: all panes"),
    Key("x", "legend", "x", "hides the line below the ring that explains it; again: shows it"),
    Key("v", "bookkeeping", "v", "the events of views, arcs and votes, too; again: without them"),
    Key("y", "copy", "y", "copies the node's address, or the event, to the clipboard"),
    Key("i", "condition", "i", "the whole sentence about the hive"),
    Key("t", "theme", "t", "next theme: dark, light, high contrast"),
)  # fmt: skip
TIME = tuple(key for key in KEYS if key.action.startswith("app."))
"""The keys that lead through time, on whichever screen."""
WHERE = {
    "all": "Everywhere",
    "panes": "In the panes",
    "node": "On the selected node",
    "local": "On a hive that this shell started (wrpmesh --hive N --tui)",
    "machines": "On a hive of other machines (over SSH)",
    "time": "Through time",
    "replay": "In a replay",
}
SHELL_KEYS = (
    ("Enter", "runs the command; further ones wait their turn"),
    ("Tab", "completes commands and addresses of nodes"),
    ("↑ ↓", "earlier commands, those that begin as what is typed"),
    ("→ or End", "takes the grey rest of the line"),
    ("PgUp PgDn", "scroll the answers; Ctrl+L clears them"),
    ("Ctrl+C", "interrupts the command that runs"),
    ("Ctrl+D, exit", "leaves the dashboard"),
    ("Ctrl+Z", "suspends the dashboard; fg brings it back"),
)
MOUSE = (
    ("click", "selects a node, on the ring or in the table; on a title: sorts by that column"),
    ("two clicks", "open the node; on an event: go to that moment"),
    ("drag", "copies text, within its pane: all of an address or event that is shown shortened"),
    ("Shift+drag", "selects as the terminal does elsewhere, across panes (in some terminals Option or Fn)"),
)

Rows = tuple[tuple[str, str], ...]


class Section(Struct, frozen=True):
    """A part of the help: an introduction, if there is one, and signs or keys with what they mean."""

    title: str
    rows: Rows
    intro: str = ""


RING = Section(
    "The ring",
    (
        ("a dark band with red dots", "this copy is missing; the data is served"),
        ("a band that fills up", "this copy is being made; dashes run where it is still to come"),
        ("moving light stripes", "the new owner does not serve yet: a moment"),
        ("a red hatch on all bands", "no live node holds the arc: its entries are unavailable until one returns"),
        ("bright and dark arcs", "a node is selected: bright is what it holds; of a dead one what it held"),
    ),
    "Each arc is a stretch of the hashes; an entry lives where its alias hashes to. The outermost band is the owner of "
    "the arc, in its colour; each band further in is one more copy, in the colour of the node that holds it.",
)
PLAIN_RING = Section(
    "The ring",
    (
        (".", "this copy is missing; the data is served"),
        (">-", "this copy is being made, and is still to come"),
        ("~", "the new owner does not serve yet: a moment"),
        ("!", "no live node holds the arc: its entries are unavailable until one returns"),
        ("*", "the entry that was asked for"),
    ),
    "Each arc is a stretch of the hashes; an entry lives where its alias hashes to. The outermost band is the owner of "
    "the arc, each band further in one more copy: by the character of the node that holds it, which stands beside its "
    "name in the table (# where there are too many).",
)
NODES = Section(
    "The nodes",
    (
        ("●", "up"),
        ("◐", "suspected: another node misses its heartbeats"),
        ("◌", "no answer here, though the hive has it as up"),
        ("◔", "joining: it does not hold yet what it shall"),
        ("◕", "leaving"),
        ("✕", "down"),
        ("+ *", "in the table: takes part in decisions (a voter), and the senior voter"),
        ("(5)", "in the table: a figure that is old"),
    ),
)
COLUMN_MIN, COLUMN_GAP = 50, 4
"""Two columns are made where each has so many cells; so many are between them."""
KEY_CELLS_MAX = 26


def help_text(local: bool, replay: bool, plain: bool, width: int = 100) -> str:
    """Returns all keys that are of use, by where they are, and the signs of the ring, in lines of ``width`` cells; in
    two columns where there is room. With ``plain`` the signs are those without colours."""
    column = (width - COLUMN_GAP) // 2
    parts = _sections(local, replay, plain)
    if column < COLUMN_MIN:
        return "\n".join(line for part in parts for line in _lines(part, max(20, width)))
    blocks = [_lines(part, column) for part in parts]
    heights = [len(block) for block in blocks]
    cut = min(range(len(blocks)), key=lambda at: max(sum(heights[:at]), sum(heights[at:])))
    left, right = ([line for block in half for line in block] for half in (blocks[:cut], blocks[cut:]))
    pairs = zip_longest(left, right, fillvalue="")
    return "\n".join(f"{one:<{column + COLUMN_GAP}}{other}".rstrip() for one, other in pairs)


def _sections(local: bool, replay: bool, plain: bool) -> list[Section]:
    """Returns the sections that are of use, in their order."""
    left_out = {"local": not local, "replay": not replay, "node": replay, "machines": local or replay}
    found = [
        Section(
            title,
            tuple(
                (key.shown, key.what) for key in KEYS if key.where == where and not (replay and key.action == "shell")
            ),
        )
        for where, title in WHERE.items()
        if not left_out.get(where, False)
    ]
    if not replay:
        found.append(Section("In the shell", SHELL_KEYS))
    found.append(Section("With the mouse", MOUSE))
    return [*found, PLAIN_RING if plain else RING, NODES]


def _lines(part: Section, width: int) -> list[str]:
    """Returns a section in lines of ``width`` cells, and an empty one behind it."""
    lines = [part.title, *(f"  {line}" for line in (wrap(part.intro, width - 2) if part.intro else []))]
    indent = 4 + min(KEY_CELLS_MAX, max(len(shown) for shown, _ in part.rows))
    for shown, what in part.rows:
        first, *others = wrap(what, max(10, width - indent))
        lines.append(f"  {shown:<{indent - 2}}{first}")
        lines += [" " * indent + other for other in others]
    return [*lines, ""]
