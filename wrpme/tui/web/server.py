"""Serves the dashboard to browsers: each tab that opens the page has a dashboard of its own.

The page is that of textual-serve: its terminal in the browser, and the messages between that and a server. Its server
is not used, because that lets any page of the browser in, loads a font from elsewhere, and leaves processes behind when
it is killed or a browser stalls.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import textual_serve  # before what it brings itself: who is missing it is told its name
import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec.structs import replace

from wrpme import errors
from wrpme.protocol.address import Address, is_number
from wrpme.shell.arguments import NO_TLS, Options
from wrpme.shell.console import Console
from wrpme.shell.execute import Answer
from wrpme.shell.local_hive import LocalHive, serve_local
from wrpme.shell.session import internal, tell_defects
from wrpme.tui.limits import TAB_CLOSE_SECONDS_MAX, TAB_SILENCE_SECONDS, TABS_MAX
from wrpme.tui.web.tab import Tab, open_tab

_PAGE = Path(__file__).parent
_TERMINAL = Path(textual_serve.__file__).parent / "static"
_HEADERS = {
    # All that the page needs comes from here, so that it works without internet; and no page of others shows it inside.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # or an older page would speak with a newer server
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(options: Options, address: Address, console: Console) -> int:
    """Serves the dashboard of a hive, of one that is started first, or of a record, until it is cancelled.

    Raises:
        WrpmeError: nothing can be served at that address, or the hive does not start.
    """
    if options.hive:

        async def with_hive(hive: LocalHive) -> int:
            return await _serve(replace(options, hive=0, daemons=tuple(hive.addresses)), address, console)

        return await serve_local(options.hive, with_hive, console)
    return await _serve(options, address, console)


async def _serve(options: Options, address: Address, console: Console) -> int:
    tell_defects(console)
    async with _listening(Site(command_of(options), address.host), address, console) as loopback:
        if not loopback:
            console.note(
                f"warning: whoever reaches {address} can do all that this user can with wrpmesh, for there are no "
                "passwords and no encryption; safer is 127.0.0.1, and ssh -L from elsewhere"
            )
        console.answer(Answer(text=f"the dashboard is at {url_of(address)}; Ctrl-C ends it"), line_mode=True)
        await console.drain()
        await asyncio.Event().wait()
    return 0


def command_of(options: Options) -> list[str]:
    """Returns the command that opens the dashboard on a terminal with the same options."""
    if options.replay:
        given = [f"--replay={options.replay}"]
    else:
        given = [word for daemon in options.daemons for word in ("--daemon", daemon)]
        given += ["--timeout", str(options.timeout)]
        given += ["--tls-ca", options.tls_ca or NO_TLS]
        if options.tls_cert:
            given += ["--tls-cert", options.tls_cert, "--tls-key", options.tls_key]
        if options.user:
            given += ["--user", options.user]  # each tab asks for the password, unless there is a file
        if options.password_file:
            given += ["--password-file", options.password_file]
    return [sys.executable, "-m", "wrpme.cli", "--tui", *given]


def url_of(address: Address) -> str:
    """Returns what is typed into a browser; where all addresses of the machine are served, it has the name of it."""
    return f"http://{address._replace(host=socket.gethostname()) if address.unspecified else address}/"


@asynccontextmanager
async def _listening(site: Site, address: Address, console: Console) -> AsyncIterator[bool]:
    """Serves the site, and says whether only this machine reaches it.

    Raises:
        StartError: the address can't be had.
    """
    log = logging.Logger("web")
    log.addHandler(_Sentences(console))
    runner = web.AppRunner(site.app(), access_log=None, logger=log, shutdown_timeout=TAB_CLOSE_SECONDS_MAX + 1)
    await runner.setup()
    try:
        try:
            # All addresses of IPv6 stand for those of IPv4 too, as for wrpmed.
            await web.TCPSite(runner, None if address.host == "::" else address.host, address.port).start()
        except OSError as error:
            raise errors.StartError(_sentence(address, error)) from None
        yield all(ip_address(where[0].partition("%")[0]).is_loopback for where in runner.addresses)
    finally:
        await runner.cleanup()


def _sentence(address: Address, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name {address.host} can't be resolved; give an address of this machine with --web"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another process; stop that first, or give another port with --web"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, None):
        return f"{address.host} is no address of this machine; give one with --web"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this user may not listen at {address}; give a port of 1024 or above with --web"
    return f"listening at {address} fails ({error.strerror})"


class Site:
    """The pages, and the tabs that are open. ``command`` opens a dashboard on a terminal; ``name`` is one under which
    the site is known, beside those of the machine."""

    def __init__(self, command: list[str], name: str) -> None:
        self._command = command
        self._names = {"localhost", socket.gethostname().lower(), name}
        self._sockets: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        """Returns the application for a server."""
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/", self._file("page.html"))
        app.router.add_get("/page.js", self._file("page.js"))
        app.router.add_get("/ws", self._tab)
        app.router.add_static("/static", _TERMINAL)
        app.on_response_prepare.append(self._with_headers)
        app.on_shutdown.append(self._close)
        return app

    def _file(self, name: str) -> Handler:
        async def answered(_: web.Request) -> web.StreamResponse:
            return web.FileResponse(_PAGE / name)

        return answered

    async def _with_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)

    async def _close(self, _: web.Application) -> None:
        await asyncio.gather(*(_ended(opened, WSCloseCode.GOING_AWAY) for opened in self._sockets))

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses what other pages of the browser make it ask: it shows them any name that they have made lead here,
        and connects them to any server."""
        try:
            host = request.url.host or ""
        except ValueError:
            host = ""
        if not is_number(host) and host.lower() not in self._names:
            raise web.HTTPForbidden(
                text="The dashboard is not served under this name. Open it by the address of the machine, or start it "
                "with wrpmesh --web NAME:PORT.\n"
            )
        if request.path == "/ws" and request.headers.get("Origin", "").partition("://")[2] != request.host:
            raise web.HTTPForbidden(text="Only the page of the dashboard may open one.\n")
        return await handler(request)

    async def _tab(self, request: web.Request) -> web.StreamResponse:
        """Runs a dashboard for a tab, until one of the two ends."""
        opened = web.WebSocketResponse(heartbeat=TAB_SILENCE_SECONDS, timeout=TAB_CLOSE_SECONDS_MAX)
        await opened.prepare(request)
        if len(self._sockets) >= TABS_MAX:
            refusal = errors.BusyError(f"{TABS_MAX} dashboards are open here; close one of them first")
            return await _refused(opened, refusal)
        self._sockets.add(opened)
        try:
            tab = await open_tab(self._command, *_size(request.query))
        except errors.StartError as error:
            self._sockets.discard(opened)
            return await _refused(opened, error)
        shown = asyncio.ensure_future(_show(tab, opened))
        try:
            await _hear(tab, opened)
        finally:
            shown.cancel()
            await asyncio.wait([shown])
            await tab.close()
            self._sockets.discard(opened)
        if not shown.cancelled():
            shown.result()  # a defect, if it is not None
        return opened


