"""Tests of the client run in time that jumps, unless daemons answer, and none passes where asyncio had to complain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.stub_node import JumpLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"loop": asyncio.SelectorEventLoop if item.path.name == "test_admin.py" else JumpLoop}


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What no task and no callback took care of is an error in asyncio's log, also while the loop is closed."""
    yield
    told = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert not [one for one in told if one.name == "asyncio" and one.levelno >= logging.ERROR]
