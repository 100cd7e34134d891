"""Fixtures that several tests of the core share."""

from __future__ import annotations

import pytest

from tests.core.context_parts import new_context
from wrpme.core.context import NodeContext


@pytest.fixture
def context() -> NodeContext:
    return new_context()
