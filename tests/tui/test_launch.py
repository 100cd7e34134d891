"""From the command line to the dashboard: options, records that are made and played, and what can't be opened."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.hands import ROOMY, Client, Hive, notes
from tests.tui.scenes import sightings_of
from tests.tui.screens import at_rest
from wrpme import errors
from wrpme.client.watch.records import WatchRecord
from wrpme.limits import LOCAL_NODES_MAX
from wrpme.protocol.address import Address
from wrpme.shell.arguments import Options, parse_options
from wrpme.shell.console import Console
from wrpme.tui import app as app_module
from wrpme.tui import launch
from wrpme.tui.app import Dashboard
from wrpme.tui.state.recording import Recorder, open_record
from wrpme.tui.state.scene import Mode, NodeState

# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--tui"], Options(tui=True)),
        (["--tui", "--daemon", "a:1", "--record", "f"], Options(("a:1",), tui=True, record="f")),
        (["--record=f", "--tui"], Options(tui=True, record="f")),
        (["--tui", "--replay", "f"], Options(tui=True, replay="f")),
        (["--hive", "3", "--tui", "--record", "f"], Options(hive=3, tui=True, record="f")),
        (["--web"], Options(web=Address("127.0.0.1", 8909))),
        (["--web", "[::1]:80", "--daemon", "a:1"], Options(("a:1",), web=Address("::1", 80))),
        (["--hive", "3", "--web=a:80"], Options(hive=3, web=Address("a", 80))),
        (["--web", "--replay", "f"], Options(web=Address("127.0.0.1", 8909), replay="f")),
        (["get", "--tui"], Options(words=("get", "--tui"))),
    ],
)
def test_right_options(arguments: list[str], options: Options) -> None:
    assert parse_options(arguments) == options


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--record", "f"], "--record is for the dashboard: it needs --tui"),
        (["--replay", "f"], "--replay is for the dashboard: it needs --tui or --web"),
        (
            ["--web", "--tui"],
            "--web opens a dashboard for each tab of a browser: it can't be given together with --tui",
        ),
        (["--web", "--record", "f"], "it can't be given together with --record"),
        (["--web", "a:1", "get", "x"], "--web opens the dashboard, which takes no COMMAND; type it there"),
        (["--web", "8000"], '--web: "8000" has no host: write it as HOST:PORT, such as 127.0.0.1:8000'),
        (["--web="], "--web needs a value: HOST:PORT"),
        (["--tui", "get", "x"], "--tui opens the dashboard, which takes no COMMAND"),
        (["--tui=yes"], "--tui takes no value"),
        (["--tu"], "did you mean --tui?"),
        (["--tui", "--replay", "f", "--record", "g"], "--replay shows what is past"),
        (["--tui", "--replay", "f", "--daemon", "a:1"], "--replay shows what is past"),
        (["--tui", "--replay", "f", "--hive", "3"], "--replay shows what is past"),
        (["--tui", "--record"], "--record needs a value"),
        (["--tui", "--hive", str(LOCAL_NODES_MAX + 1)], "should be a number of nodes"),
    ],
)
def test_wrong_options(arguments: list[str], sentence: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_options(arguments)
    assert sentence in caught.value.sentence


def test_it_needs_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    program = [sys.executable, "-m", "wrpme.cli", "--tui"]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: the dashboard needs a terminal") and done.stderr.count("\n") == 1


# --- records ---------------------------------------------------------------------------------------------------------


class Watched(Client):
    """A client whose hive shows what it is told; it can be opened and closed."""

    given: tuple[Any, ...] = ()
    sightings: list[WatchRecord] = []

    def __init__(self, *given: Any) -> None:
        super().__init__()
        Watched.given = given

    async def __aenter__(self) -> Watched:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def watch(self) -> AsyncIterator[WatchRecord]:
        for sighting in self.sightings:
            yield sighting
        await asyncio.Event().wait()


Test = Callable[[Dashboard, "Pilot[int]"], Awaitable[None]]


async def launched(monkeypatch: pytest.MonkeyPatch, options: Options, test: Test) -> int:
    """Opens the dashboard as the command line does, but without a terminal; the exit code."""

    async def run(app: Dashboard) -> int:
        app.clock = lambda: Watched.sightings[-1].at

        async def pilot(pilot: Pilot[Any]) -> None:
            await at_rest(pilot)
            await test(app, pilot)
            app.exit(0)

        app.run_async = partial(app.run_async, headless=True, size=ROOMY, auto_pilot=pilot)  # type: ignore[method-assign]
        return await app_module.run(app)

    monkeypatch.setattr(launch, "run", run)
    monkeypatch.setattr(launch, "Client", Watched)
    return await launch.serve(options, Console())


@pytest.mark.asyncio
async def test_the_dashboard_takes_the_files_for_tls() -> None:
    with pytest.raises(errors.UsageError, match=r"the file of CAs /nowhere/ca\.pem can't be read"):
        await launch.serve(Options(tls_ca="/nowhere/ca.pem"), Console())


@pytest.mark.asyncio
async def test_a_record_that_a_run_makes_can_be_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    record = tmp_path / "record"
    Watched.sightings = sightings_of("degraded", 3)
    states: list[list[NodeState]] = []
    sentences: list[list[str]] = []

    async def recorded(app: Dashboard, pilot: Pilot[int]) -> None:
        assert app.timeline.mode is Mode.LIVE and app.recorder is not None
        states.append([node.state for node in app.scene.nodes])
        sentences.append([event.sentence for event in app.timeline.events()])

    options = Options(("a:1",), timeout=3.0, tui=True, record=str(record))
    assert await launched(monkeypatch, options, recorded) == 0
    assert Watched.given == (("a:1",), 3.0, None, None, None)
    assert len(list(open_record(record).watch_records)) == len(Watched.sightings)
    assert record.stat().st_mode & 0o777 == 0o600

    async def played(app: Dashboard, pilot: Pilot[int]) -> None:
        assert app.timeline.mode is Mode.REPLAY and app.client is None and app.recorder is None
        await pilot.press("0")
        await at_rest(pilot)
        states.append([node.state for node in app.scene.nodes])
        sentences.append([event.sentence for event in app.timeline.events()])

    assert await launched(monkeypatch, Options(tui=True, replay=str(record)), played) == 0
    assert states[0] == states[1] and NodeState.DOWN in states[0]
    assert sentences[0] == sentences[1] and sentences[0]


@pytest.mark.asyncio
async def test_a_record_that_was_cut_off_is_shown_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    record = tmp_path / "record"
    recorder = Recorder(record)
    for sighting in sightings_of("degraded", 3):
        recorder.take(sighting)
    os.truncate(record, recorder.bytes - 3)

    async def played(app: Dashboard, pilot: Pilot[int]) -> None:
        assert len(app.scene.nodes) == 3
        (note,) = notes(app)
        assert note.startswith(f"{record} was cut off: what begins at byte ")

    assert await launched(monkeypatch, Options(tui=True, replay=str(record)), played) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file"),
        (b"", "is empty: nothing was recorded"),
        (b"hello\n", "is no record: neither --record nor wrpmesh watch wrote it"),
        (b"\xff\x00\n", "is no record"),
        (b'{"saw":"reached","at":1.0,"node":"a:1"}\nnonsense\nmore\n', "is damaged at line 2"),
    ],
)
async def test_what_can_not_be_played(
    content: bytes | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(app: Dashboard, pilot: Pilot[int]) -> None:
        raise AssertionError("there is nothing to show")

    path = tmp_path / "record"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.StorageError) as caught:
        await launched(monkeypatch, Options(tui=True, replay=str(path)), never)
    assert sentence in caught.value.sentence and str(path) in caught.value.sentence


@pytest.mark.asyncio
@pytest.mark.parametrize("where", ["there", "no-directory/record", "."])
async def test_what_can_not_be_recorded(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("precious")

    async def never(app: Dashboard, pilot: Pilot[int]) -> None:
        raise AssertionError("it must be known before that nothing is recorded")

    with pytest.raises(errors.StorageError):
        await launched(monkeypatch, Options(tui=True, record=str(tmp_path / where)), never)
    assert (tmp_path / "there").read_text() == "precious"


@pytest.mark.asyncio
async def test_the_record_is_closed_when_the_dashboard_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Watched.sightings = sightings_of("stable", 3)
    recorders = []

    async def breaks(app: Dashboard, pilot: Pilot[int]) -> None:
        recorders.append(app.recorder)
        app._handle_exception(ZeroDivisionError("a defect"))

    with pytest.raises(errors.InternalError):
        await launched(monkeypatch, Options(tui=True, record=str(tmp_path / "record")), breaks)
    assert recorders[0] is not None and recorders[0]._file == -1


@pytest.mark.asyncio
async def test_a_hive_of_its_own_is_started_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Watched.sightings = sightings_of("stable", 3)
    hive, counts = Hive(), []

    async def serve_local(count: int, session: Callable[[Any], Awaitable[int]], console: Console) -> int:
        counts.append(count)
        return await session(hive)

    async def test(app: Dashboard, pilot: Pilot[int]) -> None:
        assert app.local is hive  # type: ignore[comparison-overlap]
        await pilot.press("escape")
        await at_rest(pilot)
        await pilot.press("K")
        await at_rest(pilot)

    monkeypatch.setattr(launch, "serve_local", serve_local)
    assert await launched(monkeypatch, Options(hive=3, tui=True), test) == 0
    assert counts == [3] and hive.done == ["kill 1"] and Watched.given[0] == tuple(Hive.addresses)


# --- on a terminal ---------------------------------------------------------------------------------------------------

BREAKS = """
import sys
from wrpme.client.client import Client
from wrpme.cli import main
async def watch(self):
    raise ZeroDivisionError("a defect")
    yield
Client.watch = watch
sys.argv = ["wrpmesh", "--tui", "--daemon", "127.0.0.1:1"]
main()
"""


def test_a_defect_leaves_the_terminal_as_it_was_and_one_sentence(tmp_path: Path) -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path), TERM="xterm-256color")
        os.execv(sys.executable, [sys.executable, "-c", BREAKS])
    said = bytearray()
    try:
        while data := os.read(master, 65536):
            said += data
    except OSError:  # as Linux tells the end of a terminal
        pass
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    after = said[said.rindex(b"\x1b[?1049l") :].decode()
    assert "Traceback" not in said.decode()
    assert after.count("internal: ZeroDivisionError: a defect; this is a defect of the dashboard") == 1
    assert "Traceback" in (tmp_path / "wrpme" / "crash.log").read_text()
