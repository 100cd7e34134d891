"""Options of the test run."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    default = int(os.environ.get("WRPME_SIM_SEEDS", "300"))
    parser.addoption("--sim-seeds", type=int, default=default, help="seeds of the simulation (300)")
