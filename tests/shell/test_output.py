"""What wrpmesh prints never holds up its loop, and an output that takes nothing is told by the exit code."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from tests.shell.test_cli import REPLY_SECONDS_MAX, Tty
from tests.stub_node import Entries, StubNode
from wrpme import errors
from wrpme.shell.console import Console
from wrpme.shell.execute import Answer, Line
from wrpme.shell.parsing import parse
from wrpme.shell.prompt import Terminal

MORE = bytes(1024 * 1024)
"""More than any pipe takes at once."""
LARGE = bytes(20 * 1024 * 1024)
"""What a slow terminal takes long for."""


class IdleClient:
    """All of a client that completion asks for."""

    known_addresses: list[str] = []


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


@pytest.mark.asyncio
async def test_the_loop_runs_while_the_output_takes_nothing(pipe: tuple[int, int]) -> None:
    console = Console(pipe[1], 2)
    console.answer(Answer(content=MORE), line_mode=False)
    waiting = asyncio.ensure_future(console.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    got = bytearray()
    while len(got) < len(MORE):
        got += os.read(pipe[0], 1 << 20)
    await waiting
    assert got == MORE


@pytest.mark.asyncio
async def test_what_nobody_waits_for_any_more_is_dropped_and_the_next_is_not(pipe: tuple[int, int]) -> None:
    console = Console(pipe[1], 2)
    console.answer(Answer(content=MORE), line_mode=False)
    waiting = asyncio.ensure_future(console.drain())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    console.answer(Answer(text="the next"), line_mode=True)
    following = asyncio.ensure_future(console.drain())
    got = bytearray()
    while not got.endswith(b"the next\n"):
        got += await asyncio.to_thread(os.read, pipe[0], 1 << 20)
    await following
    assert len(got) < len(MORE) // 4


@pytest.mark.asyncio
async def test_a_reader_that_has_gone_and_a_full_disk(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    console = Console(pipe[1], 2)
    console.answer(Answer(text="a"), line_mode=True)
    with pytest.raises(BrokenPipeError):
        await console.drain()
    full = os.open("/dev/full", os.O_WRONLY)
    console = Console(full, 2)
    console.answer(Answer(text="a"), line_mode=True)
    with pytest.raises(errors.StorageError, match="No space left"):
        await console.drain()
    await console.drain()
    os.close(full)


@pytest.mark.asyncio
async def test_a_content_is_escaped_piece_by_piece_and_no_character_is_cut(tmp_path: Path) -> None:
    content = ("x" + 100_000 * "é\x1b").encode() + b"\xff"
    assert await on_terminal(tmp_path, content) == '"x' + 100_000 * "é\\x1b" + '\\xff"\n'
    assert await on_terminal(tmp_path, 50_001 * "\u3000é".encode()) == 50_001 * "\u3000é" + "\n"
    assert await on_terminal(tmp_path, 70_000 * b"y" + b"\n") == '"' + 70_000 * "y" + '\\n"\n', "what is last decides"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"plain text ", "plain text \n"),
        (b" C:\\new", " C:\\new\n"),
        (b'say "hello"', 'say "hello"\n'),
        (b'"quoted"', '"\\"quoted\\""\n'),
        (b"two\n\tlines", '"two\\n\\tlines"\n'),
        (b"a line\n", '"a line\\n"\n'),
        ("é \u3000 漢".encode(), "é \u3000 漢\n"),
        (b"\x1b[31mred", '"\\x1b[31mred"\n'),
        ("\u009b\u202e\u2028".encode(), '"\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8"\n'),
        (b"\xff\xc3", '"\\xff\\xc3"\n'),
    ],
)
async def test_on_a_terminal_a_content_is_what_can_be_typed(tmp_path: Path, content: bytes, text: str) -> None:
    assert await on_terminal(tmp_path, content) == text
    command = parse(f"put x {text.removesuffix(chr(10))}")
    assert command is not None and command.content == content


@pytest.mark.asyncio
async def test_lines_are_told_apart_whatever_is_in_them(tmp_path: Path) -> None:
    lines = (
        Line("a", b"plain"),
        Line("b", b""),
        Line(content=b"quoted", in_quotes=True),
        Line('{"\u009b": 1}'),
        Line("c", 70_000 * b"\n"),
        Line("d", 70_000 * b"x"),
        Line("e"),
    )
    large = ['c "' + 70_000 * "\\n" + '"', "d " + 70_000 * "x"]
    shown = ["a plain", 'b ""', '"quoted"', '{"\u009b": 1}', *large, "e"]
    for terminal in (False, True):
        console = Console(os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        console.terminal = terminal
        console.answer(Answer(lines=lines), line_mode=False)
        await console.drain()
        assert (tmp_path / "out").read_text().split("\n") == [*shown, ""]
        shown[3] = '{"\\u009b": 1}'


async def on_terminal(directory: Path, content: bytes) -> str:
    """What a terminal is sent of a content."""
    console = Console(os.open(directory / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    console.terminal = True
    console.answer(Answer(content=content), line_mode=False)
    await console.drain()
    return (directory / "out").read_text()


@pytest.mark.asyncio
async def test_a_line_is_typed_while_the_output_takes_nothing(
    pipe: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], bytes(4096))
    os.set_blocking(pipe[1], True)
    with create_pipe_input() as keyboard, create_app_session(input=keyboard):
        keyboard.send_text("get x\r")
        assert await Terminal(IdleClient(), Console(pipe[1], 2).stream).line() == "get x"  # type: ignore[arg-type]


# --- the program -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_are_heard_while_the_output_blocks(
    node: StubNode, entries: Entries, number: signal.Signals, code: int
) -> None:
    entries.contents["x"] = LARGE
    command = [sys.executable, "-m", "wrpme.cli", "--daemon", node.address, "get", "x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], REPLY_SECONDS_MAX)[0], "it has begun to write"
    process.send_signal(number)
    assert process.wait(REPLY_SECONDS_MAX) == code
    process.communicate()


def test_ctrl_c_at_a_slow_terminal_leads_to_the_prompt(node: StubNode, entries: Entries, tmp_path: Path) -> None:
    entries.contents["x"] = LARGE
    tty = Tty(node, tmp_path)
    tty.until("> $")
    tty.type("get x\r")
    tty.until("x00")
    tty.type("\x03")
    assert len(tty.until("\n> $")) < len(LARGE) // 10
    tty.type("exit\r")
    assert tty.end() == 0


@pytest.mark.parametrize("keys", ["", "\x03", "\x03half a line"])
def test_sigterm_is_heard_at_a_terminal_that_takes_nothing(
    node: StubNode, entries: Entries, tmp_path: Path, keys: str
) -> None:
    entries.contents["x"] = LARGE
    tty = Tty(node, tmp_path)
    tty.until("> $")
    tty.type("get x\r")
    tty.until("x00")
    tty.type(keys)
    tty.signal(signal.SIGTERM)
    assert tty.ended() == 143


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("printf 'get x\\nget x\\nput y 1\\n' | {program} | head -c1 >/dev/null", 141),
        ("{program} get x | true", 141),
        ("{program} get x >&-", 1),
        ("{program} get x >/dev/full", 1),
        ("printf 'get x\\n' | {program} >&-", 1),
        ("{program} help >&-", 1),
        ("{program} --help >/dev/full", 1),
        ("{program} --version >&-", 1),
        ("{program} --help | (exec <&-; sleep 0.5)", 141),
        ("{program} put z 1 >&-", 0),
    ],
)
def test_an_output_that_takes_nothing_is_told(node: StubNode, entries: Entries, script: str, code: int) -> None:
    entries.contents["x"] = bytes(1_000_000)
    whole = f"{script.format(program=f'{sys.executable} -m wrpme.cli --daemon {node.address}')}"
    whole += "; for code in ${PIPESTATUS[@]}; do test $code = 0 || break; done; exit $code"
    done = subprocess.run(["bash", "-c", whole], capture_output=True, timeout=REPLY_SECONDS_MAX, check=False)
    assert done.returncode == code and b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"storage: ") == (code == 1)
    assert done.stderr.count(b"\n") == (code == 1), "one sentence, and none where the reader has gone"
    assert "y" not in entries.contents


def stalled_terminal() -> tuple[int, int]:
    """A terminal that nobody reads, and that takes no byte more."""
    ours, theirs = pty.openpty()
    os.set_blocking(theirs, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(theirs, bytes(size))
    os.set_blocking(theirs, True)
    return ours, theirs


def test_sigterm_is_heard_where_steps_on_hosts_can_not_be_shown(tmp_path: Path) -> None:
    ours, theirs = stalled_terminal()
    with socket.create_server(("127.0.0.1", 0)) as host:
        host.settimeout(REPLY_SECONDS_MAX)
        port = host.getsockname()[1]
        (tmp_path / "hive.toml").write_text(
            f'[[node]]\nhost = "127.0.0.1"\nport = {port}\naddress = "127.0.0.1:5909"\n'
        )
        command = [sys.executable, "-m", "wrpme.cli", "hive_check", "hive.toml"]
        process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
        try:
            host.accept()[0].close()  # the step of connecting has been shown
            process.send_signal(signal.SIGTERM)
            assert process.wait(REPLY_SECONDS_MAX) == 143
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
