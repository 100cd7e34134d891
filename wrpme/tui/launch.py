"""Opens the dashboard as the command line of wrpmesh asks for it."""

from __future__ import annotations

import asyncio
import sys
import warnings
from time import monotonic

from wrpme.client.client import Client
from wrpme.shell.arguments import Options
from wrpme.shell.local_hive import LocalHive, serve_local
from wrpme.tui.app import Dashboard, run
from wrpme.tui.state.recording import Recorder, open_record
from wrpme.tui.state.timeline import Timeline


PROGRESS_SECONDS = 0.2


async def serve(options: Options) -> int:
    """The dashboard on a hive, on one that is started first, or on a record; the exit code.

    Raises:
        WrpmeError: there is no such record, the hive does not start, or the dashboard has a defect.
    """
    warnings.simplefilter("ignore")  # whatever they say belongs into no picture, and a stalled terminal takes no word
    if options.replay:
        return await run(Dashboard(await _read(options.replay)))
    if options.hive:
        return await serve_local(options.hive, lambda hive: _on_hive(options, tuple(hive.addresses), hive))
    return await _on_hive(options, options.daemons, None)


async def _read(path: str) -> Timeline:
    """All of a record; how far it is stands on the terminal, as a long one takes its time."""
    timeline = Timeline(replay=True)
    shown = monotonic()
    for number, sighting in enumerate(open_record(path).sightings, 1):
        timeline.take(sighting)
        if number % 100 == 0 and monotonic() - shown > PROGRESS_SECONDS:
            shown = monotonic()
            sys.stderr.write(f"\r\x1b[Kreading {path}: {number:,} lines")
            sys.stderr.flush()
            await asyncio.sleep(0)  # for the signals
    timeline.finish()
    return timeline


async def _on_hive(options: Options, daemons: tuple[str, ...], local: LocalHive | None) -> int:
    recorder = Recorder(options.record) if options.record else None
    try:
        async with Client(daemons, options.timeout) as client:
            app = Dashboard(Timeline(), client=client, watch=client.watch, local=local, recorder=recorder)
            return await run(app)
    finally:
        if recorder is not None:
            recorder.close()
