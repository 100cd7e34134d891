"""An event loop for screens: where an app has nothing to do but to wait for a timer, that time has passed already."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from textual import _time


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


class SkippingLoop(asyncio.SelectorEventLoop):
    """Not for what waits for a thread or another process."""

    def __init__(self) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return super().time() + self._skipping.skipped


@contextmanager
def textual_time() -> Iterator[None]:
    """Textual's timers go by the clock of the loop that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time, "get_time", lambda: asyncio.get_running_loop().time())
        yield
