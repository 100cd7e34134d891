"""All that is ours goes, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, Agent
from tests.bootstrap.agent.test_releases import WHOLE, bundle
from wrpme.bootstrap.agent import cleanup
from wrpme.bootstrap.agent.paths import Base, Made


@pytest.fixture
def node(agent: Agent, base: Path) -> Path:
    """A node that has run, and all that this leaves."""
    agent.lock(base)
    agent.call("install", release="1", bundle=bundle(base, WHOLE))
    agent.configure(base)
    directory = base / "nodes" / NODE
    for name in ("data", "data.damaged-1", "data.fresh"):
        (directory / name).mkdir()
        (directory / name / "000001.ldb").write_text("x")
    for name in ("pid", "out", "log", "log.1", "log-20261125.gz", "run.new"):
        (directory / name).write_text("x")
    return directory


def test_nothing_stays(agent: Agent, node: Path, base: Path, tmp_path: Path) -> None:
    (base / "incoming-2.zip.part").write_text("half")
    assert agent.call("remove", name=NODE, data=True) == {"removed": True, "left": ""}
    assert not node.exists()
    assert agent.call("clean") == {"removed": True, "left": ""}
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_begun_again_at_once(agent: Agent, node: Path, base: Path) -> None:
    agent.call("remove", name=NODE, data=True)
    agent.call("clean")
    assert agent.refusal("configure")[1] == "configure without the lock; this is a defect of wrpme"
    assert agent.lock(base)["made"] == [str(base.parent), str(base)]
    assert agent.configure(base) == {"changed": True}


def test_removed_twice_is_as_removed_once(agent: Agent, node: Path) -> None:
    agent.call("remove", name=NODE, data=True)
    assert agent.call("remove", name=NODE, data=True) == {"removed": False, "left": ""}
    assert agent.call("remove", name="never-1", data=True) == {"removed": False, "left": ""}


def test_data_stays_until_it_is_asked_for(agent: Agent, node: Path, base: Path) -> None:
    assert agent.call("remove", name=NODE, data=False) == {"removed": True, "left": ""}
    assert sorted(path.name for path in node.iterdir()) == ["data", "data.damaged-1", "data.fresh"]
    found = agent.look(base)["nodes"][NODE]
    assert (found["record"], found["data"]) == (None, True)
    assert agent.call("clean") == {"removed": False, "left": str(node)}
    assert (base / "versions" / "1").exists()


def test_what_is_not_ours_stays_and_is_told(agent: Agent, node: Path, base: Path) -> None:
    (node / "notes.txt").write_text("mine")
    (base / "mine").mkdir()
    assert agent.call("remove", name=NODE, data=True) == {"removed": True, "left": f"{node}/notes.txt"}
    assert agent.call("clean") == {"removed": False, "left": str(node)}
    (node / "notes.txt").unlink()
    node.rmdir()
    assert agent.call("clean") == {"removed": False, "left": f"{base}/mine"}
    assert sorted(path.name for path in base.iterdir()) == ["lock", "made.json", "mine"]
    (base / "mine").rmdir()
    assert agent.call("clean") == {"removed": True, "left": ""}
    assert not base.parent.exists()


def test_a_directory_above_that_others_use_by_now_stays(agent: Agent, node: Path, base: Path) -> None:
    (base.parent / "theirs").write_text("")
    agent.call("remove", name=NODE, data=True)
    assert agent.call("clean") == {"removed": True, "left": ""}
    assert [path.name for path in base.parent.iterdir()] == ["theirs"]


def test_a_directory_that_was_there_before_stays_empty(agent: Agent, base: Path) -> None:
    base.mkdir(parents=True)
    agent.lock(base)
    agent.configure(base)
    agent.call("remove", name=NODE, data=True)
    assert agent.call("clean") == {"removed": True, "left": ""}
    assert list(base.iterdir()) == []


def test_a_node_that_runs_is_not_removed(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    pid = agent.call("start", name=NODE)["pid"]
    assert agent.refusal("remove", name=NODE, data=True) == (
        "remote",
        f"node {NODE} still runs (process {pid}); stop it first",
    )
    assert agent.call("clean")["removed"] is False


def test_what_else_was_made_goes_too(agent: Agent, node: Path, base: Path, tmp_path: Path) -> None:
    units = tmp_path.resolve() / "config" / "systemd"
    units.mkdir(parents=True)
    note = json.loads((base / "made.json").read_text())
    note["directories"] += [str(units.parent), str(units)]
    (base / "made.json").write_text(json.dumps(note))
    agent.call("remove", name=NODE, data=True)
    agent.call("clean")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("millis", range(0, 30, 5))
def test_a_removal_that_is_cut_off_anywhere_is_finished_by_the_next(tmp_path: Path, base: Path, millis: int) -> None:
    import subprocess

    first = Agent(tmp_path)
    first.lock(base)
    first.call("install", release="1", bundle=bundle(base, WHOLE))
    first.configure(base)
    first.ask("remove", name=NODE, data=True)
    first.ask("clean")
    subprocess.run(["sleep", str(millis / 1000)], check=True)  # anywhere: what is asserted holds wherever it was
    first.kill()
    first.close()
    with Agent(tmp_path) as second:
        second.lock(base)
        second.call("remove", name=NODE, data=True)
        assert second.call("clean") == {"removed": True, "left": ""}
    assert not base.exists()


class CutOff(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("steps", range(8))
def test_a_removal_that_is_cut_off_at_any_step_leaves_nothing_of_which_nobody_knows(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    made = Base(str(base))
    base.mkdir(parents=True)
    made.write_made(Made([str(base.parent), str(base)]))
    left = steps
    with monkeypatch.context() as patch:

        def counted(what: Callable[..., None]) -> Callable[..., None]:
            def step(*arguments: object, **named: object) -> None:
                nonlocal left
                if left == 0:
                    raise CutOff
                left -= 1
                what(*arguments, **named)

            return step

        for name in ("unlink", "rmdir", "rename"):
            patch.setattr(os, name, counted(getattr(os, name)))
        with suppress(CutOff):
            cleanup._remove_base(made, made.read_made())
    with Agent(tmp_path) as second:
        second.lock(base)
        assert second.call("clean") == {"removed": True, "left": ""}
    assert list(tmp_path.iterdir()) == []
