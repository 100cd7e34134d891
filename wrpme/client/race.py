"""Attempts that begin one after the other, and of which the first that succeeds is taken (RFC 8305 calls it happy
eyeballs)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from wrpme.client.limits import NEXT_SECONDS

R = TypeVar("R")


async def first_of(
    candidates: Sequence[str],
    attempt: Callable[[str], Coroutine[Any, Any, R]],
    discard: Callable[[R], object],
    failures: dict[str, Exception],
) -> R | None:
    """Returns the result of the first attempt that succeeds, or None where all fail, each of them for the reason that
    is entered into ``failures``.

    The next attempt begins when one has failed, or none has ended for ``NEXT_SECONDS``: who answers at once is alone,
    and who never answers holds up nobody. ``discard`` gets what nobody takes any more.
    """
    left = deque(candidates)
    running: dict[str, asyncio.Task[R]] = {}
    try:
        while left or running:
            if left:
                candidate = left.popleft()
                running[candidate] = asyncio.create_task(attempt(candidate))
            await asyncio.wait(
                running.values(), timeout=NEXT_SECONDS if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for candidate in [one for one, task in running.items() if task.done()]:
                error = running[candidate].exception()
                if error is None:
                    return running.pop(candidate).result()
                if not isinstance(error, Exception):
                    raise error
                del running[candidate]
                failures[candidate] = error
        return None
    finally:
        for task in running.values():
            task.add_done_callback(lambda done: done.cancelled() or done.exception() or discard(done.result()))
            task.cancel()
