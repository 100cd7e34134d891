"""The way of a request: served here, passed on once, or refused with the reason."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core import router as routers
from wrpme.core.router import Room
from wrpme.core.io import LinkDown, Memory, NotSent, Persisted, ReplyTo, Requested, Send, HostRequest, TurnEnded
from wrpme.errors import UnavailableError
from wrpme.core.limits import ANSWER_BYTES_USUAL, SILENCE_SECONDS
from wrpme.limits import (
    ALIAS_BYTES_MAX,
    CONTENT_BYTES_MAX,
    EXPIRY_MILLISECONDS_MAX,
    LARGE_BYTES,
    LEASE_SECONDS,
    NUMBER_MAX,
    NUMBER_MIN,
)
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Add, Aliases, Append, Body, Cas, CasVersion, Content, Count, Done, EntryRequest, Failed, Forward, Forwarded, Get,
    GetLog, GetRange, GetRemove, GetStatus, GetUpdate, GetView, IfContent, Number, PrefixScan, Put, Remove, RemoveAll,
    RemoveIf, Request, SetRange, Update, ViewIs, Watch,
)  # fmt: skip
from wrpme.protocol.view import NOBODY


def in_flight(hive: Hive, name: str) -> tuple[int, int, int]:
    """Requests of that node that wait for others, and the bytes that are counted for them and for their answers."""
    router = hive.nodes[name].router
    return len(router._forwards), router.room.requests_bytes, router.room.answers_bytes


def owned_by(hive: Hive, name: str) -> bytes:
    """An alias that this node owns."""
    view = hive.view(name)
    for number in range(1000):
        alias = b"k%d" % number
        if view_index.owner(view, view.arcs[ring.arc_at(view, ring.hash_of(alias))]) == identity(name):
            return alias
    raise AssertionError("a node of a stable hive owns something")


NOTHING = (0, 0, 0)
LARGE = 4 * ANSWER_BYTES_USUAL


@pytest.fixture
def hive() -> Hive:
    return hive_of("a", "b")


def test_a_request_is_passed_on_and_the_answer_comes_back(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    assert hive.ask("a", Put(77, alias, b"1")) == Done(77)
    assert hive.ask("a", Get(78, alias)) == Content(78, b"1")
    assert hive.ask("b", Get(79, alias)) == Content(79, b"1")
    assert sum(isinstance(body, Forward) for _, _, body in hive.sent) == 2


def test_its_own_requests_stay_here(hive: Hive) -> None:
    assert hive.ask("a", Put(1, owned_by(hive, "a"), b"1")) == Done(1)
    assert not any(isinstance(body, Forward) for _, _, body in hive.sent)


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (Get(5, b""), "usage"),
        (Get(5, b"x" * (ALIAS_BYTES_MAX + 1)), "too_large"),
        (Put(5, b"x", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (Put(5, b"x", b"", -1), "usage"),
        (GetUpdate(5, b"x", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (GetUpdate(5, b"x", b"", 0, -2), "usage"),
        (Cas(5, b"x", bytes(CONTENT_BYTES_MAX + 1), b""), "too_large"),
        (IfContent(5, b"x", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (Update(5, b"x", b"", EXPIRY_MILLISECONDS_MAX + 1), "usage"),
        (Cas(5, b"x", b"", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (RemoveIf(5, b"x", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (CasVersion(5, b"x", bytes(CONTENT_BYTES_MAX + 1), bytes(16)), "too_large"),
        (Append(5, b"x", bytes(CONTENT_BYTES_MAX + 1)), "too_large"),
        (Append(5, b"x", b"", -1), "usage"),
        (SetRange(5, b"x", -1, b""), "usage"),
        (SetRange(5, b"x", CONTENT_BYTES_MAX, b"x"), "too_large"),
        (Add(5, b"x", NUMBER_MAX + 1), "usage"),
        (Add(5, b"x", NUMBER_MIN - 1), "usage"),
        (Add(5, b"x", 1, 0, -2), "usage"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_wrong_requests_are_refused_where_they_arrive(hive: Hive, request_: Request, word: str) -> None:
    reply = hive.ask("a", request_)
    assert (reply.id, word_of(reply)) == (5, word)
    assert not any(isinstance(body, Forward) for _, _, body in hive.sent)


@pytest.mark.parametrize("alias", [b" ", b"a\n", b"\0", b"\xff", b"\xc3", bytes(range(256)), bytes(ALIAS_BYTES_MAX)])
def test_an_alias_is_any_bytes(hive: Hive, alias: bytes) -> None:
    for through, content in (("a", b"1"), ("b", b"2")):
        assert hive.ask(through, Update(1, alias, content)) == Done(1)
        assert [hive.get(name, alias) for name in "ab"] == [content, content]
    page = [hive.ask(name, PrefixScan(2, NOBODY, hive.view(name).epoch, alias)) for name in "ab"]
    assert [one.aliases for one in page if isinstance(one, Aliases) and one.aliases] == [(alias,)]
    assert hive.ask("a", Remove(3, alias)) == Done(3)
    reply = hive.ask("b", Get(4, alias))
    assert isinstance(reply, Failed) and word_of(reply) == "not_found" and reply.sentence.isprintable()


def test_every_kind_of_request_on_an_entry_is_answered(hive: Hive) -> None:
    alias = owned_by(hive, "a")
    for kind in get_args(EntryRequest):
        fields = [field for field in msgspec.structs.fields(kind) if field.required]
        given = {field.name: bytes(16) if field.type is bytes else 5 for field in fields}
        reply = hive.ask("a", kind(**{**given, "alias": alias}))
        assert reply.id == 5, kind.__name__


def test_a_broken_link_leaves_a_write_indeterminate_and_a_read_to_be_repeated(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.ask("a", Put(1, alias, b"1"))
    hive.nodes["a"].context.linked["b"] = True
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    read, write = hive.send("a", Get(1, alias)), hive.send("a", Update(2, alias, b"2"))
    hive.go(0.1)
    assert read not in hive.replies and write not in hive.replies
    hive.event("a", LinkDown("b", "connection reset"))
    assert word_of(hive.replies[read]) == "unstable"
    assert word_of(hive.replies[write]) == "indeterminate"
    assert hive.get("b", alias) == b"2", "and here it was carried out"


def test_what_never_left_was_not_carried_out(hive: Hive) -> None:
    hive.nodes["a"].context.linked.pop("b", None)
    hive.drop = lambda source, target, body: isinstance(body, Forward)
    write = hive.send("a", Update(2, owned_by(hive, "b"), b"2"))
    hive.event("a", LinkDown("b", "connection refused"))
    assert word_of(hive.replies[write]) == "unstable"


def test_nothing_is_passed_on_over_a_link_that_is_known_to_be_down(hive: Hive) -> None:
    hive.event("a", LinkDown("b", "connection refused"))
    hive.sent.clear()
    reply = hive.ask("a", Update(2, owned_by(hive, "b"), b"2"))
    assert word_of(reply) == "unstable"
    assert isinstance(reply, Failed) and "b, which serves this, can't be reached from a" in reply.sentence
    assert not any(isinstance(body, Forward) for _, _, body in hive.sent)
    assert any(target == "b" for _, target, _ in hive.sent), "and the link is tried again"


def test_what_was_passed_on_to_a_node_that_died(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.cut("a", "b")
    read, write = hive.send("a", Get(1, alias)), hive.send("a", Update(2, alias, b"2"))
    hive.until(lambda: read in hive.replies and write in hive.replies)
    assert word_of(hive.replies[read]) == "unstable"
    assert word_of(hive.replies[write]) == "indeterminate"
    assert word_of(hive.ask("a", Get(1, alias))) == "unavailable"


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_what_did_not_leave_for_lack_of_room_was_not_carried_out_and_says_so(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.drop = lambda source, target, body: isinstance(body, Forward)
    write, read = hive.send("a", Update(7, alias, b"2")), hive.send("a", Get(8, alias))
    lost = [body for source, _, body in hive.sent if source == "a" and isinstance(body, Forward)]
    for body in lost:
        hive.event("a", NotSent("b", hive.nodes["a"].context.outbox.envelope(identity("b"), body)))
    for session, number in ((write, 7), (read, 8)):
        reply = hive.replies[session]
        assert isinstance(reply, Failed) and (reply.id, word_of(reply)) == (number, "busy")
        assert "nothing was changed" in reply.sentence
    assert in_flight(hive, "a") == NOTHING and not hive.nodes["a"].router.waits
    hive.event("a", NotSent("b", hive.nodes["a"].context.outbox.envelope(identity("b"), lost[0])))  # known already
    hive.event("a", NotSent("b", hive.nodes["a"].context.outbox.envelope(identity("b"), Forwarded(Done(1)))))


def test_bytes_in_flight_to_a_node_are_bounded(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "FORWARD_BYTES_MAX", 2500)
    alias = owned_by(hive, "b")
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    taken = [hive.send("a", Update(1, alias, bytes(1000))) for _ in range(2)]
    refused = hive.ask("a", Cas(5, alias, bytes(300), bytes(300)))
    assert isinstance(refused, Failed) and (refused.id, word_of(refused)) == (5, "busy")
    assert in_flight(hive, "a") == (2, 2000, 0)
    hive.heal()
    hive.event("a", LinkDown("b", "reset"))
    assert all(word_of(hive.replies[session]) == "indeterminate" for session in taken)
    assert in_flight(hive, "a") == NOTHING


def test_bytes_in_flight_to_all_nodes_are_bounded() -> None:
    hive = hive_of("a", "b", "c")
    hive.nodes["a"].router.room = Room(Memory(forwards=2500))
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    for name in ("b", "c"):
        hive.send("a", Update(1, owned_by(hive, name), bytes(1000)))
    assert word_of(hive.ask("a", Update(1, owned_by(hive, "b"), bytes(1000)))) == "busy"
    assert in_flight(hive, "a") == (2, 2000, 0)


def test_a_large_answer_is_asked_for_with_room_for_it(hive: Hive) -> None:
    alias, content = owned_by(hive, "b"), bytes(LARGE)
    hive.ask("b", Put(1, alias, content))
    hive.sent.clear()
    assert hive.ask("a", Get(2, alias)) == Content(2, content)
    assert [body.room for _, _, body in hive.sent if isinstance(body, Forward)] == [ANSWER_BYTES_USUAL, LARGE]
    hive.sent.clear()
    assert hive.ask("a", GetUpdate(3, alias, b"small")) == Content(3, content)
    assert [body.room for _, _, body in hive.sent if isinstance(body, Forward)] == [LARGE], "it is known by now"
    assert hive.ask("a", Get(4, alias)) == Content(4, b"small")
    hive.sent.clear()
    assert hive.ask("a", GetRemove(5, alias)) == Content(5, b"small")
    assert [body.room for _, _, body in hive.sent if isinstance(body, Forward)] == [ANSWER_BYTES_USUAL]
    assert in_flight(hive, "a") == NOTHING


def test_what_is_small_does_not_wait_behind_what_is_large_but_for_its_own_connection(hive: Hive) -> None:
    node, alias = hive.nodes["a"], owned_by(hive, "b")

    def apart(session: int, request: Request) -> bool:
        sent = [effect for effect in node.request(session, request, hive.now) if isinstance(effect, Send)]
        (passed,) = [effect for effect in sent if isinstance(effect.envelope.body, Forward)]
        return passed.apart

    small, large = Update(1, alias, b"x"), Update(2, alias, bytes(LARGE_BYTES + 1))
    assert apart(1, small) and not apart(2, large) and apart(3, small)
    assert not apart(2, small), "it would overtake the one before"
    assert apart(1, large), "and so would this"
    for number in list(node.router._forwards):
        node.router.on_forwarded(identity("b"), Forwarded(Done(number)))
    assert not node.router._ways._under_way
    assert apart(2, small) and not apart(1, large)


def test_a_small_part_of_something_large_needs_little_room(hive: Hive) -> None:
    alias, content = owned_by(hive, "b"), bytes(LARGE)
    hive.ask("b", Put(1, alias, content))
    assert hive.ask("a", Get(2, alias)) == Content(2, content)
    hive.sent.clear()
    vars(hive.nodes["a"].context.process)["room_for_answers"] = lambda: LARGE - 1
    assert hive.ask("a", GetRange(3, alias, 0, 2)) == Content(3, content[:3])
    vars(hive.nodes["a"].context.process)["room_for_answers"] = lambda: LARGE
    assert hive.ask("a", GetRange(4, alias, 0, -1)) == Content(4, content)
    assert [body.room for _, _, body in hive.sent if isinstance(body, Forward)] == [
        ANSWER_BYTES_USUAL, ANSWER_BYTES_USUAL, LARGE,
    ]  # fmt: skip
    assert in_flight(hive, "a") == NOTHING


def test_what_is_compared_with_something_large_travels_once(hive: Hive) -> None:
    alias, content = owned_by(hive, "b"), bytes(LARGE)
    hive.ask("b", Put(1, alias, content))
    hive.sent.clear()
    assert hive.ask("a", Cas(2, alias, b"small", content)) == Content(2, content)
    assert [body.room for _, _, body in hive.sent if isinstance(body, Forward)] == [LARGE]
    assert in_flight(hive, "a") == NOTHING


def test_a_large_answer_without_room_is_refused_and_nothing_is_carried_out(hive: Hive) -> None:
    alias, content = owned_by(hive, "b"), bytes(LARGE)
    hive.ask("b", Put(1, alias, content))
    vars(hive.nodes["a"].context.process)["room_for_answers"] = lambda: LARGE - 1
    for request in (Get(2, alias), GetUpdate(2, alias, b"new"), GetRemove(2, alias), Cas(2, alias, b"new", content)):
        reply = hive.ask("a", request)
        assert isinstance(reply, Failed) and (reply.id, word_of(reply)) == (2, "busy")
    vars(hive.nodes["b"].context.process)["room_for_answers"] = lambda: LARGE - 1
    assert word_of(hive.ask("b", Get(3, alias))) == "busy"
    vars(hive.nodes["a"].context.process)["room_for_answers"] = lambda: LARGE
    assert word_of(hive.ask("a", Get(4, alias))) == "busy", "neither has the node that has it"
    vars(hive.nodes["b"].context.process)["room_for_answers"] = lambda: LARGE
    assert hive.ask("a", Get(5, alias)) == Content(5, content)
    assert in_flight(hive, "a") == NOTHING


def test_large_answers_in_flight_are_bounded_for_each_connection(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "SESSION_ANSWERS_BYTES_MAX", 2 * LARGE)
    alias = owned_by(hive, "b")
    hive.ask("b", Put(1, alias, bytes(LARGE)))
    hive.ask("a", Get(2, alias))
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    for _ in range(3):
        hive.event("a", Requested(77, Get(3, alias)))
    assert word_of(hive.replies[77]) == "busy" and in_flight(hive, "a") == (2, 0, 2 * LARGE)
    hive.send("a", Get(4, alias))
    assert in_flight(hive, "a") == (3, 0, 3 * LARGE), "another connection has room of its own"


def test_readers_that_wait_for_a_write_share_its_content(hive: Hive) -> None:
    alias, content = owned_by(hive, "a"), bytes(LARGE)
    hive.slow_disks.add("a")
    hive.send("a", Put(1, alias, content))
    readers = [hive.send("a", Get(2, alias)) for _ in range(3)]
    assert not any(session in hive.replies for session in readers)
    node = hive.nodes["a"]
    node.handle(Persisted(node.context.commits.batch - 1), hive.now)
    replies = [effect.reply for effect in node.handle(TurnEnded(), hive.now)
               if isinstance(effect, ReplyTo) and isinstance(effect.reply, Content)]  # fmt: skip
    assert [reply.content for reply in replies] == [content] * 3
    assert len({id(reply.content) for reply in replies}) == 1


def pass_on(hive: Hive, target: str, source: str, body: Body) -> list[Body]:
    """Hands a message in as if ``source`` had sent it; gives what goes back to it."""
    hive.sent.clear()
    hive.hear(target, source, body)
    hive.go(0.1)
    return [body for sender, to, body in hive.sent if sender == target and to == source and isinstance(body, Forwarded)]


def test_nothing_is_passed_on_twice() -> None:
    hive = hive_of("a", "b", "c")
    answers = pass_on(hive, "a", "b", Forward(Get(7, owned_by(hive, "c"))))
    assert len(answers) == 1 and isinstance(answers[0], Forwarded)
    assert (answers[0].reply.id, word_of(answers[0].reply)) == (7, "unstable")


def test_an_answer_of_the_wrong_node_is_no_answer() -> None:
    hive = hive_of("a", "b", "c")
    hive.drop = lambda source, target, body: isinstance(body, Forwarded) and source == "b"
    session = hive.send("a", Get(7, owned_by(hive, "b")))
    hive.go(0.1)
    for number in range(1, 20):
        pass_on(hive, "a", "c", Forwarded(Content(number, b"a lie")))
    assert session not in hive.replies
    pass_on(hive, "a", "b", Forwarded(Content(1, b"the truth")))
    assert hive.replies[session] == Content(7, b"the truth")
    pass_on(hive, "a", "b", Forwarded(Content(1, b"again")))


def test_requests_to_nodes(hive: Hive) -> None:
    epoch = hive.view("a").epoch
    assert hive.ask("a", Count(3, identity("b"), epoch)) == Number(3, 0)
    assert hive.ask("a", Count(3, NOBODY, epoch)) == Number(3, 0)
    gone = b"?" * 16
    for request in (Count(3, gone, epoch), PrefixScan(3, gone, epoch, b""), RemoveAll(3, gone, epoch)):
        assert word_of(hive.ask("a", request)) == "unstable", "whoever asks has another view"
    assert word_of(hive.ask("a", GetStatus(3, gone))) == "usage"
    hive.kill("b")
    hive.until(lambda: health.condition(hive.view("a")).word == "unavailable")
    hive.go(2)
    reply = hive.ask("a", GetStatus(3, identity("b")))
    assert isinstance(reply, Failed) and word_of(reply) == "unavailable" and "b has been down for 2 s" in reply.sentence


def test_a_node_that_is_no_member_yet_refuses_in_words() -> None:
    hive = Hive()
    hive.start("a", "b")
    reply = hive.ask("a", Get(1, b"x"))
    assert isinstance(reply, Failed) and word_of(reply) == "unstable" and "waits for a hive at b" in reply.sentence


def test_a_survivor_without_a_quorum_does_not_pretend_that_all_will_be_well() -> None:
    hive = hive_of("a", "b", "c")
    hive.go(12.0)
    alias = owned_by(hive, "c")
    hive.kill("b")
    hive.kill("c")
    hive.go(SILENCE_SECONDS + 1.0)
    assert hive.nodes["a"].status().quorum
    assert word_of(hive.ask("a", Get(1, alias))) == "unstable", "a voter that is slow for a moment is no outage"
    hive.go(2 * LEASE_SECONDS)
    reply = hive.ask("a", Get(1, alias))
    assert isinstance(reply, Failed) and reply.code == UnavailableError.code
    assert "c, which serves this, can't be reached" in reply.sentence and "1 of 3 voters" in reply.sentence
    assert hive.said("a", "no change of the hive can be decided") and hive.nodes["a"].status().quorum
    hive.start("b", "a")
    hive.start("c", "a")
    hive.stable("a", "b", "c")
    hive.go(1.0)
    assert word_of(hive.ask("a", Get(2, alias))) == "not_found"
    assert hive.said("a", "sees a quorum again")


@pytest.mark.parametrize("request_", [Watch(7, hive=True), GetLog(7)], ids=lambda one: type(one).__name__)
def test_what_only_the_process_can_answer_goes_there_and_is_passed_on_by_nobody(request_: Watch | GetLog) -> None:
    hive = hive_of("a", "b")
    assert hive.nodes["a"].request(5, request_, hive.now) == [HostRequest(5, request_)]
    hive.hear("a", "b", Forward(request_))
    (refused,) = [body.reply for source, _, body in hive.sent if source == "a" and isinstance(body, Forwarded)]
    assert isinstance(refused, Failed) and refused.id == 7 and word_of(refused) == "usage"


def test_who_follows_is_known_to_the_process() -> None:
    hive = hive_of("a")
    view = ViewIs(1, identity("a"), hive.view("a"))
    assert hive.nodes["a"].request(5, GetView(1), hive.now) == [ReplyTo(5, view)]
    followed = GetView(1, follow=True)
    assert hive.nodes["a"].request(5, followed, hive.now) == [HostRequest(5, followed), ReplyTo(5, view)]


def test_who_is_not_listened_to_is_told(hive: Hive) -> None:
    """A node that passes a request on right after its start may be a view ahead of the one that it asks."""
    hive.sent.clear()
    view, context = hive.view("a"), hive.nodes["b"].context
    envelope = msgspec.structs.replace(context.outbox.envelope(identity("a"), Forward(Get(7, b"x"))), incarnation=99)
    hive.arrive("b", "a", envelope)
    answers = [body.reply for source, _, body in hive.sent if source == "a" and isinstance(body, Forwarded)]
    assert [(reply.id, word_of(reply)) for reply in answers] == [(7, "unstable")]
    assert hive.view("a") == view


def test_what_was_passed_on_to_a_former_life_is_given_up(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    read, write = hive.send("a", Get(1, alias)), hive.send("a", Update(2, alias, b"2"))
    hive.go(0.1)
    node = hive.nodes["a"]
    before = hive.view("a")
    assert in_flight(hive, "a")[0] == 2
    members = tuple(
        msgspec.structs.replace(member, incarnation=member.incarnation + (member.id == identity("b")))
        for member in before.members
    )
    node.context.adopt(msgspec.structs.replace(before, members=members))
    node.router.adopt(())
    node.context.adopt(before)
    hive.go(0.1)
    assert word_of(hive.replies[read]) == "unstable" and word_of(hive.replies[write]) == "indeterminate"
    assert in_flight(hive, "a") == NOTHING
