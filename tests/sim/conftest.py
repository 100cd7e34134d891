"""Seeds, some to a test: a test file says with ``SEEDS`` which option counts them and how many go into one test."""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        option, most = metafunc.module.SEEDS
        count = metafunc.config.getoption(option)
        chunks = [range(first, min(first + most, count + 1)) for first in range(1, count + 1, most)]
        metafunc.parametrize("seeds", chunks, ids=[f"{chunk.start}-{chunk.stop - 1}" for chunk in chunks])
