"""The texts in which a shell shows what a client returned. Pure: line mode and the dashboard share them."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from wrpme.errors import BY_CODE, DiffersError, WrpmeError
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.health import OPEN, is_exposed
from wrpme.protocol.quoting import SPACES, bytes_of, named, size_text
from wrpme.protocol.stats import HiveStatus, NodeStatus, clock_sentence, condition_of
from wrpme.protocol.administration import kind_in_words, place_in_words
from wrpme.protocol.view import State

if TYPE_CHECKING:
    from wrpme.client.admin import Verified
    from wrpme.client.cluster import Location, NodeSlow
    from wrpme.protocol.administration import SlowRequest
    from wrpme.client.follow.follower import Change

UNKNOWN = "?"
"""A figure that no node told."""


def expiry_text(expiry: datetime | None) -> str:
    """Returns the time in UTC to the millisecond, or 0 for an entry that lives for ever."""
    if expiry is None:
        return "0"
    return expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def change_json(change: Change) -> str:
    """Returns what became of a followed entry, or of the following itself, as one object of JSON in a line. The version
    is a text, as it has 128 bits."""
    told = {"kind": change.kind}
    if change.alias:
        told |= bytes_json("alias", bytes_of(change.alias))
    if change.version:
        told["version"] = str(change.version)
    if change.reason:
        told["reason"] = change.reason
    return msgspec.json.encode(told).decode()


def entry_json(alias: bytes, **fields: object) -> str:
    """Returns an entry as one object of JSON in a line; ``fields`` are further ones."""
    told: dict[str, object] = {**bytes_json("alias", alias)}
    for name, value in fields.items():
        told |= bytes_json(name, value) if isinstance(value, bytes) else {name: value}
    return msgspec.json.encode(told).decode()


def bytes_json(name: str, data: bytes) -> dict[str, str]:
    """Returns an alias or a content as a field of JSON: the text of that name where it is UTF-8, else its Base64 as
    NAME_base64."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b2a_base64(data, newline=False).decode()}


