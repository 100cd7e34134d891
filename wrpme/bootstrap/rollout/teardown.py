"""Stops a hive, starts it again, or removes it from its hosts."""

from __future__ import annotations

from wrpme.bootstrap.credentials import store
from wrpme.bootstrap.hosts import node_control
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.rollout import certificates, stability
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, UsageError
from wrpme.limits import MIB
from wrpme.protocol.address import listed
from wrpme.protocol.health import Condition
from wrpme.protocol.stats import HiveStatus


async def _enter(fleet: Fleet, lock: str) -> None:
    async def enter(session: HostSession) -> None:
        await session.open(fleet.connector)
        await session.take_lock(lock)
        await session.take_inventory()

    await fleet.each(enter)


async def stop(fleet: Fleet, lock: str) -> None:
    """Stops all nodes in a planned way, all at once; their data and all files stay."""
    await _enter(fleet, lock)

    async def work(session: HostSession) -> None:
        stopped = [node for node in _known(session) if await node_control.stop(session, node)]
        if stopped:
            session.finish(f"{_names(stopped)} stopped")
        else:
            session.finish("no node of the file runs here", "same")

    await fleet.each(work)


async def start(fleet: Fleet, lock: str) -> Condition | None:
    """Starts all nodes that were stopped, with their data.

    It returns the condition of the hive then, or None if no host is left to tell.
    """
    await _enter(fleet, lock)

    async def begin(session: HostSession) -> None:
        known = _known(session)
        if len(known) < len(session.host.nodes):
            missing = [node for node in session.host.nodes if node not in known]
            raise RemoteError(f"{session.name}: {_names(missing)} was never started there; hive_apply does that")
        for node in _idle(session):
            await node_control.start(session, node)
        session.step("waiting for the other hosts")

    async def await_ready(session: HostSession) -> None:
        for node in session.host.nodes:
            await node_control.until_ready(session, node, session.inventory.nodes[node.name].hive)
        if idle := _idle(session):
            session.finish(f"{_names(idle)} started")
        else:
            session.finish(f"{_names(list(session.host.nodes))} runs already", "same")

    # All nodes are started before any is waited for: a hive may need nodes of more hosts than are worked on at a time.
    await fleet.each(begin)
    await fleet.each(await_ready)
    if not fleet.sound:
        return None
    if fleet.broken:
        return await stability.condition(fleet.sound)
    return await stability.whole_hive(fleet)


async def destroy(fleet: Fleet, lock: str, yes: bool) -> None:
    """Stops all nodes of the file and removes all that was made for them and, once the operator typed yes, their data.

    Raises:
        UsageError: the operator answered something else; nothing was changed.
    """
    await _enter(fleet, lock)
    reporter = fleet.reporter
    if not yes and fleet.sound:
        answer = await reporter.ask(f"{await _loss(fleet)}; type yes to destroy it for good: ")
        if answer.strip() != "yes":
            raise UsageError("hive_destroy was not carried out: it takes the word yes, or --yes; nothing was changed")

    async def work(session: HostSession) -> None:
        found = session.inventory.nodes
        there = [node for node in session.host.nodes if found[node.name].record or found[node.name].data]
        for node in _known(session):
            await node_control.stop(session, node)
        for node in session.host.nodes:
            session.step(f"removing {node.address}")
            await session.agent.call("remove", name=node.name, data=True)
        left = await session.agent.call("clean")
        rest = f"; left as it is: {left['left']}" if left.get("left") else ""
        if there:
            session.finish(f"{_names(there)} and all that was made for it removed{rest}")
        else:
            session.finish(f"nothing of the file was there{rest}", "same")

    await fleet.each(work)
    gone = certificates.told_addresses([session.host for session in fleet.sessions])
    mine = store.find(gone, ())
    if mine is not None and not fleet.broken:
        left = [node for node in mine.state.nodes if node not in gone]
        # The last nodes of a hive stay named: if it comes back, so does its CA.
        if not left:
            mine.forget_operator()
        mine.tell(left or mine.state.nodes, secured=mine.state.secured and bool(left))


async def _loss(fleet: Fleet) -> str:
    """Returns what would be lost, as a sentence for the operator."""
    count = sum(len(_known(session)) for session in fleet.sound)
    size = sum(found.bytes for session in fleet.sound for found in session.inventory.nodes.values())
    running = [one for one in fleet.sound if any(found.pid is not None for found in one.inventory.nodes.values())]
    found = await stability.status(running) if running else "no node runs"
    entries = ""
    if isinstance(found, HiveStatus):
        number = sum(node.stats.entries for node in found.nodes if node.stats)
        entries = ", 1 entry" if number == 1 else f", {number:,} entries"
    hosts = len(fleet.sound)
    broken = listed(host.name for host in fleet.broken)
    away = f" (nothing is done on {broken})" if broken else ""
    what = f"{count} node{'s' * (count != 1)} on {hosts} host{'s' * (hosts != 1)}"
    return f"{what} with {size / MIB:.1f} MiB of data{entries} will be gone{away}"


def _known(session: HostSession) -> list[Node]:
    """Returns the nodes that were configured on this host."""
    return [node for node in session.host.nodes if session.inventory.nodes[node.name].record is not None]


def _idle(session: HostSession) -> list[Node]:
    """Returns the nodes that did not run when the inventory was taken."""
    return [node for node in session.host.nodes if session.inventory.nodes[node.name].pid is None]


def _names(found: list[Node]) -> str:
    return ", ".join(node.address for node in found)
