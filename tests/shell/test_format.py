"""The texts that an operator reads: where an entry lives, how the hive is, what moves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.shell.test_execute import answer
from tests.view_parts import HIVE, back, down, grown, id_of, join, next_view
from wrpme import errors
from wrpme.client.admin import Difference, Verified
from wrpme.client.cluster import Location
from wrpme.protocol.health import OPEN
from wrpme.protocol.quoting import size_text
from wrpme.protocol import view_index
from wrpme.protocol import ring
from wrpme.protocol.stats import Copy, NodeStats, HiveStatus, NodeStatus
from wrpme.protocol.view import Member, State, View
from wrpme.client.watch.view_json import topology
from wrpme.shell import format
from wrpme.shell.execute import Answer
from wrpme.shell.format import hive_json, hive_text, location_text, moving_texts, verified_text
from wrpme.shell.parsing import parse


# --- where an entry lives ----------------------------------------------------------------------------------------


def location(view: View, alias: str) -> Location:
    position = ring.hash_of(alias.encode())
    index = ring.arc_at(view, position)
    arc = view.arcs[index]
    of = {member.id: member for member in view.members}
    owner = view_index.owner(view, arc)
    return Location(
        view.epoch, alias, position, ring.arc_start(view, index), arc, of[owner] if owner else None,
        tuple(of[node] for node in arc.holders), tuple(of[node] for node in arc.incoming),
    )  # fmt: skip


@pytest.mark.asyncio
async def test_where_an_entry_lives() -> None:
    view = grown(1)
    found = location(view, "entry")
    text = location_text(found)
    assert text == "\n".join(
        [
            f"hash      {ring.hash_of(b'entry'):016x}",
            f"arc       {found.start:016x} to {found.arc.end:016x}, 12.5 % of the ring, version {found.arc.version}",
            "owner     n0",
            "holders   n0",
            f"epoch     {view.epoch}",
        ]
    )
    assert await answer("locate entry", location(view, "entry")) == (Answer(text=text), [("locate", b"entry")])


def test_where_an_entry_is_on_its_way_to() -> None:
    view = next_view(grown(1), join(1))
    aliases = [f"k{number}" for number in range(100)]
    alias = next(one for one in aliases if view.arcs[ring.arc_at(view, ring.hash_of(one.encode()))].incoming)
    assert "\nincoming  n1\n" in location_text(location(view, alias))


def test_an_entry_that_nobody_serves() -> None:
    view = next_view(grown(2), down(1))
    aliases = [f"k{number}" for number in range(100)]
    alias = next(one for one in aliases if location(view, one).owner is None)
    text = location_text(location(view, alias))
    assert "owner     none, until n1 returns" in text and "holders   n1 (down)" in text


# --- the hive ----------------------------------------------------------------------------------------------------


def stats(address: str, **more: Any) -> NodeStats:
    values: dict[str, Any] = {
        "epoch": 7, "state": "up", "version": "1", "uptime_seconds": 3725.0, "share": 0.5, "entries": 12345,
        "copies": 12340, "bytes": 1536, "voter": True, **more,
    }  # fmt: skip
    return NodeStats(address, **values)


def status(view: View, **told: NodeStats | errors.WrpmeError) -> HiveStatus:
    """What each member told; the others tell the usual."""

    def one(member: Member) -> NodeStatus:
        word = told.get(member.address, stats(member.address))
        return NodeStatus(member, word, None) if isinstance(word, NodeStats) else NodeStatus(member, None, word)

    return HiveStatus(view, tuple(one(member) for member in view.members))


@pytest.mark.asyncio
async def test_a_stable_hive_is_a_table_and_a_line() -> None:
    text = hive_text(status(grown(2)))
    assert text.splitlines() == [
        "ADDRESS  STATE   SHARE  ENTRIES  COPIES    BYTES  EPOCH     UPTIME",
        "n0       up     50.0 %   12,345  12,340  1.5 KiB      7  1 h 2 min",
        "n1       up     50.0 %   12,345  12,340  1.5 KiB      7  1 h 2 min",
        "stable: all 2 nodes are up and every arc has its copies",
    ]
    assert (await answer("hive_status", status(grown(2))))[0] == Answer(text=text)


def states(text: str) -> dict[str, str]:
    lines = [line.split("  ") for line in text.splitlines()[1:-1]]
    return {line[0].strip(): next(cell.strip() for cell in line[1:] if cell.strip()) for line in lines}


def test_a_slow_disk_is_named_though_the_hive_is_stable() -> None:
    slow = "the disk of n1 is slow: 0.80 s for each of its last 9 slow writes"
    text = hive_text(status(grown(2), n1=stats("n1", troubles=(slow,))))
    assert text.splitlines()[-1] == f"stable: all 2 nodes are up and every arc has its copies; {slow}"


def test_a_hive_without_users_says_so_where_others_may_reach_it() -> None:
    now = grown(2)
    here, elsewhere = (
        replace(now, members=tuple(replace(member, address=f"{host}:{member.joined}") for member in now.members))
        for host in ("127.0.0.1", "10.0.0.1")
    )
    for view, is_open, says in ((elsewhere, True, True), (elsewhere, False, False), (here, True, False)):
        found = replace(status(view), open=is_open)
        assert hive_text(found).endswith(f"; {OPEN}") is says and hive_json(found)["open"] is is_open


def test_who_is_down_who_starts_who_is_suspected_and_who_is_silent() -> None:
    view = next_view(grown(5), down(1))
    told = status(
        view,
        n1=errors.UnavailableError("n1 has been down for 12 s"),
        n2=stats("n2", serving=False),
        n3=errors.ConnectionError("no answer in 2 s"),
        n0=stats("n0", suspected=("n4",)),
    )
    text = hive_text(told)
    assert states(text) == {"n0": "up", "n1": "down", "n2": "starting", "n3": "no answer", "n4": "suspected"}
    last = text.splitlines()[-1]
    assert last.startswith("unavailable: ")
    assert "; n1 has been down for 12 s" in last
    assert "; n3 does not answer" in last
    row = next(line for line in text.splitlines() if line.startswith("n1"))
    assert row.split()[-4:] == ["?"] * 4 and "20." in row, "its share is in the view, the rest is not known"


def test_entries_with_fewer_copies_are_counted_and_what_becomes_of_them() -> None:
    copies = {"at_risk_entries": 4210, "at_risk_share": 0.3, "grace_seconds": 60.0}
    three = grown(3)
    gone = three.members[1]
    members = tuple(replace(one, state=State.DOWN) if one is gone else one for one in three.members)
    one = three.members[0].id
    arcs = tuple(replace(arc, holders=(one,), wanted=(one, gone.id)) for arc in three.arcs)
    view = replace(three, members=members, arcs=arcs)
    down = errors.UnavailableError("n1 has been down for 12 s")
    last = hive_text(status(view, n1=down, n0=stats("n0", **copies))).splitlines()[-1]
    assert last.startswith("degraded: n1 down; all data is served")
    assert "4,210 entries have fewer copies than wanted" in last
    assert "copies are made elsewhere once that has lasted for 1 min 0 s, unless it returns" in last
    assert last.endswith("n1 has been down for 12 s")


def test_copies_that_agree_and_copies_that_differ() -> None:
    assert verified_text(Verified(24, 3000, 48, ())) == "3,000 entries in 24 arcs, 48 further copies: all agree"
    differing = Difference("00ff", "n0", "n1", 12, ("a", "b", "c", "d"))
    with pytest.raises(errors.DiffersError) as caught:
        verified_text(Verified(24, 3000, 48, (differing,)))
    said = caught.value.sentence
    assert "on n1 the copy of arc 00ff differs from that of its owner n0 in 12 entries, such as a, b, c" in said
    assert "restart n1" in said


def test_a_node_that_sees_no_quorum_is_quoted() -> None:
    sentence = "this node sees 1 of 2 voters; it waits for n1"
    last = hive_text(status(grown(2), n0=stats("n0", quorum=sentence))).splitlines()[-1]
    assert last == "unavailable: n0 sees 1 of 2 voters; it waits for n1", "what the view says may be long past"


def test_what_an_operator_should_look_at_is_said_once() -> None:
    trouble = "at n2, the address of node 0a, a node of another hive (ff) answers"
    last = hive_text(status(grown(2), n0=stats("n0", troubles=(trouble,)), n1=stats("n1", troubles=(trouble,))))
    assert last.splitlines()[-1].endswith(f"; {trouble}") and last.count(trouble) == 1


def test_nodes_are_sorted_as_people_count() -> None:
    text = hive_text(status(grown(11)))
    assert [line.split()[0] for line in text.splitlines()[1:-1]] == [f"n{number}" for number in range(11)]


def test_what_moves_and_how_far() -> None:
    view = next_view(grown(1), join(1))
    arcs = [arc for arc in view.arcs if arc.incoming]
    assert moving_texts(status(view)) == ["n1 receives 50.0 % of the ring, 0 % done"]
    half = tuple(Copy(f"{arc.end:016x}", "n1", 0.5) for arc in arcs)
    assert moving_texts(status(view, n0=stats("n0", copies_out=half))) == ["n1 receives 50.0 % of the ring, 50 % done"]
    assert "n1 receives 50.0 % of the ring" in hive_text(status(view)).splitlines()[-1]
    assert moving_texts(status(grown(2))) == []


@pytest.mark.asyncio
async def test_a_topology_is_plain_data() -> None:
    view = next_view(next_view(grown(2), down(1)), back(1, 2))
    plain = json.loads(msgspec.json.encode(topology(view)))
    assert plain["hive"] == HIVE.hex() and plain["epoch"] == view.epoch and plain["replication"] == 1
    assert [(one["address"], one["incarnation"], one["state"]) for one in plain["members"]] == [
        ("n0", 1, "up"), ("n1", 2, "up"),
    ]  # fmt: skip
    assert plain["members"][1]["id"] == id_of(1).hex()
    assert plain["voters"] == ["n0"]
    assert {holder for arc in plain["arcs"] for holder in arc["holders"]} == {"n0", "n1"}
    starts, ends = ([int(arc[edge], 16) for arc in plain["arcs"]] for edge in ("start", "end"))
    assert starts == [0, *(end + 1 for end in ends[:-1])] and ends[-1] == ring.RING - 1
    given, calls = await answer("node_topology a:1", view)
    assert calls == [("node_topology", "a:1")] and given.text is not None and json.loads(given.text) == plain


@pytest.mark.parametrize(("address", "later"), [("10.0.0.9:5909", "10.0.0.10:5909"), ("a:9", "a:10"), ("a", "b")])
def test_natural_order(address: str, later: str) -> None:
    assert format.natural(address) < format.natural(later)


# --- numbers and moments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_spans(seconds: float, text: str) -> None:
    assert format.span_text(seconds) == text


def test_expiry_reads_back() -> None:
    moment = datetime(2030, 1, 31, 12, 0, 0, 5000, tzinfo=UTC)
    text = format.expiry_text(moment)
    assert text == "2030-01-31T12:00:00.005Z"
    command = parse(f"expires_at x {text}")
    assert command is not None and command.time == moment
    assert format.expiry_text(None) == "0"
