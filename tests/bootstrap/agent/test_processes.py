"""Which processes are a node's, and which are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import WAITS
from tests.system.daemons import PATIENCE_SECONDS
from wrpme.bootstrap.agent import processes
from wrpme.bootstrap.agent.errors import AgentError, ChannelClosedError
from wrpme.bootstrap.agent.paths import Base, Node
from wrpme.bootstrap.agent.session import Channel, Session


class Bench:
    """A session without an agent, and processes that look like something."""

    def __init__(self, directory: Path) -> None:
        self.into, self.out = os.pipe()
        self.session = Session(Channel(self.into, self.out))
        self.base = self.session.enter(str(directory))
        self.node = self.base.node("a-1")
        self.other = self.base.node("a-11")
        os.makedirs(self.node.data)
        self.begun: list[subprocess.Popen[bytes]] = []

    def begin(self, *words: str, before: tuple[str, ...] = (), name: str = "") -> int:
        """A process that waits and has these words behind its program; with ``name`` as the first word of all."""
        command = [*before, sys.executable, "-c", "print(1, flush=True); " + WAITS, *words]
        executable = sys.executable if name else None
        process = subprocess.Popen(
            [name, *command[1:]] if name else command, executable=executable, stdout=subprocess.PIPE
        )
        self.begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process.pid

    def found(self, *nodes: Node) -> dict[str, list[int]]:
        """Process ids by the name of the node."""
        every = processes.running(self.session, nodes or [self.node, self.other])
        return {name: [one.pid for one in each] for name, each in every.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for process in made.begun:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    os.close(made.into)
    os.close(made.out)


def test_none(bench: Bench) -> None:
    assert bench.found() == {}


def test_the_daemon_of_one_node(bench: Bench) -> None:
    pid = bench.begin("wrpme.daemon", "-a", "x", "-r", bench.node.data, "-l", bench.node.log)
    assert bench.found() == {"a-1": [pid]}


def test_a_longer_name_is_another_node(bench: Bench) -> None:
    pid = bench.begin("wrpme.daemon", "-r", bench.other.data)
    assert bench.found() == {"a-11": [pid]}
    assert bench.found(bench.node) == {}


def test_two_of_one_node_are_both_told(bench: Bench) -> None:
    pids = {bench.begin("wrpme.daemon", "-r", bench.node.data) for _ in range(2)}
    assert set(bench.found()["a-1"]) == pids


def test_the_release_that_runs(bench: Bench) -> None:
    name = f"{bench.base.versions}/0.2.0-5f3a/bin/python"
    bench.begin("wrpme.daemon", "-r", bench.node.data, name=name)
    ((found,),) = processes.running(bench.session, [bench.node]).values()
    assert found.release == "0.2.0-5f3a"


@pytest.mark.parametrize("words", [("{data}",), ("-r", "{data}"), ("{run}",), ("wrpme.daemon", "-r", "{data}/x")])
def test_who_only_looks_at_its_files_is_no_node(bench: Bench, words: tuple[str, ...]) -> None:
    bench.begin(*(word.format(data=bench.node.data, run=bench.node.run) for word in words))
    assert bench.found() == {}


def test_a_zombie_is_none(bench: Bench) -> None:
    pid = bench.begin("wrpme.daemon", "-r", bench.node.data)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert bench.found() == {}
    assert Path(f"/proc/{pid}").exists()


def test_one_of_another_process_name_space_with_the_same_paths_is_none(bench: Bench) -> None:
    before = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no name spaces can be made here")
    bench.begin("wrpme.daemon", "-r", bench.node.data, before=before)
    assert bench.found() == {}


def test_one_below_another_root_with_the_same_paths_is_none(bench: Bench, tmp_path: Path) -> None:
    before = ("unshare", "--mount")
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no name spaces can be made here")
    script = f'mount -t tmpfs none {tmp_path}; mkdir -p {bench.node.data}; exec "$@"'
    bench.begin("wrpme.daemon", "-r", bench.node.data, before=(*before, "sh", "-ec", script, "sh"))
    assert bench.found() == {}


def test_another_users_process_is_seen_and_not_stopped(bench: Bench, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    pid = bench.begin("wrpme.daemon", "-r", bench.node.data)
    script = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from wrpme.bootstrap.agent import processes, session
from wrpme.bootstrap.agent.errors import AgentError
os.setuid(2345)
one = session.Session(session.Channel(0, 1))
base = one.enter({str(tmp_path)!r})
(found,) = processes.running(one, [base.node("a-1")]).values()
try:
    processes.end(one.channel, base.node("a-1"), found, 60)
except AgentError as error:
    print(found[0].pid, error.sentence)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, stdin=subprocess.PIPE)
    assert done.stdout == (
        f"{pid} node a-1 (process {pid}) is another user's, and 2345 may not stop it; log in as that user or as root\n"
    ), done.stderr


def test_an_end_that_nobody_waits_for_any_more(bench: Bench) -> None:
    ignores = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "-c", ignores, "wrpme.daemon", "-r", bench.node.data], stdout=subprocess.PIPE
    )
    bench.begun.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    (found,) = processes.running(bench.session, [bench.node]).values()
    os.close(bench.out)
    with pytest.raises(ChannelClosedError):
        processes.end(bench.session.channel, bench.node, found, PATIENCE_SECONDS)
    bench.out = os.open(os.devnull, os.O_RDONLY)
    assert process.poll() is None


def test_a_number_that_another_process_has_now_is_left_alone(bench: Bench) -> None:
    stranger = bench.begin("something", "else")
    gone = processes.Running(stranger, "")
    assert processes.end(bench.session.channel, bench.node, [gone], 60) is True
    assert bench.begun[0].poll() is None


def test_without_pidfd(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    bench.begin("wrpme.daemon", "-r", bench.node.data)
    (found,) = processes.running(bench.session, [bench.node]).values()
    assert processes.end(bench.session.channel, bench.node, found, PATIENCE_SECONDS) is True


def test_what_can_not_be_killed_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin("wrpme.daemon", "-r", bench.node.data)
    (found,) = processes.running(bench.session, [bench.node]).values()
    monkeypatch.setattr(processes, "KILL_SECONDS_MAX", 0.1)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    with pytest.raises(AgentError, match="was killed and does not end"):
        processes.end(bench.session.channel, bench.node, found, 0.0)


def test_base_of_a_session(bench: Bench) -> None:
    assert isinstance(bench.base, Base)
