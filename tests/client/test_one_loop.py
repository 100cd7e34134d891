"""A client works on the event loop of its first request."""

from __future__ import annotations

import asyncio

import pytest

from wrpme import errors
from wrpme.client.one_loop import OneLoop


def test_the_first_loop_counts() -> None:
    held = OneLoop()

    async def running() -> asyncio.AbstractEventLoop:
        return held.running()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(running()) is first.get_loop() is first.run(running())
        with pytest.raises(errors.UsageError, match="belongs to another event loop"):
            second.run(running())
