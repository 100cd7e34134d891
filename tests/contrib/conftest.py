"""A hive of one real node, which all tests of the caches share, and Django with settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.system.daemons import Daemons


@pytest.fixture(scope="session")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of its node."""
    with Daemons(tmp_path_factory.mktemp("hive"), 1) as daemons:
        daemons.start_all(range(1))
        asyncio.run(daemons.until_stable())
        yield daemons.addresses[0]


@pytest.fixture(scope="session", autouse=True)
def django_settings() -> None:
    if not settings.configured:
        settings.configure(USE_TZ=True, CACHES={})
