"""wrpmesh in line mode: options, sessions with a fake client, and the real program against a scripted node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stub_node import Entries, StubNode
from tests.system import forked
from wrpme import errors
from wrpme.client.cluster import Removed
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.shell.arguments import DAEMON, Options, parse_options
from wrpme.shell.commands import spec_of
from wrpme.shell.parsing import parse
from wrpme.shell.console import Console
from wrpme.shell.session import Shell, exit_code

REPLY_SECONDS_MAX = 20.0
"""No test waits so long unless it fails."""

# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], Options()),
        (["get", "x"], Options(words=("get", "x"))),
        (["--daemon", "a:1", "--daemon=b:2", "count"], Options(("a:1", "b:2"), words=("count",))),
        (["--timeout", "2.5"], Options(timeout=2.5)),
        (["--timeout=1", "--", "get", "--daemon"], Options(timeout=1.0, words=("get", "--daemon"))),
        (["get", "--timeout", "x"], Options(words=("get", "--timeout", "x"))),
        (["--hive", "3"], Options(hive=3)),
    ],
)
def test_right_options(arguments: list[str], options: Options) -> None:
    assert parse_options(arguments) == options
    assert Options().daemons == (DAEMON,) == ("127.0.0.1:5909",)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--deamon", "a:1"], 'there is no option "--deamon"; did you mean --daemon?'),
        (["-x"], 'there is no option "-x"; wrpmesh --help lists them'),
        (["--daemon"], "--daemon needs a value"),
        (["--daemon", "nowhere"], '--daemon: "nowhere" has no port'),
        (["--timeout", "soon"], '--timeout is "soon", but should be a number of seconds from 0.001 to 86400'),
        (["--timeout", "0"], "--timeout is"),
        (["--timeout", "nan"], "--timeout is"),
        (["--hive", "0"], '--hive is "0", but should be a number of nodes from 1 to 64'),
        (["--hive", "1.5"], "--hive is"),
        (["--hive", "3", "--daemon", "a:1"], "can't be given together"),
    ],
)
def test_wrong_options(arguments: list[str], sentence: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_options(arguments)
    assert sentence in caught.value.sentence


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (errors.UsageError(""), 2),
        (errors.NoSuchCommandError(""), 2),
        (errors.NotFoundError(""), 1),
        (errors.TooLargeError(""), 1),
        (errors.InternalError(""), 1),
    ],
)
def test_exit_codes(error: errors.WrpmeError | None, code: int) -> None:
    assert exit_code(error) == code


# --- a session with a fake client ------------------------------------------------------------------------------------


class FakeClient:
    """Knows two methods; what it shall raise is told to it."""

    def __init__(self, *contents: bytes | BaseException) -> None:
        self.contents = list(contents)
        self.updated: list[tuple[bytes, bytes]] = []
        self.removed = False

    async def get(self, alias: bytes) -> bytes:
        content = self.contents.pop(0)
        if isinstance(content, BaseException):
            raise content
        return content

    async def update(self, alias: bytes, content: bytes) -> None:
        self.updated.append((alias, content))

    async def put(self, alias: bytes, content: bytes) -> None:
        await asyncio.get_running_loop().create_future()

    async def remove_all(self) -> Removed:
        self.removed = True
        return Removed(2)


class Lines:
    """A prompt that is asked no more than it knows."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.questions: list[str] = []
        self.signs: list[str] = []
        self.is_corrected = False

    async def line(self, sign: str = "") -> str | None:
        self.signs.append(sign)
        return self.lines.pop(0) if self.lines else None

    async def confirmation(self, question: str) -> str:
        self.questions.append(question)
        return await self.line() or ""

    def drop_pasted(self) -> int:
        return 0


class Session:
    """One session in memory; ``out`` and ``err`` are what was printed."""

    def __init__(self, directory: Path, client: FakeClient, *lines: str) -> None:
        paths = [directory / "out", directory / "err"]
        self._descriptors = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for path in paths]
        self.console = Console(*self._descriptors)
        self.prompt = Lines(*lines)
        self.shell = Shell(client, self.console, self.prompt)  # type: ignore[arg-type]

    async def run(self) -> tuple[bytes, str]:
        await self.shell.lines()
        out, err = (os.pread(descriptor, 1 << 20, 0) for descriptor in self._descriptors)
        return out, err.decode()


@pytest.mark.asyncio
async def test_a_session_prints_each_result_with_a_line_end(tmp_path: Path) -> None:
    client = FakeClient(b"one", b"two\n", b"\xff")
    session = Session(tmp_path, client, "get x", "", "  ", "get y", "get z", "exit", "get q")
    assert await session.run() == (b"one\ntwo\n\n\xff\n", "")
    assert session.shell.failed is None


