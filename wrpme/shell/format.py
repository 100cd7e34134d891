"""What a command answers: carried out by a client, and put into words. Prints nothing: every shell can use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from wrpme.errors import DiffersError, UsageError
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.stats import clock_sentence
from wrpme.protocol.view import State
from wrpme.protocol.view_json import topology
from wrpme.shell.commands import Command, help_text
from wrpme.version import VERSION

if TYPE_CHECKING:
    from wrpme.client.client import Client
    from wrpme.protocol.stats import HiveStatus, NodeStatus
    from wrpme.client.cluster import Location
    from wrpme.client.admin import Verified

UNKNOWN = "?"


class Answer(Struct, frozen=True):
    """Either the ``content`` of an entry, bit for bit, or ``text`` in lines (without the last line end), or nothing."""

    content: bytes | None = None
    text: str | None = None


async def carry_out(client: Client, command: Command) -> Answer:
    """The answer of a command; ``exit`` has none.

    Raises:
        WrpmeError: what the client raised.
    """
    content = command.content if command.content is not None else b""
    match command.name:
        case "get":
            return Answer(content=await client.get(command.alias))
        case "put":
            await client.put(command.alias, content)
        case "update":
            await client.update(command.alias, content)
        case "get_update":
            return Answer(content=await client.get_update(command.alias, content))
        case "get_remove":
            return Answer(content=await client.get_remove(command.alias))
        case "cas":
            return Answer(content=await client.cas(command.alias, content, command.comparand))
        case "remove":
            await client.remove(command.alias)
        case "remove_if":
            await client.remove_if(command.alias, command.comparand)
        case "expires_at":
            await client.expires_at(command.alias, command.time)
        case "expires_from_now":
            await client.expires_from_now(command.alias, command.seconds or 0)
        case "get_expiry":
            return Answer(text=expiry_text(await client.get_expiry(command.alias)))
        case _:
            return await _carry_out_on_hive(client, command)
    return Answer()


async def _carry_out_on_hive(client: Client, command: Command) -> Answer:
    match command.name:
        case "prefix_get":
            aliases = await client.prefix_get(command.prefix, command.count_max)
            return Answer(text="\n".join(aliases)) if aliases else Answer()
        case "count":
            return Answer(text=str(await client.count()))
        case "remove_all":
            removed = await client.remove_all()
            return Answer(text=f"{'' if removed.exact else 'at least '}{_entries(removed)} removed")
        case "locate":
            return Answer(text=location_text(await client.locate(command.alias)))
        case "hive_status":
            return Answer(text=hive_text(await client.hive_status()))
        case "wait_stable":
            await client.wait_stable(command.seconds)
        case "node_status":
            return Answer(text=_json(await client.node_status(command.address)))
        case "node_config":
            return Answer(text=_json(await client.node_config(command.address)))
        case "node_topology":
            return Answer(text=_json(topology(await client.node_topology(command.address))))
        case "stop_node":
            await client.stop_node(command.address)
        case "leave":
            await client.leave(command.address)
            return Answer(text=f"{command.address} has left; its data directory is not needed any more")
        case "forget":
            await client.forget(command.address)
        case "recover":
            return Answer(text=await client.recover())
        case "verify":
            return Answer(text=verified_text(await client.verify()))
        case "watch":
            raise UsageError("watch goes on until it is interrupted; it is a command of wrpmesh in line mode")
        case "help":
            return Answer(text=help_text(command.topic))
        case "version":
            return Answer(text=f"wrpme {VERSION}")
    return Answer()


# --- texts -------------------------------------------------------------------------------------------------------


def expiry_text(expiry: datetime | None) -> str:
    """In UTC to the millisecond; 0 for ever."""
    if expiry is None:
        return "0"
    return expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def location_text(location: Location) -> str:
    """Where an entry lives, a line for each fact."""
    arc = location.arc
    share = (arc.end + 1 - location.start) / ring.RING
    owner = location.owner.address if location.owner else f"none, until {_names(location.holders)} returns"
    rows = [
        ("hash", f"{location.position:016x}"),
        ("arc", f"{location.start:016x} to {arc.end:016x}, {_percent(share)} of the ring, version {arc.version}"),
        ("owner", owner),
        ("holders", ", ".join(f"{one.address}{' (down)' * (one.state is State.DOWN)}" for one in location.holders)),
    ]
    if location.incoming:
        rows.append(("incoming", _names(location.incoming)))
    rows.append(("epoch", str(location.epoch)))
    return "\n".join(f"{name:<8}  {value}" for name, value in rows)


def _names(members: Sequence[Any]) -> str:
    return ", ".join(member.address for member in members)


def hive_text(status: HiveStatus) -> str:
    """The table of all nodes, and the line that says how the hive is."""
    suspected = {address for node in status.nodes if node.figures for address in node.figures.suspected}
    rows: list[tuple[str, ...]] = [("ADDRESS", "STATE", "SHARE", "ENTRIES", "COPIES", "BYTES", "EPOCH", "UPTIME")]
    nodes = sorted(status.nodes, key=lambda node: natural(node.member.address))
    slots = ring.owned(status.view.arcs)
    rows += [
        _row(node, slots.get(node.member.id, 0) / SLOTS, node.member.address in suspected) for node in nodes
    ]
    return f"{table(rows)}\n{condition_line(status)}"


def verified_text(found: Verified) -> str:
    """What a comparison of all copies found; DifferError naming those that differ."""
    if not found.differences:
        copies = "no further copies" if not found.copies else f"{found.copies} further copies"
        return f"{_entries(found.entries)} in {found.arcs} arcs, {copies}: all agree"
    lines = [
        f"on {one.node} the copy of arc {one.arc} differs from that of its owner {one.owner} "
        f"in {_entries(one.entries)}, such as {', '.join(one.aliases[:3])}"
        for one in found.differences
    ]
    nodes = ", ".join(sorted({one.node for one in found.differences}))
    raise DiffersError("; ".join([*lines, f"restart {nodes}, one after the other: its copies are made anew"]))


async def question(client: Client, command: Command) -> str:
    """What to ask before the command is carried out, with what it costs; empty if nothing."""
    if command.yes or not command.spec.confirm:
        return ""
    if command.name != "forget":
        return command.spec.confirm
    price = await client.price_of(command.address)
    if not price.loss.share:
        cost = f"{price.address} is the last holder of nothing: no entry is lost"
    else:
        cost = f"{price.address} is the last holder of {_percent(price.loss.share)} of the ring: {price.words}"
    return f"{cost}; {command.spec.confirm}"


def natural(address: str) -> list[tuple[int, str]]:
    """For sorting: numbers by their value, so that .10 comes after .9."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", address)]


