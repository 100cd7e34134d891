"""New keys and certificates on all hosts at once, or a new CA.

A CA changes in two steps, for clients have to follow. First all nodes trust the new one beside the old one; then, once
clients do, certificates come from the new one, and the old one is trusted no more. How far it is stands in the
operator's directory and on the hosts, so what was cut off is gone on with by the same command.
"""

from __future__ import annotations

import time

from wrpme.bootstrap.credentials import store
from wrpme.bootstrap.credentials.authority import Authority
from wrpme.bootstrap.credentials.store import Credentials
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.hosts.inventory import NodeFound
from wrpme.bootstrap.limits import CERTIFICATE_DAYS
from wrpme.bootstrap.rollout import certificates, stability
from wrpme.bootstrap.rollout.tls_plan import OFF
from wrpme.bootstrap.topology.file import Node
from wrpme.errors import RemoteError, UsageError
from wrpme.protocol.address import listed
from wrpme.protocol.stats import HiveStatus


async def rotate(fleet: Fleet, lock: str, ca: bool, yes: bool) -> str:
    """Gives all nodes of the file new keys and certificates, with ``ca`` from another CA; returns what it came to, or
    an empty text if a host failed.

    Raises:
        UsageError: the file leaves TLS alone, or the operator did not say yes; nothing was changed.
        RemoteError: a node is not in a state for it, or the key of the CA is not here; nothing was changed.
    """
    hosts = [session.host for session in fleet.sessions]
    if hosts[0].tls is None:
        raise UsageError("hive_rotate is for hives whose TLS hive_apply manages: the file has no [tls] managed = true")

    async def enter(session: HostSession) -> None:
        await session.open(fleet.connector)
        await session.take_lock(lock)
        await session.take_inventory()
        _check(session)
        session.step("waiting for the other hosts")

    await fleet.each(enter)
    if fleet.broken:
        for session in fleet.sound:
            session.finish("left as it is", "same")
        return ""
    used = certificates.authorities_in_use(fleet.sound)
    mine = store.find(certificates.told_addresses(hosts), used)
    if ca:
        await _check_members(fleet)
        return await _Change(fleet, mine or _lost(fleet, used), yes).go_on()
    if why := certificates.lost(mine, used):
        raise RemoteError(f"no certificate can be made: {why}")
    assert mine is not None, "nodes have certificates, so there is a CA"
    await _renew(fleet, mine, mine.issuer)
    for session in fleet.sound:
        session.finish(f"{_names(session)}: new key and certificate")
    return "" if fleet.broken else f"all {_count(fleet)} have new keys and certificates, valid for {_days(fleet)} days"


def _check(session: HostSession) -> None:
    for node in session.host.nodes:
        found = session.inventory.nodes[node.name]
        if found.record is None or found.record.tls in ("", OFF):
            raise RemoteError(f"{session.name}: {node.address} has no certificate of hive_apply yet; that comes first")
        if found.pid is None:
            raise RemoteError(f"{session.name}: {node.address} does not run; hive_start or hive_apply comes first")


async def _check_members(fleet: Fleet) -> None:
    found = await stability.status(fleet.sound)
    if not isinstance(found, HiveStatus):
        raise RemoteError(f"the nodes of the hive are not known ({found}); see hive_logs")
    told = {node.told for session in fleet.sessions for node in session.host.nodes}
    if strangers := [one.address for one in found.view.members if one.address not in told]:
        raise RemoteError(
            f"the hive has also {listed(strangers)}, not in this file: with another CA it could speak with them no "
            "more; write them into the file, or let them leave"
        )


def _lost(fleet: Fleet, used: dict[str, Authority]) -> Credentials:
    """Returns credentials with a new CA beside that of the hive, whose key nobody here has."""
    hosts = [session.host for session in fleet.sessions]
    if not all(one.certificate for one in used.values()):
        raise RemoteError("the CA of the hive is not found on its hosts, so it can't be changed; see their ca.pem")
    return store.create(certificates.told_addresses(hosts), time.time(), used.values())


