"""Windows over the dashboard: a question with its consequence, a password, and all keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class Confirm(ModalScreen[bool]):
    """Asks whether to do ``what``; ``consequence`` says what comes of it. With ``word``, that word is to be typed."""

    DEFAULT_CSS = """
    Confirm { align: center middle; background: $background 60%; }
    Confirm > Vertical { width: 76; max-width: 94%; height: auto; max-height: 90%; padding: 1 2;
        border: round $warning; background: $surface; }
    Confirm .what { text-style: bold; color: $text-warning; }
    Confirm .consequence { margin: 1 0; }
    Confirm Input { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes, do it"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, what: str, consequence: str, word: str = "") -> None:
        super().__init__()
        self._what = what
        self._consequence = consequence
        self._word = word

    def compose(self) -> ComposeResult:
        """Yields the question, its consequence, and how to answer."""
        with Vertical():
            yield Static(self._what, classes="what", markup=False)
            yield Static(self._consequence, classes="consequence", markup=False)
            if self._word:
                yield Input(placeholder=f"type {self._word} to do it; Esc leaves all as it is")
            else:
                yield Static("y  do it      n or Esc  leave all as it is", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Answers the question; if a word is asked for, a key can only say no."""
        if not (yes and self._word):
            self.dismiss(yes)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answers yes if the word was typed, else no."""
        event.stop()
        self.dismiss(event.value.strip() == self._word)


class Secret(ModalScreen[str | None]):
    """Asks for a password, and shows a dot for each character of it; Esc gives None."""

    DEFAULT_CSS = """
    Secret { align: center middle; background: $background 60%; }
    Secret > Vertical { width: 76; max-width: 94%; height: auto; padding: 1 2;
        border: round $primary; background: $surface; }
    Secret Input { margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c,ctrl+d", "give_up", "leave all as it is")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Yields the question, and the line for the answer."""
        with Vertical():
            yield Static(self._question, markup=False)
            yield Input(password=True, placeholder="Enter takes it; Esc leaves all as it is")

    def action_give_up(self) -> None:
        """Closes the window without an answer."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Gives what was typed."""
        event.stop()
        self.dismiss(event.value)


class Page(ModalScreen[None]):
    """Shows a text that scrolls, such as all keys; Esc, q, ?, F1 or Enter closes it. A function as its ``text`` is
    called with the width that there is, and sets it to that."""

    DEFAULT_CSS = """
    Page { align: center middle; background: $background 60%; }
    Page > VerticalScroll { width: 96; max-width: 96%; height: auto; max-height: 96%; padding: 1 2;
        scrollbar-gutter: stable;
        border: round $primary; background: $surface; scrollbar-size-vertical: 1; }
    Page.-set > VerticalScroll { width: 96%; }
    Page Static { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,f1", "close", "close"),
    ]

    def __init__(self, title: str, text: str | Callable[[int], str]) -> None:
        super().__init__(classes="-set" if callable(text) else None)
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Yields the text, and how to scroll and to close it."""
        with VerticalScroll() as frame:
            frame.border_title = self._title
            frame.border_subtitle = "↑ ↓ PgUp PgDn scroll, Esc closes"
            yield Static("" if callable(self._text) else self._text, markup=False)

    def on_mount(self) -> None:
        """Puts the keyboard where it scrolls."""
        self.query_one(VerticalScroll).focus()

    def on_resize(self) -> None:
        """Sets the text to the width that there is now."""
        self.call_after_refresh(self._set)

    def _set(self) -> None:
        text, shown = self._text, self.query_one(Static)
        if callable(text):
            shown.update(text(shown.content_size.width))

    def action_close(self) -> None:
        """Closes the page."""
        self.dismiss()
