"""Control of one node on its host: its configuration, start and stop, and the wait until it serves in its hive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wrpme.bootstrap.hosts import systemd_unit
from wrpme.bootstrap.hosts.fleet import HostSession
from wrpme.bootstrap.hosts.inventory import Record
from wrpme.bootstrap.hosts.probe import NodeAnswer, probe_node
from wrpme.bootstrap.limits import LOOK_AGAIN_SECONDS, NODE_STOP_SECONDS, READY_LOOK_SECONDS, READY_SECONDS_MAX
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, TimeoutError


async def configure(session: HostSession, node: Node, record: Record) -> bool:
    """Writes how the node is to run, which takes effect at its next start; returns whether anything was written."""
    base = session.inventory.directory
    python = f"{base}/versions/{record.release}/bin/python"
    directory = f"{base}/nodes/{node.name}"
    run = systemd_unit.run_script(python, directory, arguments(record, directory))
    unit = None
    if record.service != "process":
        unit = systemd_unit.unit(node.name, directory, user=record.service == "user", address=record.address)
    answer = await session.agent.call("configure", name=node.name, record=_plain(record), run=run, unit=unit)
    return bool(answer["changed"])


def _plain(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def arguments(record: Record, directory: str) -> list[str]:
    """Returns the arguments of wrpmed for a node in that directory, except for its data directory and its log."""
    told = ["--advertise", record.advertise] if record.advertise else []
    peers = [word for peer in record.peers for word in ("--peer", peer)]
    secured: list[str] = []
    if record.tls not in ("", "off"):
        pair = f"{directory}/tls/node.pem"
        secured = [
            "--tls-mode",
            record.tls,
            "--tls-cert",
            pair,
            "--tls-key",
            pair,
            "--tls-ca",
            f"{directory}/tls/ca.pem",
        ]
    return ["-a", record.address, *told, *peers, *secured, *record.arguments]


async def start(session: HostSession, node: Node) -> None:
    """Starts the node unless it runs already."""
    session.step(f"starting {node.address}")
    await session.agent.call("start", name=node.name)


async def stop(session: HostSession, node: Node) -> bool:
    """Stops the node in a planned way; returns whether it ran."""
    session.step(f"stopping {node.address}")
    answer = await session.agent.call("stop", name=node.name, seconds=NODE_STOP_SECONDS)
    return bool(answer["was_running"])


async def runs(session: HostSession, node: Node) -> bool:
    """Returns whether the node has a process now."""
    return (await session.agent.call("state", name=node.name))["pid"] is not None


async def until_ready(
    session: HostSession, node: Node, hive: str = "", hopeless: Callable[[], str] = lambda: ""
) -> NodeAnswer:
    """Waits until the node serves as a member of that hive (of any, if empty), and returns what it says.

    ``hopeless`` is asked now and then whether the node can still succeed; it returns the reason if not.

    Raises:
        RemoteError: the node ended, it is in another hive, or another node answers at its address.
        TimeoutError: it was not ready within ``READY_SECONDS_MAX``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + READY_SECONDS_MAX
    look_at = loop.time() + LOOK_AGAIN_SECONDS
    answer = NodeAnswer(why="it does not answer")
    restarts: int | None = None
    session.step(f"waiting for {node.address}")
    while loop.time() < end:
        answer = await probe_node(session.agent, node.address, node.name)
        stats, view = answer.stats, answer.view
        if stats is not None and stats.address != node.told:
            raise RemoteError(
                f"{session.name}: at {node.address} answers the node {stats.address}, not {node.told}; give one of "
                "them another address"
            )
        if view is not None and hive and view.hive.hex() != hive:
            raise RemoteError(
                f"{session.name}: {node.address} is in another hive ({view.hive.hex()[:8]}) than the other nodes "
                f"({hive[:8]}); if its data is not needed, hive_destroy it alone, else take it out of the file"
            )
        if view is not None and stats is not None and stats.serving:
            return answer
        if loop.time() >= look_at:
            look_at = loop.time() + LOOK_AGAIN_SECONDS
            restarts = await _check_runs(session, node, restarts)
            if why := hopeless():
                raise RemoteError(f"{session.name}: {node.address} runs, and waits for its hive: {why}")
        await asyncio.sleep(READY_LOOK_SECONDS)
    await _check_runs(session, node, restarts)
    why = answer.why.removeprefix(f"{session.name}: ").partition(";")[0] or "it does not serve yet"
    raise TimeoutError(
        f"{session.name}: {node.address} runs, but is not ready after {READY_SECONDS_MAX:g} s: {why}; see hive_logs, "
        "and whether the hosts reach each other's ports (hive_check)"
    )


async def _check_runs(session: HostSession, node: Node, before: int | None) -> int:
    """Returns how often systemd had restarted the node at the first look, which is ``before`` at all later ones.

    A node that was restarted since then has failed: waiting on would mean waiting while systemd starts it for ever.

    Raises:
        RemoteError: the node does not run, or was restarted; the sentence has the last line that it wrote.
    """
    state = await session.agent.call("state", name=node.name)
    restarts = int(state.get("restarts", 0))
    first = restarts if before is None else before
    # "active" without a process has lost it just now; the next look shows what systemd does about that.
    begins = state.get("unit_state") in ("activating", "active", "reloading") and restarts == first
    if state["pid"] is not None or begins:
        return first
    tail = str(state.get("tail", "")).strip().split("\n")
    said = tail[-1].removeprefix("wrpmed: ") or "it left no word"
    raise RemoteError(f"{session.name}: {node.address} does not run: {said}")
