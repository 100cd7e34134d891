"""A session of wrpmesh: commands are carried out one after the other, and what comes of them is printed.

Where lines come from and where results go is for whoever opens the session: a pipe, a terminal, a pane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wrpme import errors
from wrpme.shell.commands import Command, parse
from wrpme.shell.format import Answer, carry_out, question

if TYPE_CHECKING:
    import asyncio

    from wrpme.bootstrap.reporter import Reporter
    from wrpme.client.client import Client


class Output(Protocol):
    """Where results and errors go."""

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result."""

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error: one line."""

    def reporter(self, prompt: Prompt) -> Reporter:
        """Shows what goes on on other machines."""


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
            from wrpme.bootstrap import commands
        except ImportError as error:
            raise errors.UsageError(f"{command.name} needs {lacking(error, 'wrpme[ssh]')}") from None

        def show(text: str) -> None:
            self._console.answer(Answer(text=text), line_mode=True)

        async def members() -> list[str]:
            return [node.member.address for node in (await self._client.hive_status()).nodes]

        await commands.run(command.name, command.words, self._console.reporter(self._prompt), show, members)
        return Answer()

    async def _watch(self) -> Answer:
        """Prints each sighting when it comes, until it is interrupted."""
        from wrpme.client.watch.records import to_line

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


def lacking(error: ImportError, requirement: str = "") -> str:
    """What an import found missing, and the command that brings it: pip installs ``requirement``, or that package where
    none is given. To other machines only a part of wrpme is sent."""
    name = error.name or "?"
    if name.startswith("wrpme"):
        return f"the whole of wrpme, and {name} is not on this machine: use the wrpmesh that made the hive"
    package = name.partition(".")[0]
    return f"the package {package}, which is not installed: pip install '{requirement or package}'"
