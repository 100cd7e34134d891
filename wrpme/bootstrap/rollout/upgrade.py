"""Brings all nodes to another release: it is installed on all hosts, then the nodes restart one after the other, each
while the hive is stable."""

from __future__ import annotations

from msgspec.structs import replace

from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.hosts.inventory import Record
from wrpme.bootstrap.rollout import apply
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, WrpmeError
from wrpme.protocol.address import listed

_Due = tuple[HostSession, Node, Record, str]


async def upgrade(fleet: Fleet, lock: str) -> str:
    """Brings all nodes of the file to the release of this wrpmesh; returns what it came to, in one sentence.

    Raises:
        RemoteError: it halted; the sentence says at which node and why, and which nodes were upgraded.
    """
    releases: dict[HostSession, str] = {}

    async def prepare(session: HostSession) -> None:
        await session.open(fleet.connector)
        await session.take_lock(lock)
        await session.take_inventory()
        _check_there(session)
        bundle = await apply.bundle_for(session)
        releases[session] = bundle.release
        if bundle.release not in session.inventory.releases:
            await apply.install(session, bundle.release)
        session.step("waiting for its turn")

    await fleet.each(prepare)
    if fleet.broken:
        for session in fleet.sound:
            session.finish("ready for the upgrade, which has not begun", "same")
        return ""
    due = _due(fleet, releases)
    done: list[Node] = []
    for session, node, record, release in due:
        try:
            hive = session.inventory.nodes[node.name].hive
            await apply.restart(session, node, replace(record, release=release), fleet.sound, hive)
        except WrpmeError as error:
            raise _halted(session, node, error, done, len(due)) from None
        done.append(node)
        fleet.reporter.say(f"{node.address} runs {release} ({len(done)} of {len(due)})")

    async def tidy(session: HostSession) -> None:
        await session.agent.call("prune", keep=[releases[session]])
        mine = [node.address for node in session.host.nodes if node in done]
        text = f"{', '.join(mine)} upgraded to {releases[session]}" if mine else f"runs {releases[session]} already"
        session.finish(text, "good" if mine else "same")

    await fleet.each(tidy)
    if not done:
        return "nothing to do: all nodes run this release"
    return "1 node upgraded" if len(done) == 1 else f"{len(done)} nodes upgraded, one after the other"


def _check_there(session: HostSession) -> None:
    for node in session.host.nodes:
        found = session.inventory.nodes[node.name]
        if found.record is None:
            raise RemoteError(f"{session.name}: {node.address} was never started there; hive_apply does that first")


def _due(fleet: Fleet, releases: dict[HostSession, str]) -> list[_Due]:
    """Returns the nodes that do not run that release, or are not configured for it.

    Those that do not run at all come first, as the hive may not become stable without them.
    """
    due: list[_Due] = []
    for session in fleet.sessions:
        for node in session.host.nodes:
            found = session.inventory.nodes[node.name]
            assert found.record is not None
            if found.record.release != releases[session] or found.release_running != releases[session]:
                due.append((session, node, found.record, releases[session]))
    return sorted(due, key=lambda one: one[0].inventory.nodes[one[1].name].pid is not None)


def _halted(session: HostSession, node: Node, error: WrpmeError, done: list[Node], count: int) -> RemoteError:
    so_far = f"{listed(one.address for one in done)} upgraded" if done else "no node was upgraded"
    why = error.sentence.removeprefix(f"{session.name}: ")
    halted = RemoteError(
        f"hive_upgrade halted at {node.address} on {session.name}: {why}; {so_far} before it, "
        f"{count - len(done) - 1} after it are left as they are. See hive_status and hive_logs; when the hive is "
        "stable, the same command goes on"
    )
    session.fail(halted)
    return halted
