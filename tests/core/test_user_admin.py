"""What an admin may change of users, and what he is told where he may not; and the rules of the view for them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from tests.user_parts import user
from wrpme.core.membership import transitions
from wrpme.protocol import view_index
from wrpme.protocol.access.messages import AddUser, Authenticate, RemoveUser, SetPasswords
from wrpme.protocol.access.users import PASSWORDS_MAX, PREFIXES_MAX, USERS_MAX, Password, Role, User
from wrpme.protocol.messages import Done, Failed
from wrpme.protocol.view import Back, Down, DropUser, Join, Member, PutUser, State, View

ROOT = user("root", Role.ADMIN)
SESSION = 5
DIGEST_BEFORE_USERS = "f60b25cd47cc4895835cf6bc8d548d59"


def sentence(hive: Hive, request: Any, word: str = "usage") -> str:
    reply = hive.asks("a", SESSION, request)
    assert word_of(reply) == word and isinstance(reply, Failed)
    return reply.sentence


def known(hive: Hive, name: str) -> int:
    return next(found.changed for found in hive.view("a").users if found.name == name)


@pytest.fixture(scope="module")
def hive() -> Hive:
    """With one admin, who asks."""
    made = hive_of("a", secured=True)
    made.ask("a", AddUser(1, ROOT))
    made.until(lambda: bool(made.view("a").users))
    made.asks("a", SESSION, Authenticate(1, "root", "root"))
    return made


def test_the_first_user_is_an_admin_and_all_nodes_take_nothing_but_tls() -> None:
    hive = hive_of("a", "b")
    assert "the first user is an admin" in sentence(hive, AddUser(1, user("ann", Role.READ)))
    assert "a, b did not start with --tls-mode require" in sentence(hive, AddUser(2, ROOT))
    assert not hive.view("a").users


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (user("-x", Role.READ), "the name of a user"),
        (user("x", Role.NOBODY), "read, write or admin"),
        (user("x", Role.ADMIN, b"p"), "an admin may do everything"),
        (user("x", Role.READ, *[b"p"] * (PREFIXES_MAX + 1)), "at most 16 prefixes"),
        (user("x", Role.READ, b""), "of 1 to 256 bytes"),
        (User("x", Role.READ), "1 to 4 passwords"),
        (User("x", Role.READ, (), ROOT.passwords * (PASSWORDS_MAX + 1)), "1 to 4 passwords"),
        (User("x", Role.READ, (), (Password(b"s" * 16, b"h" * 32, 30),)), "none that this release makes"),
    ],
)
def test_a_user_that_can_not_be(hive: Hive, wrong: User, words: str) -> None:
    assert words in sentence(hive, AddUser(1, wrong))
    view = hive.view("a")
    assert transitions.apply(view, [PutUser(wrong, 0)]) is None, "nor by another way"


def test_what_does_not_fit_what_there_is(hive: Hive) -> None:
    assert "there is a user root already" in sentence(hive, AddUser(1, ROOT), "already_exists")
    assert "there is no user bob" in sentence(hive, RemoveUser(2, "bob", 1), "not_found")
    assert "somebody else has changed" in sentence(hive, RemoveUser(3, "root", 99))
    assert "somebody else has changed" in sentence(hive, SetPasswords(4, "root", ROOT.passwords, 99))
    assert "1 to 4 passwords" in sentence(hive, SetPasswords(5, "root", (), known(hive, "root")))
    gone = (Password(b"x" * 16, b""),)
    assert "1 to 4 passwords" in sentence(hive, SetPasswords(6, "root", gone, known(hive, "root")))


def test_the_last_admin_stays_as_long_as_there_are_others(hive: Hive) -> None:
    assert hive.asks("a", SESSION, AddUser(1, user("ann", Role.WRITE, b"app:"))) == Done(1)
    hive.until(lambda: len(hive.view("a").users) == 2)
    assert "the last admin" in sentence(hive, RemoveUser(2, "root", known(hive, "root")))
    demoted = PutUser(user("root", Role.READ), known(hive, "root"))
    assert transitions.apply(hive.view("a"), [demoted]) is None
    assert hive.said("a", "the user ann was added, with the role write, to entries of 1 prefix")
    assert hive.said("a", "asked by")


def test_without_a_quorum_nothing_is_asked_for() -> None:
    hive = hive_of("a", "b", "c", secured=True)
    hive.kill("b")
    hive.kill("c")
    hive.until(lambda: bool(hive.nodes["a"].lifecycle.quorum()))
    assert "nothing can be decided here" in sentence(hive, AddUser(1, ROOT))


# --- the rules of the view ---------------------------------------------------------------------------------------


def founded(*users: User) -> View:
    view = transitions.found(HIVE, identity("a"), 1, "a", 1, secured=True)
    for made in users:
        after = transitions.apply(view, [PutUser(made, 0)])
        assert after is not None, made
        view = after
    return view


def test_users_are_in_the_order_of_their_names_and_tell_since_when() -> None:
    view = founded(ROOT, user("zoe", Role.READ), user("ann", Role.READ))
    assert [(found.name, found.changed) for found in view.users] == [("ann", 4), ("root", 2), ("zoe", 3)]
    assert view.users_since == 4
    after = transitions.apply(view, [DropUser("zoe", 3)])
    assert after is not None and after.users_since == 5 and [found.name for found in after.users] == ["ann", "root"]


def test_of_two_changes_from_one_state_the_second_is_void() -> None:
    view = founded(ROOT)
    one = PutUser(user("root", Role.ADMIN, password="one"), 2)
    other = PutUser(user("root", Role.ADMIN, password="other"), 2)
    after = transitions.apply(view, [one, other])
    assert after is not None and after.users[0].passwords == one.user.passwords
    assert transitions.apply(after, [other]) is None
    assert transitions.apply(after, [DropUser("root", 2)]) is None
    assert transitions.apply(view, [PutUser(user("root", Role.ADMIN), 0)]) is None


def test_a_patch_has_what_changed_and_makes_the_same_view() -> None:
    view = founded(ROOT, user("ann", Role.READ), user("bob", Role.READ))
    made = transitions.next_view(view, [DropUser("bob", 4), PutUser(user("ann", Role.WRITE), 3)])
    assert made is not None
    after, patch = made
    assert [found.name for found in patch.users] == ["ann"] and patch.gone == ("bob",)
    assert view_index.patched(view, patch) == after and transitions.difference(view, after) == patch
    assert view_index.digest(view_index.patched(view, patch)) == view_index.digest(after)
    assert view_index.digest(after) != view_index.digest(replace(after, users=view.users)), "users are in the digest"
    assert view_index.unpack(view_index.pack(after)) == after


def test_what_former_releases_know_has_the_digest_that_it_had() -> None:
    view = transitions.found(HIVE, identity("a"), 1, "a", 1)
    assert view_index.digest(view).hex() == DIGEST_BEFORE_USERS
    secured = transitions.found(HIVE, identity("a"), 1, "a", 1, secured=True)
    assert view_index.digest(secured) != view_index.digest(view)


def test_there_are_no_more_than_there_may_be() -> None:
    view = founded(ROOT)
    users = tuple(user(f"u{number:03}", Role.READ) for number in range(USERS_MAX - 1))
    view = replace(view, users=(*view.users, *users))
    assert transitions.apply(view, [PutUser(user("one-more", Role.READ), 0)]) is None


def test_no_node_comes_or_returns_that_takes_plain_words() -> None:
    view = founded(ROOT)
    b = identity("b")
    assert transitions.apply(view, [Join(b, 1, "b")]) is None
    view = transitions.apply(view, [Join(b, 1, "b", secured=True)]) or view
    view = transitions.apply(view, [Down(b, 1)]) or view
    assert view_index.member(view, b) == Member(b, 1, "b", 3, State.DOWN, True)
    assert transitions.apply(view, [Back(b, 2, "b")]) is None
    back = transitions.apply(view, [Back(b, 2, "b", secured=True)])
    assert back is not None and view_index.member(back, b) == Member(b, 2, "b", 3, State.UP, True)
    recovered = transitions.recover(view, view.members[0], [])
    assert recovered.users == view.users and recovered.users_since == view.users_since


def test_all_go_at_once_and_the_hive_is_open_from_one_view_to_the_next() -> None:
    view = founded(ROOT, user("ann", Role.READ))
    assert transitions.apply(view, [DropUser("", 2)]) is None, "somebody was added since"
    after = transitions.apply(view, [DropUser("", 3)])
    assert after is not None and after.users == () and after.users_since == 4
    assert transitions.apply(after, [DropUser("", 4)]) is None
    both = transitions.apply(view, [DropUser("", 3), DropUser("ann", 3)])
    assert both is not None and [found.name for found in both.users] in ([], ["root"])


def test_an_admin_removes_all_users() -> None:
    hive = hive_of("a", secured=True)
    assert "this hive has no users" in sentence(hive, RemoveUser(1, "", 0), "not_found")
    hive.ask("a", AddUser(1, ROOT))
    hive.until(lambda: bool(hive.view("a").users))
    hive.asks("a", SESSION, Authenticate(1, "root", "root"))
    assert "somebody else has changed users" in sentence(hive, RemoveUser(2, "", 1))
    assert hive.asks("a", SESSION, RemoveUser(3, "", hive.view("a").users_since)) == Done(3)
    hive.until(lambda: not hive.view("a").users)
    assert hive.said("a", "user_remove (all), asked by root") and not hive.ended
