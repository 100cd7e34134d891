"""Another release on all nodes: sent and installed everywhere first, then one node after the other, each only while the
hive is stable."""

from __future__ import annotations

from msgspec.structs import replace

from wrpme.bootstrap.hosts.fleet import Fleet, Machine
from wrpme.bootstrap.hosts.inventory import Record
from wrpme.bootstrap.rollout import apply
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, WrpmeError
from wrpme.protocol.address import listed

_Due = tuple[Machine, Node, Record, str]


async def upgrade(fleet: Fleet, lock: str) -> str:
    """Brings all nodes of the file to the release of this wrpmesh; what it came to, in one sentence.

    Raises:
        RemoteError: it halted; the sentence says at which node and why, and which ones run what.
    """
    releases: dict[Machine, str] = {}

    async def prepare(machine: Machine) -> None:
        await machine.open(fleet.connector)
        await machine.take_lock(lock)
        await machine.look_around()
        _check_there(machine)
        bundle = await apply.bundle_for(machine)
        releases[machine] = bundle.release
        if bundle.release not in machine.look.releases:
            await apply.install(machine, bundle.release)
        machine.step("waiting for its turn")

    await fleet.each(prepare)
    if fleet.broken:
        for machine in fleet.sound:
            machine.finish("ready for the upgrade, which has not begun", "same")
        return ""
    due = _due(fleet, releases)
    done: list[Node] = []
    for machine, node, record, release in due:
        try:
            hive = machine.look.nodes[node.name].hive
            await apply.restart(machine, node, replace(record, release=release), fleet.sound, hive)
        except WrpmeError as error:
            raise _halted(machine, node, error, done, len(due)) from None
        done.append(node)
        fleet.reporter.say(f"{node.address} runs {release} ({len(done)} of {len(due)})")

    async def tidy(machine: Machine) -> None:
        await machine.remote.call("prune", keep=[releases[machine]])
        mine = [node.address for node in machine.host.nodes if node in done]
        text = f"{', '.join(mine)} upgraded to {releases[machine]}" if mine else f"runs {releases[machine]} already"
        machine.finish(text, "good" if mine else "same")

    await fleet.each(tidy)
    if not done:
        return "nothing to do: all nodes run this release"
    return "1 node upgraded" if len(done) == 1 else f"{len(done)} nodes upgraded, one after the other"


def _check_there(machine: Machine) -> None:
    for node in machine.host.nodes:
        found = machine.look.nodes[node.name]
        if found.record is None:
            raise RemoteError(f"{machine.name}: {node.address} was never started there; hive_apply does that first")


def _due(fleet: Fleet, releases: dict[Machine, str]) -> list[_Due]:
    """Nodes that do not run that release, or are not configured for it; those that do not run at all first, as the hive
    gets no better without them."""
    due: list[_Due] = []
    for machine in fleet.machines:
        for node in machine.host.nodes:
            found = machine.look.nodes[node.name]
            assert found.record is not None
            if found.record.release != releases[machine] or found.release_running != releases[machine]:
                due.append((machine, node, found.record, releases[machine]))
    return sorted(due, key=lambda one: one[0].look.nodes[one[1].name].pid is not None)


def _halted(machine: Machine, node: Node, error: WrpmeError, done: list[Node], count: int) -> RemoteError:
    so_far = f"{listed(one.address for one in done)} upgraded" if done else "no node was upgraded"
    why = error.sentence.removeprefix(f"{machine.name}: ")
    halted = RemoteError(
        f"hive_upgrade halted at {node.address} on {machine.name}: {why}; {so_far} before it, "
        f"{count - len(done) - 1} after it are left as they are. See hive_status and hive_logs; when the hive is "
        "stable, the same command goes on"
    )
    machine.fail(halted)
    return halted
