"""One operator at a time, and a lock that never outlives its holder."""

from __future__ import annotations

import json
import os
import select
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, Agent, files_in
from tests.system.daemons import PATIENCE_SECONDS
from wrpme.bootstrap.agent import cleanup, files, lock
from wrpme.bootstrap.agent.paths import Base

AT_WORK = (
    "is at work there; wait until that is done (a connection that broke is given up after 20 s), and give the command "
    "again"
)
TEXT = "jane@desk, hive_apply"


def test_the_directory_is_made_with_the_note_that_it_is_ours(agent: Agent, base: Path) -> None:
    made = [str(base.parent), str(base)]
    assert agent.lock(base) == {"made": made}
    assert json.loads((base / "made.json").read_text()) == {"directories": made, "linger": False}
    assert (base / "lock").read_text() == f"{TEXT}\n"
    assert agent.lock(base) == {"made": []}


def test_nothing_is_left_of_a_lock_that_was_for_nothing(tmp_path: Path, base: Path) -> None:
    with Agent(tmp_path) as agent:
        agent.lock(base)
    assert not base.parent.exists()


def test_a_directory_that_was_there_stays(tmp_path: Path, base: Path) -> None:
    base.mkdir(parents=True)
    with Agent(tmp_path) as agent:
        assert agent.lock(base) == {"made": []}
    assert list(base.iterdir()) == []


def test_the_usual_directory_of_an_ordinary_user_is_in_its_home(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    os.chmod(tmp_path, 0o777)
    for path in tmp_path.parents:
        if path.stat().st_mode & 0o5 != 0o5:
            path.chmod(path.stat().st_mode | 0o5)
    with Agent(tmp_path, before=["setpriv", "--reuid", "2345", "--regid", "2345", "--clear-groups"]) as agent:
        assert agent.call("look", directory="", nodes={})["directory"] == f"{tmp_path}/.local/share/wrpme"
        made = agent.call("lock", directory="", text="x", seconds=0)["made"]
        assert made == [f"{tmp_path}/.local", f"{tmp_path}/.local/share", f"{tmp_path}/.local/share/wrpme"]
    assert not (tmp_path / ".local").exists()


def test_the_second_one_is_told_who_has_it(agent: Agent, tmp_path: Path, base: Path) -> None:
    agent.lock(base)
    with Agent(tmp_path) as other:
        refused = other.refusal("lock", directory=str(base), text="joe", seconds=0)
        assert refused == ("locked", f"{TEXT} {AT_WORK}")
        assert other.look(base)["lock"] == TEXT
    assert agent.look(base)["lock"] == ""
    assert (base / "lock").read_text() == f"{TEXT}\n"


def test_whoever_waits_gets_it_when_it_is_free(tmp_path: Path, base: Path) -> None:
    base.mkdir(parents=True)
    first = Agent(tmp_path)
    first.lock(base)
    with Agent(tmp_path) as second:
        second.ask("lock", directory=str(base), text="joe", seconds=60)
        first.close()
        assert second.answer() == {"made": []}
        assert (base / "lock").read_text() == "joe\n"


def test_whoever_waits_makes_the_directory_that_goes_with_the_first(tmp_path: Path, base: Path) -> None:
    first = Agent(tmp_path)
    first.lock(base)
    with Agent(tmp_path) as second:
        second.ask("lock", directory=str(base), text="joe", seconds=60)
        first.call("clean")
        assert second.answer() == {"made": [str(base.parent), str(base)]}
        assert (base / "lock").read_text() == "joe\n"
        first.close()
        assert (base / "lock").read_text() == "joe\n"


def test_whoever_waits_and_is_gone_gets_it_never(agent: Agent, tmp_path: Path, base: Path) -> None:
    agent.lock(base)
    second = Agent(tmp_path)
    second.ask("lock", directory=str(base), text="joe", seconds=60)
    second.close()
    assert (base / "lock").read_text() == f"{TEXT}\n"


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path, base: Path) -> None:
    first = Agent(tmp_path)
    first.lock(base)
    first.kill()
    first.close()
    assert (base / "lock").exists()
    with Agent(tmp_path) as second:
        assert second.look(base)["lock"] == ""
        second.lock(base)
    assert not base.exists()


