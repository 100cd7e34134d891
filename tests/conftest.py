"""Options of the test run, and how its tests are shared out among workers."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from wrpme import view as views
from wrpme.picture import View

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

LONG_FIRST = (
    "tests/hive/test_pipes.py", "tests/hive/test_nemesis.py", "tests/hive/test_death.py", "tests/hive/test_watch.py",
    "tests/bootstrap/", "tests/hive/", "tests/test_local.py", "tests/test_lives.py", "tests/test_sim",
    "tests/test_mutations.py", "tests/tui/test_screens.py", "tests/test_view_growth.py", "tests/tui/",
    "tests/test_admin.py",
)  # fmt: skip
"""Real processes wait most of the time, so they begin, several at once; what computes fills the machine after them,
and what is short comes last, so that all workers end together. The largest content (test_pipes.py) keeps a machine so
busy that nodes may be missed: it has its turn while the next ones wait for their hives to grow up."""
SHARED_OUT = ("tests/hive/", "tests/test_sim", "tests/test_mutations.py::test_a_broken_rule")
"""The tests of these files are long and go to any worker; those of any other file share what is dear to make."""
KEPT_TOGETHER = ("tests/hive/test_bad_input.py", "tests/hive/test_pipes.py")
VIEWS_KEPT = 100


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
    vars(views)["validate"] = once_each(views.validate)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what it starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        begins = (number for number, start in enumerate(LONG_FIRST) if item.nodeid.startswith(start))
        return next(begins, len(LONG_FIRST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What is there now stays: no collection of garbage has to look at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if nodeid.startswith(SHARED_OUT) and file not in KEPT_TOGETHER else file

    config.option.loadscopereorder = False
    return Scheduling(config, log)
