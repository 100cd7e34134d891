"""The service for browsers: who is let in, what a tab shows and tells, and where it listens."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.system.daemons import PATIENCE_SECONDS, free_port
from wrpme import errors
from wrpme.protocol import address
from wrpme.protocol.address import Address
from wrpme.shell.arguments import Options, parse_options
from wrpme.shell.console import Console
from wrpme.tui.web import server
from wrpme.tui.web.server import command_of, serve, url_of

pytestmark = pytest.mark.asyncio

ECHO = """
import os, sys, tty
tty.setraw(0)
print("pid", os.getpid(), *os.get_terminal_size(), flush=True)
while (key := os.read(0, 1000)) != b"q": os.write(1, key)
"""


class Pipe:
    """A console on pipes."""

    def __init__(self) -> None:
        (self._out, out), (self._err, err) = os.pipe(), os.pipe()
        self.console = Console(out, err)
        for descriptor in (self._out, self._err):
            os.set_blocking(descriptor, False)

    async def said(self) -> tuple[str, str]:
        """What was printed since: results and errors."""
        await self.console.drain()
        return self._read(self._out), self._read(self._err)

    def _read(self, descriptor: int) -> str:
        try:
            return os.read(descriptor, 65536).decode()
        except BlockingIOError:
            return ""


class Client:
    """A browser at the service, under a name that it chooses."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port

    async def get(self, path: str, host: str = "") -> tuple[int, str]:
        headers = {"Host": host or f"127.0.0.1:{self.port}"}
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def tab(self, origin: str = "", size: str = "?width=90&height=25") -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect(
            f"http://127.0.0.1:{self.port}/ws{size}", origin=origin or f"http://127.0.0.1:{self.port}"
        )


async def shown(tab: aiohttp.ClientWebSocketResponse, until: str) -> str:
    """What a tab shows, up to there."""
    text = ""
    while until not in text:
        message = await tab.receive()
        assert message.type is aiohttp.WSMsgType.BINARY, (message, text)
        text += message.data.decode()
    return text


async def pid_in(tab: aiohttp.ClientWebSocketResponse) -> int:
    """The process of a tab with :data:`ECHO`."""
    return int((await shown(tab, "\n")).split()[1])


async def blocked(process: int) -> None:
    """Nobody has taken what it draws for a while: all that lies between is full."""
    sleeping = 0
    while sleeping < 10:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        sleeping = sleeping + 1 if state == "S" else 0
        await asyncio.sleep(0.02)


async def gone(process: int) -> None:
    while os.path.exists(f"/proc/{process}"):
        await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, program: str = ECHO, host: str = "127.0.0.1") -> AsyncIterator[Any]:
    """A service whose tabs have that program; its client, and what it prints."""
    monkeypatch.setattr(server, "command_of", lambda options: [sys.executable, "-c", program])
    pipe = Pipe()
    port = free_port()
    task = asyncio.ensure_future(serve(Options(), Address(host, port), pipe.console))
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        while not (line := (await pipe.said())[0]):
            assert not task.done(), task.exception()
            await asyncio.sleep(0.02)
        assert line == f"the dashboard is at {url_of(Address(host, port))}; Ctrl-C ends it\n"
        try:
            yield Client(session, port), pipe, task
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_each_tab_has_a_process_which_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (client, pipe, _):
        one, other = await client.tab(), await client.tab(size="?width=x")
        first, second = await pid_in(one), await pid_in(other)
        await one.send_json(["stdin", "ä!"])
        assert await shown(one, "!") == "ä!"
        for ignored in (
            '["ping", "1"]',
            r'["stdin", "\ud800"]',
            '["focus"]',
            "{",
            "[]",
            '["resize", {"width": null, "height": 1}]',
        ):
            await one.send_str(ignored)
        await one.send_bytes(b"x")
        await one.send_json(["stdin", "z"])
        assert await shown(one, "z") == "z"
        await one.close()
        await gone(first)
        await other.send_json(["stdin", "q"])
        assert (await other.receive()).type is aiohttp.WSMsgType.CLOSE, "it ends with its process"
        await gone(second)
        assert await pipe.said() == ("", "")


async def test_a_tab_that_takes_nothing_ends_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "import os\nprint('pid', os.getpid(), flush=True)\nwhile True: os.write(1, b'x' * 65536)"
    async with serving(monkeypatch, endless) as (client, pipe, task):
        tab = await client.tab()
        process = await pid_in(tab)
        tab._response.connection.transport.pause_reading()
        await blocked(process)
        task.cancel()
        await asyncio.wait([task])
        await gone(process)
        assert await pipe.said() == ("", "")


async def test_the_service_ends_with_all_its_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (client, pipe, task):
        tabs = [await client.tab() for _ in range(2)]
        processes = [await pid_in(tab) for tab in tabs]
        task.cancel()
        for tab in tabs:
            assert (await tab.receive()).data == aiohttp.WSCloseCode.GOING_AWAY
        await asyncio.wait([task])
        assert task.cancelled() and not any(os.path.exists(f"/proc/{process}") for process in processes)
        assert await pipe.said() == ("", "")


