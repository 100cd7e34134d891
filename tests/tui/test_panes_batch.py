"""Batches, scans and quoted words in the pane of the shell."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from textual.widgets import Label

from tests.tui.test_panes_shell import FakeClient, enter, in_pane
from wrpme.client.batches.batch import Batch
from wrpme.client.batches.calls import Outcome
from wrpme.client.scan import Scanned
from wrpme.tui.limits import PANE_ENTRIES_MAX, PANE_LINE_BYTES_MAX


class OneBatch(Batch):
    """Gives a content for each operation."""

    async def commit(self) -> Sequence[Outcome]:
        return [b"gave" for _ in self.calls]


class Client(FakeClient):
    """Holds more entries than are shown."""

    def batch(self, *, each: bool) -> OneBatch:
        return OneBatch()

    async def get_many(self, aliases: Sequence[bytes]) -> list[bytes | None]:
        return [self.entries.get(alias) for alias in aliases]

    async def scan(self, prefix: bytes, *, limit: int | None, **_: object) -> AsyncGenerator[Scanned]:
        for number in range(limit or 2 * PANE_ENTRIES_MAX):
            yield Scanned(f"k {number}", None, None)


@pytest.mark.asyncio
async def test_a_batch_has_a_sign_of_its_own(tmp_path: Path) -> None:
    async with in_pane(tmp_path, Client()) as (app, pilot):
        await enter(pilot, "batch")
        assert str(app.pane.query_one(Label).render()) == ". "
        assert "Ctrl-C gives it up" in str(app.pane.query_one("#hint").render())
        await enter(pilot, "get x", "nonsense", "get y", ".", "get z")
        assert str(app.pane.query_one(Label).render()) == "> "
        printed = app.printed
        assert printed[:3] == ["> batch", ". get x", ". nonsense"] and printed.count('"gave"') == 2
        assert any(line.startswith("no_such_command: ") for line in printed) and app.ran == ["batch", "get"]


@pytest.mark.asyncio
async def test_ctrl_c_gives_a_batch_up(tmp_path: Path) -> None:
    async with in_pane(tmp_path, Client()) as (app, pilot):
        await enter(pilot, "batch", "put x 1")
        await pilot.press("ctrl+c")
        await enter(pilot, "put y 2")
        assert "batch was given up; nothing was sent" in app.printed and app.printed[-1] == "> put y 2"
        assert app.pane.query_one(Label).render() and '"gave"' not in app.printed


@pytest.mark.asyncio
async def test_a_scan_is_bounded(tmp_path: Path) -> None:
    async with in_pane(tmp_path, Client()) as (app, pilot):
        await enter(pilot, "scan")
        await pilot.pause()
        assert app.printed[-2:] == [
            f'"k {PANE_ENTRIES_MAX - 1}"',
            f'{PANE_ENTRIES_MAX:,} entries; scan --after "k {PANE_ENTRIES_MAX - 1}" goes on',
        ]


@pytest.mark.asyncio
async def test_what_is_printed_can_be_typed(tmp_path: Path) -> None:
    client = Client()
    async with in_pane(tmp_path, client) as (app, pilot):
        await enter(pilot, r'put "two words\xff" "a\nb"', r"get two\x20words\xff", r'get_many "two words\xff"')
        assert client.entries == {b"two words\xff": b"a\nb"}
        assert app.printed[-2:] == [r'> get_many "two words\xff"', r'"two words\xff" "a\nb"']
        assert r'"a\nb"' in app.printed
        client.entries[b"long"] = b"x" * (3 * PANE_LINE_BYTES_MAX)
        await enter(pilot, "get_many long")
        assert "... 12.0 KiB in all" in " ".join(app.printed[-2:])
