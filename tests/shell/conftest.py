"""A node that answers by a script, for tests that start wrpmesh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stub_node import Entries, StubNode, StubThread


@pytest.fixture
def entries() -> Entries:
    return Entries()


@pytest.fixture
def node(entries: Entries) -> Iterator[StubNode]:
    with StubThread(entries) as stub:
        yield stub
