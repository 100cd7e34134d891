"""A hive stopped, started again, or taken away from its hosts."""

from __future__ import annotations

from wrpme.bootstrap.hosts import node_control
from wrpme.bootstrap.hosts.fleet import Fleet, Machine
from wrpme.bootstrap.rollout import stability
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, UsageError
from wrpme.limits import MIB
from wrpme.protocol.address import listed
from wrpme.protocol.health import Condition
from wrpme.protocol.stats import HiveStatus


async def _enter(fleet: Fleet, lock: str) -> None:
    async def enter(machine: Machine) -> None:
        await machine.open(fleet.connector)
        await machine.take_lock(lock)
        await machine.look_around()

    await fleet.each(enter)


async def stop(fleet: Fleet, lock: str) -> None:
    """Planned stops of all nodes, all at once; data and all files stay."""
    await _enter(fleet, lock)

    async def work(machine: Machine) -> None:
        stopped = [node for node in _known(machine) if await node_control.stop(machine, node)]
        if stopped:
            machine.finish(f"{_names(stopped)} stopped")
        else:
            machine.finish("no node of the file runs here", "same")

    await fleet.each(work)


async def start(fleet: Fleet, lock: str) -> Condition | None:
    """Starts all nodes that were stopped, with their data; how the hive is then."""
    await _enter(fleet, lock)

    async def begin(machine: Machine) -> None:
        known = _known(machine)
        if len(known) < len(machine.host.nodes):
            missing = [node for node in machine.host.nodes if node not in known]
            raise RemoteError(f"{machine.name}: {_names(missing)} was never started there; hive_apply does that")
        for node in _idle(machine):
            await node_control.start(machine, node)
        machine.step("waiting for the other hosts")

    async def await_ready(machine: Machine) -> None:
        for node in machine.host.nodes:
            await node_control.until_ready(machine, node, machine.look.nodes[node.name].hive)
        if idle := _idle(machine):
            machine.finish(f"{_names(idle)} started")
        else:
            machine.finish(f"{_names(list(machine.host.nodes))} runs already", "same")

    # All are started before any is waited for: a hive of more hosts than are worked on at a time needs them all.
    await fleet.each(begin)
    await fleet.each(await_ready)
    if not fleet.sound:
        return None
    if fleet.broken:
        return await stability.condition(fleet.sound)
    return await stability.whole_hive(fleet)


async def destroy(fleet: Fleet, lock: str, yes: bool) -> None:
    """Ends all nodes of the file and removes all that was made for them, their data after the word ``yes`` only.

    Raises:
        UsageError: the answer was another one; nothing was changed.
    """
    await _enter(fleet, lock)
    reporter = fleet.reporter
    if not yes and fleet.sound:
        answer = await reporter.ask(f"{await _price(fleet)}; type yes to destroy it for good: ")
        if answer.strip() != "yes":
            raise UsageError("hive_destroy was not carried out: it takes the word yes, or --yes; nothing was changed")

    async def work(machine: Machine) -> None:
        there = [node for node in machine.host.nodes if machine.look.nodes[node.name].record or _data(machine, node)]
        for node in _known(machine):
            await node_control.stop(machine, node)
        for node in machine.host.nodes:
            machine.step(f"removing {node.address}")
            await machine.remote.call("remove", name=node.name, data=True)
        left = await machine.remote.call("clean")
        rest = f"; left as it is: {left['left']}" if left.get("left") else ""
        if there:
            machine.finish(f"{_names(there)} and all that was made for it removed{rest}")
        else:
            machine.finish(f"nothing of the file was there{rest}", "same")

    await fleet.each(work)


async def _price(fleet: Fleet) -> str:
    """What would be lost."""
    count = sum(len(_known(machine)) for machine in fleet.sound)
    size = sum(found.bytes for machine in fleet.sound for found in machine.look.nodes.values())
    running = [one for one in fleet.sound if any(found.pid is not None for found in one.look.nodes.values())]
    found = await stability.status(running) if running else "no node runs"
    entries = ""
    if isinstance(found, HiveStatus):
        number = sum(node.figures.entries for node in found.nodes if node.figures)
        entries = ", 1 entry" if number == 1 else f", {number:,} entries"
    hosts = len(fleet.sound)
    broken = listed(host.name for host in fleet.broken)
    away = f" (nothing is done on {broken})" if broken else ""
    what = f"{count} node{'s' * (count != 1)} on {hosts} host{'s' * (hosts != 1)}"
    return f"{what} with {size / MIB:.1f} MiB of data{entries} will be gone{away}"


def _known(machine: Machine) -> list[Node]:
    """Nodes that were configured here."""
    return [node for node in machine.host.nodes if machine.look.nodes[node.name].record is not None]


def _idle(machine: Machine) -> list[Node]:
    """Nodes that did not run when it was looked."""
    return [node for node in machine.host.nodes if machine.look.nodes[node.name].pid is None]


def _data(machine: Machine, node: Node) -> bool:
    return machine.look.nodes[node.name].data


def _names(found: list[Node]) -> str:
    return ", ".join(node.address for node in found)


