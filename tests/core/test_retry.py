"""Pauses that double up to a bound, differ from node to node, and begin anew."""

from __future__ import annotations

from wrpme.core.retry import Retry
from wrpme.core.limits import ASK_SECONDS, ASK_SECONDS_MAX


def attempts(node: bytes, seconds: float) -> list[float]:
    retry, found = Retry(node), []
    retry.begin(0.0)
    for step in range(int(seconds * 1000)):
        if retry.is_due(step / 1000):
            found.append(step / 1000)
    return found


def test_pauses_double_up_to_a_bound() -> None:
    at = attempts(b"a" * 16, 60.0)
    pauses = [later - earlier for earlier, later in zip([0.0, *at], at, strict=False)]
    assert 0.74 * ASK_SECONDS <= pauses[0] <= 1.26 * ASK_SECONDS
    for number, pause in enumerate(pauses):
        usual = min(ASK_SECONDS_MAX, ASK_SECONDS * 2**number)
        assert 0.74 * usual <= pause <= 1.26 * usual + 0.002


def test_nodes_do_not_ask_all_at_once() -> None:
    assert len({attempts(bytes([node]) * 16, 1.0)[0] for node in range(20)}) > 10


def test_what_begins_anew_is_said_soon() -> None:
    retry = Retry(b"a" * 16)
    retry.begin(0.0)
    for second in range(1, 30):
        retry.is_due(float(second))
    retry.begin(30.0)
    assert not retry.is_due(30.0) and retry.is_due(30.0 + 1.26 * ASK_SECONDS)


def test_an_answer_is_given_the_time_that_it_takes() -> None:
    retry = Retry(b"a" * 16)
    retry.begin(0.0, round_trip=3.0)
    assert not retry.is_due(3.0) and retry.is_due(3.0 + 1.26 * ASK_SECONDS)
