"""An event loop for screens: where an app has nothing to do but to wait for a timer, that time has passed already."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from textual import _time

R = TypeVar("R")


class _Selector(selectors.DefaultSelector):
    """``skipped``: seconds that nobody had to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.skipped += max(0.0, timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return super().time() + self._skipping.skipped


def run(main: Coroutine[Any, Any, R]) -> R:
    """As ``asyncio.run``, without the waiting; Textual's timers go by the same clock. Not for what waits for a thread
    or another process."""
    with asyncio.Runner(loop_factory=_Loop) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time, "get_time", runner.get_loop().time)
        return runner.run(main)
