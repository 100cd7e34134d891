"""The line below the ring that says what its bands are, until the user has dismissed it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rich.text import Text
from textual.widget import Widget

from wrpme.tui.state.scene import NodeShown, NodeState, Scene
from wrpme.tui.terminal.roles import style_of

DISMISSED = "legend-dismissed"
"""The name of the file, beside the history of the shell, that says so."""
_HIDES = "x hides"


class Legend(Widget):
    """Shows the line. ``directory`` is where the user's dismissal is kept between runs."""

    DEFAULT_CSS = """
    Legend { height: 1; }
    """

    def __init__(self, directory: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._file = directory / DISMISSED
        self.text = ""
        self.plain = False
        """Whether the ring is drawn with characters."""
        self.display = not self._file.exists()

    def show(self, scene: Scene, selected: NodeShown | None) -> None:
        """Explains the ring of a scene, on which the arcs of ``selected`` are lit."""
        width = max(0, self.size.width - len(_HIDES) - 2)
        text = next((form for form in explained(scene, selected, self.plain) if len(form) <= width), "")
        if text != self.text:
            self.text = text
            self.refresh()

    def toggle(self) -> None:
        """Dismisses the line for this run and all later ones, or shows it again. Where that can't be kept, it holds for
        this run."""
        self.display = not self.display
        with suppress(OSError):
            if self.display:
                self._file.unlink(missing_ok=True)
            else:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)

    def render(self) -> Text:
        """Returns the line."""
        text = Text(f" {self.text}", style_of(self.app, "dim"), no_wrap=True)
        text.append(" " * max(1, self.size.width - len(text) - len(_HIDES) - 1))
        text.append(_HIDES, style_of(self.app, "dim"))
        return text


def explained(scene: Scene, selected: NodeShown | None, plain: bool = False) -> tuple[str, ...]:
    """Returns what the bands of the ring are, in fewer and fewer words; with ``plain`` those of characters."""
    bright, red, colour = ("bold", "dots", "character") if plain else ("bright", "red", "colour")
    if selected is not None and selected.state is NodeState.DOWN:
        return (
            f"{bright}: what {selected.name} held, and who has it now; {red}: a copy is missing",
            f"{bright}: what {selected.name} held; {red}: no copy",
            f"{bright}: what it held",
        )
    if selected is not None:
        return (
            f"{bright}: what {selected.name} owns and its copies, and the copies that it holds",
            f"{bright}: what {selected.name} owns or holds",
            f"{bright}: what it holds",
        )
    if scene.replication < 2:
        return f"each arc has the {colour} of the node that owns it", f"the {colour} of who owns it"
    return (
        "outer band: who owns an arc; inner bands: who has a copy",
        "outer band: owner, inner: copy",
        "owner outside, copy inside",
    )