@pytest.mark.asyncio
async def test_a_session_goes_on_after_errors(tmp_path: Path) -> None:
    client = FakeClient(errors.NotFoundError("there is none,\nreally\x1b[1m"), ValueError("surprise"), b"fine")
    session = Session(tmp_path, client, "gte x", "get", "put x", "get x", "get x", "get x")
    out, err = await session.run()
    assert out == b"fine\n"
    lines = err.splitlines()
    assert lines[0] == 'no_such_command: there is no command "gte"; did you mean get?'
    assert lines[1] == "usage: get needs ALIAS; it is written: get ALIAS"
    assert lines[2] == f"usage: put needs CONTENT; it is written: {spec_of('put').syntax}"
    assert lines[3] == "not_found: there is none, really\\x1b[1m"
    assert lines[4].startswith("internal: ValueError: surprise; ")
    assert len(lines) == 5 and session.shell.failed is not None


@pytest.mark.asyncio
async def test_help_and_version_need_no_hive(tmp_path: Path) -> None:
    out, err = await Session(tmp_path, FakeClient(), "help", "help get", "version").run()
    assert b"hive_status" in out and b"not_found" in out and out.endswith(b"wrpme 0.1.0\n") and not err


@pytest.mark.asyncio
@pytest.mark.parametrize(("word", "removed"), [("yes", True), (" yes ", True), ("y", False), ("", False)])
async def test_remove_all_asks(tmp_path: Path, word: str, removed: bool) -> None:
    client = FakeClient()
    session = Session(tmp_path, client, "remove_all", word)
    out, err = await session.run()
    assert client.removed is removed
    assert len(session.prompt.questions) == 1
    assert out == (b"2 entries removed\n" if removed else b"")
    assert ("it takes the word yes, or --yes" in err) is not removed


@pytest.mark.asyncio
async def test_remove_all_is_not_asked_twice(tmp_path: Path) -> None:
    session = Session(tmp_path, FakeClient(), "remove_all --yes")
    assert await session.run() == (b"2 entries removed\n", "")
    assert not session.prompt.questions


@pytest.mark.asyncio
async def test_an_interrupt_ends_the_command_and_not_the_session(tmp_path: Path) -> None:
    client = FakeClient(b"after")
    session = Session(tmp_path, client)
    command, later = parse("put x 1"), parse("get x")
    assert command is not None and later is not None
    running = asyncio.create_task(session.shell.run(command, line_mode=True))
    await asyncio.sleep(0)
    session.shell.interrupt()
    await running
    await session.shell.run(later, line_mode=True)
    cancelled = asyncio.create_task(session.shell.run(command, line_mode=True))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    session.shell.interrupt()  # nothing runs: nothing happens
    out, err = await session.run()
    assert out == b"after\n"
    assert err == 2 * "indeterminate: put was interrupted; it may or may not have been carried out\n"


# --- the program -----------------------------------------------------------------------------------------------------


