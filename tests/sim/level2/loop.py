"""An event loop whose time is a counter: when nothing is left to do it jumps to the next timer.

Whatever a machine's process schedules belongs to it (a context variable says whose process that is): it is held back
while the process hangs, and never done once the process is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol


class Process(Protocol):
    """A process of a machine. ``alive`` and ``hangs`` say what becomes of what it scheduled; ``held`` keeps it."""

    alive: bool
    hangs: bool
    held: list[tuple[Callable[[], None], Context]]


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Selector:
    """In the place of the system's: nothing ever arrives, only time passes."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        assert timeout is not None, "nothing will ever happen any more"
        self._loop.now += max(0.0, timeout)
        return []

    def close(self) -> None:
        """Nothing to end."""


class VirtualLoop(asyncio.base_events.BaseEventLoop):
    """``connect`` makes a connection for ``create_connection``."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Selector(self)
        self._clock_resolution = 1e-9
        self.connect: Callable[[Callable[[], Any], str, int], Awaitable[tuple[Any, Any]]] | None = None

    def time(self) -> float:
        return self.now

    def _process_events(self, events: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _check_closed(self) -> None:
        """What is left of a run that failed may still tidy up, to no effect."""

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        assert self.connect is not None
        return await self.connect(factory, host, port)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(_guarded(self, callback, context), *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, _guarded(self, callback, context), *args, context=context)


def _guarded(loop: VirtualLoop, callback: Callable[..., Any], context: Context | None) -> Callable[..., Any]:
    process = context.get(PROCESS) if context is not None else PROCESS.get()
    if process is None or getattr(callback, "guarded", False):
        return callback

    def run(*args: Any) -> None:
        if process.alive:
            if process.hangs:
                process.held.append((lambda: run(*args), copy_context()))
            else:
                callback(*args)

    run.guarded = True  # type: ignore[attr-defined]
    return run
