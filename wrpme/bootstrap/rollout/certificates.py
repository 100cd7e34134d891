"""Keys and certificates of nodes on their hosts: made, signed, put into their place, and read by the node.

A node that runs reads them without a restart. Connections that are open stay, and no request fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.credentials.authority import Authority
from wrpme.bootstrap.credentials.store import Credentials
from wrpme.bootstrap.hosts.fleet import HostSession
from wrpme.bootstrap.hosts.probe import target
from wrpme.bootstrap.limits import ASK_NODE_SECONDS, REREAD_LOOK_SECONDS, REREAD_SECONDS_MAX
from wrpme.bootstrap.rollout.tls_plan import OFF, names_of
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import TimeoutError


async def certify(session: HostSession, node: Node, maker: str, issuer: Authority, trusted: str, days: int) -> str:
    """Has a key made on the host, and puts a certificate for it beside it, to wait there; returns the certificate.

    Raises:
        RemoteError: something of it can't be done there.
    """
    session.step(f"making a key for {node.address}")
    made = await session.agent.call("make_key", name=node.name, release=maker)
    names = names_of(session.host, node, session.hello.hostname)
    certificate = authority.issue(issuer, made["request"], names, days, time.time())
    await session.agent.call("certify", name=node.name, trusted=trusted, certificate=certificate, now=False)
    return certificate


async def activate(session: HostSession, node: Node, trusted: str, certificate: str, reads: bool) -> None:
    """Makes the pair that waits, if there is one, and ``trusted`` what the node uses. A node that ``reads`` has done so
    when this returns: it is seen to show that certificate, where one is named.

    Raises:
        TimeoutError: the node goes on showing another certificate.
        RemoteError: it does not answer.
    """
    await session.agent.call("certify", name=node.name, trusted=trusted, certificate="", now=True)
    if not reads:
        return
    session.step(f"waiting until {node.address} has read its certificate")
    await session.agent.call("reread", name=node.name)
    if certificate:
        await _until(session, node, certificate)


async def until_trusted(session: HostSession, node: Node) -> None:
    """Lets the node read again whom it trusts, and returns when it takes the pair that waits beside it.

    Raises:
        TimeoutError: it goes on refusing that.
    """
    session.step(f"waiting until {node.address} trusts the new CA")
    await session.agent.call("reread", name=node.name)
    await _until(session, node, "")


async def _until(session: HostSession, node: Node, certificate: str) -> None:
    """Waits until the node shows that certificate, or without one until it takes the pair that waits."""
    loop = asyncio.get_running_loop()
    end = loop.time() + REREAD_SECONDS_MAX
    while True:
        found = await session.agent.call(
            "shown", name=node.name, address=target(node.address), as_next=not certificate, seconds=ASK_NODE_SECONDS
        )
        seen = str(found["certificate"])
        if seen and (not certificate or seen.split() == certificate.split()):
            return
        if loop.time() >= end:
            what = "shows another certificate than its new one" if certificate else "does not trust the new CA"
            raise TimeoutError(
                f"{session.name}: {node.address} still {what} after {REREAD_SECONDS_MAX:g} s; its log says why "
                "(hive_logs)"
            )
        await asyncio.sleep(REREAD_LOOK_SECONDS)


def told_addresses(hosts: Iterable[Host]) -> list[str]:
    """Returns the addresses by which clients may know nodes of the file."""
    return [one for host in hosts for node in host.nodes for one in (node.told, node.address)]


def authorities_in_use(sessions: Iterable[HostSession]) -> dict[str, Authority]:
    """Returns the CAs that certificates in use come from, by their ids; without their keys. A certificate of a node
    that was never told to speak TLS is in no use."""
    found: dict[str, Authority] = {}
    for session in sessions:
        for one in session.inventory.nodes.values():
            mode = one.record.tls if one.record else ""
            there = authority.read(one.certificate) if mode not in ("", OFF) else None
            if there is not None:
                issuers = {ca.id: ca for ca in authority.read_all(one.trusted)}
                found[there.authority] = issuers.get(there.authority, Authority(there.authority, ""))
    return found


def agreed(sessions: Iterable[HostSession]) -> Authority | None:
    """Returns the one CA that all nodes in use have their certificates from and trust; None if they differ."""
    sessions = list(sessions)
    used = list(authorities_in_use(sessions).values())
    found = [one for session in sessions for one in session.inventory.nodes.values() if one.record and one.record.tls]
    trusted = {one.trusted for one in found}
    if len(used) != 1 or len(trusted) != 1 or authority.read_all(trusted.pop()) != tuple(used):
        return None
    return used[0]


def lost(credentials: Credentials | None, ids: Iterable[str]) -> str:
    """Returns why this machine can't sign certificates of the hive's CA; empty if it can, or if there is no CA yet."""
    named = sorted(ids)
    if credentials.issuer.key if credentials is not None else not named:
        return ""
    which = credentials.issuer.id if credentials is not None else named[0]
    where = credentials.shown if credentials is not None else "~/.config/wrpme/hives"
    return (
        f"the key of its CA ({which}) is not on this machine: copy the directory with {which}.key from the operator's "
        f"machine that has it to {where}, or go over to a new CA with hive_rotate --ca"
    )
