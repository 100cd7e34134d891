"""Where the time of slow requests went, and requests with ids, through whole nodes."""

from __future__ import annotations

import pytest

from tests.harness import Hive, hive_of, identity
from wrpme.core.io import Requested, SettingsChanged, TurnEnded
from wrpme.core.stats.slow_requests import LINE_SECONDS, SLOW_REQUESTS_MAX
from wrpme.core.stats.traces import TRACES_MAX, TRACES_PER_SECOND_MAX
from wrpme.protocol import ring, view_index
from wrpme.protocol.messages import Content, Done, Failed, Get, Many, Put, Results, Traced, Update
from wrpme.protocol.administration import GetSlow, SlowLog, SlowRequest, kind_in_words, place_in_words, request_id_of
from wrpme.protocol.view import NOBODY

ALIAS = b"entry"


def owner_of(hive: Hive, alias: bytes = ALIAS) -> str:
    view = hive.view("a")
    arc = view.arcs[ring.arc_at(view, ring.position_of(view, alias))]
    owner = view_index.owner(view, arc)
    return next(name for name in hive.nodes if identity(name) == owner)


def story_of(hive: Hive, name: str) -> list[str]:
    return [line for speaker, _, line in hive.lines if speaker == name]


def slow_at(hive: Hive, name: str) -> list[SlowRequest]:
    reply = hive.ask(name, GetSlow(1, NOBODY, 10))
    assert isinstance(reply, SlowLog) and reply.threshold_milliseconds == 100.0
    return list(reply.requests)


@pytest.fixture
def hive() -> Hive:
    made = hive_of("a", "b", "c", replication=3)
    assert made.ask("a", Put(1, ALIAS, b"before")) == Done(1)
    return made


def test_a_slow_disk_is_told_from_a_slow_holder(hive: Hive) -> None:
    owner = owner_of(hive)
    holder = next(name for name in hive.nodes if name != owner)
    hive.disk_seconds[owner] = 0.4
    assert hive.ask(owner, Update(1, ALIAS, b"one")) == Done(1)
    (slow,) = slow_at(hive, owner)
    assert (slow.kind, slow.alias, slow.count, slow.error) == ("Update", ALIAS, 1, 0)
    assert slow.disk == pytest.approx(400, abs=1) and slow.others < 100 and slow.milliseconds >= 400
    del hive.disk_seconds[owner]
    hive.disk_seconds[holder] = 0.3
    assert hive.ask(owner, Update(1, ALIAS, b"two")) == Done(1)
    slow, _ = slow_at(hive, owner)
    assert slow.waited_for == holder and slow.others == pytest.approx(300, rel=0.1) and slow.disk < 100
    assert f" ms {holder}" in place_in_words(slow)


def test_who_passed_it_on_knows_the_owner(hive: Hive) -> None:
    owner = owner_of(hive)
    other = next(name for name in hive.nodes if name != owner)
    hive.disk_seconds[owner] = 0.4
    assert hive.ask(other, Traced(1, "deploy-7", Update(1, ALIAS, b"one"))) == Done(1)
    (there,), (here,) = slow_at(hive, owner), slow_at(hive, other)
    assert here.waited_for == owner and here.others >= 400 and here.request_id == there.request_id == "deploy-7"
    assert there.source.startswith(f"a client of {other}") and there.disk >= 399


def test_a_read_waits_for_the_write_before_it(hive: Hive) -> None:
    owner = owner_of(hive)
    hive.disk_seconds[owner] = 0.4
    hive.send(owner, Update(1, ALIAS, b"one"))
    assert hive.ask(owner, Get(2, ALIAS)) == Content(2, b"one")
    kinds = {slow.kind: slow for slow in slow_at(hive, owner)}
    assert kinds["Get"].waited_for == "a write of the same entry" and kinds["Update"].disk >= 399


def test_many_are_told_once(hive: Hive) -> None:
    owner = owner_of(hive)
    hive.disk_seconds[owner] = 0.4
    parts = tuple(Update(0, ALIAS, b"%d" % number) for number in range(20))
    assert isinstance(hive.ask(owner, Many(3, identity(owner), parts)), Results)
    (slow,) = slow_at(hive, owner)
    assert slow.kind == "Many" and slow.count == 20


