"""Opens the dashboard as the command line of wrpmesh asks for it."""

from __future__ import annotations

from wrpme.client import Client
from wrpme.local import LocalHive, serve_local
from wrpme.shell import Options
from wrpme.tui.app import Dashboard, run
from wrpme.tui.record import Recorder, open_record
from wrpme.tui.timeline import Timeline


async def serve(options: Options) -> int:
    """The dashboard on a hive, on one that is started first, or on a record; the exit code.

    Raises:
        WrpmeError: there is no such record, the hive does not start, or the dashboard has a defect.
    """
    if options.replay:
        timeline = Timeline(replay=True)
        for sighting in open_record(options.replay).sightings:
            timeline.take(sighting)
        timeline.finish()
        return await run(Dashboard(timeline))
    if options.hive:
        return await serve_local(options.hive, lambda hive: _on_hive(options, tuple(hive.addresses), hive))
    return await _on_hive(options, options.daemons, None)


async def _on_hive(options: Options, daemons: tuple[str, ...], local: LocalHive | None) -> int:
    recorder = Recorder(options.record) if options.record else None
    try:
        async with Client(daemons, options.timeout) as client:
            app = Dashboard(Timeline(), client=client, watch=client.watch, local=local, recorder=recorder)
            return await run(app)
    finally:
        if recorder is not None:
            recorder.close()
