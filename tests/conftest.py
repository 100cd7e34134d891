"""Options of the test run."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    default = int(os.environ.get("WRPME_SIM_SEEDS", "300"))
    parser.addoption("--sim-seeds", type=int, default=default, help="seeds of the simulation (300)")
    default = int(os.environ.get("WRPME_LEVEL2_SEEDS", "30"))
    parser.addoption("--level2-seeds", type=int, default=default, help="seeds of the second level (30)")
