"""Attempts that begin one after the other, the first that succeeds is taken."""

from __future__ import annotations

import asyncio

import pytest

from tests.stub_node import jumped
from wrpme.client.limits import NEXT_SECONDS
from wrpme.client.race import first_of

pytestmark = pytest.mark.asyncio


async def test_who_answers_at_once_is_alone() -> None:
    begun: list[str] = []

    async def attempt(name: str) -> str:
        begun.append(name)
        return name

    assert await first_of(["a", "b"], attempt, lambda _: None, {}) == "a"
    assert begun == ["a"]


async def test_a_failure_begins_the_next_at_once_and_silence_after_a_while() -> None:
    async def attempt(name: str) -> str:
        if name == "fails":
            raise OSError(name)
        if name == "silent":
            await asyncio.Event().wait()
        return name

    failures: dict[str, Exception] = {}
    assert await first_of(["fails", "silent", "answers"], attempt, lambda _: None, failures) == "answers"
    assert list(failures) == ["fails"] and jumped() <= NEXT_SECONDS
    assert await first_of(["fails"], attempt, lambda _: None, failures) is None
    assert await first_of([], attempt, lambda _: None, failures) is None


async def test_what_succeeds_too_late_is_discarded() -> None:
    both = asyncio.Event()
    discarded: list[str] = []

    async def attempt(name: str) -> str:
        if name == "b":
            both.set()
        await both.wait()
        return name

    taken = await first_of(["a", "b"], attempt, discarded.append, {})
    await asyncio.sleep(0)
    assert [taken, *discarded] in (["a", "b"], ["b", "a"])
