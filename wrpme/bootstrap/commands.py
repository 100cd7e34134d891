"""The commands about other machines, from their words to what the operator reads at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, UTC
from difflib import get_close_matches
from pathlib import Path

from wrpme.bootstrap import arguments as requests
from wrpme.bootstrap.arguments import Request
from wrpme.bootstrap.hosts.fleet import Fleet
from wrpme.bootstrap.limits import TOPOLOGY_BYTES_MAX
from wrpme.bootstrap.reporter import QuietLines, Reporter
from wrpme.bootstrap.rollout import check, logs, rotate, teardown, upgrade
from wrpme.bootstrap.rollout.apply import Applying, lock_text
from wrpme.bootstrap.rollout.plan import plan_text
from wrpme.bootstrap.topology.file import EXAMPLE, Topology, parse, parse_target
from wrpme.errors import RemoteError, UsageError, WrpmeError
from wrpme.files import hives
from wrpme.protocol.address import listed
from wrpme.protocol.health import Condition

Show = Callable[[str], None]
Members = Callable[[], Awaitable[Sequence[str]]]


async def run(name: str, words: Sequence[str], reporter: Reporter, show: Show, members: Members) -> None:
    """Carries out one command. ``show`` takes its result; ``members`` tells the nodes of the hive that the shell talks
    to. What came of each host is told by the reporter alone, and once.

    Raises:
        UsageError: the words or the topology file are wrong.
        RemoteError: something could not be done on a host; what else could be done is done.
    """
    if name == "node_start":
        await _node_start(words, reporter, show, members)
        return
    request = requests.parse(name, words)
    if request.example:
        show(EXAMPLE.rstrip("\n"))
        return
    topology = await read_topology(request.file)
    async with Fleet(topology.hosts, QuietLines(reporter) if request.quiet else reporter) as fleet:
        await _on_file(name, request, topology, fleet, show)
        fleet.raise_broken(name)


async def _on_file(name: str, request: Request, topology: Topology, fleet: Fleet, print_out: Show) -> None:
    lock = lock_text(name)

    def show(text: str, matters: bool = False) -> None:
        # What is redrawn in place would be redrawn over the result.
        fleet.reporter.close()
        if text and (matters or not request.quiet):
            print_out(text)

    match name:
        case "hive_check":
            findings = await check.check(fleet)
            bad = [host.name for host in topology.hosts if host in findings and findings[host].problems]
            sound = [host for host in topology.hosts if host in findings and not findings[host].problems]
            told = [host for host in topology.hosts if not (request.quiet and host in sound)]
            show(check.check_text(told, findings, fleet.broken), matters=bool(told))
            show(await check.open_note(fleet, findings))
            if bad and not fleet.broken:
                raise RemoteError(f"hive_check found problems on {', '.join(bad)}; they are marked with ! above")
        case "hive_plan":
            applying = Applying(fleet, topology.hosts)
            plan = await applying.survey()
            matters = bool(fleet.broken) or not plan.empty
            show(plan_text(plan, topology.hosts, fleet.broken), matters)
            bad = [one.host.name for one in plan.hosts if one.problems]
            if bad and not fleet.broken:
                raise RemoteError(f"hive_apply would fail on {', '.join(bad)}; the reasons are marked with ! above")
        case "hive_apply":
            applying = Applying(fleet, topology.hosts)
            plan = await applying.survey(lock)
            for note in plan.notes:
                fleet.reporter.say(note)
            condition = await applying.carry_out(plan)
            show(summary(condition))
        case "hive_upgrade":
            show(await upgrade.upgrade(fleet, lock))
        case "hive_rotate":
            show(await rotate.rotate(fleet, lock, request.ca, request.yes), matters=request.ca)
        case "hive_logs":
            _check_nodes(request, topology)
            since = requests.since(request.since, datetime.now(UTC).astimezone()) if request.since else 0.0
            await logs.show(fleet, request.nodes, since, request.follow)
        case "hive_stop":
            await teardown.stop(fleet, lock)
        case "hive_start":
            show(summary(await teardown.start(fleet, lock)))
        case "hive_destroy":
            await teardown.destroy(fleet, lock, request.yes)


async def _node_start(words: Sequence[str], reporter: Reporter, show: Show, members: Members) -> None:
    host, peers = parse_target(words)
    if not peers:
        try:
            peers = tuple(await members())
        except WrpmeError as error:
            raise UsageError(
                f"node_start adds a node to a hive, and none answers ({error.sentence}); name a node of it with "
                "--peer, or found one with hive_apply"
            ) from None
    if hives.ca_of(peers):
        raise UsageError(
            f"node_start brings no certificate, which a node of this hive needs: write {host.nodes[0].told} into the "
            "topology file of the hive, and give hive_apply"
        )
    others = [peer for peer in peers if peer != host.nodes[0].told]
    async with Fleet([host], reporter) as fleet:
        applying = Applying(fleet, [host], others, may_found=False)
        plan = await applying.survey(lock_text("node_start"))
        for note in plan.notes:
            reporter.say(note)
        condition = await applying.carry_out(plan)
        reporter.close()
        if text := summary(condition):
            show(text)
        fleet.raise_broken("node_start")


async def read_topology(path: str) -> Topology:
    """Returns the topology in that file. Signals are heard while a pipe has nothing to say yet.

    Raises:
        UsageError: it can't be read, or is wrong.
    """
    try:
        raw = await _content_of(_opened(path), TOPOLOGY_BYTES_MAX + 1)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~NAME of a user whom nobody knows
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the topology file {path} can't be read ({reason}); hive_plan --example prints one") from None
    if len(raw) > TOPOLOGY_BYTES_MAX:
        raise UsageError(f"the topology file {path} has more than {TOPOLOGY_BYTES_MAX} bytes; is it the right one?")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the topology file {path} is no UTF-8 text (byte {error.start})") from None
    return parse(text, path)


def _opened(path: str) -> int:
    return os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


async def _content_of(descriptor: int, most: int) -> bytes:
    """Returns what a file or a pipe has, up to ``most`` bytes, and closes it."""
    content = b""
    try:
        while len(content) < most:
            try:
                piece = os.read(descriptor, most - len(content))
            except BlockingIOError:
                await _readable(descriptor)
                continue
            if not piece:
                break
            content += piece
    finally:
        os.close(descriptor)
    return content


async def _readable(descriptor: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


def _check_nodes(request: Request, topology: Topology) -> None:
    known = [node.address for _, node in topology.nodes]
    for address in request.nodes:
        if address not in known and address not in [node.told for _, node in topology.nodes]:
            near = get_close_matches(address, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its nodes are {listed(known)}"
            raise UsageError(f"--node {address} is not in {topology.source}; {hint}")


def summary(condition: Condition | None) -> str:
    """Returns how the hive is at the end, or an empty text if no host is left to tell."""
    return f"the hive is {condition.word}: {condition.sentence}" if condition else ""
