"""An agent for each test that wants one, and the end of what it has started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import Agent


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A base directory that is not there yet; nodes that run there at the end are killed."""
    directory = tmp_path.resolve() / "made" / "base"
    yield directory
    for path in directory.glob("nodes/*/pid"):
        with suppress(ValueError, ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Its home is the directory of the test."""
    with Agent(tmp_path) as running:
        yield running
