"""A plan in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wrpme.bootstrap.rollout.plan import Deed, HostPlan, NodePlan, Plan
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import WrpmeError
from wrpme.limits import MIB

SERVICES = {"system": "systemd", "user": "systemd of the user", "process": "setsid and a pid file"}


def plan_text(plan: Plan, hosts: Sequence[Host], broken: Mapping[Host, WrpmeError]) -> str:
    """Host by host, in the order of the file, then what it comes to."""
    by_host = {one.host: one for one in plan.hosts}
    lines: list[str] = []
    for host in hosts:
        if host in by_host:
            lines += _host(by_host[host])
        else:
            lines.append(f"{host.name}: can't be used")
            lines.append(f"  ! {broken[host].sentence}")
    lines += plan.notes
    lines.append(_sum(plan, len(broken)))
    return "\n".join(lines)


def _host(plan: HostPlan) -> list[str]:
    hello, look = plan.seen.hello, plan.seen.look
    python = ".".join(str(part) for part in hello.python)
    lines = [f"{plan.host.name}: {hello.user}, Python {python}, {hello.machine}, {' '.join(hello.libc)}"]
    if look.lock:
        lines.append(f"  ! {look.lock} is at work here now: what is said here may be different in a moment")
    if not plan.problems:
        for release in plan.install:
            size = f" ({plan.seen.size_bytes / MIB:.1f} MiB)" if plan.seen.size_bytes else ""
            lines.append(f"  + send wrpme {release}{size} to {look.directory}")
        lines += [_node(one) for one in plan.nodes]
    lines += [f"  ! {problem}" for problem in plan.problems]
    return lines


def _node(one: NodePlan) -> str:
    if one.deed is Deed.NOTHING:
        return f"  {'~' if one.configure else '='} {one.node.address} runs" + (", is told its peers" * one.configure)
    extra = f" {' '.join(one.record.arguments)}" if one.record.arguments else ""
    if one.deed is Deed.RESTART:
        return f"  ~ {one.node.address} {one.deed.value}:{extra or ' none'}"
    return f"  + {one.node.address} {one.deed.value}{extra}; kept by {SERVICES[one.record.service]}"


def _sum(plan: Plan, broken: int) -> str:
    deeds = [one.deed for host in plan.hosts if not host.problems for one in host.nodes]
    start = sum(deed in (Deed.FOUND, Deed.JOIN, Deed.START) for deed in deeds)
    counts = [
        (start, "to start"),
        (deeds.count(Deed.RESTART), "to restart"),
        (deeds.count(Deed.NOTHING), "to leave as they are"),
    ]
    said = [f"{count} {what}" for count, what in counts if count]
    if said:
        count, what = said[0].split(" ", 1)
        said[0] = f"{count} node{'s' * (count != '1')} {what}"
    bad = broken + sum(bool(host.problems) for host in plan.hosts)
    if bad:
        said.append(f"{bad} host{'s' * (bad > 1)} that can't be used as things are")
    if plan.empty and not broken:
        return "nothing to do: all nodes are as the file says"
    return ", ".join(said)
