"""The judge of transactions: what it takes for serializable, and what not."""

from __future__ import annotations

import pytest

from tests.sim.run import Run, SimulationError
from tests.sim.serial import Step, Together, carried_out, is_serializable

BOTH = (Step("update", "a", b"1"), Step("update", "b", b"1"))
READ = (Step("get", "a"), Step("get", "b"))


def test_what_steps_tell_and_leave() -> None:
    state = (("a", b"1"), ("n", b"5"))
    assert carried_out(state, (Step("add", "n", b"2"), Step("get", "n"))) == ((7, b"7"), (("a", b"1"), ("n", b"7")))
    assert carried_out(state, (Step("remove", "a"), Step("exists", "a"))) == ((None, 0), (("n", b"5"),))
    for failing, word in (("absent", "mismatch"), ("put", "already_exists")):
        assert carried_out(state, (Step("remove", "n"), Step(failing, "a"))) == ((1, word), state)
    assert carried_out(state, (Step("same", "a", b"2"),)) == ((0, "mismatch"), state)
    assert carried_out(state, (Step("absent", "x"), Step("get", "x"))) == ((1, "not_found"), state)
    dropped = Step("fetch", "a"), Step("drop", "a"), Step("drop", "a"), Step("fetch", "a")
    assert carried_out(state, dropped) == ((b"1", 1, 0, None), (("n", b"5"),))


def test_a_transaction_is_seen_whole_or_not_at_all() -> None:
    written = Together(BOTH, 0, 3, (None, None))
    for told, fits in (((b"1", b"1"), True), ((0, "not_found"), True), ((1, "not_found"), False)):
        assert is_serializable([written, Together(READ, 1, 2, told)]) is fits
    assert not is_serializable([written, Together(READ, 4, 5, (0, "not_found"))])
    assert not is_serializable(
        [written, Together(READ, 1, 2, (b"1", b"1")), Together(READ, 2.5, 2.7, (0, "not_found"))]
    )


def test_one_of_unknown_end_has_happened_or_not_but_not_half() -> None:
    unknown = Together(BOTH, 0)
    for told, fits in (((b"1", b"1"), True), ((0, "not_found"), True), ((1, "not_found"), False)):
        assert is_serializable([unknown, Together(READ, 8, 9, told)]) is fits
    again = [Together(READ, 8, 9, (0, "not_found")), Together(READ, 10, 11, (b"1", b"1"))]
    assert is_serializable([unknown, *again])
    assert not is_serializable(
        [unknown, *(Together(one.steps, 20 - one.call, 20.5 - one.call, one.told) for one in again)]
    )


def test_transactions_in_one_tag_are_strictly_serializable() -> None:
    for seed in range(1, 5):
        try:
            outcome = Run(seed, corner="batching").run()
        except SimulationError as error:
            pytest.fail(str(error), pytrace=False)
        assert not outcome.undecided, f"a history of seed {seed} is too tangled to judge"