def test_many_are_told_where_a_read_is_answered_last(hive: Hive) -> None:
    owner = owner_of(hive)
    hive.disk_seconds[owner] = 0.4
    asked = Many(3, identity(owner), (Update(0, ALIAS, b"one"), Get(0, ALIAS)))
    assert isinstance(hive.ask(owner, Traced(3, "deploy-7", asked)), Results)
    (slow,) = slow_at(hive, owner)
    assert (slow.kind, slow.count, slow.request_id) == ("Many", 2, "deploy-7")
    assert slow.waited_for == "a write of the same entry" and slow.others >= 399


def test_a_slow_turn_is_told_by_kind(hive: Hive) -> None:
    owner = owner_of(hive)
    node = hive.nodes[owner]
    for number in range(3):
        node.handle(Requested(900, Get(number, ALIAS)), hive.now)
    node.handle(TurnEnded(hive.now - 0.2), hive.now)
    (slow,) = slow_at(hive, owner)
    assert (slow.kind, slow.count, slow.waited_for) == ("Get", 3, "this node, busy")


def test_what_is_fast_leaves_nothing(hive: Hive) -> None:
    assert all(slow_at(hive, name) == [] for name in hive.nodes)


def test_the_threshold_changes_while_the_node_runs(hive: Hive) -> None:
    node = hive.nodes["a"]
    node.handle(SettingsChanged(60.0, 0.0, 0, "{}"), hive.now)
    assert hive.ask("a", Update(1, ALIAS, b"one")) == Done(1)
    reply = hive.ask("a", GetSlow(1, NOBODY, 10, forget=True))
    assert isinstance(reply, SlowLog) and reply.threshold_milliseconds == 0 and reply.noted >= 1 and reply.requests
    node.handle(SettingsChanged(60.0, 1.0, 0, "{}"), hive.now)
    after = hive.ask("a", GetSlow(1, NOBODY, 10))
    assert isinstance(after, SlowLog) and after.requests == () and after.noted == reply.noted


def test_few_are_kept_and_few_lines_are_said(hive: Hive) -> None:
    slow = hive.nodes["a"].context.slow
    lines: list[str] = []
    slow._say = lambda level, line: lines.append(line)
    for number in range(2 * SLOW_REQUESTS_MAX):
        slow.note(Get, b"x" * 4096, 0.2, number / 100, 0.0)
    assert len(slow.last(10**6)) == SLOW_REQUESTS_MAX and slow.noted == 2 * SLOW_REQUESTS_MAX
    assert len(lines) == 1 + int(2 * SLOW_REQUESTS_MAX / 100 / LINE_SECONDS)
    assert len(slow.last(1)[0].alias) < 200


def test_each_node_that_a_request_touches_tells_of_it(hive: Hive) -> None:
    owner = owner_of(hive)
    other = next(name for name in hive.nodes if name != owner)
    assert hive.ask(other, Traced(7, "deploy-7", Update(7, ALIAS, b"one"))) == Done(7)
    hive.go(0.1)
    told = {name: [line for line in story_of(hive, name) if "deploy-7" in line] for name in hive.nodes}
    assert [line.partition("deploy-7: ")[2].split(",")[0] for line in told[other][:2]] == [
        'update "entry"', f"passed on to {owner}"
    ]  # fmt: skip
    assert "answered after" in told[other][-1]
    assert f"passed on by {other}" in told[owner][0] and "written everywhere: queued" in told[owner][1]
    for holder in set(hive.nodes) - {owner}:
        assert any(f"is on disk here, as {owner} asked" in line for line in told[holder])
    assert not hive.nodes[owner].context.traces.open and not hive.nodes[other].context.traces.open


def test_ids_that_are_none_and_ids_without_end(hive: Hive) -> None:
    for wrong in ("", "two words", "x" * 65, "ä", "\n"):
        reply = hive.ask("a", Traced(1, wrong, Get(1, ALIAS)))
        assert isinstance(reply, Failed) and "an id of a request" in reply.sentence
        with pytest.raises(ValueError, match="id of a request"):
            request_id_of(wrong)
    traces = hive.nodes["a"].context.traces
    hive.disk_seconds = dict.fromkeys(hive.nodes, 1000.0)
    before = len(story_of(hive, "a"))
    for number in range(3 * TRACES_PER_SECOND_MAX):
        hive.send("a", Traced(number, "often", Update(number, ALIAS, b"")))
    assert len(traces.open) <= min(TRACES_MAX, TRACES_PER_SECOND_MAX) < 3 * TRACES_PER_SECOND_MAX
    assert len(story_of(hive, "a")) - before <= 3 * TRACES_PER_SECOND_MAX


def test_kinds_in_words() -> None:
    assert kind_in_words("GetUpdate") == "get_update" and kind_in_words("Get") == "get"
