"""The plan: what is to be done, from what the topology file says and what was found on its hosts; also in words.

This module is pure. Two hives where one is meant are the worst that can happen, so a hive is founded under one rule
alone: no node on a host of the file that answers has ever been in a hive; more than half of the hosts answer; and the
first node of the file is on one of them. That node founds the hive; all others are told its address and each other's,
and wait. In every other case nodes only join, or come back with their data. (A node that is told to found a hive, and
has data, comes back too: so it is safe to give the command again after a founding that was cut off.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from wrpme.bootstrap.hosts.inventory import Hello, HostInventory, NodeFound, Record
from wrpme.bootstrap.limits import BUNDLE_ROOM_FACTOR, PEERS_TOLD_MAX, RELEASE_FILES_MAX
from wrpme.bootstrap.rollout.tls_plan import OFF, Wanted, due, names_of, span_left
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import WrpmeError
from wrpme.files.hives import OPERATOR
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB
from wrpme.protocol.address import listed

ENDS_AT_LOGOUT = (
    "systemd ends the processes of this user when he logs out there (KillUserProcesses), nodes too; let the user "
    "linger (loginctl enable-linger, as root), or log in as root"
)
SERVICES = {"system": "systemd", "user": "systemd of the user", "process": "setsid and a pid file"}
"""What keeps nodes running, in words."""
NO_TLS = Wanted()
_NONE_BROKEN: Mapping[Host, WrpmeError] = MappingProxyType({})


class Action(Enum):
    """What is done with a node."""

    NOTHING = "runs as the file says"
    FOUND = "founds the hive"
    JOIN = "joins the hive"
    START = "starts again"
    RESTART = "restarts with other options"


class Seen(Struct, frozen=True):
    """A host that answers.

    ``release`` is the one that this wrpmesh would install there, empty if there is none; ``size_bytes`` is 0 then.
    ``missing`` says why there is none, or why it can't be sent.
    """

    hello: Hello
    inventory: HostInventory
    release: str
    missing: str = ""
    size_bytes: int = 0


class Hive(Struct, frozen=True):
    """The hive that nodes of the file are in: its id in hex, the copies it keeps, and the addresses of its members."""

    id: str
    replication: int
    members: tuple[str, ...]


class NodePlan(Struct, frozen=True):
    """What is done with one node. ``record`` is how the node is configured afterwards."""

    node: Node
    action: Action
    record: Record
    found: NodeFound
    configure: bool
    """Whether its configuration is to be written."""
    certificate: str = ""
    """Why it gets a key and a certificate; empty if it needs none."""
    trusts: bool = False
    """Whether the CAs that it trusts are to be written."""
    maker: str = ""
    """The release that makes its key."""
    steps: tuple[str, ...] = ()
    """The modes of TLS that it goes through, with a restart for each."""
    expires: str = ""
    """When the certificate that it has expires, in words; empty if it uses none."""

    @property
    def empty(self) -> bool:
        """Returns whether nothing is to be done."""
        secured = self.certificate or self.trusts or self.steps
        return not secured and not self.configure and self.action is Action.NOTHING

    @property
    def restarts(self) -> bool:
        """Returns whether it is restarted, be it after its start."""
        return self.action is Action.RESTART or bool(self.steps)

    @property
    def starts(self) -> bool:
        """Returns whether it is started, as it does not run, or is in no hive."""
        return self.action in (Action.FOUND, Action.JOIN, Action.START)

    @property
    def mode(self) -> str:
        """Returns the mode of TLS that it has before its first step."""
        return self.record.tls or OFF


class HostPlan(Struct, frozen=True):
    """What is done on one host, which is nothing while it has ``problems``."""

    host: Host
    seen: Seen
    nodes: tuple[NodePlan, ...]
    problems: tuple[str, ...]
    install: tuple[str, ...]
    """Releases that its nodes need and that are not there."""

    @property
    def empty(self) -> bool:
        """Returns whether nothing is to be done."""
        return not self.install and all(one.empty for one in self.nodes)


class Plan(Struct, frozen=True):
    """What is done on all ``hosts`` that answer. ``notes`` are sentences for the operator, and so is ``held``: why TLS
    stays as it is."""

    hosts: tuple[HostPlan, ...]
    notes: tuple[str, ...]
    held: str = ""
    operator: str = ""
    """What becomes of the hive's first admin, in words; empty if nothing does."""

    @property
    def empty(self) -> bool:
        """Returns whether nothing is to be done, and nothing stands in the way."""
        return not self.held and not self.operator and all(one.empty and not one.problems for one in self.hosts)


