"""Where passwords come from, and that they are seen nowhere."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.certificates import Authority
from tests.client.test_user_admin import NEW, OLD, UserHive
from tests.shell.test_cli import wrpmesh
from tests.stub_node import StubThread
from wrpme.errors import UsageError
from wrpme.files.certificates import server_context
from wrpme.shell.access.passwords import new_password, read_file, said_by
from wrpme.shell.arguments import Options
from wrpme.shell.batch import GivenUp
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse
from wrpme.shell.prompt import Terminal
from wrpme.shell.stdin import InputLines


def file_of(directory: Path, content: bytes, mode: int = 0o600) -> str:
    path = directory / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def command_of(line: str) -> Command:
    command = parse(line)
    assert command is not None
    return command


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"secret", "secret"), (b"secret\n", "secret"), (b"two words \r\n", "two words "), (b"\xc3\xa4" * 512, "ä" * 512)],
)
def test_the_one_line_of_a_file(tmp_path: Path, content: bytes, expected: str) -> None:
    assert read_file(file_of(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"secret\n", 0o604, r"others can read the password in (.*); take that from them: chmod 600 \1"),
        (b"secret\n", 0o602, "chmod 600"),
        (b"", 0o600, "has no password; it has the password as its one line"),
        (b"\n", 0o600, "has no password"),
        (b"secret\nmore\n", 0o600, "has more than one line"),
        (b"x" * 1025, 0o600, "or more than a password can have"),
        (b"secret\xff\n", 0o600, "is not UTF-8"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        read_file(file_of(tmp_path, content, mode))
    assert "secret" not in caught.value.sentence


def test_the_group_of_a_service_may_read_what_is_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, b"secret\n", 0o640)
    real = os.fstat

    def owned_by(user: int) -> None:
        def stat_of(descriptor: int) -> os.stat_result:
            fields = list(real(descriptor))
            fields[4] = user
            return os.stat_result(fields)

        monkeypatch.setattr(os, "fstat", stat_of)

    owned_by(0)
    assert read_file(path) == "secret"
    owned_by(1000)
    with pytest.raises(UsageError, match="others can read"):
        read_file(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, why in (("pipe", "is no regular file"), ("none", "No such file"), (".", "Is a directory")):
        with pytest.raises(UsageError, match=why):
            read_file(str(tmp_path / name))


class Asked:
    """An operator who types what the test says."""

    def __init__(self, *typed: str) -> None:
        self.typed = list(typed)
        self.questions: list[str] = []

    async def secret(self, question: str) -> str:
        self.questions.append(question)
        return self.typed.pop(0)


@pytest.mark.asyncio
async def test_a_new_one_is_asked_for_twice() -> None:
    asked = Asked(OLD, OLD)
    assert await new_password(command_of("user_add --role read ann"), asked) == OLD
    assert asked.questions == ["new password of ann: ", "the same again: "]
    with pytest.raises(UsageError, match="the two passwords differ; nothing was changed, give user_password again"):
        await new_password(command_of("user_password ann"), Asked(OLD, NEW))
    with pytest.raises(UsageError, match="no password of ann was given"):
        await new_password(command_of("user_password ann"), Asked(""))
    assert await new_password(command_of("user_remove ann"), Asked()) == ""


@pytest.mark.asyncio
async def test_a_file_takes_the_place_of_the_questions(tmp_path: Path) -> None:
    path = file_of(tmp_path, OLD.encode())
    assert await new_password(command_of(f"user_password --password-file {path} ann"), Asked()) == OLD


@pytest.mark.asyncio
async def test_a_terminal_does_not_show_it() -> None:
    screen, terminal = pty.openpty()
    try:
        lines = InputLines(terminal, lambda text: None)
        before = termios.tcgetattr(terminal)
        asked = asyncio.create_task(lines.secret("password: "))
        async with asyncio.timeout(10):
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                await asyncio.sleep(0)
        os.write(screen, b"secret\n")
        assert await asked == "secret"
        assert termios.tcgetattr(terminal) == before
        os.set_blocking(screen, False)
        with pytest.raises(BlockingIOError):
            os.read(screen, 100)
    finally:
        os.close(screen)
        os.close(terminal)


@pytest.mark.asyncio
async def test_nobody_is_asked_in_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret\n")
    os.close(writing)
    with pytest.raises(UsageError, match=r"nobody is there to be asked for a password; .*--password-file FILE"):
        await InputLines(reading, print).secret("password: ")
    os.close(reading)


@pytest.mark.asyncio
async def test_at_a_prompt_nothing_of_it_is_drawn_or_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    drawn: list[str] = []

    class Screen(DummyOutput):
        def write(self, data: str) -> None:
            drawn.append(data)

    class Nodes:
        known_addresses: list[str] = []

    async def typed(keys: str) -> str:
        with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=Screen()):
            keyboard.send_text(keys)
            return await Terminal(Nodes()).secret("new password: ")  # type: ignore[arg-type]

    assert await typed("xyz\x7fzy\r") == "xyzy"
    assert await typed("\x1b[200~xyzxyz\n\x1b[201~\r") == "xyzxyz", "pasted, with the end of its line"
    for key in ("\x03", "\x04"):
        with pytest.raises(GivenUp):
            await typed(key)
    told = "".join(drawn)
    assert "new password: " in told and not set("xyz*") & set(told.replace("new password: ", ""))
    assert not (tmp_path / "wrpme").exists()
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(UsageError, match=r"would show what is typed; .*--password-file FILE"):
        await typed("x\r")


def test_who_names_no_user_is_asked_for_nothing(tmp_path: Path) -> None:
    assert said_by(Options(password_file="/nowhere")) is None
    assert said_by(Options(user="ann", password_file=file_of(tmp_path, b"secret"))) == "secret"


def test_the_program_with_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, hive = Authority(tmp_path), UserHive()
    password, other = file_of(tmp_path, OLD.encode()), tmp_path / "other"
    other.write_text(NEW)
    other.chmod(0o600)
    with StubThread(hive, server_context(authority.issue("node"))) as node:
        monkeypatch.setenv("WRPME_TLS_CA", str(authority.path))
        monkeypatch.setenv("WRPME_DAEMON", node.address)
        done = wrpmesh("user_add", "--role", "admin", "ann", given=b"secret\nsecret\n")
        assert done.returncode == 2 and done.stderr.startswith(b"usage: nobody is there to be asked for a password")
        done = wrpmesh("user_add", "--role", "admin", "--password-file", password, "ann")
        assert done.returncode == 0 and done.stdout.startswith(b"ann is the first user: "), done.stderr
        hive.me = ""
        monkeypatch.setenv("WRPME_USER", "ann")
        done = wrpmesh("whoami", given=b"")
        assert done.returncode == 2
        assert done.stderr.startswith(b"usage: nobody is there to be asked for the password of ann; ")
        assert wrpmesh("version", given=b"").returncode == 0, "it asks nobody"
        monkeypatch.setenv("WRPME_PASSWORD_FILE", password)
        assert wrpmesh("user_list").stdout.splitlines()[1].split() == [b"ann", b"admin", b"1", b"2", b"all"]
        done = wrpmesh("--password-file", str(other), "user_list")
        assert done.returncode == 1
        assert done.stderr.decode().startswith("unauthenticated: there is no such user with that password (ann, asked")
        monkeypatch.delenv("WRPME_TLS_CA")
        done = wrpmesh("count")
        assert done.returncode == 2 and done.stderr.startswith(b"usage: user (WRPME_USER) needs tls-ca: the password ")
