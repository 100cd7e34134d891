"""Questions and pages over the dashboard."""

from __future__ import annotations


import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.screens import at_rest
from wrpme.tui.dialogs import Confirm, Page

pytestmark = pytest.mark.asyncio


class Asking(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.answers: list[bool | None] = []

    def ask(self, word: str = "", consequence: str = "All of [it] is lost.") -> None:
        self.push_screen(Confirm("forget x:1", consequence, word), self.answers.append)


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await at_rest(pilot)  # type: ignore[arg-type]


async def test_answers() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        below = app.screen
        for keys, answer in (("y", True), ("n", False), ("q", False), ("escape", False)):
            app.ask()
            await press(pilot, "x", "enter")
            assert app.answers == [], "other keys are no answer"
            await press(pilot, keys, keys)
            assert app.answers == [answer] and app.screen is below
            app.answers.clear()
        for text, answer in (("yes", True), (" yes ", True), ("y", False), ("", False), ("nq", False)):
            app.ask("yes")
            await press(pilot)
            assert isinstance(app.focused, Input)
            await press(pilot, *("space" if letter == " " else letter for letter in text))
            assert app.answers == [], "nothing is done before Enter"
            await press(pilot, "enter", "enter")
            assert app.answers == [answer] and app.screen is below
            app.answers.clear()
        app.ask("yes")
        await press(pilot)
        app.screen.set_focus(None)
        await press(pilot, "y")
        assert app.answers == [], "a letter is no word"
        await press(pilot, "n")
        assert app.answers == [False]


async def test_a_long_consequence_keeps_the_answers_in_sight() -> None:
    app = Asking()
    async with app.run_test(size=(60, 20)) as pilot:
        app.ask("yes", "word " * 60)
        await press(pilot)
        line = app.screen.query_one(Input).region
        assert line.height and line.bottom < 20
        await press(pilot, *"yes", "enter")
        assert app.answers == [True]


async def test_a_page_scrolls_and_closes_by_any_of_its_keys() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        below = app.screen
        for key in ("escape", "q", "question_mark", "enter", "f1"):
            app.push_screen(Page("KEYS", "\n".join(f"[line] {number}" for number in range(100))))
            await press(pilot, "pagedown")
            assert app.screen is not below and app.screen.query_one("VerticalScroll").scroll_y > 0
            await press(pilot, key, key)
            assert app.screen is below