def make(
    hosts: Sequence[Host],
    seen: Mapping[Host, Seen],
    hive: Hive | None,
    peers: Sequence[str] = (),
    may_found: bool = True,
    broken: Mapping[Host, WrpmeError] = _NONE_BROKEN,
    wanted: Wanted = NO_TLS,
) -> Plan:
    """Returns the plan for ``hosts``, which are in their order in the file.

    ``hive`` is the one that a node of theirs is in, ``peers`` are nodes of it that are not in the file. Without
    ``may_found`` nodes only join. ``broken`` says why hosts that are not ``seen`` can't be used, and ``wanted`` how TLS
    is to be.
    """
    known = any(one.hive for each in seen.values() for one in each.inventory.nodes.values())
    enough = 2 * len(seen) > len(hosts)
    first = hosts[0]
    founds = may_found and hive is None and not known and enough and first in seen
    lost = "" if founds or known or hive is not None or peers else _why_none(hosts, seen, may_found, broken)
    everyone = [node.told for host in hosts for node in host.nodes]
    before = [one.record.tls or OFF for each in seen.values() for one in each.inventory.nodes.values() if one.record]
    if wanted.steps or any(mode != wanted.mode for mode in before):
        wanted = replace(wanted, held=_why_held(hosts, seen, hive, everyone, wanted))
    doubled = twins({host: seen[host].inventory for host in hosts if host in seen})
    plans: list[HostPlan] = []
    for host in hosts:
        if host in seen:
            others = [*peers, *everyone]
            founder = host.nodes[0] if founds and host is first else None
            plan = _host(host, seen[host], others, founder, hive, lost, wanted)
            if host in doubled:
                plan = replace(plan, problems=(doubled[host], *plan.problems))
            plans.append(plan)
    notes = [*_notes(plans, hive if may_found else None, everyone), *tls_notes(plans, wanted)]
    return Plan(tuple(plans), tuple(notes), wanted.held, _operator(wanted, plans))


def _operator(wanted: Wanted, plans: Sequence[HostPlan]) -> str:
    """Returns what becomes of the hive's first admin, in words."""
    if wanted.held:
        return ""
    if wanted.falls and wanted.users:
        return f"- the user {OPERATOR} is removed first: without TLS alone there can be no users"
    founds = any(one.action is Action.FOUND for plan in plans for one in plan.nodes)
    if not wanted.adds_operator or wanted.users is None or wanted.users or not (founds or wanted.modes):
        return ""
    told = f"+ the hive gets the admin {OPERATOR}, as whom wrpmesh on this machine asks by itself"
    if founds:
        return told
    return f"{told}; programs that give no name and password are refused from then on; they can give them already now"


def _why_held(
    hosts: Sequence[Host], seen: Mapping[Host, Seen], hive: Hive | None, everyone: Sequence[str], wanted: Wanted
) -> str:
    if away := [host.name for host in hosts if host not in seen]:
        return f"TLS stays as it is, as nothing is known of {listed(away)}: its steps take all nodes of the hive"
    if hive is not None and (strangers := [one for one in hive.members if one not in everyone]):
        return (
            f"TLS stays as it is, as the hive has also {listed(strangers)}, not in this file: its steps take all nodes "
            "of the hive; write them into the file, or let them leave"
        )
    if wanted.falls and wanted.users is None:
        return "TLS stays as it is, as no node tells whether the hive has users, who forbid it; see hive_logs"
    if wanted.falls and wanted.users and (others := [name for name in wanted.users if name != OPERATOR]):
        return (
            f"TLS stays as it is, as the hive has the users {', '.join(others)}, whose passwords would travel in plain "
            "words: remove them first (user_remove)"
        )
    if wanted.falls and wanted.users and not wanted.has_password:
        return f"TLS stays as it is, as the hive has the user {OPERATOR}, and {_NO_PASSWORD}"
    return ""


_NO_PASSWORD = (
    "his password is not on this machine: copy the directory of the hive from the operator's machine that has it, or "
    "set another one, as docs/security.md says where the last password is lost"
)


