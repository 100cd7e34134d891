"""The process wrpmed: how it starts, why it does not, how it ends."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon_parts import ServiceManager, until_written
from tests.system.daemons import free_port
from wrpme import BlockingClient, WrpmeError, __version__
from wrpme.errors import FullError, NotFoundError

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wrpme.daemon", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def refused(directory: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a daemon that does not start."""
    done = subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout == ""
    assert re.fullmatch(r"wrpmed: [^\n]+\n", done.stderr), done.stderr
    return done.returncode, done.stderr


class Process:
    """A daemon that runs, its log on a pipe."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.lines: list[str] = []

    def until(self, part: str) -> str:
        """Reads the log to the first line that has this in it."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.lines.append(line.rstrip("\n"))
            if part in line:
                return self.lines[-1]
        raise AssertionError(f"it ended without saying {part!r}: {self.lines}")

    def end(self) -> int:
        """Its exit code, once it has ended; the rest of the log is read."""
        assert self.popen.stderr is not None
        self.lines += self.popen.stderr.read().splitlines()
        return self.popen.wait(PATIENCE_SECONDS)


@contextmanager
def wrpmed(directory: Path, port: int, *arguments: str, prepare: Callable[[], None] | None = None) -> Iterator[Process]:
    with subprocess.Popen(
        command("-a", f"127.0.0.1:{port}", "-o", *arguments),
        cwd=directory,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    ) as popen:
        try:
            yield Process(popen)
        finally:
            popen.kill()


@pytest.fixture
def port() -> int:
    return free_port()


# --- what does not start ---------------------------------------------------------------------------------------------


def test_a_wrong_option(tmp_path: Path) -> None:
    code, line = refused(tmp_path, "--pear", "127.0.0.1:1")
    assert code == 2
    assert "did you mean --peer?" in line
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, line = refused(tmp_path, "-a", address)
    assert code == 1
    assert f"{address} is in use by another process" in line
    assert list(tmp_path.iterdir()) == [], "nothing was made before the port was had"


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("no-such-host.invalid:5909", "the name no-such-host.invalid can't be resolved"),
        ("192.0.2.1:5909", "192.0.2.1 is no address of this machine"),
    ],
)
def test_an_address_that_is_not_here(tmp_path: Path, address: str, part: str) -> None:
    code, line = refused(tmp_path, "-a", address)
    assert code == 1
    assert part in line


def test_a_peer_that_is_itself_under_another_name(tmp_path: Path, port: int) -> None:
    code, line = refused(tmp_path, "-a", f"127.0.0.1:{port}", "--peer", f"localhost:{port}")
    assert code == 2
    assert "is this node itself" in line
    code, line = refused(
        tmp_path, "-a", f"0.0.0.0:{port}", "--advertise", f"192.0.2.1:{port}", "--peer", f"127.0.0.1:{port}"
    )
    assert code == 2
    assert "is this node itself" in line
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_can_not_be_had(tmp_path: Path, port: int) -> None:
    address = f"127.0.0.1:{port}"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("dear")
    code, line = refused(tmp_path, "-a", address, "-r", "foreign")
    assert code == 1
    assert "letter.txt" in line
    code, line = refused(tmp_path, "-a", address, "-r", "foreign/letter.txt")
    assert code == 1
    assert "no directory" in line
    code, line = refused(tmp_path, "-a", address, "-r", "/proc/none")
    assert code == 1
    assert "/proc/none can't be used" in line


def test_a_log_file_that_can_not_be_written(tmp_path: Path, port: int) -> None:
    code, line = refused(tmp_path, "-a", f"127.0.0.1:{port}", "-l", "none/log")
    assert code == 1
    assert "log file" in line
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_open_and_one_that_is_damaged(tmp_path: Path, port: int) -> None:
    data = tmp_path / "data"
    with wrpmed(tmp_path, port, "-r", "data") as process:
        process.until("serving at")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            other = probe.getsockname()[1]
        code, line = refused(tmp_path, "-a", f"127.0.0.1:{other}", "-r", "data")
        assert code == 1
        assert "in use by another process" in line
        if sys.platform == "linux":
            assert f"number {process.popen.pid}" in line
        process.popen.kill()
        process.end()
    (data / "CURRENT").unlink()
    code, line = refused(tmp_path, "-a", f"127.0.0.1:{port}", "-r", "data")
    assert code == 1
    assert "is damaged (its file CURRENT is missing)" in line


def test_version_and_help() -> None:
    done = subprocess.run(command("--version"), env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"wrpmed {__version__}\n"
    done = subprocess.run(command("--help"), env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: wrpmed")


# --- what runs -------------------------------------------------------------------------------------------------------


def test_it_serves_stops_and_comes_back(tmp_path: Path, port: int) -> None:
    with wrpmed(tmp_path, port) as process:
        line = process.until("serving at")
        assert re.search(rf"INFO  serving at 127\.0\.0\.1:{port} as node [0-9a-f]{{8}} of hive [0-9a-f]{{8}}", line)
        with BlockingClient(f"127.0.0.1:{port}") as client:
            client.put("entry", b"content")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0
        assert process.lines[-1].endswith("INFO  stopped")
    assert (tmp_path / "db" / f"127.0.0.1-{port}" / "CURRENT").exists()
    with wrpmed(tmp_path, port) as process:
        same = process.until("serving at")
        assert same.partition("serving at")[2] == line.partition("serving at")[2]
        with BlockingClient(f"127.0.0.1:{port}") as client:
            assert client.get("entry") == b"content"
            client.update("entry", b"newer")
        process.popen.kill()
        process.end()
    with wrpmed(tmp_path, port, "--no-sync") as process:
        process.until("start 3")
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}") as client:
            assert client.get("entry") == b"newer"
        process.popen.send_signal(signal.SIGINT)
        assert process.end() == 0


def test_transient_leaves_nothing(tmp_path: Path, port: int) -> None:
    with wrpmed(tmp_path, port, "--transient") as process:
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}") as client:
            client.put("entry", b"content")
            assert client.get("entry") == b"content"
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0
    assert list(tmp_path.iterdir()) == []


