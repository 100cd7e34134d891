"""A paste into the shell of the dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from tests.tui.test_panes_shell import FakeClient, PaneApp
from wrpme.shell.history import LineFile
from wrpme.tui.panes.shell import CommandInput


@asynccontextmanager
async def opened(directory: Path, client: FakeClient) -> AsyncIterator[tuple[PaneApp, Pilot[None]]]:
    app = PaneApp(client, directory / "history")
    async with app.run_test(size=(80, 20)) as pilot:
        app.pane.focus_line()
        yield app, pilot


async def paste(app: PaneApp, pilot: Pilot[None], text: str) -> None:
    app.post_message(Paste(text))
    for _ in range(5):
        await pilot.pause()


@pytest.mark.asyncio
async def test_lines_are_commands_one_after_the_other(tmp_path: Path) -> None:
    client = FakeClient()
    async with opened(tmp_path, client) as (app, pilot):
        await paste(app, pilot, "put a 1\nput b two words\n")
        assert client.entries == {b"a": b"1", b"b": b"two words"} and app.typed == ""
        assert app.printed == ["> put a 1", "> put b two words"]
        assert LineFile(tmp_path / "history").load() == ["put a 1", "put b two words"]


@pytest.mark.asyncio
async def test_they_stop_at_the_first_that_fails(tmp_path: Path) -> None:
    client = FakeClient()
    async with opened(tmp_path, client) as (app, pilot):
        await paste(app, pilot, "put a 1\nget nothing\nput b 2\nput c 3")
        assert list(client.entries) == [b"a"]
        assert app.printed[-1] == "2 more lines that waited were not carried out"
        await paste(app, pilot, "put d 4\nput e 5")
        assert list(client.entries) == [b"a", b"d", b"e"], "the next paste is another one"


@pytest.mark.asyncio
async def test_ctrl_c_ends_a_paste_and_says_so(tmp_path: Path) -> None:
    client = FakeClient()
    async with opened(tmp_path, client) as (app, pilot):
        await paste(app, pilot, "get slow\nput b 2")
        await pilot.press("ctrl+c")
        for _ in range(5):
            await pilot.pause()
        assert not client.entries and app.printed[-1] == "1 more line that waited was not carried out"


@pytest.mark.asyncio
async def test_no_pasted_line_answers_a_question(tmp_path: Path) -> None:
    client = FakeClient()
    client.entries[b"a"] = b"1"
    async with opened(tmp_path, client) as (app, pilot):
        await paste(app, pilot, "remove_all\nyes\n")
        assert client.entries and app.pane._prompt.asking
        await paste(app, pilot, "yes\nyes\n")
        assert client.entries and app.typed == "yes yes"
        await pilot.press("enter")
        for _ in range(5):
            await pilot.pause()
        assert client.entries and app.printed[-1] == "1 more line that waited was not carried out"


@pytest.mark.asyncio
async def test_one_line_is_typed_and_nothing_in_it_is_unseen(tmp_path: Path) -> None:
    client = FakeClient()
    async with opened(tmp_path, client) as (app, pilot):
        await paste(app, pilot, "put a \x1a\x07\u2028\udcff.\n")
        assert app.typed == "put a \x1a\x07\u2028\udcff." and not client.entries
        shown = app.pane.query_one(CommandInput).render_line(0).text
        assert shown.startswith("put a \u241a\u2407\ufffd\ufffd."), "in as many cells as the cursor counts"
        await pilot.press("enter")
        for _ in range(5):
            await pilot.pause()
        assert client.entries == {b"a": b"\x1a\x07\xe2\x80\xa8\xff."}
        assert app.printed[-1] == "> put a \\x1a\\x07\\u2028\\xff."
