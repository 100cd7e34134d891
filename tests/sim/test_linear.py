"""The judge of histories, judged by histories that were written by hand."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from tests.sim.linear import Operation, is_linearizable, step


def op(
    kind: str,
    call: int,
    back: float,
    result: str = "ok",
    content: bytes | None = None,
    comparand: bytes | None = None,
    given: bytes | None = None,
) -> Operation:
    return Operation(kind, call, back, result, content, comparand, given)


def unknown(kind: str, call: int, content: bytes | None = None) -> Operation:
    return Operation(kind, call, content=content)


GOOD = {
    "nothing": [],
    "a write is read": [op("put", 0, 1, content=b"a"), op("get", 2, 3, given=b"a")],
    "a read during a write sees either": [
        op("put", 0, 1, content=b"a"),
        op("update", 2, 9, content=b"b"),
        op("get", 3, 4, given=b"a"),
        op("get", 5, 6, given=b"b"),
    ],
    "a comparison that failed for one of two reasons": [
        op("cas", 0, 1, "not_found or mismatch", content=b"a", comparand=b"b"),
        op("put", 2, 3, content=b"a"),
        op("cas", 4, 5, "not_found or mismatch", content=b"b", comparand=b"b"),
    ],
    "of two puts one wins": [op("put", 0, 3, content=b"a"), op("put", 1, 2, "already_exists", content=b"b")],
    "what had a life span is gone after it": [
        op("put", 0, 1, content=b"a"),
        op("deadline", 2, 5, comparand=b"a"),
        op("get", 3, 4, given=b"a"),
        op("get", 6, 7, "not_found"),
    ],
    "what was written late is gone at once": [
        op("deadline", 1, 5, comparand=b"a"),
        op("put", 2, 4, content=b"a"),
        op("get", 6, 7, "not_found"),
    ],
    "an expiry belongs to a content": [
        op("put", 0, 1, content=b"a"),
        op("update", 2, 3, content=b"b"),
        op("deadline", 4, 5, comparand=b"a"),
        op("get", 6, 7, given=b"b"),
    ],
    "an expiry that was set takes the place of the one before": [
        op("put", 0, 1, content=b"a"),
        op("expire", 2, 3, content=b"\0one"),
        op("deadline", 4, 5, comparand=b"a"),
        op("get", 6, 7, given=b"a"),
        op("deadline", 8, 9, comparand=b"\0one"),
        op("get", 10, 11, "not_found"),
    ],
    "a write of unknown end happened": [unknown("update", 0, content=b"a"), op("get", 5, 6, given=b"a")],
    "a write of unknown end did not happen": [unknown("update", 0, content=b"a"), op("get", 5, 6, "not_found")],
    "a write of unknown end happened late": [
        unknown("update", 0, content=b"a"),
        op("get", 5, 6, "not_found"),
        op("get", 7, 8, given=b"a"),
    ],
    "cas in a chain": [
        op("put", 0, 1, content=b"a"),
        op("cas", 2, 3, content=b"b", comparand=b"a", given=b"a"),
        op("cas", 4, 5, "mismatch", content=b"c", comparand=b"a"),
        op("remove_if", 6, 7, "mismatch", comparand=b"a"),
        op("remove_if", 8, 9, comparand=b"b"),
        op("get", 10, 11, "not_found"),
    ],
    "a removal of unknown end lets a put succeed": [
        op("put", 0, 1, content=b"a"),
        unknown("remove", 2),
        op("put", 4, 5, content=b"b"),
        op("get", 6, 7, given=b"b"),
    ],
    "an unread write of unknown end explains a mismatch": [
        op("put", 0, 1, content=b"a"),
        unknown("update", 2, content=b"x"),
        op("cas", 3, 4, "mismatch", content=b"c", comparand=b"a"),
    ],
    "get_remove gives what it removed": [
        op("put", 0, 1, content=b"a"),
        op("get_remove", 2, 3, given=b"a"),
        op("get_remove", 4, 5, "not_found"),
        op("get_update", 6, 7, "not_found", content=b"z"),
    ],
}

BAD = {
    "a comparison with what is there fails": [
        op("put", 0, 1, content=b"a"),
        op("cas", 2, 3, "not_found or mismatch", content=b"b", comparand=b"a"),
    ],
    "an acknowledged write is lost": [op("put", 0, 1, content=b"a"), op("get", 2, 3, "not_found")],
    "a read goes back in time": [
        op("put", 0, 1, content=b"a"),
        op("update", 2, 9, content=b"b"),
        op("get", 3, 4, given=b"b"),
        op("get", 5, 6, given=b"a"),
    ],
    "two puts both win": [op("put", 0, 3, content=b"a"), op("put", 1, 2, content=b"b")],
    "a read of what nobody wrote": [op("get", 0, 1, given=b"ghost")],
    "a read before its write": [op("get", 0, 1, given=b"a"), op("put", 2, 3, content=b"a")],
    "two cas on one content": [
        op("put", 0, 1, content=b"a"),
        op("cas", 2, 5, content=b"b", comparand=b"a", given=b"a"),
        op("cas", 3, 4, content=b"c", comparand=b"a", given=b"a"),
    ],
    "a write of unknown end happens twice": [
        op("put", 0, 1, content=b"a"),
        unknown("update", 2, content=b"x"),
        op("get", 3, 4, given=b"x"),
        op("update", 5, 6, content=b"b"),
        op("get", 7, 8, given=b"x"),
    ],
    "a removed entry comes back": [
        op("put", 0, 1, content=b"a"),
        op("remove", 2, 3),
        op("get", 4, 5, given=b"a"),
    ],
    "get_update gives the wrong content": [
        op("put", 0, 1, content=b"a"),
        op("get_update", 2, 3, content=b"b", given=b"z"),
    ],
    "what has expired comes back": [
        op("put", 0, 1, content=b"a"),
        op("deadline", 2, 5, comparand=b"a"),
        op("get", 3, 4, "not_found"),
        op("get", 6, 7, given=b"a"),
    ],
    "it lives longer than it may": [
        op("put", 0, 1, content=b"a"),
        op("deadline", 2, 3, comparand=b"a"),
        op("get", 4, 5, given=b"a"),
    ],
    "it vanishes before its time": [
        op("put", 0, 1, content=b"a"),
        op("get", 2, 3, "not_found"),
        op("deadline", 4, 5, comparand=b"a"),
    ],
    "it vanishes though its expiry was put off": [
        op("put", 0, 1, content=b"a"),
        op("expire", 2, 3, content=b"\0one"),
        op("deadline", 4, 5, comparand=b"a"),
        op("get", 6, 7, "not_found"),
        op("deadline", 8, 9, comparand=b"\0one"),
    ],
    "a mismatch without a reason": [
        op("put", 0, 1, content=b"a"),
        op("cas", 2, 3, "mismatch", content=b"b", comparand=b"a"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_good_histories(name: str) -> None:
    assert is_linearizable(GOOD[name]) is True


@pytest.mark.parametrize("name", BAD)
def test_bad_histories(name: str) -> None:
    assert is_linearizable(BAD[name]) is False


def by_trying_all(history: list[Operation]) -> bool:
    """The definition itself."""
    known = [one for one in history if one.known]
    rest = [one for one in history if not one.known]
    for chosen in range(1 << len(rest)):
        taken = known + [one for at, one in enumerate(rest) if chosen >> at & 1]
        for order in permutations(taken):
            if any(late.back < early.call for at, early in enumerate(order) for late in order[at + 1 :]):
                continue
            if explains(order):
                return True
    return False


def explains(order: tuple[Operation, ...]) -> bool:
    held: bytes | None = None
    for one in order:
        result, left = step(held, one)
        if one.known and result != one.result:
            return False
        if one.known and result == "ok" and one.given is not None and one.given != held:
            return False
        held = left
    return True


def test_agrees_with_the_definition() -> None:
    random = Random(7)
    verdicts = set()
    for _ in range(400):
        moments = random.sample(range(20), 10)
        history = []
        for call, back in zip(moments[::2], moments[1::2], strict=True):
            kind = random.choice(["get", "put", "update", "cas", "remove", "remove_if", "get_update"])
            result = random.choice(["ok", "ok", "ok", "not_found", ""])
            if kind == "update":
                result = random.choice(["ok", ""])
            content = bytes([random.randrange(97, 100)])
            other = bytes([random.randrange(97, 100)])
            given = other if kind in ("get", "cas", "get_update") and result == "ok" else None
            first, last = min(call, back), max(call, back)
            history.append(Operation(kind, first, last if result else float("inf"), result, content, other, given))
        verdict = is_linearizable(history)
        assert verdict is by_trying_all(history), history
        verdicts.add(verdict)
    assert verdicts == {True, False}


def test_a_long_history_is_judged_fast() -> None:
    random = Random(3)
    history, held = [], None
    for at in range(0, 1200, 4):
        content = b"%d" % at
        if random.random() < 0.1:
            history.append(unknown("update", at, content=b"never"))
        history.append(op("update", at + 1, at + 2, content=content))
        held = content
        history.append(op("get", at + 3, at + 3.5, given=held))
    assert is_linearizable(history) is True