def location_text(location: Location) -> str:
    """Returns where an entry lives, a line for each fact."""
    arc = location.arc
    share = (arc.end + 1 - location.start) / ring.RING
    owner = location.owner.address if location.owner else f"none, until {_names(location.holders)} returns"
    rows = [
        ("hash", f"{location.position:016x}"),
        ("arc", f"{location.start:016x} to {arc.end:016x}, {percent_text(share)} of the ring, version {arc.version}"),
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
    """Returns the table of all nodes, and the line that says how the hive is."""
    rows: list[tuple[str, ...]] = [("ADDRESS", "STATE", "SHARE", "ENTRIES", "COPIES", "BYTES", "EPOCH", "UPTIME")]
    rows += [_row(node, state, share) for node, state, share in _rows(status)]
    return f"{table(rows)}\n{condition_line(status)}"


def hive_json(status: HiveStatus) -> dict[str, Any]:
    """Returns the same as plain data, in the form that the reference of wrpmesh promises to scripts: fields are added
    to it, and none is renamed or removed. What nobody told is None."""
    now, condition = status.view, condition_of(status)
    return {
        "state": condition.word,
        "sentence": condition.sentence,
        "details": condition_line(status),
        "hive": now.hive.hex(),
        "generation": now.generation,
        "epoch": now.epoch,
        "replication": now.replication,
        "open": status.open,
        "nodes": [_node_json(*row) for row in _rows(status)],
    }


def _node_json(node: NodeStatus, state: str, share: float) -> dict[str, Any]:
    stats = node.stats
    return {
        "address": node.member.address,
        "id": node.member.id.hex(),
        "state": state,
        "share": round(share, 6),
        "entries": stats and stats.entries,
        "copies": stats and stats.copies,
        "bytes": stats and stats.bytes,
        "epoch": stats and stats.epoch,
        "uptime_seconds": stats and stats.uptime_seconds,
        "version": stats and stats.version,
        "troubles": list(stats.troubles) if stats else [],
        "error": node.error and node.error.sentence,
    }


def _rows(status: HiveStatus) -> list[tuple[NodeStatus, str, float]]:
    """Returns the nodes in the order of their addresses, each with its state and its share of the ring (0 to 1)."""
    suspected = {address for node in status.nodes if node.stats for address in node.stats.suspected}
    slots = ring.owned(status.view.arcs)
    return [
        (node, _state(node, node.member.address in suspected), slots.get(node.member.id, 0) / SLOTS)
        for node in sorted(status.nodes, key=lambda node: natural(node.member.address))
    ]


def _state(node: NodeStatus, suspected: bool) -> str:
    if node.stats is None:
        return "down" if node.member.state is State.DOWN else "no answer"
    if suspected:
        return "suspected"
    return node.member.state.name.lower() if node.stats.serving else "starting"


def verified_text(found: Verified) -> str:
    """Returns what a comparison of all copies found, where they agree.

    Raises:
        DiffersError: some copies differ; the sentence names them, and the nodes to restart.
    """
    if not found.differences:
        copies = "no further copies" if not found.copies else f"{found.copies} further copies"
        return f"{entries_text(found.entries)} in {found.arcs} arcs, {copies}: all agree"
    lines = [
        f"on {one.node} the copy of arc {one.arc} differs from that of its owner {one.owner} "
        f"in {entries_text(one.entries)}, such as {', '.join(one.aliases[:3])}"
        for one in found.differences
    ]
    nodes = ", ".join(sorted({one.node for one in found.differences}))
    raise DiffersError("; ".join([*lines, f"restart {nodes}, one after the other: its copies are made anew"]))


def natural(address: str) -> list[tuple[int, str]]:
    """Returns a key for sorting that compares numbers by their value, so that .10 comes after .9."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", address)]


def _row(node: NodeStatus, state: str, share: float) -> tuple[str, ...]:
    stats = node.stats
    if stats is None:
        return (node.member.address, state, percent_text(share), *[UNKNOWN] * 5)
    return (
        node.member.address,
        state,
        percent_text(share),
        f"{stats.entries:,}",
        f"{stats.copies:,}",
        size_text(stats.bytes),
        str(stats.epoch),
        span_text(stats.uptime_seconds),
    )


def condition_line(status: HiveStatus) -> str:
    """Returns one line: the condition of the hive, what it means, what moves, and who is missing since when."""
    condition = condition_of(status)
    parts = [f"{condition.word}: {condition.sentence}", *at_risk_texts(status), *moving_texts(status)]
    parts += clock_texts(status)
    for node in status.nodes:
        if node.error is not None and node.member.state is State.DOWN:
            parts.append(node.error.sentence)
        elif node.error is not None and node.member.address not in condition.sentence:
            parts.append(f"{node.member.address} does not answer")
    if status.open and is_exposed(status.view):
        parts.append(OPEN)
    troubles = [trouble for node in status.nodes if node.stats for trouble in node.stats.troubles]
    return "; ".join([*parts, *dict.fromkeys(troubles)])


def at_risk_texts(status: HiveStatus) -> list[str]:
    """Returns how many entries have fewer copies than they should, and what the hive or the operator does next."""
    stats = [node.stats for node in status.nodes if node.stats]
    entries = sum(found.at_risk_entries for found in stats)
    if not sum(found.at_risk_share for found in stats):
        return []
    down = [node.member for node in status.nodes if node.member.state is State.DOWN]
    grace = max((found.grace_seconds for found in stats), default=0.0)
    verb = "has" if entries == 1 else "have"
    told = [f"{entries_text(entries)} {verb} fewer copies than wanted"] if entries else []
    last = {holder for arc in status.view.arcs for holder in arc.holders}
    if down and 3 * len(down) <= len(status.nodes) and not last.intersection(one.id for one in down):
        one = "it returns" if len(down) == 1 else "they return"
        told.append(f"copies are made elsewhere once that has lasted for {span_text(grace)}, unless {one}")
    elif down:
        one = "it" if len(down) == 1 else "them"
        told.append(f"start {one} again, or forget what never returns")
    return told


def clock_texts(status: HiveStatus) -> list[str]:
    """Returns a sentence for each node whose clock differs, first the one that differs from most others."""
    apart: dict[str, dict[str, float]] = {}
    for node in status.nodes:
        for found in node.stats.clocks if node.stats else ():
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
    """Returns a sentence for each node that receives arcs: how much of the ring, and how much of that is done."""
    now = status.view
    addresses = {member.id: member.address for member in now.members}
    done = {(copy.end, copy.peer): copy.done for node in status.nodes if node.stats for copy in node.stats.copies_out}
    wanted: dict[str, float] = {}
    arrived: dict[str, float] = {}
    for index, arc in enumerate(now.arcs):
        share = (arc.end + 1 - ring.arc_start(now, index)) / ring.RING
        for node in arc.incoming:
            to = addresses.get(node, node.hex())
            wanted[to] = wanted.get(to, 0.0) + share
            arrived[to] = arrived.get(to, 0.0) + share * done.get((f"{arc.end:016x}", to), 0.0)
    return [
        f"{to} receives {percent_text(share)} of the ring, {100 * arrived[to] / share:.0f} % done"
        for to, share in wanted.items()
    ]


def slow_text(found: Sequence[NodeSlow]) -> str:
    """Returns a line for each slow request, the latest last, and one for each node that has some, or told nothing."""
    rows: list[tuple[str, ...]] = [("WHEN", "NODE", "TOOK", "REQUEST", "FROM", "WHERE")]
    rows += [
        (
            datetime.fromtimestamp(slow.at / 1000, UTC).strftime("%m-%d %H:%M:%S.%f")[:-3] + "Z",
            node,
            f"{slow.milliseconds:.3g} ms" if slow.milliseconds < 100 else f"{slow.milliseconds:.0f} ms",
            slow_request(slow),
            slow.source.partition(", whose log")[0],
            place_in_words(slow),
        )
        for node, slow in _slow_of(found)
    ]
    told = [left_aligned(rows)] if len(rows) > 1 else []
    for one in sorted(found, key=lambda one: natural(one.address)):
        if one.log is None:
            told.append(f"{one.address} did not answer: {one.error.sentence if one.error else UNKNOWN}")
        else:
            of = "request" if one.log.noted == 1 else "requests"
            over = f"over {one.log.threshold_milliseconds:g} ms since its start"
            told.append(f"{one.address}: {one.log.noted} {of} {over}")
    return "\n".join(told)


def slow_json(found: Sequence[NodeSlow]) -> list[str]:
    """Returns an object of JSON for each slow request, the latest last."""
    lines = []
    for node, slow in _slow_of(found):
        fields = msgspec.structs.asdict(slow)
        fields |= {"node": node, "kind": kind_in_words(slow.kind), "error": _error_word(slow.error)}
        fields["at"] = expiry_text(datetime.fromtimestamp(fields["at"] / 1000, UTC))
        alias = fields.pop("alias")
        lines.append(msgspec.json.encode(fields | bytes_json("alias", alias)).decode())
    return lines


def _slow_of(found: Sequence[NodeSlow]) -> list[tuple[str, SlowRequest]]:
    together = [(one.address, slow) for one in found if one.log is not None for slow in one.log.requests]
    return sorted(together, key=lambda pair: (pair[1].at, pair[1].number))


def slow_request(slow: SlowRequest) -> str:
    """Returns what was asked, under which id, and the error that it ended with."""
    count = f" x {slow.count}" if slow.count > 1 else ""
    alias = f" {named(slow.alias)}" if slow.alias and slow.count == 1 else ""
    request_id = f" [{slow.request_id}]" if slow.request_id else ""
    error = f" {_error_word(slow.error)}" if slow.error else ""
    return f"{kind_in_words(slow.kind)}{count}{alias}{request_id}{error}"


def _error_word(code: int) -> str:
    return BY_CODE.get(code, WrpmeError).word if code else ""


def left_aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows in columns two spaces apart."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def json_text(value: object) -> str:
    """Returns plain data as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows in columns two spaces apart, the first two aligned to the left, the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    aligned = [
        [cell.ljust(widths[at]) if at < 2 else cell.rjust(widths[at]) for at, cell in enumerate(row)] for row in rows
    ]
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


def percent_text(share: float) -> str:
    """Returns a part of the whole (0 to 1) in percent."""
    return f"{100 * share:.1f} %"


def entries_text(number: int) -> str:
    """Returns a number of entries with its noun."""
    return "1 entry" if number == 1 else f"{number:,} entries"


def span_text(seconds: float) -> str:
    """Returns a span of time in its two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def escaped(text: str, keep: str = f"\n\t{SPACES}") -> str:
    """Returns the text with all that would disturb a terminal as \\xNN or \\uNNNN; characters of ``keep`` stay."""
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
