"""Who records all that nodes and clients say to each other reads nothing of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.daemons import PATIENCE_SECONDS, environment
from tests.system.netns import Namespaces, NamespacesError, missing
from tests.system.recorded import SECRETS


def recorded(mode: str, directory: Path) -> dict[str, int]:
    directory.mkdir()
    try:
        with Namespaces([], name=mode) as network:
            command = [*network.inside("hub"), sys.executable, "-m", "tests.system.recorded", mode, str(directory)]
            done = subprocess.run(command, env=environment(), capture_output=True, timeout=2 * PATIENCE_SECONDS)
    except NamespacesError as error:
        assert not os.environ.get("CI"), error
        pytest.skip(str(error))
    assert done.returncode == 0, done.stderr.decode()
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


@pytest.mark.asyncio
async def test_a_recording_holds_nothing_of_what_was_said_by_tls(tmp_path: Path) -> None:
    """And all of it where it was said without."""
    if reason := missing():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    modes = ("off", "require")
    plain, secured = await asyncio.gather(*(asyncio.to_thread(recorded, mode, tmp_path / mode) for mode in modes))
    assert set(plain) == set(SECRETS) and all(plain.values()), plain
    assert not any(secured.values()), secured
