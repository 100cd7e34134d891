"""What a follower makes of pages and changes that cross, round after round."""

from __future__ import annotations

import pytest

from wrpme.client.follow.followed import Followed, Seen
from wrpme.protocol.messages import EXPIRED, REMOVED, WRITTEN

A, B = b"a", b"b"


def version(number: int) -> bytes:
    return number.to_bytes(16, "big")


def told(followed: Followed) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while (seen := followed.take()) is not None:
        found.append((seen.kind, seen.content if seen.content is not None else seen.alias))
    return found


def page(followed: Followed, alias: bytes, number: int) -> None:
    followed.written(alias, version(number), b"%d" % number, paged=True)


def change(followed: Followed, alias: bytes, number: int, what: int = WRITTEN) -> None:
    followed.changed(what, alias, version(number), b"%d" % number if what == WRITTEN else None)


def synchronized(*entries: tuple[bytes, int]) -> Followed:
    followed = Followed()
    for alias, number in entries:
        page(followed, alias, number)
    followed.finish()
    told(followed)
    return followed


def test_the_present_entries_come_first_then_changes() -> None:
    followed = Followed()
    page(followed, A, 1)
    assert not followed.synchronized
    followed.finish()
    assert followed.synchronized and told(followed) == [("present", b"1"), ("synchronized", b"")]
    change(followed, A, 2)
    change(followed, B, 1)
    assert told(followed) == [("replaced", b"2"), ("put", b"1")]
    change(followed, A, 3, REMOVED)
    change(followed, B, 2, EXPIRED)
    assert told(followed) == [("removed", A), ("expired", B)]
    change(followed, A, 4)
    assert told(followed) == [("put", b"4")]


def test_what_is_not_taken_is_merged() -> None:
    followed = synchronized((A, 1))
    for number in range(2, 6):
        change(followed, A, number)
    change(followed, B, 1)
    change(followed, B, 2, REMOVED)
    assert told(followed) == [("replaced", b"5")], "B came and went unseen"
    change(followed, A, 6, REMOVED)
    change(followed, A, 7)
    assert told(followed) == [("replaced", b"7")]


@pytest.mark.parametrize("change_first", [True, False])
def test_a_page_and_a_change_may_cross(change_first: bool) -> None:
    followed = Followed()
    for is_change in (change_first, not change_first):
        if is_change:
            change(followed, A, 2)
        else:
            page(followed, A, 1)
    followed.finish()
    change(followed, A, 2)
    (seen, *others) = told(followed)
    assert seen[1] == b"2" and others == [("synchronized", b"")]


@pytest.mark.parametrize("change_first", [True, False])
def test_a_removed_entry_is_not_revived_by_a_page(change_first: bool) -> None:
    followed = Followed()
    for is_change in (change_first, not change_first):
        if is_change:
            change(followed, A, 2, REMOVED)
        else:
            page(followed, A, 1)
    followed.finish()
    assert told(followed) == [("synchronized", b"")]


def test_a_new_round_gives_the_differences() -> None:
    followed = synchronized((A, 1), (B, 1), (b"c", 1))
    followed.begin("an owner died")
    page(followed, A, 1)
    page(followed, B, 5)
    page(followed, b"d", 1)
    assert told(followed) == [("replaced", b"5"), ("put", b"1")]
    followed.finish()
    assert followed.take() == Seen("removed", b"c"), "what no page shows is gone"
    assert followed.take() == Seen("resynchronized", reason="an owner died")


def test_a_change_of_the_round_shows_that_an_entry_is_there() -> None:
    followed = synchronized((A, 1))
    followed.begin("")
    change(followed, A, 3)  # added again behind the page that did not show it
    followed.finish()
    assert told(followed) == [("replaced", b"3"), ("resynchronized", b"")]


def test_a_round_that_fails_takes_nothing_back() -> None:
    followed = synchronized((A, 1), (B, 1))
    followed.begin("one")
    page(followed, A, 2)
    followed.begin("two")
    page(followed, A, 2)
    page(followed, B, 1)
    followed.finish()
    assert told(followed) == [("replaced", b"2"), ("resynchronized", b"")]


def test_an_entry_that_was_given_up_may_return_at_a_lower_version() -> None:
    followed = synchronized((A, 9))
    followed.begin("")
    page(followed, A, 3)
    followed.finish()
    assert told(followed) == [("replaced", b"3"), ("resynchronized", b"")]
    change(followed, A, 4)
    assert told(followed) == [("replaced", b"4")]


def test_a_content_that_was_got_by_itself_may_be_later() -> None:
    followed = synchronized((A, 1))
    followed.changed(WRITTEN, A, version(2), None)
    seen = followed.take()
    assert seen is not None and seen.content is None
    change(followed, A, 3)
    followed.read(A, version(4))
    assert not followed, "3 is known by 4"
    change(followed, A, 4)
    change(followed, A, 5)
    assert told(followed) == [("replaced", b"5")]


def test_an_entry_that_went_before_it_could_be_got_was_never_told() -> None:
    followed = synchronized()
    followed.changed(WRITTEN, A, version(2), None)
    seen = followed.take()
    assert seen is not None
    followed.missing(seen)
    change(followed, A, 3, REMOVED)
    assert told(followed) == []


def test_what_could_not_be_told_is_told_next_unless_something_later_waits() -> None:
    followed = synchronized()
    change(followed, A, 1)
    change(followed, B, 1)
    seen = followed.take()
    assert seen is not None
    followed.put_back(seen)
    assert followed.take() == seen
    followed.put_back(seen)
    change(followed, A, 2)
    assert told(followed) == [("put", b"2"), ("put", b"1")]


def test_news_of_the_round_is_not_held_back_by_what_comes_later() -> None:
    followed = Followed()
    page(followed, A, 1)
    page(followed, B, 1)
    followed.finish()
    kinds = []
    for number in range(2, 6):  # whoever reads is slower than what is written
        change(followed, A, number)
        change(followed, B, number)
        seen = followed.take()
        assert seen is not None
        kinds.append(seen.kind)
    assert kinds == ["put", "put", "synchronized", "replaced"]


def test_interruptions_are_told_until_it_is_synchronized_again() -> None:
    followed = Followed()
    followed.finish()
    followed.interrupt("nobody answers")
    assert told(followed) == [("synchronized", b""), ("interrupted", b"")]
    followed.interrupt("nobody answers")
    followed.begin("nobody answers")
    followed.finish()
    assert told(followed) == [("resynchronized", b"")]
