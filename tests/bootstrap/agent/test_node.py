"""A node is configured, started once and never twice, and stopped; its log is read on, whatever is done to the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.agent.agents import DEAF, NODE, WAITS, Agent, files_in, wait_for
from wrpme.bootstrap.agent import limits


def processes_of(base: Path) -> list[int]:
    """All that have that directory in their command line, but for agents."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                while not (line := (entry / "cmdline").read_bytes()) and os.readlink(entry / "exe"):
                    pass  # it is just becoming another program
            except OSError:
                continue
            if os.fsencode(f"{base}/nodes") in line:
                found.append(int(entry.name))
    return found


def test_configure_writes_what_differs(agent: Agent, base: Path) -> None:
    agent.lock(base)
    assert agent.configure(base) == {"changed": True}
    node = base / "nodes" / NODE
    assert json.loads((node / "record.json").read_text())["release"] == "1"
    assert os.access(node / "run", os.X_OK)
    assert node.stat().st_mode & 0o777 == 0o700
    before = files_in(base)
    assert agent.configure(base) == {"changed": False}
    assert files_in(base) == before
    assert agent.configure(base, release="2") == {"changed": True}
    changed = [name for name, content in files_in(base).items() if before[name] != content]
    assert changed == [f"nodes/{NODE}/record.json"]


