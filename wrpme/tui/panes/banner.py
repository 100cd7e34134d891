"""The banner: the condition of the hive in a word and a sentence, its main figures, and which time is shown."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from wrpme.tui.state import format
from wrpme.tui.state.scene import Mode, Mood, NodeState, Scene
from wrpme.tui.terminal.roles import style_of, theme_of

MOODS = {
    Mood.STABLE: ("✓", "good"),
    Mood.STABILIZING: ("◔", "accent"),
    Mood.DEGRADED: ("▲", "warn"),
    Mood.UNAVAILABLE: ("✕", "bad"),
    Mood.DISCONNECTED: ("✕", "bad"),
    Mood.CONNECTING: ("◌", "dim"),
}
"""Sign and role of each mood."""


def word_text(scene: Scene) -> str:
    """Returns the condition in a word, and how far the copying has come."""
    progress = format.progress_text(scene)
    return f"{scene.mood.value}  {progress}" if progress else scene.mood.value


def summary(scene: Scene, note: str, width: int) -> str:
    """Returns the note and the most important figures of the hive that fit into ``width`` cells."""
    if not scene.nodes:
        return note[:width]
    up = sum(node.state is not NodeState.DOWN for node in scene.nodes)
    some = "about " if scene.partial else ""
    parts = [
        note,
        f"{up} of {len(scene.nodes)} nodes up" if up < len(scene.nodes) else format.counted(up, "node", "nodes"),
        f"epoch {scene.epoch}" + (f" gen {scene.generation}" if scene.generation > 1 else ""),
    ]
    if scene.open:
        parts.append("no users")
    if scene.entries is not None:
        parts.append(some + format.counted(scene.entries, "entry", "entries"))
    if scene.operations_per_second is not None:
        parts.append(f"{some}{format.rate_text(scene.operations_per_second)} op/s")
    shown = ""
    for part in (*parts, f"hive {scene.hive[:8]}"):
        if part and len(shown) + len(part) + 2 <= width:
            shown += f"{part}  "
    return shown


class Banner(Widget):
    """The lines at the top of the main screen."""

    DEFAULT_CSS = """
    Banner { height: 2; background: $bar; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.note = ""
        """A remark that is shown all the time, such as that a record is being made."""
        self._scene: Scene | None = None
        self._shown: tuple[object, ...] = ()

    def show(self, scene: Scene) -> None:
        """Shows another moment, or another state of it."""
        figures = summary(scene, self.note, 999)
        shown = (word_text(scene), scene.sentence, scene.warning, figures, format.mode_text(scene))
        if shown != self._shown:
            self._shown = shown
            self._scene = scene
            self.refresh()

    def render(self) -> Text:
        """Returns the lines."""
        scene = self._scene
        if scene is None:
            return Text("")
        width = max(10, self.size.width)
        sign, role = MOODS[scene.mood]
        live = scene.mode is Mode.LIVE
        back = ": 0 returns" if scene.mode is Mode.PAST else ""
        mode = f" {format.mode_text(scene)} " if live else f" {format.mode_text(scene)}, NOT NOW{back} "
        text = Text(no_wrap=True, overflow="ellipsis")
        mood = style_of(self.app, role) + Style(bold=True)
        text.append(f"{sign} {word_text(scene)}  ", mood)
        head = len(text) + len(mode)
        room = max(0, width - head - 1)
        text.append(f"{summary(scene, self.note, room):<{room}} ")
        theme = theme_of(self.app)
        colour = theme.dim if live else theme.warn
        text.append(mode, Style(color=colour, reverse=not live, bold=not live))
        text.append("\n")
        rows = max(1, self.size.height - 1)
        if scene.warning:
            rows = max(1, rows - 1)
            warning = format.clipped(f"▲ {scene.warning}", width)
            text.append(f"{warning}\n", style_of(self.app, "warn") + Style(bold=True))
        lines = format.wrapped(scene.sentence, width)
        more = len(lines) > rows
        if more:
            lines[rows - 1 :] = [format.clipped(" ".join(lines[rows - 1 :]), width - 6)]
        text.append("\n".join(lines), style_of(self.app, "text"))
        if more:
            text.append(" (i)", style_of(self.app, "accent") + Style(bold=True))
        return text