def tls_notes(plans: Sequence[HostPlan], wanted: Wanted) -> list[str]:
    """Returns what an operator should know about TLS beyond what is done with each node."""
    nodes = [one for plan in plans for one in plan.nodes if not plan.problems]
    notes = ["the CA of the hive is being changed: hive_rotate --ca goes on with it"] * wanted.changing
    if wanted.lost and wanted.mode != OFF:
        notes.append(f"no certificate can be renewed from here: {wanted.lost}")
    if wanted.adds_operator and OPERATOR in (wanted.users or ()) and not wanted.has_password:
        notes.append(f"the hive has the user {OPERATOR}, and {_NO_PASSWORD}")
    if not wanted.authority and not wanted.lost and any(one.certificate for one in nodes):
        notes.append(f"a CA for the hive is made in {wanted.place}, where its key stays: keep a copy of that directory")
    if any(one.steps[-1:] == ("require",) for one in nodes):
        notes.append(
            'clients without TLS are refused once a node has come to require; with mode = "prefer" in [tls] they are '
            "taken until they have it, too"
        )
    return notes


def twins(found: Mapping[Host, HostInventory]) -> dict[Host, str]:
    """Returns the hosts that are another one of them under a second name, with the sentence that says so."""
    by_identity: dict[str, Host] = {}
    said: dict[Host, str] = {}
    for host, inventory in found.items():
        other = by_identity.setdefault(inventory.identity or host.name, host)
        if other is not host:
            said[host] = f"it is the same machine as {other.name}; say the same host for both of its nodes"
    return said


def _why_none(
    hosts: Sequence[Host], seen: Mapping[Host, Seen], may_found: bool, broken: Mapping[Host, WrpmeError]
) -> str:
    if not may_found:
        return "no hive is known that it could join; name one of its nodes with --peer"
    causes = [f"; {broken[host].sentence}" for host in hosts if host in broken]
    if hosts[0] not in seen:
        node, because = hosts[0].nodes[0].address, "".join(causes[:1])
        return f"there is no hive yet, and {node}, the first node of the file, can't found it now{because}"
    return (
        f"there is no hive yet on the hosts that can be used, but those are only {len(seen)} of {len(hosts)}, and one "
        f"may be on the others{''.join(causes)}"
    )


def _host(
    host: Host,
    seen: Seen,
    others: Sequence[str],
    founder: Node | None,
    hive: Hive | None,
    lost: str,
    wanted: Wanted,
) -> HostPlan:
    nodes: list[NodePlan] = []
    problems: list[str] = []
    for node in host.nodes:
        found = seen.inventory.nodes[node.name]
        one = _secured(_node(node, found, seen, others, node is founder), host, seen, wanted)
        nodes.append(one)
        problems += _problems_of_certificate(one, host, seen, wanted)
        if one.action is not Action.NOTHING:
            problems += _problems_of(one, hive, lost)
        if hive is not None and found.hive and found.hive != hive.id:
            problems.append(
                f"{node.address} holds data of another hive ({found.hive[:8]}) than {hive.members[0]} "
                f"({hive.id[:8]}): it can't join; hive_destroy its data, or move it out of this file"
            )
    needed = {one.record.release for one in nodes if one.configure or one.action is not Action.NOTHING or one.steps}
    needed |= {one.maker for one in nodes if one.certificate}
    install = tuple(sorted(release for release in needed if release and release not in seen.inventory.releases))
    plan = HostPlan(host, seen, tuple(nodes), (), install)
    if not plan.empty:
        problems += _problems_of_host(plan)
    return replace(plan, problems=tuple(dict.fromkeys(problems)))


def _node(node: Node, found: NodeFound, seen: Seen, others: Sequence[str], founds: bool) -> NodePlan:
    before = found.record
    peers = () if founds else _peers(before, [one for one in others if one != node.told])
    release = before.release if before and before.release in seen.inventory.releases else seen.release
    service = before.service if before else seen.inventory.service
    tls = before.tls if before else ""
    record = Record(node.address, node.advertise, node.arguments, tuple(peers), release, service, tls)
    if founds:
        action = Action.FOUND
    elif found.pid is None:
        action = Action.START if found.hive else Action.JOIN
    elif before is None or _options(before) != _options(record):
        action = Action.RESTART
    else:
        action = Action.NOTHING
    return NodePlan(node, action, record, found, record != before)


