"""Screens show the time of day, that of one zone in all tests, and all colours; and nobody waits for their timers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.tui.jumping import SkippingLoop, textual_time


WITH_PROCESSES = ("test_launch.py", "test_web_server.py", "test_web_tab.py")


def skips(item: pytest.Item) -> bool:
    """Whether the test needs no real time."""
    return item.path.name not in WITH_PROCESSES


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"loop": SkippingLoop if skips(item) else asyncio.SelectorEventLoop}


@pytest.fixture(autouse=True)
def timers(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("asyncio") is None or not skips(request.node):
        yield
        return
    with textual_time():
        yield


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