def test_what_was_cut_off_is_written_by_the_next(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    before = files_in(base)
    node = base / "nodes" / NODE
    (node / "run").unlink()
    (node / "run.new").write_text("half of i")
    assert agent.configure(base) == {"changed": True}
    after = files_in(base)
    assert {name: content[:2] for name, content in after.items()} == {name: each[:2] for name, each in before.items()}


def test_a_start_and_a_second_one(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    first = agent.call("start", name=NODE)
    assert first["started"] is True
    assert agent.call("start", name=NODE) == {"pid": first["pid"], "started": False}
    assert processes_of(base) == [first["pid"]]
    assert agent.call("state", name=NODE) == {"pid": first["pid"], "unit_state": "", "restarts": 0, "tail": ""}
    assert wait_for(base / "nodes" / NODE / "pid").strip() == str(first["pid"])
    assert agent.look(base)["nodes"][NODE]["pid"] == first["pid"]


def test_another_agent_finds_it_also_while_it_is_only_a_shell(tmp_path: Path, base: Path) -> None:
    node = base / "nodes" / NODE
    with Agent(tmp_path) as agent:
        agent.lock(base)
        agent.configure(base)
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        run = (node / "run").read_text().replace("exec", f"read line < {gate}\nexec")
        record = json.loads((node / "record.json").read_text())
        agent.call("configure", name=NODE, record=record, run=run, unit=None)
        pid = agent.call("start", name=NODE)["pid"]
        assert agent.call("start", name=NODE)["pid"] == pid
    with Agent(tmp_path) as agent:
        agent.lock(base)
        assert agent.call("start", name=NODE) == {"pid": pid, "started": False}
        assert agent.look(base)["nodes"][NODE]["release_running"] == ""
        gate.write_text("go\n")
        assert agent.call("start", name=NODE) == {"pid": pid, "started": False}
        assert processes_of(base) == [pid]


def test_it_lives_on_in_a_session_of_its_own_with_nothing_of_the_agent(tmp_path: Path, base: Path) -> None:
    with Agent(tmp_path) as agent:
        agent.lock(base)
        agent.configure(base, program=f"print(1, flush=True); {WAITS}")
        pid = agent.call("start", name=NODE)["pid"]
        assert wait_for(base / "nodes" / NODE / "out") == "1\n"  # it has begun, and reads no module any more
    assert os.getsid(pid) == pid
    names = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    out = f"{base}/nodes/{NODE}/out"
    assert names == {"0": "/dev/null", "1": out, "2": out}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert {line.partition(b"=")[0] for line in environment if line} <= {b"HOME", b"PATH", b"LANG", b"PWD", b"_"}


def test_a_stop(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    assert agent.call("stop", name=NODE, seconds=60)["was_running"] is False
    agent.call("start", name=NODE)
    stopped = agent.call("stop", name=NODE, seconds=60)
    assert (stopped["was_running"], stopped["how"]) == (True, "stopped")
    assert processes_of(base) == []
    assert agent.call("state", name=NODE)["pid"] is None
    assert agent.call("start", name=NODE)["started"] is True


def test_what_does_not_listen_is_killed_when_the_time_is_over(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base, program=DEAF)
    agent.call("start", name=NODE)
    wait_for(base / "nodes" / NODE / "out")
    stopped = agent.call("stop", name=NODE, seconds=0.3)
    assert (stopped["was_running"], stopped["how"]) == (True, "killed")
    assert stopped["took_seconds"] >= 0.3
    assert processes_of(base) == []


def test_what_is_paused_stops_as_planned(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    pid = agent.call("start", name=NODE)["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert agent.call("stop", name=NODE, seconds=60)["how"] == "stopped"


def test_what_died_is_told_with_its_last_words_and_started_again(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base, program='print("wrpmed: the port is taken")')
    agent.call("start", name=NODE)
    while (state := agent.call("state", name=NODE))["pid"] is not None:
        pass
    assert state["tail"] == "wrpmed: the port is taken"
    agent.configure(base)
    assert agent.call("start", name=NODE)["started"] is True


def test_the_last_words_are_those_of_the_log_where_there_are_no_others(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    (base / "nodes" / NODE / "log").write_text("one\n" * 5000 + "two\nlast\n")
    lines = agent.call("state", name=NODE)["tail"].splitlines()
    assert len(lines) == limits.TAIL_LINES
    assert lines[-2:] == ["two", "last"]


def test_what_was_never_configured_is_not_started(agent: Agent, base: Path) -> None:
    agent.lock(base)
    word, sentence = agent.refusal("start", name=NODE)
    assert (word, sentence) == ("remote", f"node {NODE} is not configured here; hive_apply does that")


def test_an_endless_output_begins_anew(agent: Agent, base: Path) -> None:
    agent.lock(base)
    agent.configure(base)
    out = base / "nodes" / NODE / "out"
    out.write_bytes(b"x" * (limits.OUT_BYTES_MAX + 1))
    agent.call("start", name=NODE)
    assert out.stat().st_size == 0


def test_two_agents_of_which_one_dies_start_one_daemon(tmp_path: Path, base: Path) -> None:
    first = Agent(tmp_path)
    first.lock(base)
    first.configure(base)
    first.ask("start", name=NODE)
    first.kill()
    first.close()
    with Agent(tmp_path) as second:
        second.lock(base, seconds=60)
        second.configure(base)
        second.call("start", name=NODE)
        assert len(processes_of(base)) == 1


@pytest.mark.parametrize("millis", range(0, 40, 4))
def test_an_agent_that_is_killed_anywhere_leaves_what_the_next_one_finishes(
    tmp_path: Path, base: Path, millis: int
) -> None:
    first = Agent(tmp_path)
    first.ask("lock", directory=str(base), text="x", seconds=0)
    run = f"#!/bin/sh\nexec {sys.executable} -c '{WAITS}' wrpme.daemon -r {base}/nodes/{NODE}/data\n"
    record = {"service": "process"}
    first.ask("configure", name=NODE, record=record, run=run, unit=None)
    first.ask("start", name=NODE)
    first.ask("start", name=NODE)
    first.ask("stop", name=NODE, seconds=60)
    first.ask("start", name=NODE)
    subprocess.run(["sleep", str(millis / 1000)], check=True)  # anywhere: what is asserted holds wherever it was
    first.kill()
    first.close()
    with Agent(tmp_path) as second:
        second.lock(base)
        second.call("configure", name=NODE, record=record, run=run, unit=None)
        second.call("start", name=NODE)
        assert len(processes_of(base)) <= 1
        second.call("stop", name=NODE, seconds=60)
        assert processes_of(base) == []
        second.call("remove", name=NODE, data=True)
        second.call("clean")
    assert list(tmp_path.iterdir()) == []


class Reader:
    """Reads the log on from where it stopped."""

    def __init__(self, agent: Agent, log: Path) -> None:
        self.log = log
        self.offset: int | None = None
        self.inode: int | None = None
        self.last: dict[str, Any] = {}
        self._agent = agent

    def read(self, lines: int = 1000, bytes_max: int = 1 << 20) -> str:
        """What is new."""
        self.last = self._agent.call(
            "log", name=NODE, offset=self.offset, inode=self.inode, lines=lines, bytes_max=bytes_max
        )
        self.offset, self.inode = self.last["offset"], self.last["inode"]
        return str(self.last["text"])

    def add(self, text: str) -> None:
        """One more piece of the log."""
        with open(self.log, "a") as file:
            file.write(text)


@pytest.fixture
def reader(agent: Agent, base: Path) -> Reader:
    agent.lock(base)
    agent.configure(base)
    return Reader(agent, base / "nodes" / NODE / "log")


def test_no_log(reader: Reader) -> None:
    assert reader.read() == ""
    assert reader.read() == ""
    reader.add("one\n")
    assert reader.read() == "one\n"


def test_the_last_lines_then_what_comes(reader: Reader) -> None:
    reader.add("".join(f"line {number}\n" for number in range(10)))
    assert reader.read(lines=2) == "line 8\nline 9\n"
    assert reader.last["cut"] is True
    assert reader.read(lines=2) == ""
    reader.add("line 10\nline 11\nline 12\n")
    assert reader.read(lines=2) == "line 10\nline 11\nline 12\n"
    assert reader.last["rotated"] is False


def test_all_of_it(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    assert reader.read() == "one\ntwo\n"
    assert reader.last["cut"] is False


def test_from_the_end_on(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    assert reader.read(lines=0) == ""
    reader.add("three\n")
    assert reader.read() == "three\n"


def test_a_line_that_is_not_finished_comes_with_its_rest(reader: Reader) -> None:
    reader.add("one\ntw")
    assert reader.read() == "one\n"
    assert reader.read() == ""
    reader.add("o\n")
    assert reader.read() == "two\n"


def test_at_most_so_many_bytes(reader: Reader) -> None:
    reader.add("".join(f"{number:09}\n" for number in range(100)))
    assert reader.read(bytes_max=35) == "000000097\n000000098\n000000099\n"
    assert reader.last["cut"] is True
    reader.offset = 0
    assert reader.read(bytes_max=35) == "000000000\n000000001\n000000002\n"
    assert reader.read(bytes_max=35) == "000000003\n000000004\n000000005\n"


def test_a_line_longer_than_that(reader: Reader) -> None:
    reader.add("x" * 100 + "\nend\n")
    reader.offset = 0
    assert reader.read(bytes_max=40) == "x" * 40
    assert reader.read(bytes_max=40) == "x" * 40
    assert reader.read(bytes_max=40) == "x" * 20 + "\nend\n"


def test_a_log_that_was_moved_is_read_to_its_end_then_the_new_one(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    reader.add("two\nthree\ncut o")
    os.rename(reader.log, f"{reader.log}.1")
    reader.add("four\n")
    assert reader.read() == "two\nthree\ncut o"
    assert reader.read() == "four\n"
    assert reader.last["rotated"] is True
    assert reader.read() == ""
    assert reader.last["rotated"] is False


def test_a_log_that_was_moved_before_there_is_a_new_one(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    os.rename(reader.log, f"{reader.log}.1")
    assert reader.read() == ""
    reader.add("two\n")
    assert reader.read() == "two\n"


def test_a_log_that_was_taken_away(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    os.rename(reader.log, reader.log.parents[2] / "elsewhere")
    reader.add("two\n")
    assert reader.read() == "two\n"
    assert reader.last["rotated"] is True


def test_a_log_that_was_cut(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    reader.read()
    reader.log.write_text("new\n")
    assert reader.read() == "new\n"
    assert reader.last["rotated"] is True


def test_what_is_no_text(reader: Reader) -> None:
    reader.log.write_bytes(b"one \xff\n\xc3\xbcber\n")
    assert reader.read() == "one �\nüber\n"