def _secured(one: NodePlan, host: Host, seen: Seen, wanted: Wanted) -> NodePlan:
    """Adds what is done for TLS to what is done with a node."""
    before = one.found.record
    mode = wanted.begins((before.tls or OFF) if before else "") if one.starts else one.mode
    steps = wanted.left(mode)
    record = replace(one.record, tls="" if mode == OFF else mode)
    reason, trusts, maker, expires = "", False, "", ""
    if {mode, *steps} != {OFF}:
        makers = seen.inventory.key_makers
        maker = record.release if record.release in makers else seen.release
        if one.starts or steps:
            record = replace(record, release=maker)
        reason = due(one.found, names_of(host, one.node, seen.hello.hostname), wanted)
        expires = span_left(one.found.certificate, wanted.now)
        trusts = bool(wanted.trusted) and one.found.trusted != wanted.trusted
    return replace(
        one,
        record=record,
        configure=record != one.found.record,
        certificate=reason,
        trusts=trusts,
        maker=maker,
        steps=steps,
        expires=expires,
    )


def _problems_of_certificate(one: NodePlan, host: Host, seen: Seen, wanted: Wanted) -> list[str]:
    if not one.certificate:
        return []
    needs = f"{one.node.address} needs a certificate ({one.certificate})"
    if wanted.lost:
        return [f"{needs}, and {wanted.lost}"]
    if host.tls is None and one.maker not in seen.inventory.key_makers:
        return [f"{needs} as long as the hive has TLS, and what is installed there makes no keys; apply the file first "
                "without this node, and add it when TLS is off"]  # fmt: skip
    return []


def _options(record: Record) -> tuple[str, str, tuple[str, ...]]:
    return record.address, record.advertise, record.arguments


def _peers(before: Record | None, others: Sequence[str]) -> Sequence[str]:
    """Returns the peers of the record. Those it has stay as long as one of them holds: a node with data does not need
    them, and a record that stays the same need not be written."""
    if before is not None and any(peer in others for peer in before.peers):
        return before.peers
    return others[:PEERS_TOLD_MAX]


def _problems_of(one: NodePlan, hive: Hive | None, lost: str) -> list[str]:
    node, found = one.node, one.found
    problems: list[str] = []
    if one.action is Action.JOIN and lost:
        problems.append(f"{node.address} is not started: {lost}")
    if found.port == "taken" and found.pid is None:
        by = f" by {found.holder}" if found.holder else ""
        problems.append(f"the port of {node.address} is taken{by}; end that program, or give the node another port")
    if not found.address_local:
        problems.append(f"{node.address} is no address of this machine; a node listens on one of its own addresses")
    elif found.port == "unbindable" and found.pid is None:
        problems.append(f"{node.address} can't be listened at: {found.holder}")
    wanted = _copies(node)
    if hive is not None and wanted and wanted != hive.replication:
        problems.append(
            f"the file asks for replication {wanted}, but the hive keeps {hive.replication} copies of each entry; say "
            f"{hive.replication} in the file, or change the hive first: wrpmesh set_replication {wanted}"
        )
    return problems


def _copies(node: Node) -> int:
    words = node.arguments
    return int(words[words.index("--replication") + 1]) if "--replication" in words else 0


def _problems_of_host(plan: HostPlan) -> list[str]:
    seen, there = plan.seen, plan.seen.inventory
    problems: list[str] = []
    # Where there is no release to install, the nodes that need one name none.
    unnamed = any(
        (not one.record.release and one.action is not Action.NOTHING)
        or (not one.maker and (one.certificate or one.steps))
        for one in plan.nodes
    )
    if seen.missing and (plan.install or unnamed):
        problems.append(seen.missing)
    if there.writable:
        problems.append(there.writable)
    needed = len(plan.install) * BUNDLE_ROOM_FACTOR * seen.size_bytes + DISK_FREE_BYTES_MIN
    if there.free_bytes < needed:
        problems.append(
            f"the disk of {there.directory} has {there.free_bytes / MIB:.0f} MiB free, and {needed / MIB:.0f} MiB are "
            "needed; make room, or name another directory in the file"
        )
    if plan.install and (few := few_files(there)):
        problems.append(few)
    if not there.survives and any(one.record.service == "process" for one in plan.nodes):
        problems.append(ENDS_AT_LOGOUT)
    return problems


def few_files(there: HostInventory) -> str:
    """Returns why a release can't be installed for want of inodes; empty if it can."""
    if not 0 <= there.free_files < RELEASE_FILES_MAX:
        return ""
    return (
        f"the disk of {there.directory} takes only {there.free_files} more files (its inodes are nearly used up), and "
        f"a release may have {RELEASE_FILES_MAX}; remove some, or name another directory in the file"
    )


