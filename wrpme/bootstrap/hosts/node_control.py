"""Deeds on one node of one host: configure, start, stop, and wait until it answers as that node of that hive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wrpme.bootstrap.hosts import probe, systemd_unit
from wrpme.bootstrap.hosts.fleet import Machine
from wrpme.bootstrap.hosts.inventory import Record
from wrpme.bootstrap.hosts.probe import Heard
from wrpme.bootstrap.limits import LOOK_AGAIN_SECONDS, NODE_STOP_SECONDS, READY_LOOK_SECONDS, READY_SECONDS_MAX
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, TimeoutError


async def configure(machine: Machine, node: Node, record: Record) -> bool:
    """Writes how the node is to run; takes effect when it is started next. Whether anything was written."""
    base = machine.look.directory
    python = f"{base}/versions/{record.release}/bin/python"
    directory = f"{base}/nodes/{node.name}"
    run = systemd_unit.run_script(python, directory, arguments(record))
    unit = None
    if record.service != "process":
        unit = systemd_unit.unit(node.name, directory, user=record.service == "user", address=record.address)
    answer = await machine.remote.call(
        "configure", name=node.name, record=_plain(record), run=run, unit=unit
    )
    return bool(answer["changed"])


def _plain(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def arguments(record: Record) -> list[str]:
    """Of wrpmed, but for its directory and log."""
    told = ["--advertise", record.advertise] if record.advertise else []
    peers = [word for peer in record.peers for word in ("--peer", peer)]
    return ["-a", record.address, *told, *peers, *record.arguments]


async def start(machine: Machine, node: Node) -> None:
    """Starts it where it does not run."""
    machine.step(f"starting {node.address}")
    await machine.remote.call("start", name=node.name)


async def stop(machine: Machine, node: Node) -> bool:
    """Planned stop; whether it ran."""
    machine.step(f"stopping {node.address}")
    answer = await machine.remote.call("stop", name=node.name, seconds=NODE_STOP_SECONDS)
    return bool(answer["was_running"])


async def runs(machine: Machine, node: Node) -> bool:
    """Whether it has a process now."""
    return (await machine.remote.call("state", name=node.name))["pid"] is not None


async def until_ready(
    machine: Machine, node: Node, hive: str = "", hopeless: Callable[[], str] = lambda: ""
) -> Heard:
    """Returns what the node says when it serves as a member of that hive (any, if empty). ``hopeless`` may know why it
    never will.

    Raises:
        RemoteError: it ended, is in another hive, or something else answers there.
        TimeoutError: it took longer than ``READY_SECONDS_MAX``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + READY_SECONDS_MAX
    look_at = loop.time() + LOOK_AGAIN_SECONDS
    heard = Heard(why="it does not answer")
    restarts: int | None = None
    machine.step(f"waiting for {node.address}")
    while loop.time() < end:
        heard = await probe.hear(machine.remote, node.address)
        figures, view = heard.figures, heard.view
        if figures is not None and figures.address != node.told:
            raise RemoteError(
                f"{machine.name}: at {node.address} answers the node {figures.address}, not {node.told}; give one of "
                "them another address"
            )
        if view is not None and hive and view.hive.hex() != hive:
            raise RemoteError(
                f"{machine.name}: {node.address} is in another hive ({view.hive.hex()[:8]}) than the other nodes "
                f"({hive[:8]}); if its data is not needed, hive_destroy it alone, else take it out of the file"
            )
        if view is not None and figures is not None and figures.serving:
            return heard
        if loop.time() >= look_at:
            look_at = loop.time() + LOOK_AGAIN_SECONDS
            restarts = await _check_runs(machine, node, restarts)
            if why := hopeless():
                raise RemoteError(f"{machine.name}: {node.address} runs, and waits for its hive: {why}")
        await asyncio.sleep(READY_LOOK_SECONDS)
    await _check_runs(machine, node, restarts)
    why = heard.why.removeprefix(f"{machine.name}: ").partition(";")[0] or "it does not serve yet"
    raise TimeoutError(
        f"{machine.name}: {node.address} runs, but is not ready after {READY_SECONDS_MAX:g} s: {why}; see hive_logs, "
        "and whether the hosts reach each other's ports (hive_check)"
    )


async def _check_runs(machine: Machine, node: Node, before: int | None) -> int:
    """How often systemd had started it again when that was asked for first (``before``, once it was). One that ended
    once more since then would be begun for ever."""
    state = await machine.remote.call("state", name=node.name)
    restarts = int(state.get("restarts", 0))
    first = restarts if before is None else before
    # "active" without a process has just lost it: what systemd makes of that is seen when it is looked at next.
    begins = state.get("unit_state") in ("activating", "active", "reloading") and restarts == first
    if state["pid"] is not None or begins:
        return first
    tail = str(state.get("tail", "")).strip().splitlines()
    said = tail[-1].removeprefix("wrpmed: ") if tail else "it left no word"
    raise RemoteError(f"{machine.name}: {node.address} does not run: {said}")

