"""Large pieces of work: between two of them the loop looks at everything else."""

from __future__ import annotations

import asyncio

import pytest

from wrpme.daemon.work import Work
from wrpme.limits import TURN_BYTES

pytestmark = pytest.mark.asyncio


async def test_a_turn_does_so_much_and_no_more() -> None:
    work, done = Work(), []
    for number, size in enumerate((TURN_BYTES // 2, TURN_BYTES // 2, 64 * TURN_BYTES, 1, TURN_BYTES)):
        work.put(size, lambda number=number: done.append(number))  # type: ignore[misc]
    seen = []
    while len(done) < 5:
        await asyncio.sleep(0)
        seen.append(list(done))
    assert seen == [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4]]
    work.put(1, lambda: done.append(9))
    await asyncio.sleep(0)
    assert done[-1] == 9


async def test_work_that_fails_does_not_keep_the_rest() -> None:
    loop, work, done = asyncio.get_running_loop(), Work(), []
    loop.set_exception_handler(lambda _, context: done.append(type(context["exception"])))

    def fail() -> None:
        raise KeyError

    work.put(TURN_BYTES, fail)
    work.put(TURN_BYTES, lambda: done.append(int))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [KeyError, int]
