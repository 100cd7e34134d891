"""60 seconds of :mod:`tests.system.nemesis`, or as many as WRPME_NEMESIS_SECONDS says."""

from __future__ import annotations

import os

import pytest

from tests.system.nemesis import run
from tests.system.netns import NamespacesError, missing

SEED = 4
PAUSE_SECONDS = 0.06
"""Of each client between two operations: scripts/soak has six times the load; here other tests run beside it."""


def test_nothing_is_lost_whatever_goes_wrong() -> None:
    if reason := missing("iptables", "mount"):
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    try:
        seconds = float(os.environ.get("WRPME_NEMESIS_SECONDS", "60"))
        well = run(seconds, SEED, replication=2, grace=20.0, pause=PAUSE_SECONDS)
    except NamespacesError as error:
        assert os.environ.get("CI") != "true", error
        pytest.skip(str(error))
    assert well
