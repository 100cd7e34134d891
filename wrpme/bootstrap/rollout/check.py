"""Finds out what stands in the way of a hive on these hosts, and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

from wrpme.bootstrap.hosts import probe
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.limits import CLOCK_AHEAD_SECONDS_MAX, REACH_SECONDS
from wrpme.bootstrap.rollout.apply import bundle_for, why_not_sent
from wrpme.bootstrap.rollout.plan import ENDS_AT_LOGOUT, SERVICES, few_files, twins
from wrpme.bootstrap.rollout.tls_plan import nears_its_end, span_left
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import WrpmeError
from wrpme.protocol.health import OPEN, is_exposed
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB

_REACHED = {"open": "answers", "refused": "reachable, nothing listens yet"}
_UNREACHED = {
    "timeout": "no answer: a firewall drops it, or its host is down",
    "unreachable": "no route",
    "unresolved": "the name can't be resolved there",
}


OPEN_NOTE = f"note: {OPEN}; wrpmesh user_add --role admin NAME adds the first, once all nodes have --tls-mode require"


class Finding:
    """What was found on one host: ``rows`` of a name and a text, and the ``problems``."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.problems: list[str] = []


async def check(fleet: Fleet) -> dict[Host, Finding]:
    """Returns what was found on each host. Those that can't be inspected are missing: the fleet has their errors."""
    findings: dict[Host, Finding] = {}
    everyone = [node for session in fleet.sessions for node in session.host.nodes]

    async def work(session: HostSession) -> None:
        await session.open(fleet.connector)
        await session.take_inventory()
        finding = Finding()
        _host_state(session, finding)
        await _release(session, finding)
        _nodes(session, finding)
        await _reach(session, [node for node in everyone if node not in session.host.nodes], finding)
        findings[session.host] = finding

    await fleet.each(work)
    inventories = {session.host: session.inventory for session in fleet.sessions if session.host in findings}
    for host, sentence in twins(inventories).items():
        findings[host].problems.insert(0, sentence)
    return findings


async def open_note(fleet: Fleet, findings: dict[Host, Finding]) -> str:
    """Returns what to do where the hive has no users, and others may reach it, as the first node that answers sees it;
    empty where that is not so."""
    for session in fleet.sessions:
        for node in session.host.nodes if session.host in findings else ():
            if session.inventory.nodes[node.name].pid is None:
                continue
            try:
                view = (await probe.probe_node(session.agent, node.address, node.name)).view
            except WrpmeError:
                continue
            if view is not None:
                return OPEN_NOTE if not view.users_since and is_exposed(view) else ""
    return ""


def check_text(hosts: Sequence[Host], findings: dict[Host, Finding], broken: dict[Host, WrpmeError]) -> str:
    """Returns the findings in words, host by host; problems are marked with ``!``."""
    lines: list[str] = []
    for host in hosts:
        if host not in findings:
            lines += [f"{host.name}: can't be used", f"  ! {broken[host].sentence}"]
            continue
        finding = findings[host]
        lines.append(f"{host.name}: {'all is well' if not finding.problems else 'not as it should be'}")
        width = max(len(name) for name, _ in finding.rows)
        lines += [f"  {name:<{width}}  {text}" for name, text in finding.rows]
        lines += [f"  ! {problem}" for problem in finding.problems]
    return "\n".join(lines)


def _host_state(session: HostSession, finding: Finding) -> None:
    hello, found = session.hello, session.inventory
    python = ".".join(str(part) for part in hello.python)
    ahead = session.clock_ahead_seconds
    clock = f"{abs(ahead):.2f} s {'ahead of' if ahead >= 0 else 'behind'} this machine"
    kept = SERVICES[found.service]
    finding.rows += [
        ("reached", f"as {hello.user}, {hello.hostname}"),
        ("host key", session.agent.host_key),
        ("Python", f"{python}, {hello.executable}"),
        ("machine", f"{hello.machine}, {' '.join(hello.libc)}"),
        ("disk", f"{found.free_bytes / MIB:,.0f} MiB free for {found.directory}"),
        ("clock", clock),
        ("services", f"{kept}: {found.service_reason}" if found.service_reason else kept),
    ]
    if abs(ahead) > CLOCK_AHEAD_SECONDS_MAX:
        finding.problems.append(f"its clock is {clock}: entries expire at other times there; set up NTP on it")
    if found.writable:
        finding.problems.append(found.writable)
    if found.free_bytes < DISK_FREE_BYTES_MIN:
        finding.problems.append(f"the disk of {found.directory} is full; make room, or name another directory")
    if found.service == "process" and not found.survives:
        finding.problems.append(ENDS_AT_LOGOUT)
    if found.lock:
        finding.rows.append(("lock", f"held by {found.lock}"))


async def _release(session: HostSession, finding: Finding) -> None:
    if unsent := await why_not_sent(session):
        finding.problems.append(unsent)
    try:
        bundle = await bundle_for(session)
    except WrpmeError as error:
        finding.problems.append(error.sentence.removeprefix(f"{session.name}: "))
        return
    sent = bundle.release in session.inventory.releases
    there = "is there" if sent else f"{bundle.size_bytes / MIB:.1f} MiB to send"
    if not sent and (few := few_files(session.inventory)):
        finding.problems.append(few)
    finding.rows.append(("wrpme", f"{bundle.release}, {there}"))


def _nodes(session: HostSession, finding: Finding) -> None:
    for node in session.host.nodes:
        found = session.inventory.nodes[node.name]
        if found.pid is not None:
            left = span_left(found.certificate, time.time()) if found.record and found.record.tls else ""
            if left and (aged := nears_its_end(found.certificate, time.time())):
                finding.problems.append(f"the certificate of {node.address} {aged}; hive_apply renews it")
            state = f"runs, process {found.pid}" + (f", its certificate {left}" if left else "")
        elif found.port == "taken":
            state = f"its port is taken by {found.holder or 'another program'}"
            finding.problems.append(f"{node.address}: {state}; end that, or give the node another port")
        elif not found.address_local:
            state = "is no address of this machine"
            finding.problems.append(f"{node.address} is no address of this machine; a node listens on one of its own")
        elif found.port == "unbindable":
            state = "can't be listened at"
            finding.problems.append(f"{node.address} {state}: {found.holder}")
        else:
            state = "its port is free" + (f"; data of hive {found.hive[:8]} is there" if found.hive else "")
        finding.rows.append((node.address, state))


async def _reach(session: HostSession, others: Sequence[Node], finding: Finding) -> None:
    if not others:
        return
    session.step("trying the ports of the other nodes")
    pairs = [probe.target(node.told) for node in others]
    found = await session.agent.call("reach", addresses=pairs, seconds=REACH_SECONDS)
    for node, (host, port) in zip(others, pairs, strict=True):
        how = str(found[f"{host}:{port}"])
        if how in _UNREACHED:
            why = _UNREACHED[how]
            finding.problems.append(f"from here {node.told} can't be reached ({why}); nodes must reach each other")
        else:
            finding.rows.append((f"to {node.told}", _REACHED[how]))
