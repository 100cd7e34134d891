"""Tests of the client run in time that jumps, unless daemons answer, and none passes where asyncio had to complain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.stub_node import JumpLoop, complaints_of


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"loop": asyncio.SelectorEventLoop if item.path.name == "test_admin.py" else JumpLoop}


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not complaints_of(caplog)