def _notes(plans: Sequence[HostPlan], hive: Hive | None, everyone: Sequence[str]) -> list[str]:
    notes: list[str] = []
    if hive is not None and (strangers := [one for one in hive.members if one not in everyone]):
        notes.append(f"the hive has also {', '.join(strangers)}, not in this file: left as they are")
    old = [
        f"{one.node.address} ({one.record.release})"
        for plan in plans
        for one in plan.nodes
        if plan.seen.release and one.record.release != plan.seen.release
    ]
    if old:
        release = next(plan.seen.release for plan in plans if plan.seen.release)
        notes.append(f"{', '.join(old)}: another release than this wrpmesh has ({release}); hive_upgrade changes over")
    ways = {one.record.service for plan in plans for one in plan.nodes if not plan.empty}
    if "process" in ways:
        notes.append("nodes without systemd do not start again by themselves after a reboot: hive_start does it")
    return notes


def plan_text(plan: Plan, hosts: Sequence[Host], broken: Mapping[Host, WrpmeError]) -> str:
    """Returns the plan in words: host by host in the order of the file, the notes, and what it comes to."""
    by_host = {one.host: one for one in plan.hosts}
    lines: list[str] = []
    for host in hosts:
        if host in by_host:
            lines += _host_lines(by_host[host])
        else:
            lines.append(f"{host.name}: can't be used")
            lines.append(f"  ! {broken[host].sentence}")
    lines += plan.notes
    lines += [plan.operator] if plan.operator else []
    lines += [f"! {plan.held}"] if plan.held else []
    lines.append(_total(plan, len(broken)))
    return "\n".join(lines)


def _host_lines(plan: HostPlan) -> list[str]:
    hello, there = plan.seen.hello, plan.seen.inventory
    python = ".".join(str(part) for part in hello.python)
    lines = [f"{plan.host.name}: {hello.user}, Python {python}, {hello.machine}, {' '.join(hello.libc)}"]
    if there.lock:
        lines.append(f"  ! {there.lock} is at work here now: what is said here may be different in a moment")
    if not plan.problems:
        for release in plan.install:
            size = f" ({plan.seen.size_bytes / MIB:.1f} MiB)" if plan.seen.size_bytes else ""
            lines.append(f"  + send wrpme {release}{size} to {there.directory}")
        lines += [line for one in plan.nodes for line in _node_lines(one)]
    lines += [f"  ! {problem}" for problem in plan.problems]
    return lines


def _node_lines(one: NodePlan) -> list[str]:
    goes_on = one.steps and one.action is Action.NOTHING
    lines = [] if goes_on else [_node_line(one)]
    address = one.node.address
    if one.certificate:
        fresh = not one.found.certificate
        lines.insert(0, f"  {'+' if fresh else '~'} {address} gets a key and a certificate: {one.certificate}")
    elif one.trusts:
        lines.insert(0, f"  ~ {address} is told which CAs it trusts")
    if one.steps:
        restarts = "with a restart" if len(one.steps) == 1 else "with a restart for each"
        lines.append(f"  ~ {address} goes to TLS {', then '.join(one.steps)}, {restarts}")
    return lines


def _node_line(one: NodePlan) -> str:
    if one.action is Action.NOTHING:
        secured = f" with TLS {one.mode}, its certificate {one.expires}" if one.expires and one.mode != OFF else ""
        told = ", is told its peers" * one.configure
        return f"  {'~' if one.configure else '='} {one.node.address} runs{secured}{told}"
    extra = f" {' '.join(one.record.arguments)}" if one.record.arguments else ""
    if one.action is Action.RESTART:
        return f"  ~ {one.node.address} {one.action.value}:{extra or ' none'}"
    secured = f" with TLS {one.mode}" if one.mode != OFF else ""
    return f"  + {one.node.address} {one.action.value}{extra}{secured}; kept by {SERVICES[one.record.service]}"


def _total(plan: Plan, broken: int) -> str:
    nodes = [one for host in plan.hosts if not host.problems for one in host.nodes]
    start = sum(one.starts for one in nodes)
    restart = sum(one.restarts and not one.starts for one in nodes)
    renewed = sum(one.action is Action.NOTHING and not one.steps and bool(one.certificate) for one in nodes)
    counts = [
        (start, "to start"),
        (restart, "to restart"),
        (renewed, "to get a certificate"),
        (len(nodes) - start - restart - renewed, "to leave as they are"),
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
