"""An agent for each test that wants one, and the end of what it has started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import Agent
from wrpme.bootstrap.agent import processes
from wrpme.bootstrap.agent.session import Channel, Session


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A base directory that is not there yet; nodes that run there at the end are killed."""
    directory = tmp_path.resolve() / "made" / "base"
    yield directory
    into, out = os.pipe()
    session = Session(Channel(into, out))
    there = session.enter(str(directory))
    nodes = [there.node(name) for name in there.node_names()]
    for found in processes.running(session, nodes).values():
        for one in found:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
    os.close(into)
    os.close(out)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Its home is the directory of the test."""
    with Agent(tmp_path) as running:
        yield running