def wrpmesh(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    if given is not None and len(given) > forked.GIVEN_BYTES_MAX:
        return started(*arguments, input=given)
    return forked.wrpmesh(*arguments, given=given, values=os.environ)


def started(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The same with a Python of its own, as an operator has it."""
    command = [sys.executable, "-m", "wrpme.cli", *arguments]
    return subprocess.run(command, capture_output=True, timeout=REPLY_SECONDS_MAX, check=False, **options)


@pytest.mark.parametrize("content", [b"", b"text", b"line\n", bytes(range(256)) * 5000], ids=len)
def test_a_content_goes_in_and_out_bit_for_bit(node: StubNode, entries: Entries, content: bytes) -> None:
    done = wrpmesh("--daemon", node.address, "update", "x", "-", given=content)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"") and entries.contents == {"x": content}
    done = wrpmesh("--daemon", node.address, "get", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, content, b"")


def test_a_content_given_as_an_argument_wins_over_the_input(node: StubNode, entries: Entries) -> None:
    assert wrpmesh("--daemon", node.address, "put", "x", "two", "words", given=b"no").returncode == 0
    assert entries.contents["x"] == b"two words"


def test_arguments_need_not_be_text(node: StubNode, entries: Entries) -> None:
    raw = os.fsdecode(b"\xff\xfe")
    assert wrpmesh("--daemon", node.address, "put", "x", raw).returncode == 0
    assert entries.contents == {"x": b"\xff\xfe"}
    assert wrpmesh("--daemon", node.address, "put", raw, "raw alias").returncode == 0
    for alias in (raw, r"\xff\xfe", r'"\xff\xfe"'):
        assert wrpmesh("--daemon", node.address, "get", alias).stdout == b"raw alias"
    assert wrpmesh("--daemon", node.address, "prefix_get", raw).stdout == b'"\\xff\\xfe"\n'


@pytest.mark.parametrize(
    ("arguments", "code", "start"),
    [
        (["get", "nothing"], 1, b'not_found: there is no entry "nothing"'),
        (["get"], 2, b"usage: get needs ALIAS"),
        (["gte", "x"], 2, b"no_such_command: there is no command"),
        (["remove_all"], 2, b"usage: remove_all was not carried out"),
        (["--timeout", "2", "remove", "x"], 1, b"indeterminate: 127.0.0.1:"),
        (["--timeout", "x", "get", "x"], 2, b"usage: --timeout is"),
    ],
)
def test_a_single_command_that_fails(node: StubNode, arguments: list[str], code: int, start: bytes) -> None:
    done = wrpmesh("--daemon", node.address, *arguments)
    assert done.returncode == code and done.stdout == b""
    assert done.stderr.startswith(start) and done.stderr.count(b"\n") == 1


def test_no_daemon() -> None:
    done = wrpmesh("--daemon", "127.0.0.1:1", "get", "x")
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.startswith(b"connection: no daemon answers at 127.0.0.1:1 (connection refused)")
    assert done.stderr.count(b"\n") == 1


def test_help_and_version_of_the_program() -> None:
    for arguments in (["--help"], ["-h"]):
        assert b"--daemon HOST:PORT" in wrpmesh(*arguments).stdout
    assert wrpmesh("--version").stdout == wrpmesh("version").stdout == b"wrpme 0.1.0\n"
    assert b"hive_status" in wrpmesh("help").stdout
    assert wrpmesh("exit").returncode == 0


def test_yes_may_come_from_a_pipe(node: StubNode, entries: Entries) -> None:
    entries.contents["x"] = b""
    done = wrpmesh("--daemon", node.address, "remove_all", given=b"yes\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1 entry removed\n", b"")


def test_lines_from_a_pipe(node: StubNode, entries: Entries) -> None:
    lines = b"put x  two  spaces\n\nget x\nput y \xff\nget y\nprefix_get  x\nprefix_get z\ncount"
    done = wrpmesh("--daemon", node.address, given=lines)
    assert (done.returncode, done.stdout, done.stderr) == (0, b" two  spaces\n\xff\nx\n2\n", b"")
    assert entries.contents == {"x": b" two  spaces", "y": b"\xff"}


def test_lines_from_a_pipe_that_fail(node: StubNode) -> None:
    done = wrpmesh("--daemon", node.address, given=b"get x\nput x 1\nget x\nput x\nexit\nget x\n")
    assert done.returncode == 1 and done.stdout == b"1\n"
    assert [line.split(b":")[0] for line in done.stderr.splitlines()] == [b"not_found", b"usage"]


def test_a_long_line_from_a_pipe(node: StubNode, entries: Entries) -> None:
    content = b"x" * 3_000_000
    assert wrpmesh("--daemon", node.address, given=b"put x " + content).returncode == 0
    assert entries.contents == {"x": content}


def test_a_reader_that_goes_away_is_no_sentence(node: StubNode, entries: Entries) -> None:
    entries.contents["x"] = bytes(1_000_000)
    program = f"{sys.executable} -m wrpme.cli --daemon {node.address}"
    script = f"{program} get x | head -c1 | wc -c; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=REPLY_SECONDS_MAX, check=True)
    assert done.stdout.split() == [b"1", b"141"] and done.stderr == b""


def test_streams_that_are_closed(node: StubNode, entries: Entries) -> None:
    entries.contents["x"] = b"content"
    program = f"{sys.executable} -m wrpme.cli --daemon {node.address}"

    def sh(script: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["bash", "-c", script], capture_output=True, timeout=REPLY_SECONDS_MAX, check=False)

    done = sh(f"{program} get x <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"content", b"")
    assert sh(f"{program} <&-").returncode == 0
    assert b"Traceback" not in sh(f"{program} get nothing 2>&-").stdout


def test_a_content_that_is_too_large(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(CONTENT_BYTES_MAX + 1)
    with open(large, "rb") as file:
        done = started("put", "x", "-", stdin=file)
    assert done.returncode == 1 and done.stderr.startswith(b"too_large: ") and done.stderr.count(b"\n") == 1


def test_ctrl_c_ends_a_single_command_quietly(node: StubNode) -> None:
    command = [sys.executable, "-m", "wrpme.cli", "--daemon", node.address, "remove", "x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not node.seen:
        select.select([], [], [], 0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=REPLY_SECONDS_MAX)
    assert process.returncode == 130 and out == b""
    assert err == b"indeterminate: remove was interrupted; it may or may not have been carried out\n"


# --- on a terminal ---------------------------------------------------------------------------------------------------


class Tty:
    """wrpmesh on a pseudo-terminal."""

    def __init__(self, node: StubNode, home: Path, arguments: Sequence[str] = ()) -> None:
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm"}
        environment.pop("XDG_STATE_HOME", None)
        self.master, self._other = pty.openpty()
        words = ["--daemon", node.address, *arguments]
        self.process = forked.wrpmesh_on(os.ttyname(self._other), *words, values=environment)
        self.raw = b""

    @property
    def text(self) -> str:
        """What was printed, without the codes that move the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]", "", self.raw.decode("utf-8", "replace")).replace("\r", "")

    def until(self, pattern: str) -> str:
        """Reads until the text so far matches; the text is then begun anew."""
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.master], [], [], REPLY_SECONDS_MAX)
            assert ready, f"{pattern!r} did not come, but {self.text!r}"
            self.raw += os.read(self.master, 65536)
        if self._other >= 0:  # until the program has opened it the terminal would be without anybody
            os.close(self._other)
            self._other = -1
        text, self.raw = self.text, b""
        return text

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        with contextlib.suppress(OSError):  # as Linux tells the end of a terminal
            while os.read(self.master, 65536):
                pass
        self.echoes_at_end = bool(termios.tcgetattr(self.master)[3] & termios.ECHO)
        return self.ended()

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def ended(self) -> int:
        """Its exit code, when nobody has read what it printed last."""
        self.process.join(REPLY_SECONDS_MAX)
        os.close(self.master)
        assert self.process.exitcode is not None
        return self.process.exitcode


