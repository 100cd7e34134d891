"""The client of the agent on another machine; :mod:`wrpme.bootstrap.agent` has the protocol.

It uses one channel of the SSH connection for requests, and a second one while a file is sent. Every wait is bounded. A
connection that ends in the middle is an error that names the host and the request, and an agent that ended without an
exit status has not succeeded.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import msgspec

from wrpme import errors
from wrpme.bootstrap import agent
from wrpme.bootstrap.hosts.inventory import Hello
from wrpme.bootstrap.limits import (
    AGENT_ANSWER_BYTES_MAX,
    AGENT_BEAT_SECONDS,
    AGENT_CALL_SECONDS_MAX,
    AGENT_END_SECONDS_MAX,
    AGENT_INSTALL_SECONDS_MAX,
    AGENT_NOISE_BYTES_MAX,
    AGENT_START_SECONDS_MAX,
    SEND_SILENT_SECONDS_MAX,
)
from wrpme.errors import RemoteError, WrpmeError
from wrpme.limits import KIB, MIB

if TYPE_CHECKING:
    from wrpme.bootstrap.topology.file import Host

PYTHONS = ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python3.15")
OLD, NONE, EATEN = 93, 94, 95
"""The exit statuses of a Python that is too old, of a search that found none, and of a Python whose input does not
begin with ``MARK``: a login script has read some of it."""
MARK = "wrpme"
FIND = (
    'code=$1; shift; PATH=$PATH:/usr/local/bin:/usr/bin:/bin; for python in "$@"; do '
    'command -v "$python" >/dev/null 2>&1 || continue; "$python" -I -B -c "$code"; status=$?; '
    f"case $status in {OLD}|126|127) ;; *) exit $status;; esac; done; exit {NONE}"
)
"""Finds a Python; for sh. It and ``LOAD`` get there through the login shell, which may be any: so neither has quotes of
the other kind, backslashes, exclamation marks or ends of line."""
LOAD = (
    'import sys;v=sys.version_info;s=sys.executable;v<(3,11) and (sys.stderr.write("old-python %d.%d.%d %s" '
    f"% (v[0],v[1],v[2],s)+chr(10)),sys.exit({OLD}));import zlib;i=sys.stdin.buffer;"
    f'n=i.readline().split();n[:1]==[b"{MARK}"] or sys.exit({EATEN});exec(zlib.decompress(i.read(int(n[1]))))'
)
OLD_LINE = "old-python "
LACKING = "ModuleNotFoundError: No module named "
UNSAFE = "'!\\\n"
STDERR_LINES_TOLD = 3
BY_WORD = {kind.word: kind for kind in errors.BY_CODE.values()}


class AgentClient:
    """The agent on one host. It carries out one request at a time; others wait for their turn."""

    def __init__(self, host: str, connection: asyncssh.SSHClientConnection) -> None:
        self.host = host
        self.hello: dict[str, Any] = {}
        self._connection = connection
        self._process: asyncssh.SSHClientProcess[bytes] | None = None
        self._buffer = bytearray()
        self._stderr = bytearray()
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = ""

    @classmethod
    async def open(cls, connection: asyncssh.SSHClientConnection, host: Host) -> AgentClient:
        """Starts the agent over that connection, which the caller has to close.

        Raises:
            RemoteError: the host has no Python that can run the agent, or does not let this user run a program.
        """
        client = cls(host.name, connection)
        try:
            async with asyncio.timeout(AGENT_START_SECONDS_MAX):
                await client._start(host.python)
        except TimeoutError:
            await client.close()
            raise RemoteError(
                f"{host.name}: its SSH server answers, but no Python could be started there within "
                f"{AGENT_START_SECONDS_MAX:g} s; see whether it is overloaded, or its login scripts wait for something"
            ) from None
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def host_key(self) -> str:
        """Returns the kind and the fingerprint of the host key of its SSH server."""
        key = self._connection.get_server_host_key()
        return f"{key.get_algorithm()} {key.get_fingerprint()}" if key is not None else ""

    # --- the start -----------------------------------------------------------------------------------------------

    async def _start(self, python: str) -> None:
        if any(character in python for character in UNSAFE):
            raise RemoteError(f"{self.host}: the path of its Python can't have a character of {UNSAFE.strip()!r} in it")
        command = f"exec sh -c '{FIND}' wrpme '{LOAD}' " + " ".join(
            f"'{one}'" for one in ([python] if python else PYTHONS)
        )
        try:
            process: asyncssh.SSHClientProcess[bytes] = await self._connection.create_process(
                command, encoding=None, request_pty=False
            )
        except asyncssh.ChannelOpenError as error:
            raise RemoteError(f"{self.host}: its SSH server {refused_channel(error)}") from None
        except (asyncssh.Error, OSError) as error:
            raise RemoteError(f"{self.host}: the connection ended before anything was done there ({error})") from None
        self._process = process
        self._tasks.append(asyncio.create_task(self._collect(process)))
        with suppress(OSError):
            process.stdin.write(first_input())
        noise = bytearray()
        while True:
            line = await self._line()
            if line is None:
                raise await self._not_started(python, bytes(noise))
            if hello := _hello(line):
                self.hello = hello
                break
            noise += line + b"\n"
            if len(noise) > AGENT_NOISE_BYTES_MAX:
                raise RemoteError(
                    f"{self.host}: its login scripts write without an end; let them write nothing where no terminal is"
                )
        self._tasks.append(asyncio.create_task(self._beat(process)))

    async def _not_started(self, python: str, noise: bytes) -> RemoteError:
        process = self._process
        assert process is not None
        await self._wait_closed(process)
        said = _lines(self._stderr)
        old = [line.removeprefix(OLD_LINE).split(" ", 1) for line in said if line.startswith(OLD_LINE)]
        if process.exit_status == NONE and python:
            found = f"{python} is Python {old[0][0]}" if old else f"there is no {python}, or it can't be run"
            return RemoteError(f"{self.host}: {found}; wrpme needs 3.11 or later: name such a one with `python`")
        if process.exit_status == NONE:
            advice = "install it (on Debian: apt install python3), or say with `python` where one is"
            if old:
                found = ", ".join(dict.fromkeys(f"{version} ({path})" for version, path in old))
                return RemoteError(f"{self.host}: its Python is {found}, and wrpme needs 3.11 or later: {advice}")
            return RemoteError(f"{self.host}: it has no Python 3.11 or later: {advice}")
        if process.exit_status == EATEN:
            return RemoteError(
                f"{self.host}: its login scripts read the input of the session, which is meant for wrpme; let them "
                "read nothing where no terminal is"
            )
        last = "; ".join([*_lines(noise), *said][-STDERR_LINES_TOLD:])
        if process.exit_status is None:
            return RemoteError(f"{self.host}: the connection ended while the agent was started ({last or self._ended})")
        if said and (lacking := said[-1].partition(LACKING)[2]):
            return RemoteError(
                f"{self.host}: its Python lacks the module {lacking}; install a whole one (on Debian: "
                "apt install python3)"
            )
        return RemoteError(
            f"{self.host}: its user {self._connection.get_extra_info('username')} can't run Python there (status "
            f"{process.exit_status}): {last or 'it said nothing'}"
        )

    # --- lines ---------------------------------------------------------------------------------------------------

    async def _line(self) -> bytes | None:
        """Returns the next line without its end, or None if there is none."""
        process = self._process
        assert process is not None
        seen = 0
        while (at := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > AGENT_ANSWER_BYTES_MAX:
                self._ended = "its answer has no end"
                return None
            try:
                part = await process.stdout.read(256 * KIB)
            except (asyncssh.Error, OSError) as error:
                self._ended = str(error)
                return None
            if not part:
                return None
            self._buffer += part
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        return line

    async def _collect(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        """Reads what the agent writes to stderr, and keeps the last of it."""
        with suppress(asyncssh.Error, OSError):
            while part := await process.stderr.read(64 * KIB):
                self._stderr += part
                del self._stderr[:-AGENT_NOISE_BYTES_MAX]

    async def _beat(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        """Tells the agent every ``AGENT_BEAT_SECONDS`` that somebody is here, also while it works."""
        with suppress(asyncssh.Error, OSError):
            while True:
                await asyncio.sleep(AGENT_BEAT_SECONDS)
                process.stdin.write(b'{"do":"beat"}\n')

    # --- requests ------------------------------------------------------------------------------------------------

    async def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Returns the agent's answer to that request.

        Raises:
            LockedError: another operator is at work there.
            RemoteError: the agent can't do it, or the connection ended meanwhile.
            WrpmeError: the agent refused; the kind of error is the one with the word that it answered.
        """
        async with self._turn:
            answer = await self._exchange(do, arguments)
        if "ok" in answer:
            found: dict[str, Any] = answer["ok"]
            return found
        error = answer.get("error", {})
        kind: type[WrpmeError] = BY_WORD.get(error.get("word", ""), RemoteError)
        raise kind(f"{self.host}: {error.get('sentence', 'its answer makes no sense; this is a defect of wrpme')}")

    async def _exchange(self, do: str, arguments: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None or self._ended:
            raise RemoteError(f"{self.host}: the connection has ended ({self._ended or 'it was closed'})")
        most = AGENT_INSTALL_SECONDS_MAX if do == "install" else AGENT_CALL_SECONDS_MAX
        most += float(arguments.get("seconds", 0.0))
        done = False
        try:
            async with asyncio.timeout(most):
                with suppress(OSError):  # reading finds out that the other side is gone, and why
                    process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
                line = await self._line()
                if line is None:
                    raise await self._lost(do)
                done = True
        except TimeoutError:
            raise RemoteError(
                f"{self.host}: no answer to `{do}` within {most:g} s; see whether it is overloaded"
            ) from None
        finally:
            if not done and not self._ended:  # an answer that comes later would be taken for that of the next request
                self._ended = f"`{do}` was not answered"
        found = _object(line)
        if found is None:
            self._ended = "its answers make no sense"
            raise RemoteError(
                f"{self.host}: its answer to `{do}` is no answer: {line[:200]!r}; see whether a login script has left "
                "something running that writes"
            )
        return found

    async def _lost(self, do: str) -> RemoteError:
        process = self._process
        assert process is not None
        await self._wait_closed(process)
        status = process.exit_status
        if status is None:
            reason = f" ({self._ended})" if self._ended else ""
            self._ended = self._ended or f"it ended while `{do}` ran"
            return RemoteError(
                f"{self.host}: the connection ended while `{do}` ran there{reason}; what was done stays, and the same "
                "command goes on from there"
            )
        said = _lines(self._stderr)[-STDERR_LINES_TOLD:]
        self._ended = f"the agent ended with status {status}"
        return RemoteError(
            f"{self.host}: the agent ended with status {status} while `{do}` ran: {'; '.join(said) or 'no word'}"
        )

    async def _wait_closed(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        """Waits until the exit status is known, at most ``AGENT_END_SECONDS_MAX``."""
        with suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(AGENT_END_SECONDS_MAX):
                await process.wait_closed()

    # --- files ---------------------------------------------------------------------------------------------------

    async def send(self, path: Path, remote_path: str, report: Callable[[int], None]) -> None:
        """Sends a file to an absolute path there, which has all of it or does not exist. ``report`` is called with the
        number of bytes that have arrived.

        Raises:
            RemoteError: the SSH server has no SFTP, its disk is full, or the connection ended.
        """
        part = f"{remote_path}.part"
        size = os.stat(path).st_size
        now = asyncio.get_running_loop().time
        last = now()

        def acknowledged(_from: bytes, _to: bytes, sent: int, _total: int) -> None:
            nonlocal last
            last = now()
            report(sent)

        sftp = await self._sftp()
        try:
            async with sftp:
                work = asyncio.ensure_future(self._put(sftp, path, part, remote_path, acknowledged))
                try:
                    while not work.done():
                        await asyncio.wait({work}, timeout=max(0.1, last + SEND_SILENT_SECONDS_MAX - now()))
                        if not work.done() and now() - last >= SEND_SILENT_SECONDS_MAX:
                            raise RemoteError(
                                f"{self.host}: nothing of {remote_path} was taken for {SEND_SILENT_SECONDS_MAX:g} s; "
                                "see whether its disk or the network hangs"
                            )
                    await work
                except asyncssh.SFTPError as error:
                    raise await self._refused_file(sftp, error, part, size) from None
                finally:
                    work.cancel()
        except (asyncssh.Error, OSError) as error:
            ended = f"the connection ended while {remote_path} was sent ({error})"
            raise RemoteError(f"{self.host}: {ended}; the same command sends it again") from None

    async def check_sending(self) -> None:
        """Returns if a file could be sent.

        Raises:
            RemoteError: the SSH server opens no second channel, has no SFTP, or one that ends at once.
        """
        try:
            async with asyncio.timeout(AGENT_START_SECONDS_MAX), await self._sftp() as sftp:
                await sftp.realpath(".")
        except TimeoutError:
            raise RemoteError(f"{self.host}: its SFTP does not answer within {AGENT_START_SECONDS_MAX:g} s") from None
        except (asyncssh.Error, OSError) as error:
            raise RemoteError(f"{self.host}: its SFTP, which files are sent by, does not work ({error})") from None

    async def _sftp(self) -> asyncssh.SFTPClient:
        try:
            async with asyncio.timeout(AGENT_START_SECONDS_MAX):
                return await self._connection.start_sftp_client()
        except TimeoutError:
            raise RemoteError(f"{self.host}: its SFTP does not answer within {AGENT_START_SECONDS_MAX:g} s") from None
        except asyncssh.ChannelOpenError as error:
            raise RemoteError(f"{self.host}: its SSH server {refused_channel(error, 'SFTP')}") from None
        except asyncssh.SFTPError:
            raise RemoteError(f"{self.host}: its SSH server {NO_SFTP}") from None
        except (asyncssh.Error, OSError) as error:
            raise RemoteError(f"{self.host}: the connection ended before a file was sent ({error})") from None

    async def _put(
        self,
        sftp: asyncssh.SFTPClient,
        path: Path,
        part: str,
        whole: str,
        acknowledged: Callable[[bytes, bytes, int, int], None],
    ) -> None:
        await sftp.put(str(path), part, sparse=False, progress_handler=acknowledged)
        await sftp.posix_rename(part, whole)

    async def _refused_file(
        self, sftp: asyncssh.SFTPClient, error: asyncssh.SFTPError, part: str, size: int
    ) -> RemoteError:
        if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
            return RemoteError(f"{self.host}: the connection ended while {part} was sent ({error.reason})")
        with suppress(asyncssh.Error, OSError, TimeoutError):
            async with asyncio.timeout(AGENT_END_SECONDS_MAX):
                sent = (await sftp.stat(part)).size or 0
                await sftp.remove(part)
                disk = await sftp.statvfs(str(Path(part).parent))
                free = disk.bavail * disk.frsize
                if free < size:
                    return RemoteError(
                        f"{self.host}: the disk is full at {Path(part).parent}: {size / MIB:.1f} MiB are to be sent, "
                        f"{free / MIB:.1f} MiB are free, {sent / MIB:.1f} MiB had arrived and were removed; make room "
                        "there and give the command again"
                    )
        return RemoteError(f"{self.host}: {part} can't be written by SFTP ({error.reason})")

    async def close(self) -> None:
        """Ends the agent and waits until it has ended, so that its lock is free. The connection stays open."""
        process, self._process = self._process, None
        for task in self._tasks:
            task.cancel()
        if process is not None:
            with suppress(asyncssh.Error, OSError):
                process.stdin.write_eof()
            if self.hello:
                await self._wait_closed(process)
            process.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _object(line: bytes) -> dict[str, Any] | None:
    """Returns the JSON object on a line, or None if there is something else on it."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _hello(line: bytes) -> dict[str, Any] | None:
    """Returns the agent's first line, or None if a login script wrote that line, whatever it is."""
    found = _object(line)
    with suppress(msgspec.ValidationError):
        if found is not None and "hello" in found:
            msgspec.convert(found, Hello)
            return found
    return None


NO_SFTP = "has no SFTP, which files are sent by; give it one (in sshd_config: Subsystem sftp internal-sftp)"


def refused_channel(error: asyncssh.ChannelOpenError, what: str = "session") -> str:
    """Returns what an SSH server does that opens no further channel, as part of a sentence."""
    if what == "SFTP" and error.code == asyncssh.OPEN_REQUEST_SESSION_FAILED:
        return NO_SFTP
    return (
        f"opens no {what} for us ({error.reason}); two are needed at a time: see MaxSessions, ForceCommand and "
        "PermitOpen in its sshd_config"
    )


def first_input() -> bytes:
    """Returns what ``LOAD`` expects on its input: the mark, the length of the payload, and the payload."""
    return f"{MARK} {len(payload())}\n".encode() + payload()


def _lines(raw: bytes | bytearray) -> list[str]:
    """What was said on standard error, line by line; empty where nothing was."""
    return [line for line in raw.decode("utf-8", "replace").strip().split("\n") if line]


@cache
def payload() -> bytes:
    """Returns what :data:`LOAD` reads and runs: the loader, with the sources of the agent, compressed."""
    directory = Path(agent.__file__).parent
    package = agent.__name__
    sources = {
        package if path.stem == "__init__" else f"{package}.{path.stem}": path.read_text("utf-8")
        for path in sorted(directory.glob("*.py"))
    }
    loader = sources.pop(f"{package}.loader")
    return zlib.compress(f"{loader}\nrun({sources!r})\n".encode(), 9)
