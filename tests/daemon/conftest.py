"""The loops on which tests of the daemon run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A node runs on either of these loops, and each does TLS in its own way."""
    made = {"asyncio": asyncio.new_event_loop}
    return {**made, "uvloop": uvloop.new_event_loop} if item.path.stem == "test_tls" else made