def test_a_daemon_that_was_started_does_not_hold_it(tmp_path: Path, base: Path) -> None:
    with Agent(tmp_path) as first:
        first.lock(base)
        first.configure(base)
        assert first.call("start", name=NODE)["started"]
    with Agent(tmp_path) as second:
        second.lock(base)
        assert second.call("start", name=NODE)["started"] is False
        assert second.call("stop", name=NODE, seconds=60)["how"] == "stopped"


def test_a_directory_that_was_replaced_is_locked_anew(agent: Agent, tmp_path: Path, base: Path) -> None:
    base.mkdir(parents=True)
    agent.lock(base)
    os.rename(base, base.with_name("old"))
    base.mkdir()
    with Agent(tmp_path) as other:
        other.lock(base)
        agent.close()
        assert (base / "lock").exists()


def test_what_is_left_of_a_directory_that_was_begun_is_used_for_nothing(agent: Agent, base: Path) -> None:
    begun = base.parent.with_name(f".{base.parent.name}.wrpme-new")
    (begun / "x" / "y").mkdir(parents=True)
    agent.lock(base)
    assert not begun.exists()


def test_a_file_in_the_way(agent: Agent, base: Path, tmp_path: Path) -> None:
    base.parent.write_text("mine")
    word, sentence = agent.refusal("lock", directory=str(base), text="x", seconds=0)
    assert (word, sentence) == ("remote", f"{base.parent} is a file where a directory is needed; move it away")
    assert agent.look(base)["writable"].startswith(f"{base.parent} is a file where a directory is needed")
    assert base.parent.read_text() == "mine"
    assert list(files_in(tmp_path)) == ["made"]
    base.parent.unlink()
    base.parent.mkdir()
    base.write_text("mine")
    assert agent.refusal("lock", directory=str(base), text="x", seconds=0)[1].startswith(f"{base} is a file where")
    assert [path.name for path in base.parent.iterdir()] == ["base"]


def test_another_directory_than_the_locked_one(agent: Agent, base: Path, tmp_path: Path) -> None:
    agent.lock(base)
    assert agent.refusal("look", directory=str(tmp_path / "other"), nodes={})[0] == "internal"


def test_one_directory_under_two_names_is_one(agent: Agent, base: Path, tmp_path: Path) -> None:
    base.mkdir(parents=True)
    (tmp_path / "link").symlink_to(base.parent)
    assert agent.look(tmp_path / "link" / "base")["directory"] == str(base)
    agent.lock(tmp_path / "link" / "base")
    with Agent(tmp_path) as other:
        assert other.refusal("lock", directory=f"{base}//../base/", text="joe", seconds=0)[0] == "locked"


def test_a_directory_below_the_home(agent: Agent, tmp_path: Path) -> None:
    assert agent.call("look", directory="~/a", nodes={})["directory"] == f"{tmp_path.resolve()}/a"
    assert agent.call("look", directory="b", nodes={})["directory"] == f"{tmp_path.resolve()}/b"


def test_nothing_is_made_under_the_name_of_what_is_being_removed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same name beside the base directory is used for both: who removes would remove what another one makes."""
    base.parent.parent.mkdir(parents=True, exist_ok=True)
    there = Base(str(base))
    assert lock._make_base(there)
    made_meanwhile: list[list[str]] = []
    honest = files.remove_tree

    def remove_tree(path: str) -> None:
        if path.endswith(lock.UNFINISHED) and not base.exists() and not made_meanwhile:
            made_meanwhile.append(lock._make_base(there))
        honest(path)

    monkeypatch.setattr(files, "remove_tree", remove_tree)
    cleanup.tidy(there)
    assert made_meanwhile == [[]] and not base.parent.exists()
    assert lock._make_base(there) and there.read_made().directories


def test_one_of_many_that_come_at_once_has_it(tmp_path: Path, base: Path) -> None:
    many = [Agent(tmp_path) for _ in range(6)]
    for one in many:
        one.ask("lock", directory=str(base), text="x", seconds=60)
    while many:
        outputs = {one.output: one for one in many}
        (answered,) = select.select(list(outputs), [], [], PATIENCE_SECONDS)[0]
        holder = outputs[answered]
        holder.answer()
        many.remove(holder)
        assert (base / "lock").exists()
        holder.close()
    assert [path for path in tmp_path.rglob("*") if path != base.parent] == []
