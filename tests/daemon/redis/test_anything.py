"""Some of what :mod:`tests.daemon.redis.fuzz` says at length to the Redis door."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.redis.fuzz import once


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_anything_at_the_door_has_its_answers_and_leaves_nothing(data: bytes) -> None:
    once(data)
