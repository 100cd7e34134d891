"""What stands in the way of a hive on these hosts: everything is looked at, nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence

from wrpme.bootstrap.hosts import probe
from wrpme.bootstrap.hosts.fleet import Fleet, Machine
from wrpme.bootstrap.limits import CLOCK_AHEAD_SECONDS_MAX, REACH_SECONDS
from wrpme.bootstrap.rollout.apply import bundle_for
from wrpme.bootstrap.rollout.plan import ENDS_AT_LOGOUT
from wrpme.bootstrap.rollout.plan_text import SERVICES
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import WrpmeError
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB

_REACHED = {"open": "answers", "refused": "reachable, nothing listens yet"}
_UNREACHED = {
    "timeout": "no answer: a firewall drops it, or its host is down",
    "unreachable": "no route",
    "unresolved": "the name can't be resolved there",
}


class Finding:
    """What was found on one host: lines of a name and a text, and what is wrong."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.problems: list[str] = []


async def check(fleet: Fleet) -> dict[Host, Finding]:
    """Looks at all hosts side by side; those that can't be looked at are broken machines of the fleet."""
    findings: dict[Host, Finding] = {}
    everyone = [node for machine in fleet.machines for node in machine.host.nodes]

    async def work(machine: Machine) -> None:
        await machine.open(fleet.connector)
        await machine.look_around()
        finding = Finding()
        _machine(machine, finding)
        await _release(machine, finding)
        _nodes(machine, finding)
        await _reach(machine, [node for node in everyone if node not in machine.host.nodes], finding)
        findings[machine.host] = finding
        bad = len(finding.problems)
        machine.finish(f"{bad} problem{'s' * (bad > 1)}" if bad else "all is well", "bad" if bad else "good")

    await fleet.each(work)
    return findings


def check_text(hosts: Sequence[Host], findings: dict[Host, Finding], broken: dict[Host, WrpmeError]) -> str:
    """Host by host, problems marked with ``!``."""
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


def _machine(machine: Machine, finding: Finding) -> None:
    hello, look = machine.hello, machine.look
    python = ".".join(str(part) for part in hello.python)
    ahead = machine.clock_ahead_seconds
    clock = f"{abs(ahead):.2f} s {'ahead of' if ahead >= 0 else 'behind'} this machine"
    kept = SERVICES[look.service]
    finding.rows += [
        ("reached", f"as {hello.user}, {hello.hostname}"),
        ("host key", machine.remote.host_key),
        ("Python", f"{python}, {hello.executable}"),
        ("machine", f"{hello.machine}, {' '.join(hello.libc)}"),
        ("disk", f"{look.free_bytes / MIB:,.0f} MiB free for {look.directory}"),
        ("clock", clock),
        ("services", f"{kept}: {look.service_reason}" if look.service_reason else kept),
    ]
    if abs(ahead) > CLOCK_AHEAD_SECONDS_MAX:
        finding.problems.append(f"its clock is {clock}: entries expire at other times there; set up NTP on it")
    if look.writable:
        finding.problems.append(look.writable)
    if look.free_bytes < DISK_FREE_BYTES_MIN:
        finding.problems.append(f"the disk of {look.directory} is full; make room, or name another directory")
    if look.service == "process" and not look.survives:
        finding.problems.append(ENDS_AT_LOGOUT)
    if look.lock:
        finding.rows.append(("lock", f"held by {look.lock}"))


async def _release(machine: Machine, finding: Finding) -> None:
    try:
        bundle = await bundle_for(machine)
    except WrpmeError as error:
        finding.problems.append(error.sentence.removeprefix(f"{machine.name}: "))
        return
    there = "is there" if bundle.release in machine.look.releases else f"{bundle.size_bytes / MIB:.1f} MiB to send"
    finding.rows.append(("wrpme", f"{bundle.release}, {there}"))


def _nodes(machine: Machine, finding: Finding) -> None:
    for node in machine.host.nodes:
        found = machine.look.nodes[node.name]
        if found.pid is not None:
            state = f"runs, process {found.pid}"
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


async def _reach(machine: Machine, others: Sequence[Node], finding: Finding) -> None:
    if not others:
        return
    machine.step("trying the ports of the other nodes")
    pairs = [probe.target(node.told) for node in others]
    found = await machine.remote.call("reach", addresses=pairs, seconds=REACH_SECONDS)
    for node, (host, port) in zip(others, pairs, strict=True):
        how = str(found[f"{host}:{port}"])
        if how in _UNREACHED:
            why = _UNREACHED[how]
            finding.problems.append(f"from here {node.told} can't be reached ({why}); nodes must reach each other")
        else:
            finding.rows.append((f"to {node.told}", _REACHED[how]))
