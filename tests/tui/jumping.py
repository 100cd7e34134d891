"""An event loop for screens: its time stands while there is something to do, and jumps to the next timer when all
wait. That a screen is at rest is thus a fact, and nobody has to wait for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import pytest
from textual import _time, app, pilot
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot
from textual.screen import Screen

REST_SECONDS = 0.05
"""A loop is at rest when all wait for longer than this: what is to be drawn waits a sixtieth of a second, and what is
drawn again and again waits for an eighth or more."""
_SHEETS: dict[object, list[RuleSet]] = {}
"""What style sheets say, by their text and what else their meaning hangs on."""


class _Selector(selectors.DefaultSelector):
    """``skipped``: seconds that nobody had to wait. ``resting``: who waits for the loop to be at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        self.resting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return super().select(0)
        if self.resting and not (ready := super().select(0)) and (timeout is None or timeout > REST_SECONDS):
            for waiting in self.resting:
                if not waiting.done():
                    waiting.set_result(None)
            self.resting.clear()
            return ready
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
        return self._skipping.skipped

    async def at_rest(self) -> None:
        """Returns when all that can be done is done, but for what waits for longer than REST_SECONDS."""
        self._skipping.resting.append(waiting := self.create_future())
        await waiting


def quick_loop() -> SkippingLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkippingLoop)
    return loop


class _Frames:
    """Draws a screen when somebody waits for it and all are at rest, as a terminal that is slow would show it: what
    changes several times before is drawn once."""

    def __init__(self) -> None:
        self._undrawn: set[Screen[Any]] = set()
        self._begun: WeakSet[Pilot[Any]] = WeakSet()
        self._draw = Screen._compositor_refresh

    def due(self, screen: Screen[Any]) -> None:
        if screen is screen.app.screen:
            screen._dirty_widgets.clear()  # the compositor has noted their regions
            self._undrawn.add(screen)
        else:
            self._draw(screen)

    async def drawn(self, pilot: Pilot[Any]) -> bool:
        """The first to wait is the app that starts, and not yet the test."""
        loop = quick_loop()
        await loop.at_rest()
        while self._undrawn and pilot in self._begun:
            screen = self._undrawn.pop()
            if screen.is_running:
                self._draw(screen)
            await loop.at_rest()
        self._begun.add(pilot)
        return True


@contextmanager
def textual_time() -> Iterator[None]:
    """Textual's timers go by the clock of the loop that runs, its pilot waits until that is at rest, and only then a
    screen is drawn. Apps share the style sheets that they have read."""
    frames, parse = _Frames(), Stylesheet._parse_rules

    async def idle(*_seconds: float) -> None:
        await quick_loop().at_rest()

    def parsed(sheet: Stylesheet, css: str, *of: Any, **more: Any) -> list[RuleSet]:
        key = css, of, *more.items(), *sheet._variables.items()
        if key not in _SHEETS:
            _SHEETS[key] = parse(sheet, css, *of, **more)
        return _SHEETS[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time, "get_time", lambda: asyncio.get_running_loop().time())
        for module in (app, pilot):
            patch.setattr(module, "wait_for_idle", idle)
        patch.setattr(Pilot, "_wait_for_screen", lambda of: frames.drawn(of))
        patch.setattr(Screen, "_compositor_refresh", lambda screen: frames.due(screen))
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield
