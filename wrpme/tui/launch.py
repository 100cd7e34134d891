"""Opens the dashboard as the command line of wrpmesh asks for it."""

from __future__ import annotations

import asyncio
import os
import warnings
from time import monotonic

from wrpme.client.client import Client
from wrpme.shell.access.users import let_in
from wrpme.shell.arguments import Options
from wrpme.shell.console import Console
from wrpme.protocol.quoting import size_text
from wrpme.shell.local_hive import LocalHive, serve_local
from wrpme.tui.app import Dashboard, run
from wrpme.tui.state.recording import Recorder, Replay, open_record
from wrpme.tui.state.timeline import Timeline
from wrpme.tui.terminal.ascii import knows_colours


PROGRESS_SECONDS = 0.2


async def serve(options: Options, console: Console, password: str | None = None) -> int:
    """Shows the dashboard of a hive, of one that is started first, or of a record; returns the exit code. ``password``
    is that of the user, if there is one.

    Raises:
        WrpmeError: there is no such record, the hive does not start or does not let the user in, or the dashboard has a
            defect.
    """
    warnings.simplefilter("ignore")  # whatever they say belongs into no picture, and a stalled terminal takes no word
    if not knows_colours(os.environ):
        os.environ["NO_COLOR"] = "1"  # Textual asks for nothing else
    if options.replay:
        replay = open_record(options.replay)
        timeline = await _read(replay, console)
        return await run(Dashboard(timeline, notice=replay.notice))
    if options.hive:
        return await serve_local(options.hive, lambda hive: _on_hive(options, tuple(hive.addresses), hive), console)
    return await _on_hive(options, options.daemons, None, password)


async def _read(replay: Replay, console: Console) -> Timeline:
    """Reads all of a record. How far it is stands on the terminal, because a long record takes its time."""
    timeline = Timeline(replay=True)
    shown = monotonic()
    for number, record in enumerate(replay.watch_records, 1):
        timeline.take(record)
        if number % 100 == 0 and monotonic() - shown > PROGRESS_SECONDS:
            shown = monotonic()
            console.progress(f"reading {replay.path}: {size_text(replay.bytes_read)}")
            await asyncio.sleep(0)  # for the signals
    timeline.finish()
    return timeline


async def _on_hive(
    options: Options, daemons: tuple[str, ...], local: LocalHive | None, password: str | None = None
) -> int:
    recorder = Recorder(options.record) if options.record else None
    try:
        async with Client(daemons, options.timeout, options.tls, options.user or None, password) as client:
            if options.tls_ca:
                await let_in(client)
            app = Dashboard(Timeline(), client=client, watch=client.watch, local=local, recorder=recorder)
            return await run(app)
    finally:
        if recorder is not None:
            recorder.close()