async def test_there_is_a_bound_for_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TABS_MAX", 1)
    async with serving(monkeypatch) as (client, _, _):
        tab = await client.tab()
        process = await pid_in(tab)
        refused = await client.tab()
        assert await shown(refused, "\n") == "busy: 1 dashboards are open here; close one of them first\r\n"
        assert (await refused.receive()).type is aiohttp.WSMsgType.CLOSE
        await tab.close()
        await gone(process)


async def test_a_dashboard_that_can_not_be_started_says_so_in_its_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "openpty", no_terminal)
    async with serving(monkeypatch) as (client, _, _):
        tab = await client.tab()
        sentence = "start: no dashboard can be started (No space left on device); close others first\r\n"
        assert await shown(tab, "\n") == sentence
        assert (await tab.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_other_pages_of_the_browser_are_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (client, pipe, _):
        port = client.port
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "", "[", "a b"):
            if host:
                assert (await client.get("/", host))[0] in (400, 403), host
        for host in (f"localhost:{port}", "127.0.0.1:80", f"[::1]:{port}", socket.gethostname()):
            assert (await client.get("/", host))[0] == 200, host
        for origin in ("null", "http://evil.example", f"http://127.0.0.1:{port + 1}", "http://127.0.0.1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.tab(origin)
            assert refused.value.status == 403, origin
        assert await client.get("/ws") == (403, "Only the page of the dashboard may open one.\n")
        assert await pipe.said() == ("", "")


async def test_the_page_needs_nothing_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (client, _, _):
        status, page = await client.get("/")
        assert status == 200 and "://" not in page
        for path in ("/page.js", "/static/js/textual.js", "/static/css/xterm.css"):
            assert path in page and (await client.get(path))[0] == 200
        assert (await client.get("/static/"))[0] == 403
        async with client.session.get(f"http://127.0.0.1:{client.port}/") as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_defect_is_one_line_and_nonsense_from_strangers_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(server, "open_tab", broken)
    async with serving(monkeypatch) as (client, pipe, _):
        for nonsense in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET"):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(nonsense)
            writer.write_eof()
            await reader.read()
            writer.close()
        assert await pipe.said() == ("", "")
        tab = await client.tab()
        await tab.receive()
        said = "internal: ZeroDivisionError: division by zero; this is a defect of wrpmesh, please report it\n"
        assert await pipe.said() == ("", said)


async def test_who_lets_others_in_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    where = Address("0.0.0.0", free_port())
    task = asyncio.ensure_future(serve(Options(), where, pipe.console))
    while not (said := await pipe.said())[0]:
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    assert said == (
        f"the dashboard is at http://{socket.gethostname()}:{where.port}/; Ctrl-C ends it\n",
        f"warning: whoever reaches {where} can do all that this user can with wrpmesh, for there are no passwords and "
        "no encryption; safer is 127.0.0.1, and ssh -L from elsewhere\n",
    )


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("192.0.2.1", "192.0.2.1 is no address of this machine; give one with --web"),
        ("2001:db8::1", "2001:db8::1 is no address of this machine; give one with --web"),
        ("no.invalid", "the name no.invalid can't be resolved; give an address of this machine with --web"),
    ],
)
async def test_hosts_that_can_not_be_had(host: str, sentence: str) -> None:
    with pytest.raises(errors.StartError) as refused:
        await serve(Options(), Address(host, free_port()), Console())
    assert refused.value.sentence == sentence


async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.StartError) as refused:
            await serve(Options(), Address("127.0.0.1", port), Console())
    sentence = f"127.0.0.1:{port} is in use by another process; stop that first, or give another port with --web"
    assert refused.value.sentence == sentence


async def test_a_hive_that_is_started_first_is_what_the_tabs_show(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hive:
        addresses = ["127.0.0.1:1", "127.0.0.1:2"]

    seen: list[list[str]] = []

    async def serve_local(count: int, session: Any, console: Console) -> int:
        assert count == 2
        return await session(Hive())  # type: ignore[no-any-return]

    async def served(options: Options, *_: object) -> int:
        seen.append(command_of(options)[3:])
        return 0

    monkeypatch.setattr(server, "serve_local", serve_local)
    monkeypatch.setattr(server, "_serve", served)
    await serve(Options(hive=2, timeout=3.0), address.parse("127.0.0.1:1"), Console())
    assert seen == [
        ["--tui", "--daemon", "127.0.0.1:1", "--daemon", "127.0.0.1:2", "--timeout", "3.0", "--tls-ca", "none"]
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--daemon", "a:1", "--daemon", "[::1]:2"],
        ["--timeout", "0.5"],
        ["--tls-ca", "a", "--tls-cert", "b", "--tls-key", "c"],
        ["--tls-ca", "a", "--user", "ann"],
        ["--tls-ca", "a", "--user", "ann", "--password-file", "p"],
        ["--replay=-- a file"],
        ["--replay", "\udcff"],
    ],
)
async def test_a_dashboard_gets_the_options_that_were_given(arguments: list[str]) -> None:
    options = parse_options([*arguments, "--web"])
    assert parse_options(command_of(options)[3:]) == replace(options, web=None, tui=True)


async def test_urls() -> None:
    assert url_of(address.parse("[::1]:80")) == "http://[::1]:80/"
    assert url_of(address.parse("node1:80")) == "http://node1:80/"
    assert url_of(address.parse("[::]:80")) == f"http://{socket.gethostname()}:80/"
