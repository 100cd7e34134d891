"""Some of what :mod:`tests.system.fuzz` says at length to real nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system import fuzz

ROUNDS = 2


@pytest.mark.asyncio
async def test_anything_at_the_port(tmp_path: Path) -> None:
    said = (await fuzz.run(tmp_path, 7, lambda rounds: rounds >= ROUNDS, lambda line: None)).said
    assert sum(said.values()) == ROUNDS * fuzz.ROUND and len(said) == 16
