"""Who a connection is and what it may ask for, in hives driven by hand."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from tests.user_parts import quickly_hashed, user, verified
from wrpme.core.access.sessions import ENDED, FIRST, FIRST_SECONDS
from wrpme.core.io import Effect, ReplyTo, Requested, SessionClosed, Verify
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.access.messages import (
    AddUser, Authenticate, GetUsers, Identity, RemoveUser, SetPasswords, Users, WhoAmI,
)  # fmt: skip
from wrpme.protocol.access.users import Password, Role
from wrpme.protocol.administration import SetReplication, StopNode
from wrpme.protocol.messages import (
    Aliases, Content, Count, Done, Failed, Follow, Forward, Forwarded, Get, GetView, Many, PrefixScan, Results,
    RingScan, Traced, Transaction, Update, ViewIs,
)  # fmt: skip
from wrpme.protocol.ring import position_of
from wrpme.protocol.view import NOBODY

ROOT, ANN, EVE = 1001, 1002, 1003
"""Sessions."""


def with_users(*names: str, replication: int = 1) -> Hive:
    """A hive whose users are root, an admin; ann, who writes under ``app:``; and eve, who reads."""
    hive = hive_of(*names, replication=replication, secured=True)
    for node in hive.nodes.values():
        node.context.process.clients = {session: f"10.0.0.9:{session}" for session in (ROOT, ANN, EVE)}
    assert hive.asks(names[0], ROOT, AddUser(1, user("root", Role.ADMIN))) == Done(1)
    hive.until(lambda: all(node.sessions.asks for node in hive.nodes.values()))
    said(hive, names[0], ROOT, "root")
    assert hive.asks(names[0], ROOT, AddUser(2, user("ann", Role.WRITE, b"app:"))) == Done(2)
    assert hive.asks(names[0], ROOT, AddUser(3, user("eve", Role.READ))) == Done(3)
    hive.until(lambda: all(len(node.view.users) == 3 for node in hive.nodes.values() if node.view is not None))
    hive.stable(*names)
    hive.ended.clear()
    return hive


def said(hive: Hive, node: str, session: int, name: str, password: str = "") -> Any:
    return hive.asks(node, session, Authenticate(9, name, password or name))


@pytest.fixture(scope="module")
def alone() -> Hive:
    hive = with_users("a")
    said(hive, "a", ANN, "ann")
    said(hive, "a", EVE, "eve")
    for alias in (b"app:x", b"other"):
        hive.asks("a", ROOT, Update(4, alias, b"1"))
    return hive


def refusal(hive: Hive, session: int, request: Any) -> str:
    reply = hive.asks("a", session, request)
    return reply.sentence if isinstance(reply, Failed) else ""


def test_a_hive_without_users_asks_nobody() -> None:
    hive = hive_of("a")
    assert hive.asks("a", EVE, WhoAmI(1)) == Identity(1, "", Role.ADMIN, open=True)
    assert hive.asks("a", EVE, Authenticate(2, "anybody", "anything")) == Identity(2, "", Role.ADMIN, open=True)
    assert hive.asks("a", EVE, Update(3, b"x", b"")) == Done(3)


def test_who_said_nothing_may_nothing(alone: Hive) -> None:
    nobody = 77
    for request in (Get(1, b"app:x"), Many(2, NOBODY, (Get(0, b"app:x"),)), GetView(3), StopNode(4, NOBODY)):
        assert word_of(alone.asks("a", nobody, request)) == "unauthenticated", request
    assert alone.asks("a", nobody, WhoAmI(5)) == Identity(5, "", Role.NOBODY)
    assert alone.said("a", "stop_node a, asked by a client: unauthenticated"), "what is audited is so when refused too"


def test_each_does_what_the_role_may(alone: Hive) -> None:
    assert alone.asks("a", EVE, Get(1, b"app:x")) == Content(1, b"1")
    assert refusal(alone, EVE, Update(2, b"app:x", b"")) == "eve may read, and update needs the role write"
    reads, writes = (Get(0, b"app:x"),), (Get(0, b"app:x"), Update(1, b"app:x", b"1"))
    assert isinstance(alone.asks("a", EVE, Transaction(3, reads)), Results)
    assert "transaction needs the role write" in refusal(alone, EVE, Transaction(4, writes))
    assert "update needs the role write" in refusal(alone, EVE, Traced(5, "id", Update(5, b"app:x", b"")))
    assert refusal(alone, ANN, SetReplication(6, 2, 1)) == "ann may write, and set_replication needs the role admin"
    assert alone.said("a", "asked by ann at 10.0.0.9:1002: denied")
    assert word_of(alone.asks("a", ANN, GetUsers(7))) == "denied"


def test_prefixes_bind_all_that_names_entries(alone: Hive) -> None:
    assert alone.asks("a", ANN, Update(1, b"app:y", b"2")) == Done(1)
    denied = 'ann may ask for entries under "app:", not for '
    assert refusal(alone, ANN, Get(2, b"other")) == denied + '"other"'
    assert refusal(alone, ANN, Many(3, NOBODY, (Get(0, b"app:x"), Get(1, b"ap")))) == denied + '"ap"'
    together = (Get(0, b"{app:}"), Update(1, b"app:x", b""))
    assert refusal(alone, ANN, Transaction(4, together)) == denied + '"{app:}"'
    epoch = alone.view("a").epoch
    assert refusal(alone, ANN, PrefixScan(5, identity("a"), epoch, b"")) == denied + "all entries"
    assert refusal(alone, ANN, Follow(6, identity("a"), epoch, b"ap")) == denied + '"ap"'
    assert refusal(alone, ANN, Count(7, identity("a"), epoch)).endswith('under "app:", and count is about all')
    page = alone.asks("a", ANN, PrefixScan(8, identity("a"), epoch, b"app:"))
    assert isinstance(page, Aliases) and page.aliases == (b"app:x", b"app:y")
    assert refusal(alone, ANN, Traced(9, "id", Get(9, b"other"))) == denied + '"other"'


def test_a_scan_of_the_ring_tells_only_what_may_be_seen(alone: Hive) -> None:
    for session, found in ((ANN, {b"app:x", b"app:y"}), (EVE, {b"app:x", b"app:y", b"other"})):
        told: set[bytes] = set()
        cursor, more = 0, True
        while more:
            page = alone.asks("a", session, RingScan(1, cursor))
            assert isinstance(page, Aliases)
            told.update(page.aliases)
            cursor, more = int.from_bytes(page.last, "big"), page.more
        assert told == found


def test_the_view_that_clients_see_has_no_users(alone: Hive) -> None:
    told = alone.asks("a", EVE, GetView(1))
    assert isinstance(told, ViewIs) and told.view.users == () and told.view.users_since == alone.view("a").users_since
    watched = alone.nodes["a"].view_for(2)
    assert watched is not None and watched.view.users == ()
    assert len(alone.view("a").users) == 3


def test_no_password_is_told_to_anybody(alone: Hive) -> None:
    told = alone.asks("a", ROOT, GetUsers(1))
    assert isinstance(told, Users) and [known.name for known in told.users] == ["ann", "eve", "root"]
    assert all(kept.salt and not kept.hash for known in told.users for kept in known.passwords)
    assert "secret" not in repr(Authenticate(1, "ann", "secret"))


def test_a_wrong_password_and_a_wrong_name_sound_alike(alone: Hive) -> None:
    session = 78
    alone.go(FIRST_SECONDS)
    sentences = {said(alone, "a", session, name, "nonsense").sentence for name in ("ann", "nobody")}
    assert sentences == {"there is no such user with that password"}
    assert word_of(alone.asks("a", session, Get(1, b"app:x"))) == "unauthenticated"
    assert word_of(said(alone, "a", session, "ann", "x" * 5000)) == "unauthenticated"


def test_who_says_a_wrong_password_is_nobody_any_more() -> None:
    hive = with_users("a")
    said(hive, "a", ANN, "ann")
    assert said(hive, "a", ANN, "ann", "nonsense").code
    assert word_of(hive.asks("a", ANN, Get(1, b"app:x"))) == "unauthenticated"


def test_who_guesses_is_slowed_and_nobody_else() -> None:
    hive = with_users("a")
    said(hive, "a", ANN, "ann")
    clients = hive.nodes["a"].context.process.clients
    clients[90], clients[91] = "10.0.0.66:1", "10.0.0.7:1"
    for _ in range(6):
        sentence = said(hive, "a", 90, "ann", "guess").sentence
    assert "too many came from 10.0.0.66, none is looked at for 1 s" in sentence
    assert isinstance(said(hive, "a", 90, "ann"), Failed), "the right one is not looked at either"
    assert said(hive, "a", 91, "ann") == Identity(9, "ann", Role.WRITE, (b"app:",))
    hive.go(2.0)
    assert said(hive, "a", 90, "ann") == Identity(9, "ann", Role.WRITE, (b"app:",))


def test_the_first_user_ends_what_nobody_has_proven() -> None:
    hive = hive_of("a", "b", secured=True)
    hive.nodes["b"].context.process.clients = {EVE: "10.0.0.9:1003"}
    hive.asks("a", ROOT, AddUser(1, user("root", Role.ADMIN)))
    hive.until(lambda: EVE in hive.ended)
    assert hive.ended == {EVE: FIRST}


def test_who_is_removed_is_out_with_the_view_at_every_node() -> None:
    hive = with_users("a", "b", replication=2)
    said(hive, "a", ANN, "ann")
    said(hive, "b", EVE, "eve")
    changed = {known.name: known.changed for known in hive.view("a").users}
    assert hive.asks("a", ROOT, RemoveUser(1, "eve", changed["eve"])) == Done(1)
    hive.until(lambda: len(hive.view("b").users) == 2)
    assert hive.ended == {EVE: ENDED}
    assert word_of(hive.asks("b", EVE, Get(2, b"x"))) == "unauthenticated"
    assert hive.asks("a", ANN, Update(3, b"app:x", b"")) == Done(3), "nobody else hears of it"


def test_a_session_stands_on_the_password_that_it_said() -> None:
    hive = with_users("a")
    said(hive, "a", ANN, "ann")
    (old,) = next(known for known in hive.view("a").users if known.name == "ann").passwords
    kept = Password(old.salt, b"")

    def change(*passwords: Password) -> None:
        known = next(known for known in hive.view("a").users if known.name == "ann")
        assert hive.asks("a", ROOT, SetPasswords(1, "ann", passwords, known.changed)) == Done(1)
        hive.until(lambda: next(k for k in hive.view("a").users if k.name == "ann").changed > known.changed)

    new = quickly_hashed("new one", b"another salt")
    change(kept, new)
    assert not hive.ended and hive.asks("a", ANN, Update(2, b"app:x", b"")) == Done(2), "both are good"
    assert said(hive, "a", EVE, "ann", "new one") == Identity(9, "ann", Role.WRITE, (b"app:",))
    change(Password(new.salt, b""))
    assert hive.ended == {ANN: ENDED}, "only who said the old one"
    assert hive.asks("a", EVE, Update(3, b"app:x", b"")) == Done(3)


def test_the_last_user_opens_the_hive_again_and_ends_nothing() -> None:
    hive = with_users("a")
    for name in ("ann", "eve", "root"):
        known = next(known for known in hive.view("a").users if known.name == name)
        assert hive.asks("a", ROOT, RemoveUser(1, name, known.changed)) == Done(1)
        hive.until(lambda name=name: all(user.name != name for user in hive.view("a").users))  # type: ignore[misc]
    assert not hive.nodes["a"].sessions.asks
    assert hive.asks("a", ROOT, Update(2, b"x", b"")) == Done(2) and not hive.ended
    told = hive.asks("a", ROOT, GetView(3))
    assert isinstance(told, ViewIs) and told.view.users_since == 0 < hive.view("a").users_since, "as if none ever was"


def test_a_node_that_sees_no_quorum_lets_nobody_new_at_entries() -> None:
    hive = with_users("a", "b", "c")
    said(hive, "a", ANN, "ann")
    aliases = [b"app:%d" % number for number in range(60)]
    mine = next(alias for alias in aliases if _owns(hive, alias))
    hive.asks("a", ANN, Update(1, mine, b""))
    hive.cut("a", "b")
    hive.cut("a", "c")
    hive.go(3 * LEASE_SECONDS)
    assert hive.asks("a", ANN, Get(2, mine)) == Content(2, b""), "one copy needs no lease, and who was there goes on"
    said(hive, "a", EVE, "eve")
    assert "sees no quorum, and lets nobody new at entries" in refusal(hive, EVE, Get(3, mine))
    said(hive, "a", ROOT, "root")
    assert isinstance(hive.asks("a", ROOT, GetUsers(4)), Users), "an admin has to see what is wrong"
    hive.heal()
    hive.until(lambda: not word_of(hive.asks("a", EVE, Get(5, mine))))


def _owns(hive: Hive, alias: bytes) -> bool:
    return hive.nodes["a"].serves(position_of(hive.view("a"), alias), hive.clock("a"))


def test_what_a_node_passes_on_that_may_not_know_who_is_gone_is_refused() -> None:
    """Else a user could read on through the one node that has not heard that he was removed."""
    hive = with_users("a", "b")
    alias = next(b"app:%d" % number for number in range(99) if not _owns(hive, b"app:%d" % number))
    said(hive, "a", ANN, "ann")
    hive.asks("a", ANN, Update(1, alias, b"1"))
    stale = hive.message("b", "a", Forward(Get(5, alias), 1 << 20))
    former = hive.view("b").users_since - 1
    late = replace(stale, envelope=replace(stale.envelope, epoch=former))
    before = len(hive.sent)
    hive.event("b", late)
    hive.go(0.1)
    answers = [body.reply for _, _, body in hive.sent[before:] if isinstance(body, Forwarded)]
    assert [word_of(reply) for reply in answers] == ["unstable"]


def test_a_session_that_ends_is_forgotten() -> None:
    hive = with_users("a")
    said(hive, "a", ANN, "ann")
    hive.event("a", SessionClosed(ANN))
    assert hive.asks("a", ANN, WhoAmI(1)) == Identity(1, "", Role.NOBODY)
    assert ANN not in hive.nodes["a"].context.users


def test_users_are_there_after_a_start(alone: Hive) -> None:
    hive = with_users("a")
    hive.kill("a")
    hive.start("a")
    hive.stable("a")
    assert [known.name for known in hive.view("a").users] == ["ann", "eve", "root"]
    assert word_of(hive.asks("a", 80, Get(1, b"x"))) == "unauthenticated"


def test_a_node_that_takes_plain_words_has_no_place_among_users() -> None:
    hive = with_users("a", "b")
    hive.secured = False
    hive.start("c", "a")
    hive.go(2.0)
    assert "--tls-mode require" in hive.exits["c"].sentence
    hive.kill("b")
    hive.start("b", "a")
    hive.go(2.0)
    assert "has users" in hive.exits["b"].sentence and "--tls-mode require" in hive.exits["b"].sentence


def test_who_shows_the_certificate_of_the_node_is_an_admin_there() -> None:
    """Whoever has its key can say anything as the node: so nobody is locked out who runs the machine."""
    hive = with_users("a")
    hive.nodes["a"].sessions.certified(70)
    assert hive.asks("a", 70, WhoAmI(1)) == Identity(1, "the node's own certificate", Role.ADMIN)
    root = next(known for known in hive.view("a").users if known.name == "root")
    new = (quickly_hashed("a new one", b"new"),)
    assert hive.asks("a", 70, SetPasswords(2, "root", new, root.changed)) == Done(2)
    hive.until(lambda: ROOT in hive.ended)
    assert 70 not in hive.ended
    assert hive.said("a", "user_password root, asked by the node's own certificate at")
    hive.event("a", SessionClosed(70))
    assert hive.asks("a", 70, WhoAmI(3)) == Identity(3, "", Role.NOBODY)


def test_whoever_is_not_known_yet_tries_again_in_the_first_minute() -> None:
    """A program that said its name all along fails nothing while the admin adds its user."""
    hive = with_users("a")
    known = next(known for known in hive.view("a").users if known.name == "eve")
    hive.asks("a", ROOT, RemoveUser(1, "eve", known.changed))
    hive.until(lambda: len(hive.view("a").users) == 2)
    reply = said(hive, "a", EVE, "eve")
    assert word_of(reply) == "unstable" and 'there is no user "eve" yet' in reply.sentence
    assert word_of(said(hive, "a", EVE, "ann", "nonsense")) == "unauthenticated", "of who is known, a wrong password"
    hive.go(FIRST_SECONDS)
    assert word_of(said(hive, "a", EVE, "eve")) == "unauthenticated"


def test_one_password_after_the_other() -> None:
    """Each is answered, also where a client says several at once."""
    hive = with_users("a")
    heard: list[Any] = []

    def hear(name: str, effect: Effect) -> None:
        if isinstance(effect, ReplyTo):
            heard.append(effect.reply)
            hive.replies.pop(effect.session, None)

    hive.watch = hear
    for number in (1, 2):
        hive.event("a", Requested(ANN, Authenticate(number, "ann", "ann")))
    hive.go(0.1)
    refused, told = heard
    assert word_of(refused) == "usage" and told == Identity(1, "ann", Role.WRITE, (b"app:",))


def test_whoever_is_added_while_his_password_is_looked_at_tries_again() -> None:
    """It was compared with what was known before: that he is none of them says nothing by now."""
    hive = with_users("a")
    hive.go(FIRST_SECONDS)
    held: list[Verify] = []

    def hold(name: str, effect: Effect) -> None:
        if isinstance(effect, Verify) and effect.name == "new":
            held.append(effect)

    hive.watch = hold
    hive.event("a", Requested(80, Authenticate(1, "new", "new")))
    late = verified(held[0])
    hive.event("a", SessionClosed(80))  # what the harness finds out by itself comes to nobody
    assert hive.asks("a", ROOT, AddUser(1, user("new", Role.READ))) == Done(1)
    node = hive.nodes["a"]
    hive.until(lambda: len(hive.view("a").users) == 4)
    node.sessions._verifying.add(80)
    hive.replies.pop(80, None)
    hive.event("a", late)
    assert word_of(hive.replies[80]) == "unstable"
    assert said(hive, "a", 81, "new") == Identity(9, "new", Role.READ)
