"""The program wrpmesh: a session on a terminal, one command a line from a pipe, a single command, or the dashboard, on
a terminal or in a browser.

Results go to standard output, an error goes as one line to standard error, and the exit code is 0, 1, or 2 for wrong
usage, or says how the hive is, as the reference of wrpmesh says. An unexpected exception is reported as one line, too,
not as a traceback.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wrpme import errors
from wrpme.files import hives
from wrpme.files.file_text import read
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.shell.access.passwords import said_by
from wrpme.shell.access.users import let_in
from wrpme.shell.arguments import Options, parse_options
from wrpme.shell.commands import Command
from wrpme.shell.console import Console
from wrpme.shell.execute import Answer
from wrpme.shell.parsing import parse_words
from wrpme.shell.session import Shell, exit_code, internal, lacking, tell_defects

if TYPE_CHECKING:
    from wrpme.client.client import Client
    from wrpme.protocol.address import Address

INTERRUPTED, READER_GONE, HUNG_UP, TERMINATED = 130, 141, 129, 143
"""The exit codes after Ctrl-C, SIGPIPE, SIGHUP and SIGTERM, as shells have them."""


async def serve(options: Options, command: Command | None, console: Console, password: str | None = None) -> int:
    """Runs the command, or a session where there is none. ``password`` is that of the user, if there is one. Returns
    the exit code."""
    from wrpme.client.client import Client
    from wrpme.client.requests.request_ids import request_id

    tell_defects(console)
    with_id = request_id(options.request_id) if options.request_id else nullcontext()
    with with_id:
        async with Client(options.daemons, options.timeout, options.tls, options.user or None, password) as client:
            if command is None and sys.stdin.isatty() and console.terminal:
                if options.tls_ca:
                    await let_in(client)
                return await _interactive(client, console)
            from wrpme.shell.stdin import InputLines

            shell = Shell(client, console, InputLines(0, console.put_question))
            if command is not None:
                await shell.run(command, line_mode=False)
                return exit_code(shell.failed) or shell.code
            await shell.lines()
            return 1 if shell.failed else 0


async def _ended_by_signals(session: Coroutine[Any, Any, int]) -> int:
    """Runs a session, which SIGTERM and SIGHUP end in order: the terminal is left as it was, and no node runs on.
    Returns its exit code."""
    import asyncio
    import signal

    received: list[int] = []
    task = asyncio.ensure_future(session)
    loop = asyncio.get_running_loop()

    def end(number: int, _: object) -> None:
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    # Not loop.add_signal_handler: the loop gets signals through a pipe, which many keys at once fill, and then a signal
    # is lost.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    code = 0
    try:
        code = await task
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
    return 128 + received[0] if received else code


async def _interactive(client: Client, console: Console) -> int:
    import asyncio
    import signal

    try:
        from wrpme.shell.prompt import Terminal
    except ImportError as error:
        needed = f"a session needs {lacking(error)}; pipes and single commands work without"
        raise errors.StartError(needed) from None

    shell = Shell(client, console, Terminal(client, console.stream))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, shell.interrupt)
    await shell.lines()
    return 0


def run(arguments: Sequence[str], console: Console) -> int:
    """Does what the command line asks for. Returns the exit code.

    Raises:
        WrpmeError: the command line is wrong, or what it asks for can't be begun.
    """
    words = [os.fsencode(argument).decode("utf-8", "surrogateescape") for argument in arguments]
    options = parse_options(words, os.environ, _option_file(), lambda path: read(path, may_miss=True), hives.known_of)
    if options.answer:
        console.answer(Answer(text=options.answer), line_mode=False)
        return 0
    command = parse_words(options.words) if options.words else None
    if command is not None and command.lacks_content:
        command = command.with_content(_standard_input())
    import asyncio

    if options.web:
        return asyncio.run(_ended_by_signals(_in_browsers(options, options.web, console)))
    if command is not None and not command.spec.asks_hive:
        options = replace(options, user="", password_file="")
    password = said_by(options)
    if options.tui:
        return asyncio.run(_ended_by_signals(_dashboard(options, console, password)))
    if options.hive:
        from wrpme.shell.local_hive import LocalHive, serve_local

        def session(hive: LocalHive) -> Coroutine[Any, Any, int]:
            return serve(replace(options, daemons=tuple(hive.addresses)), command, console)

        return asyncio.run(_ended_by_signals(serve_local(options.hive, session, console)))
    return asyncio.run(_ended_by_signals(serve(options, command, console, password)))


def _dashboard(options: Options, console: Console, password: str | None) -> Coroutine[Any, Any, int]:
    """Returns the session of the dashboard.

    Raises:
        UsageError: there is no terminal, or a package is missing that only the dashboard needs.
    """
    if not (sys.stdin.isatty() and console.terminal):
        raise errors.UsageError("the dashboard needs a terminal; without --tui wrpmesh works in pipes and scripts")
    try:
        from wrpme.tui.launch import serve as serve_dashboard  # here: no other mode pays for it
    except ImportError as error:
        raise errors.UsageError(f"the dashboard needs {lacking(error, 'wrpme[tui]')}") from None
    return serve_dashboard(options, console, password)


def _in_browsers(options: Options, address: Address, console: Console) -> Coroutine[Any, Any, int]:
    """Returns the service that shows the dashboard in browsers.

    Raises:
        UsageError: a package is missing that only this needs.
    """
    try:
        from wrpme.tui.web.server import serve as serve_web
    except ImportError as error:
        raise errors.UsageError(f"the dashboard in a browser needs {lacking(error, 'wrpme[web]')}") from None
    return serve_web(options, address, console)


def _option_file() -> str:
    """Returns where the user's options are."""
    return os.path.join(hives.config_directory(), "wrpmesh.toml")


def _standard_input() -> bytes:
    content = sys.stdin.buffer.read(CONTENT_BYTES_MAX + 1)
    if len(content) > CONTENT_BYTES_MAX:
        raise errors.TooLargeError(f"standard input has more than the {CONTENT_BYTES_MAX} bytes (64 MiB) of a content")
    return content


def main() -> None:
    """The command ``wrpmesh``."""
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "r+")):
        if getattr(sys, name) is None:  # the caller closed it; without this a socket would get its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - results can't be written to it: that is told
    console = Console()
    code = _ended(lambda: run(sys.argv[1:], console), console)

    def all_written() -> int:
        console.finish()
        return code

    if code not in (INTERRUPTED, HUNG_UP, TERMINATED):  # else nobody waits for a slow reader
        code = _ended(all_written, console)
    console.finish_soon()
    sys.exit(code)


def _ended(work: Callable[[], int], console: Console) -> int:
    """Returns the exit code of the work, however it ends."""
    try:
        return work()
    except errors.WrpmeError as error:
        console.error(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except Exception as error:
        console.error(internal(error))
        return 1


if __name__ == "__main__":
    main()