def test_while_it_waits_for_a_peer_it_can_be_stopped(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        peer = f"127.0.0.1:{mute.getsockname()[1]}"
        # One template for all nodes names each of them to itself, too.
        with wrpmed(tmp_path, port, "--peer", f"127.0.0.1:{port}", "--peer", peer) as process:
            assert "says nothing" in process.until(f"the peer {peer} can't be reached")
            process.popen.send_signal(signal.SIGTERM)
            assert process.end() == 0


def test_the_log_is_reopened(tmp_path: Path, port: int) -> None:
    with wrpmed(tmp_path, port, "-l", "log") as process:
        process.until("serving at")
        until_written(tmp_path / "log", "serving at")
        (tmp_path / "log").rename(tmp_path / "log.1")
        process.popen.send_signal(signal.SIGHUP)
        process.until("the log file was reopened")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0
    assert "serving at" in (tmp_path / "log.1").read_text()
    assert "stopped" in (tmp_path / "log").read_text()


def test_the_limit_of_its_data_is_reached_and_raised(tmp_path: Path, port: int) -> None:
    (tmp_path / "w.toml").write_text("bytes-max = '1M'\n")
    with wrpmed(tmp_path, port, "--config", "w.toml", "--transient") as process:
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}") as client:
            client.put("large", bytes(1 << 20))
            process.until("is full: it holds 1.0 MiB of the 1.0 MiB that its --bytes-max allows")
            with pytest.raises(FullError, match=f"127.0.0.1:{port} holds as much as its --bytes-max allows"):
                client.put("more", b"")
            assert client.get("large") == bytes(1 << 20)
            client.update("large", bytes(1 << 20))
            (tmp_path / "w.toml").write_text("bytes-max = '2M'\n")
            process.popen.send_signal(signal.SIGHUP)
            process.until("bytes-max is 2097152 (was 1048576)")
            process.until("takes data again")
            client.put("more", b"")


def test_json_is_one_object_a_line_from_the_first_to_the_last(tmp_path: Path, port: int) -> None:
    with wrpmed(tmp_path, port, "-l", "log", "--log-format", "json", "--transient") as process:
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}") as client:
            kept = client.log_of(f"127.0.0.1:{port}")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert process.lines == lines
    shown = [json.loads(line) for line in lines]
    assert {line["node"] for line in shown} == {f"127.0.0.1:{port}"}
    assert {line["level"] for line in shown} == {"info"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in shown)
    assert shown[0]["message"] == f"wrpmed {__version__} starts at 127.0.0.1:{port}"
    assert shown[-1]["message"] == "stopped"
    assert " INFO  wrpmed " in kept[0], "who asks for the log gets text"


def test_json_tells_also_why_it_does_not_start(tmp_path: Path, port: int) -> None:
    (tmp_path / "foreign").write_text("dear")
    with wrpmed(tmp_path, port, "--log-format", "json", "-r", "foreign") as process:
        assert process.end() == 1
    last = json.loads(process.lines[-1])
    assert last["level"] == "error" and "is no directory" in last["message"]


def test_a_system_that_allows_few_files(tmp_path: Path, port: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with wrpmed(tmp_path, port, prepare=few) as process:
        assert "files for 96 clients only" in process.until("ulimit")
        process.until("serving at")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0


def test_a_disk_that_takes_no_more(tmp_path: Path, port: int) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    with wrpmed(tmp_path, port, prepare=small) as process:
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}", timeout=1.0) as client:
            client.put("small", b"content")
            with pytest.raises(WrpmeError):
                client.put("large", bytes(2 << 20))
        assert process.end() == 1
        assert process.lines[-1].startswith("wrpmed: ")
        assert "File too large" in process.lines[-1]
        assert not any("Traceback" in line for line in process.lines)
    with wrpmed(tmp_path, port) as process:
        process.until("serving at")
        with BlockingClient(f"127.0.0.1:{port}") as client:
            assert client.get("small") == b"content"
            with pytest.raises(NotFoundError):
                client.get("large")


def full_pipe() -> tuple[int, int]:
    """Both ends of a pipe that takes nothing more."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 512)
    os.set_blocking(write, True)
    return read, write


def test_a_stderr_that_takes_nothing_holds_up_nobody(tmp_path: Path, port: int) -> None:
    read, write = full_pipe()
    with (
        ServiceManager(tmp_path / "notify") as manager,
        subprocess.Popen(
            command("-a", f"127.0.0.1:{port}", "-o"),
            cwd=tmp_path,
            env=environment() | {"NOTIFY_SOCKET": manager.address},
            stderr=write,
        ) as popen,
    ):
        try:
            os.close(write)
            manager.hears("READY=1")
            with BlockingClient(f"127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
                client.put("entry", b"content")
                assert client.get("entry") == b"content"
            popen.send_signal(signal.SIGTERM)
            assert popen.wait(PATIENCE_SECONDS) == 0
        finally:
            popen.kill()
            os.close(read)


def test_a_log_file_that_is_a_pipe_nobody_reads(tmp_path: Path, port: int) -> None:
    os.mkfifo(tmp_path / "log")
    code, line = refused(tmp_path, "-a", f"127.0.0.1:{port}", "-l", "log")
    assert code == 1
    assert "it is a pipe that nobody reads" in line
