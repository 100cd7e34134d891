"""What is told of a hive of this shell's own when what it was started for ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from wrpme.errors import InternalError
from wrpme.shell.console import Console
from wrpme.shell.local_hive import LocalHive, serve_local


@pytest.fixture(autouse=True)
def no_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: object) -> None: ...

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalHive, "start", lambda hive: None)
    monkeypatch.setattr(LocalHive, "until_stable", at_once)
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.mark.asyncio
async def test_the_end_of_the_nodes_is_told_where_a_defect_brought_it(capfd: pytest.CaptureFixture[str]) -> None:
    async def broken(hive: LocalHive) -> int:
        raise InternalError("a defect of the dashboard")

    console = Console()
    with pytest.raises(InternalError):
        await serve_local(1, broken, console)
    console.finish()
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "the nodes of the hive have been stopped, too; their data and logs are in ./hive"


@pytest.mark.asyncio
async def test_an_end_that_was_asked_for_needs_no_word(capfd: pytest.CaptureFixture[str]) -> None:
    async def asked(hive: LocalHive) -> int:
        return 0

    assert await serve_local(1, asked, Console()) == 0
    assert "stopped" not in capfd.readouterr().err
