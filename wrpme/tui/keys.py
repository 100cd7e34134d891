"""Every key of the dashboard, once: bindings, the help page and the reference follow from this table. Pure."""

from __future__ import annotations

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
    Key("ctrl+p", "command_palette", "Ctrl+P", "search among all commands, keys and nodes", "search", "all"),
    Key("o", "sort(1)", "o", "sorts the nodes by the next column (a click on its title, too)"),
    Key("O", "reverse", "O", "turns the order around"),
    Key("z", "zoom", "z", "the pane with the keyboard fills the screen; again: all panes"),
    Key("v", "bookkeeping", "v", "the events of views, arcs and votes, too; again: without them"),
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
)


def help_text(local: bool, replay: bool, plain: bool) -> str:
    """Returns all keys that are of use, by where they are, and the signs of the ring; with ``plain`` those without
    colours."""
    lines: list[str] = []
    for where, title in WHERE.items():
        if (where == "local" and not local) or (where == "replay" and not replay) or (where == "node" and replay):
            continue
        if where == "machines" and (local or replay):
            continue
        shown = [key for key in KEYS if key.where == where and not (replay and key.action == "shell")]
        lines += [title, *(f"  {key.shown:<8} {key.what}" for key in shown), ""]
    if not replay:
        lines += ["In the shell", *(f"  {shown:<14} {what}" for shown, what in SHELL_KEYS), ""]
    return "\n".join([*lines, PLAIN_SIGNS if plain else SIGNS, NODE_SIGNS])


SIGNS = """\
The ring
  Each arc is a stretch of the hashes; an entry lives where its alias hashes to. The outermost
  band is the owner of the arc, in its colour; each band further in is one more copy, in the
  colour of the node that holds it.
  A dark band with red dots   this copy is missing; the data is served
  A band that fills up        this copy is being made; dashes run where it is still to come
  Moving light stripes        the new owner does not serve yet: a moment
  A red hatch on all bands    no live node holds the arc: its entries are unavailable until one
                              returns"""
PLAIN_SIGNS = """\
The ring
  Each arc is a stretch of the hashes; an entry lives where its alias hashes to. The outermost
  band is the owner of the arc, each band further in one more copy: by the character of the
  node that holds it, which stands beside its name in the table (# where there are too many).
  .    this copy is missing; the data is served
  >-   this copy is being made, and is still to come
  ~    the new owner does not serve yet: a moment
  !    no live node holds the arc: its entries are unavailable until one returns
  *    the entry that was asked for"""
NODE_SIGNS = """\
The nodes
  ● up   ◐ suspected: another node misses its heartbeats   ◌ no answer here, though the hive has it
  as up   ◔ joining: it does not hold yet what it shall   ◕ leaving   ✕ down
  In the table: + takes part in decisions (a voter), * the senior voter; (in parentheses) figures
  that are old"""