def test_an_interactive_session(node: StubNode, entries: Entries, tmp_path: Path) -> None:
    tty = Tty(node, tmp_path)
    assert tty.until("> $").endswith("> ")
    tty.type("put entry this is my entry\r")
    tty.until("\n> $")
    assert entries.contents == {"entry": b"this is my entry"}
    tty.type("get entry\r")
    assert re.search(r"get entry\s*\nthis is my entry\n> $", tty.until("\n> $"))
    tty.type("get nothing\r")
    assert 'not_found: there is no entry "nothing"\n' in tty.until("\n> $")
    entries.contents["bell"] = b"\x1b]0;title\x07"
    tty.type("get bell\r")
    assert '"\\x1b]0;title\\x07"\n' in tty.until("\n> $")
    tty.type("remove entry\r")  # is never answered
    while not any(type(request).__name__ == "Remove" for request in node.seen):
        select.select([], [], [], 0.005)
    tty.type("\x03")
    assert "indeterminate: remove was interrupted" in tty.until("\n> $")
    tty.type("half a line")
    tty.until("half a line$")
    tty.type("\x03")
    tty.until("\n> $")
    tty.type("remove_all\r")
    tty.until("type yes to do it: $")
    tty.type("no\r")
    assert "not carried out" in tty.until("\n> $")
    tty.type("hive_stat\t")
    tty.until("hive_status *$")
    tty.type("\x03")
    tty.until("\n> $")
    tty.type("\x04")
    assert tty.end() == 0
    history = (tmp_path / ".local/state/wrpme/history").read_text()
    assert history.splitlines()[:2] == ["put entry this is my entry", "get entry"]
    assert "no" not in history.splitlines()


def test_a_terminal_is_left_as_it_was_by_sigterm(node: StubNode, tmp_path: Path) -> None:
    tty = Tty(node, tmp_path)
    tty.until("> $")
    assert not termios.tcgetattr(tty.master)[3] & termios.ECHO
    tty.signal(signal.SIGTERM)
    assert tty.end() == 128 + signal.SIGTERM
    assert tty.echoes_at_end


def test_history_is_there_the_next_time(node: StubNode, tmp_path: Path) -> None:
    (tmp_path / ".local/state/wrpme").mkdir(parents=True)
    (tmp_path / ".local/state/wrpme/history").write_text("put kept 1\n")
    tty = Tty(node, tmp_path)
    tty.until("> $")
    tty.type("\x1b[A")
    tty.until("put kept 1")
    tty.type("\r")
    tty.until("\n> $")
    tty.type("exit\r")
    assert tty.end() == 0


def test_a_home_that_can_not_be_written_is_put_up_with(node: StubNode, tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("in the way")
    tty = Tty(node, tmp_path)
    tty.until("> $")
    tty.type("put x 1\r")
    assert "rror" not in tty.until("\n> $")
    tty.type("\x04")
    assert tty.end() == 0


def test_a_single_command_on_a_terminal_ends_its_line(node: StubNode, entries: Entries, tmp_path: Path) -> None:
    entries.contents["x"] = b"\x1bno line end"
    tty = Tty(node, tmp_path, ["get", "x"])
    assert tty.until('end"\n') == '"\\x1bno line end"\n'
    assert tty.end() == 0
    tty = Tty(node, tmp_path, ["put", "y"])
    assert "usage: put needs CONTENT" in tty.until("\n")
    assert tty.end() == 2