def _row(node: NodeStatus, share: float, suspected: bool) -> tuple[str, ...]:
    figures = node.figures
    if figures is None:
        state = "down" if node.member.state is State.DOWN else "no answer"
        return (node.member.address, state, _percent(share), *[UNKNOWN] * 5)
    state = node.member.state.name.lower() if figures.serving else "starting"
    return (
        node.member.address,
        "suspected" if suspected else state,
        _percent(share),
        f"{figures.entries:,}",
        f"{figures.copies:,}",
        size_text(figures.bytes),
        str(figures.epoch),
        span_text(figures.uptime_seconds),
    )


def condition_line(status: HiveStatus) -> str:
    """One line: the word, what it means here, what moves, and who is missing since when."""
    from wrpme.protocol.stats import condition_of

    condition = condition_of(status)
    parts = [f"{condition.word}: {condition.sentence}", *at_risk_texts(status), *moving_texts(status)]
    parts += clock_texts(status)
    for node in status.nodes:
        if node.error is not None and node.member.state is State.DOWN:
            parts.append(node.error.sentence)
        elif node.error is not None and node.member.address not in condition.sentence:
            parts.append(f"{node.member.address} does not answer")
    troubles = [trouble for node in status.nodes if node.figures for trouble in node.figures.troubles]
    return "; ".join([*parts, *dict.fromkeys(troubles)])


def at_risk_texts(status: HiveStatus) -> list[str]:
    """Which entries have fewer copies than they should, and what becomes of that."""
    figures = [node.figures for node in status.nodes if node.figures]
    entries = sum(found.at_risk_entries for found in figures)
    if not sum(found.at_risk_share for found in figures):
        return []
    down = [node.member for node in status.nodes if node.member.state is State.DOWN]
    grace = max((found.grace_seconds for found in figures), default=0.0)
    verb = "has" if entries == 1 else "have"
    told = [f"{_entries(entries)} {verb} fewer copies than wanted"] if entries else []
    last = {holder for arc in status.view.arcs for holder in arc.holders}
    if down and 3 * len(down) <= len(status.nodes) and not last.intersection(one.id for one in down):
        one = "it returns" if len(down) == 1 else "they return"
        told.append(f"copies are made elsewhere once that has lasted for {span_text(grace)}, unless {one}")
    elif down:
        one = "it" if len(down) == 1 else "them"
        told.append(f"start {one} again, or forget what never returns")
    return told


def clock_texts(status: HiveStatus) -> list[str]:
    """Whose clocks differ: first of all that one that differs from most."""
    apart: dict[str, dict[str, float]] = {}
    for node in status.nodes:
        for found in node.figures.clocks if node.figures else ():
            apart.setdefault(node.member.address, {})[found.address] = -found.ahead
            apart.setdefault(found.address, {})[node.member.address] = found.ahead
    told = []
    while apart:
        address = max(apart, key=lambda one: len(apart[one]))
        others = apart.pop(address)
        for other in others:
            apart[other].pop(address)
            if not apart[other]:
                del apart[other]
        first, more = next(iter(others)), len(others) - 1
        names = first + (f" and {more} more" if more else "")
        told.append(clock_sentence(address, others[first], names))
    return told


def moving_texts(status: HiveStatus) -> list[str]:
    """For each node that receives arcs: how much of the ring, and how far that is."""
    now = status.view
    addresses = {member.id: member.address for member in now.members}
    done = {
        (copy.end, copy.peer): copy.done for node in status.nodes if node.figures for copy in node.figures.copies_out
    }
    wanted: dict[str, float] = {}
    arrived: dict[str, float] = {}
    for index, arc in enumerate(now.arcs):
        share = (arc.end + 1 - ring.arc_start(now, index)) / ring.RING
        for node in arc.incoming:
            to = addresses.get(node, node.hex())
            wanted[to] = wanted.get(to, 0.0) + share
            arrived[to] = arrived.get(to, 0.0) + share * done.get((f"{arc.end:016x}", to), 0.0)
    return [
        f"{to} receives {_percent(share)} of the ring, {100 * arrived[to] / share:.0f} % done"
        for to, share in wanted.items()
    ]


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart; the first two to the left, figures to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    aligned = [
        [cell.ljust(widths[at]) if at < 2 else cell.rjust(widths[at]) for at, cell in enumerate(row)] for row in rows
    ]
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def size_text(size: float) -> str:
    """Bytes in the unit that fits."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def span_text(seconds: float) -> str:
    """A span of time in its two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def escaped(text: str, keep: str = "\n\t\u00a0\u3000") -> str:
    """Text as a terminal may show it: what would disturb it becomes \\xNN or \\uNNNN."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(content: bytes) -> str:
    """A content as a terminal may show it."""
    return escaped(content.decode("utf-8", "surrogateescape"))
