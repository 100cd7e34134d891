"""Options of the test run, and how its tests are shared out among workers."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from wrpme.core.membership import transitions as views
from wrpme.protocol.view import View

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling
    from xdist.workermanage import WorkerController

LONG_FIRST = (
    "tests/system/test_pipes.py", "tests/system/test_nemesis.py", "tests/system/test_death.py",
    "tests/bootstrap/test_upgrade.py", "tests/system/test_watch.py", "tests/bootstrap/", "tests/system/test_tls.py",
    "tests/system/", "tests/shell/test_local_hive.py",
    "tests/daemon/test_supervisor.py", "tests/daemon/test_main.py", "tests/client/test_admin.py",
    "tests/client/test_direct.py",
    "tests/sim/test_storms.py", "tests/sim/test_sim.py", "tests/sim/test_level2.py", "tests/sim/",
    "tests/tui/test_screens.py", "tests/core/test_view_growth.py", "tests/tui/", "tests/core/test_admin.py",
)  # fmt: skip
"""Real processes wait most of the time, so they begin, several at once; what computes fills the machine after them,
and what is short comes last, so that all workers end together. The largest content (test_pipes.py) keeps a machine so
busy that nodes may be missed: it has its turn while the next ones wait for their hives to grow up."""
COMPUTING = ("tests/sim/", "tests/core/", "tests/protocol/")
"""The last worker begins with these, at a low priority: it has the time in which all others wait."""
COMPUTING_NICENESS = 5
SHARED_OUT = (
    "tests/system/", "tests/sim/test_sim.py", "tests/sim/test_level2.py", "tests/sim/test_storms.py",
    "tests/sim/test_mutations.py::test_a_broken_rule",
)  # fmt: skip
"""The tests of these files are long and go to any worker; those of any other file share what is dear to make."""
KEPT_TOGETHER = (
    "tests/system/test_bad_input.py", "tests/system/test_dashboard.py", "tests/system/test_pipes.py",
    "tests/system/test_redis.py", "tests/system/test_redis_clients.py", "tests/system/test_rights.py",
    "tests/system/test_watch.py", "tests/system/test_web.py",
)  # fmt: skip
"""Those of each of these share a hive."""
VIEWS_KEPT = 100
GARBAGE_THRESHOLDS = (10_000, 10, 10)


def pytest_addoption(parser: pytest.Parser) -> None:
    default = int(os.environ.get("WRPME_SIM_SEEDS", "30"))
    parser.addoption("--sim-seeds", type=int, default=default, help="seeds of the simulation (30)")
    default = int(os.environ.get("WRPME_LEVEL2_SEEDS", "4"))
    parser.addoption("--level2-seeds", type=int, default=default, help="seeds of the second level (4)")


def once_each(validate: Callable[[View], None]) -> Callable[[View], None]:
    """A view never changes, and a node that is validated after each step has the same one for a long time."""
    valid: dict[int, View] = {}

    def validate_once(view: View) -> None:
        if valid.get(id(view)) is not view:
            validate(view)
            if len(valid) >= VIEWS_KEPT:
                valid.clear()
            valid[id(view)] = view

    return validate_once


def pytest_configure() -> None:
    settings.register_profile("wrpme", deadline=None)  # how long an example takes says how busy the machine is
    settings.load_profile("wrpme")
    gc.disable()  # until the tests are collected: each worker makes some hundred thousand objects, which all stay
    vars(views)["validate"] = once_each(views.validate)
    if os.environ.get("PYTEST_XDIST_WORKER") == f"gw{int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '0')) - 1}":
        os.nice(COMPUTING_NICENESS)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what it starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    @cache
    def place(file: str) -> int:
        begins = (number for number, start in enumerate(LONG_FIRST) if file.startswith(start))
        return next(begins, len(LONG_FIRST))

    items.sort(key=lambda item: place(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    """What is there now stays, the little garbage among it too: no collection has to look at it again. What tests leave
    behind is little to what a look for it costs: a tenth of the time of the dashboard's tests."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if nodeid.startswith(SHARED_OUT) and file not in KEPT_TOGETHER else file

        def _assign_work_unit(self, node: WorkerController) -> None:
            """The last worker gets what computes, as long as there is any."""
            if node is self.nodes[-1]:
                scope = next((scope for scope in self.workqueue if scope.startswith(COMPUTING)), "")
                if scope:
                    self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return Scheduling(config, log)
