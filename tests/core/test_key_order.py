"""Keys in their order while they come and go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.core.replication import key_order
from wrpme.core.replication.key_order import Order

KEYS = st.integers(0, 30).map(lambda number: b"%02d" % number)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "scan", "clear"]), KEYS, KEYS), max_size=60)


@given(STEPS, st.integers(0, 5))
def test_a_scan_gives_what_is_there_in_order_and_once(steps: list[tuple[str, bytes, bytes]], added_max: int) -> None:
    known: dict[bytes, int] = {}
    made = Order(known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_order, "ADDED_MAX", added_max)
        for kind, key, other in steps:
            if kind == "add":
                known[key] = 1
                made.added(key)
            elif kind == "remove":
                known.pop(key, None)
            elif kind == "clear":
                known.clear()
            else:
                low, high = sorted((key, other))
                assert list(made.between(low, high)) == sorted(one for one in known if low <= one < high)


def test_nothing_is_kept_for_scans_that_do_not_come() -> None:
    known: dict[bytes, int] = {b"x": 1}
    made = Order(known)
    assert list(made.between(b"", b"y")) == [b"x"]
    for number in range(100_000):
        key = b"%d" % number
        known[key] = 1
        made.added(key)
        del known[key]
    assert len(made._added) <= key_order.FORGET_MAX
    assert list(made.between(b"", b"y")) == [b"x"]


def test_a_small_part_costs_no_more_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {b"%06d" % number: number for number in range(20_000)}
    made = Order(known)
    assert next(made.between(b"000100", b"000300")) == b"000100"
    touched: list[bytes] = []

    class Watched(dict[bytes, int]):
        def __contains__(self, key: object) -> bool:
            touched.append(key)  # type: ignore[arg-type]
            return super().__contains__(key)

    made._known = Watched(known)
    for start in range(0, 10_000, 100):
        known_part = list(made.between(b"%06d" % start, b"%06d" % (start + 100)))
        assert len(known_part) == 100
    assert len(touched) == 10_000