async def _refused(opened: web.WebSocketResponse, error: errors.WrpmeError) -> web.WebSocketResponse:
    """Shows an error in the place of a dashboard."""
    with suppress(ConnectionError):
        await opened.send_bytes(f"{error}\r\n".encode())
    await opened.close()
    return opened


async def _show(tab: Tab, opened: web.WebSocketResponse) -> None:
    """Sends a tab what its dashboard draws; a browser that takes nothing holds up its own dashboard alone."""
    try:
        with suppress(ConnectionError):  # the tab was closed
            while drawn := await tab.drawn():
                await opened.send_bytes(drawn)
    finally:
        await _ended(opened)


async def _ended(opened: web.WebSocketResponse, code: WSCloseCode = WSCloseCode.OK) -> None:
    """Tells a tab that nothing more comes. A browser that takes nothing can't be told, and is not waited for."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(TAB_CLOSE_SECONDS_MAX):
            await opened.close(code=code)


async def _hear(tab: Tab, opened: web.WebSocketResponse) -> None:
    """Hands a dashboard what comes from its tab. What the page tells beside this is of no use here."""
    async for message in opened:
        if message.type is not WSMsgType.TEXT:
            continue
        with suppress(msgspec.DecodeError):
            match msgspec.json.decode(message.data):
                case ["stdin", str(keys)]:
                    tab.type(keys.encode())
                case ["resize", {"width": int(columns), "height": int(rows)}]:
                    tab.resize(columns, rows)


def _size(query: Mapping[str, str]) -> tuple[int, int]:
    """Returns the columns and rows that a page asks for."""
    columns, rows = query.get("width", ""), query.get("height", "")
    return (int(columns), int(rows)) if columns.isdecimal() and rows.isdecimal() else (80, 24)


class _Sentences(logging.Handler):
    """Prints what aiohttp logs: a defect as one line, and nothing of what strangers send that is not HTTP."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.ERROR)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | ConnectionError):
            self._console.error(internal(error or RuntimeError(record.getMessage())))
