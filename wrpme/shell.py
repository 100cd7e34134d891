"""wrpmesh in line mode: interactive on a terminal, one command a line from a pipe, or a single command.

What it says is fixed in the reference of wrpmesh: results on standard output, an error as one line on standard error,
exit code 0, 1, or 2 for wrong usage. Whatever happens, nobody sees a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from wrpme import __version__, errors
from wrpme import address as addresses
from wrpme.answers import Answer, carry_out, escaped, question, shown
from wrpme.commands import Command, nearest, parse, parse_words
from wrpme.limits import CONTENT_BYTES_MAX, LOCAL_NODES_MAX, TIMEOUT_SECONDS, TIMEOUT_SECONDS_MAX

if TYPE_CHECKING:
    import asyncio

    from wrpme.bootstrap.progress import Reporter
    from wrpme.client import Client

DAEMON = addresses.DEFAULT
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

USAGE = f"""\
wrpmesh [--daemon HOST:PORT]... [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --tui [--daemon HOST:PORT]... [--record FILE]
wrpmesh --tui --replay FILE
wrpmesh --hive N [--tui] [COMMAND [ARGUMENT...]]

The shell of a wrpme hive. Without COMMAND: interactive, or one command a line from standard input.

  --daemon HOST:PORT  a node of the hive, {DAEMON} if not given; several may be, the first that answers serves
  --timeout SECONDS   how long a command may take, its retries included; {TIMEOUT_SECONDS:g} if not given
  --hive N            start a hive of N nodes in ./hive first, and stop it at the end
  --tui               open the dashboard: the shell beside a live picture of the hive
  --record FILE       keep all that the dashboard sees in FILE, a new one, for --replay
  --replay FILE       show what was recorded there (or printed by wrpmesh watch)
  --version           print the version
  -h, --help          print this

wrpmesh help lists the commands."""


_WITH_VALUE = ("--daemon", "--timeout", "--hive", "--record", "--replay")


class Options(Struct, frozen=True):
    """What the command line said. ``answer`` is all there is to do where it is given."""

    daemons: tuple[str, ...] = (DAEMON,)
    timeout: float = TIMEOUT_SECONDS
    hive: int = 0
    tui: bool = False
    record: str = ""
    replay: str = ""
    words: tuple[str, ...] = ()
    answer: str = ""


def parse_options(arguments: Sequence[str]) -> Options:
    """The options before COMMAND, and its words.

    Raises:
        UsageError
    """
    daemons: list[str] = []
    given: dict[str, Any] = {}
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        option, equals, value = arguments[at].partition("=")
        at += 1
        if option == "--" and not equals:
            break
        if option in ("-h", "--help", "--version"):
            return Options(answer=f"wrpme {__version__}" if option == "--version" else USAGE)
        if option == "--tui" and not equals:
            given["tui"] = True
            continue
        if option not in _WITH_VALUE:
            near = nearest(option, (*_WITH_VALUE, "--tui", "--version", "--help"))
            hint = f"did you mean {near}?" if near else "wrpmesh --help lists them"
            raise errors.UsageError(f"there is no option {option}; {hint}")
        if not equals:
            if at == len(arguments):
                raise errors.UsageError(f"{option} needs a value; wrpmesh --help tells which")
            value = arguments[at]
            at += 1
        if option == "--daemon":
            addresses.parse(value)
            daemons.append(value)
        elif option == "--timeout":
            given["timeout"] = _number(option, value, 0.001, TIMEOUT_SECONDS_MAX, "seconds")
        elif option == "--hive":
            given["hive"] = int(_number(option, value, 1, LOCAL_NODES_MAX, "nodes"))
        else:
            given[option[2:]] = value
    options = Options(tuple(daemons) or (DAEMON,), words=tuple(arguments[at:]), **given)
    _check_together(options, bool(daemons))
    return options


def _check_together(options: Options, daemons: bool) -> None:
    if daemons and options.hive:
        raise errors.UsageError("--hive starts a hive of its own: it can't be given together with --daemon")
    if (options.record or options.replay) and not options.tui:
        name = "--record" if options.record else "--replay"
        raise errors.UsageError(f"{name} is for the dashboard: it needs --tui")
    if options.tui and options.words:
        raise errors.UsageError("--tui opens the dashboard, which takes no COMMAND; type it there")
    if options.replay and (daemons or options.hive or options.record):
        raise errors.UsageError("--replay shows what is past: it can't be given with --daemon, --hive or --record")


def _number(option: str, value: str, low: float, high: float, unit: str) -> float:
    try:
        number = float(value)
        if low <= number <= high and (unit != "nodes" or number.is_integer()):
            return number
    except ValueError:
        pass
    raise errors.UsageError(f'{option} is "{value}", but should be a number of {unit} from {low:g} to {high:g}')


class Output(Protocol):
    """Where results and errors go."""

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result."""

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error: one line."""

    def reporter(self, prompt: Prompt) -> Reporter:
        """Shows what goes on on other machines."""


class Console:
    """Standard output and standard error, as the reference wants them; unbuffered."""

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self._out = out
        self._err = err
        self.terminal = os.isatty(out)

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result: a content bit for bit into a pipe, escaped on a terminal; in line mode with a line end.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """
        if answer.content is not None:
            data = answer.content
            if self.terminal:
                data = shown(data).encode()
            if line_mode or (self.terminal and data and not data.endswith(b"\n")):
                data += b"\n"
        elif answer.text is not None:
            text = escaped(answer.text) if self.terminal else answer.text
            data = f"{text}\n".encode("utf-8", "surrogateescape")
        else:
            return
        try:
            _write(self._out, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise errors.StorageError(f"the result can't be written to the output ({error.strerror})") from None

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error: one line."""
        line = escaped(" ".join(str(error).split("\n")), keep="")
        with suppress(OSError):  # there may be nowhere left to tell it
            _write(self._err, f"{line}\n".encode("utf-8", "replace"))

    def reporter(self, prompt: Prompt) -> Reporter:
        """Live lines where somebody can see them."""
        from wrpme.bootstrap.progress import LiveLines, PlainLines

        seen = os.isatty(self._err)
        kind = LiveLines if seen else PlainLines
        return kind(prompt.confirmation, seen and os.isatty(0), self._out, self._err)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever shares the terminal with us made it so
            import select

            select.select([], [descriptor], [])


class Prompt(Protocol):
    """Where lines come from."""

    async def line(self) -> str | None:
        """The next line without its end, None at the end of all. Bytes that are not UTF-8: surrogate escapes."""

    async def confirmation(self, question: str) -> str:
        """The answer to a question."""


class Shell:
    """Carries out commands of one session, one after the other."""

    def __init__(self, client: Client, console: Output, prompt: Prompt) -> None:
        self._client = client
        self._console = console
        self._prompt = prompt
        self._running: asyncio.Task[Answer] | None = None
        self.failed: errors.WrpmeError | None = None
        """The last error, for the exit code."""

    async def lines(self) -> None:
        """All lines up to the end or ``exit``."""
        while (line := await self._prompt.line()) is not None:
            try:
                command = parse(line)
            except errors.WrpmeError as error:
                self._fail(error)
                continue
            if command is None:
                continue
            if command.name == "exit":
                break
            await self.run(command, line_mode=True)

    async def run(self, command: Command, line_mode: bool) -> None:
        """Carries out one command and prints what comes of it."""
        import asyncio

        try:
            if command.lacks_content:
                raise errors.UsageError(f"{command.name} needs CONTENT; it is written: {command.spec.syntax}")
            asked = await question(self._client, command)
            if asked and (await self._prompt.confirmation(asked)).strip() != "yes":
                raise errors.UsageError(f"{command.name} was not carried out: it takes the word yes, or --yes")
            self._running = asyncio.ensure_future(self._answer(command))
            self._console.answer(await self._running, line_mode)
        except asyncio.CancelledError:
            if self._running is not None and command.spec.changes:
                rest = "it may or may not have been carried out"
                if command.spec.remote:
                    rest = "what is half done is finished when the command is given again"
                self._fail(errors.IndeterminateError(f"{command.name} was interrupted; {rest}"))
            session = asyncio.current_task()
            if session is None or session.cancelling():  # not only the command
                raise
        except errors.WrpmeError as error:
            self._fail(error)
        except (KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:
            self._fail(internal(error))
        finally:
            self._running = None

    async def _answer(self, command: Command) -> Answer:
        if command.name == "watch":
            return await self._watch()
        return await (self._on_machines(command) if command.spec.remote else carry_out(self._client, command))

    async def _on_machines(self, command: Command) -> Answer:
        """What is done over SSH, which costs what only it needs."""
        try:
            from wrpme.bootstrap import verbs
        except ImportError as error:
            raise errors.StartError(f"{command.name} needs {_package(error)}") from None

        def show(text: str) -> None:
            self._console.answer(Answer(text=text), line_mode=True)

        async def members() -> list[str]:
            return [node.member.address for node in (await self._client.hive_status()).nodes]

        await verbs.run(command.name, command.words, self._console.reporter(self._prompt), show, members)
        return Answer()

    async def _watch(self) -> Answer:
        """Prints each sighting when it comes, until it is interrupted."""
        from wrpme.sightings import to_line

        async with self._client.watch() as watching:
            async for sighting in watching:
                self._console.answer(Answer(text=to_line(sighting).decode()), line_mode=True)
        return Answer()

    def interrupt(self) -> None:
        """Cancels the command that runs, if there is one."""
        if self._running is not None:
            self._running.cancel()

    def _fail(self, error: errors.WrpmeError) -> None:
        self.failed = error
        self._console.error(error)


def internal(error: BaseException) -> errors.InternalError:
    """An exception that nobody expected, as one sentence."""
    return errors.InternalError(f"{type(error).__name__}: {error}; this is a defect of wrpmesh, please report it")


def exit_code(error: errors.WrpmeError | None) -> int:
    """0 without an error, 2 for wrong usage, else 1."""
    if error is None:
        return 0
    return 2 if isinstance(error, (errors.UsageError, errors.NoSuchCommandError)) else 1


# --- the three modes ---------------------------------------------------------------------------------------------


async def serve(options: Options, command: Command | None, console: Console) -> int:
    """Runs the command, or the session; the exit code."""
    import asyncio

    from wrpme.client import Client

    def unexpected(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        console.error(internal(context.get("exception") or RuntimeError(context["message"])))

    asyncio.get_running_loop().set_exception_handler(unexpected)
    async with Client(options.daemons, options.timeout) as client:
        if command is None and sys.stdin.isatty() and console.terminal:
            return await _interactive(client, console)
        from wrpme.lines import InputLines

        shell = Shell(client, console, InputLines(0))
        if command is not None:
            await shell.run(command, line_mode=False)
            return exit_code(shell.failed)
        await shell.lines()
        return 1 if shell.failed else 0


async def _ended_by_signals(session: Coroutine[Any, Any, int]) -> int:
    """Runs a session; SIGTERM and SIGHUP end it in order: the terminal is left as it was, and no node behind."""
    import asyncio
    import signal

    received: list[int] = []
    task = asyncio.ensure_future(session)
    loop = asyncio.get_running_loop()

    def end(number: int, _: object) -> None:
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    # Not those of the loop: it hears of a signal through a pipe, which many keys at once fill, and then hears nothing.
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
        from wrpme.interactive import Terminal
    except ImportError as error:
        needed = f"a session needs {_package(error)}; pipes and single commands work without"
        raise errors.StartError(needed) from None

    shell = Shell(client, console, Terminal(client))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, shell.interrupt)
    await shell.lines()
    return 0


def run(arguments: Sequence[str], console: Console) -> int:
    """All of wrpmesh; the exit code."""
    options = parse_options([os.fsencode(argument).decode("utf-8", "surrogateescape") for argument in arguments])
    if options.answer:
        console.answer(Answer(text=options.answer), line_mode=False)
        return 0
    command = parse_words(options.words) if options.words else None
    if command is not None and command.lacks_content and not sys.stdin.isatty():
        command = command.with_content(_standard_input())
    import asyncio

    if options.tui:
        return asyncio.run(_ended_by_signals(_dashboard(options, console)))
    if options.hive:
        from wrpme.local import LocalHive, serve_local

        def session(hive: LocalHive) -> Coroutine[Any, Any, int]:
            return serve(replace(options, daemons=tuple(hive.addresses)), command, console)

        return asyncio.run(_ended_by_signals(serve_local(options.hive, session)))
    return asyncio.run(_ended_by_signals(serve(options, command, console)))


def _dashboard(options: Options, console: Console) -> Coroutine[Any, Any, int]:
    """The terminal app stands above this floor, and costs what only it needs: loaded by its name."""
    import importlib

    if not (sys.stdin.isatty() and console.terminal):
        raise errors.UsageError("the dashboard needs a terminal; without --tui wrpmesh works in pipes and scripts")
    try:
        launch = importlib.import_module("wrpme.tui.launch")
    except ImportError as error:
        raise errors.StartError(f"the dashboard needs {_package(error)}") from None
    session: Coroutine[Any, Any, int] = launch.serve(options)
    return session


def _package(error: ImportError) -> str:
    """What is missing, and what to do. To other machines only a part of wrpme is sent."""
    name = error.name or "?"
    if name.startswith("wrpme"):
        return f"the whole of wrpme, and {name} is not on this machine: use the wrpmesh that made the hive"
    return f"the package {name}: pip install {name}"


def _standard_input() -> bytes:
    content = sys.stdin.buffer.read(CONTENT_BYTES_MAX + 1)
    if len(content) > CONTENT_BYTES_MAX:
        raise errors.TooLargeError(f"standard input has more than the {CONTENT_BYTES_MAX} bytes (64 MiB) of a content")
    return content


def main() -> None:
    """The command ``wrpmesh``."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us; no socket may get its number
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115 - for as long as the process lives
    console = Console()
    try:
        code = run(sys.argv[1:], console)
    except errors.WrpmeError as error:
        console.error(error)
        code = exit_code(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0  # whoever read has seen enough
    except Exception as error:
        console.error(internal(error))
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