async def _renew(fleet: Fleet, mine: Credentials, issuer: Authority) -> None:
    """Gives each node a new key and a certificate of that CA, which it has read when this returns."""

    async def work(session: HostSession) -> None:
        for node in session.host.nodes:
            made = await _certified(session, node, mine, issuer)
            await certificates.activate(session, node, mine.trusted, made, reads=True)
        session.step("waiting for the other hosts")

    await fleet.each(work)


async def _certified(session: HostSession, node: Node, mine: Credentials, issuer: Authority) -> str:
    found = session.inventory.nodes[node.name].record
    assert found is not None, "nodes without a record are refused"
    makers = session.inventory.key_makers
    if not makers:
        raise RemoteError(f"{session.name}: no release there makes keys; hive_upgrade brings one that does")
    maker = found.release if found.release in makers else makers[-1]
    days = session.host.tls.days if session.host.tls else CERTIFICATE_DAYS
    return await certificates.certify(session, node, maker, issuer, mine.trusted, days)


class _Change:
    """The change of a CA."""

    def __init__(self, fleet: Fleet, mine: Credentials, yes: bool) -> None:
        self._fleet = fleet
        self._mine = mine
        self._yes = yes

    async def go_on(self) -> str:
        """Takes the next of the two steps, or goes on with one that was cut off."""
        mine = self._mine
        told = all(one.trusted == mine.trusted for one in self._found())
        if not mine.changing and not told:  # only the end of the second step is missing
            return await self._end()
        if not mine.changing:
            mine.add(time.time())
        if mine.issuer.id == mine.newest.id:
            return await self._change_over()
        first = not mine.state.prepared
        if not first and not self._yes:
            await self._ask()
        await self._prepare()
        if self._fleet.broken:
            return ""
        if not first:
            mine.change_over()
            return await self._change_over()
        mine.prepare()
        for session in self._fleet.sound:
            session.finish(f"{_names(session)}: the new CA is trusted, too")
        return (
            f"step 1 of 2 is done: all {_count(self._fleet)} trust the new CA {mine.newest.id}, too. Now let all "
            f"clients trust what is in {mine.shown}/ca.pem, and give the same command again"
        )

    def _found(self) -> list[NodeFound]:
        return [one for session in self._fleet.sessions for one in session.inventory.nodes.values()]

    async def _ask(self) -> None:
        question = (
            f"clients that do not trust the new CA {self._mine.newest.id} ({self._mine.shown}/ca.pem) can't connect "
            "from then on; type yes to change over to it: "
        )
        if (await self._fleet.reporter.ask(question)).strip() != "yes":
            raise UsageError("step 2 was not carried out: it takes the word yes, or --yes; nothing was changed")

    async def _prepare(self) -> None:
        """Has each node trust both CAs, and keeps a certificate of the new one beside it, with which that is tried."""
        mine = self._mine

        async def work(session: HostSession) -> None:
            for node in session.host.nodes:
                await _certified(session, node, mine, mine.newest)
                await certificates.until_trusted(session, node)
            session.step("waiting for the other hosts")

        await self._fleet.each(work)

    async def _change_over(self) -> str:
        mine = self._mine
        await _renew(self._fleet, mine, mine.issuer)
        if self._fleet.broken:
            return ""
        mine.drop()
        return await self._end()

    async def _end(self) -> str:
        """Has each node trust the new CA alone."""
        mine = self._mine

        async def work(session: HostSession) -> None:
            for node in session.host.nodes:
                await certificates.activate(session, node, mine.trusted, "", reads=True)
            session.finish(f"{_names(session)}: certificate of the new CA, and no other CA is trusted")

        await self._fleet.each(work)
        if self._fleet.broken:
            return ""
        return f"step 2 of 2 is done: the hive has the CA {mine.issuer.id} alone; clients need no other one"


def _names(session: HostSession) -> str:
    return ", ".join(node.address for node in session.host.nodes)


def _count(fleet: Fleet) -> str:
    count = sum(len(session.host.nodes) for session in fleet.sessions)
    return f"{count} node{'s' * (count != 1)}"


def _days(fleet: Fleet) -> int:
    tls = fleet.sessions[0].host.tls
    return tls.days if tls else CERTIFICATE_DAYS
