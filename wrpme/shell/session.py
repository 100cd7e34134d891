"""A session of wrpmesh: it carries out commands one after the other, and prints their results and errors.

A session has a client, an :class:`Output` and a :class:`Prompt`; the program that opens it chooses those: a pipe, a
terminal, a pane of the dashboard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from wrpme import errors
from wrpme.protocol.quoting import bytes_of, shown
from wrpme.shell.access.passwords import new_password
from wrpme.shell.batch import END, SIGN, Collected, GivenUp
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse
from wrpme.shell.execute import Answer, Line, carry_out, entry_line, question
from wrpme.shell.format import change_json, json_text
from wrpme.shell.limits import OUTPUT_PIECE_BYTES, SCAN_LINES_MAX
from wrpme.shell.paste import left_text

if TYPE_CHECKING:
    import asyncio

    from wrpme.bootstrap.reporter import Reporter
    from wrpme.client.client import Client

T = TypeVar("T")


class Output(Protocol):
    """The place where results and errors go. Printing returns at once, and never waits for the reader."""

    entries_max: int | None
    """So many entries of a scan are printed; None where there is no bound."""

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result."""

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error: one line."""

    def note(self, text: str) -> None:
        """Prints a sentence that is neither a result nor an error."""

    async def drain(self) -> None:
        """Returns when all that was printed has been written. What is not yet written when the caller is cancelled is
        dropped.

        Raises:
            BrokenPipeError: nobody reads any more.
            StorageError: the output takes no more.
        """

    def reporter(self, confirm: Callable[[str], Awaitable[str]]) -> Reporter:
        """Returns what shows the progress on other machines; ``confirm`` puts a question and returns the answer."""


class Prompt(Protocol):
    """The source of lines."""

    @property
    def is_corrected(self) -> bool:
        """Whether what is wrong is typed again."""

    async def line(self, sign: str = "") -> str | None:
        """Returns the next line without its end, or None after the last one. Bytes that are not UTF-8 become surrogate
        escapes. ``sign`` stands before a line that belongs to a command.

        Raises:
            GivenUp: the operator gave up a line with a sign.
        """

    async def confirmation(self, question: str) -> str:
        """Puts a question and returns the answer."""

    async def secret(self, question: str) -> str:
        """Puts a question, and returns what is typed without showing it; no history keeps it.

        Raises:
            UsageError: there is nobody to be asked.
        """

    def drop_pasted(self) -> int:
        """Drops the lines that were pasted together with the last one, and on a terminal that does not say what is a
        paste, all that came before its result; returns how many they were."""


class Shell:
    """Carries out the commands of one session, one after the other."""

    def __init__(
        self,
        client: Client,
        console: Output,
        prompt: Prompt,
        around: Callable[[Command], AbstractContextManager[None]] = nullcontext,  # type: ignore[assignment]
    ) -> None:
        self._client = client
        self._around = around
        self._console = console
        self._prompt = prompt
        self._running: asyncio.Task[Any] | None = None
        self.failed: errors.WrpmeError | None = None
        """The last error, which decides the exit code."""
        self.code = 0
        """The exit code of the last command that did not fail."""

    async def lines(self) -> None:
        """Carries out all lines up to the last one or ``exit``; an error does not end the session."""
        await self._lines()
        await self._console.drain()

    async def _lines(self) -> None:
        while (line := await self._prompt.line()) is not None:
            try:
                command = parse(line)
            except errors.WrpmeError as error:
                self._fail(error)
                await self._console.drain()
                if line.split()[:1] == ["batch"] and not self._prompt.is_corrected:
                    await self._drop_batch()
                continue
            if command is None:
                continue
            if command.name == "exit":
                self._end_paste()
                break
            await self.run(command, line_mode=True)
            await self._console.drain()

    async def run(self, command: Command, line_mode: bool) -> None:
        """See :meth:`_run`; ``around`` knows of the command as long as it runs."""
        with self._around(command):
            await self._run(command, line_mode)

    async def _run(self, command: Command, line_mode: bool) -> None:
        """Carries out one command and prints its result or its error. In ``line_mode`` a content ends with a line end.

        Raises:
            asyncio.CancelledError: the session itself was cancelled, not only the command.
            BrokenPipeError: nobody reads the output any more.
        """
        import asyncio

        answered = False
        try:
            asked = await question(self._client, command)
            if asked and (await self._prompt.confirmation(asked)).strip() != "yes":
                raise errors.UsageError(f"{command.name} was not carried out: it takes the word yes, or --yes")
            password = await new_password(command, self._prompt)
            answer = await self._begin(self._answer(command, password))
            answered = True
            self.code = answer.code
            self._console.answer(answer, line_mode)
            await self._begin(self._console.drain())
            for failure in answer.failures:
                self._fail(failure)
        except (asyncio.CancelledError, GivenUp) as ended:
            if answered and line_mode:
                self._console.answer(Answer(text=""), line_mode)  # what was cut off did not end its line
            if isinstance(ended, GivenUp):
                self._console.note(f"{command.name} was given up; nothing was sent")
            elif self._running is not None and command.spec.changes:
                self._tell_interrupted(command, answered)
            self._end_paste()
            session = asyncio.current_task()
            if session is None or session.cancelling():  # not only the command
                raise asyncio.CancelledError from None
        except errors.WrpmeError as error:
            await self._console.drain()  # what was printed before it
            self._fail(error)
        except (KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:
            self._fail(internal(error))
        finally:
            self._running = None

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins what Ctrl-C interrupts."""
        import asyncio

        task = asyncio.ensure_future(work)
        self._running = task
        return task

    def _tell_interrupted(self, command: Command, answered: bool) -> None:
        if answered:
            self._console.note(f"{command.name} was carried out; the rest of what it prints was dropped")
        elif command.spec.remote or command.name in ("hive_import", "hive_restore"):
            rest = "what is half done is finished when the command is given again"
            self._fail(errors.IndeterminateError(f"{command.name} was interrupted; {rest}"))
        else:
            rest = "it may or may not have been carried out"
            self._fail(errors.IndeterminateError(f"{command.name} was interrupted; {rest}"))

    async def _answer(self, command: Command, password: str) -> Answer:
        if command.name == "watch":
            return await self._watch()
        if command.name == "follow":
            return await self._follow(command)
        if command.name == "scan":
            return await self._scan(command)
        if command.name == "hive_import":
            return await (self._backup(command) if isinstance(command.source, str) else self._import(command))
        if command.name in ("hive_backup", "hive_restore", "hive_export"):
            return await self._backup(command)
        if command.name == "batch":
            return await (await self._collected(command)).commit()
        if command.name == "set_replication":
            return await self._in_steps(command)
        if command.spec.remote:
            return await self._on_machines(command)
        return await carry_out(self._client, command, password=password)

    async def _on_machines(self, command: Command) -> Answer:
        """Carries out a command over SSH. The imports are here: no other command pays for them."""
        try:
            from wrpme.bootstrap import commands
        except ImportError as error:
            raise errors.UsageError(f"{command.name} needs {lacking(error, 'wrpme[ssh]')}") from None

        shown: list[str] = []

        async def members() -> list[str]:
            return [node.member.address for node in (await self._client.hive_status()).nodes]

        reporter = self._console.reporter(self._prompt.confirmation)
        try:
            await commands.run(command.name, command.words, reporter, shown.append, members)
        finally:  # also before the error; the reporter is done with the terminal by then
            if shown:
                self._console.answer(Answer(text="\n".join(shown)), line_mode=True)
        return Answer()

    async def _import(self, command: Command) -> Answer:
        """Brings entries over from a Redis. The package that speaks with it is loaded here."""
        try:
            from wrpme.shell.imports.redis_import import imported
        except ImportError as error:
            raise errors.UsageError(f"{command.name} needs {lacking(error, 'wrpme[redis]')}") from None

        assert not isinstance(command.source, str), "a file is read elsewhere"
        source, reporter = command.source, self._console.reporter(self._prompt.confirmation)
        try:
            told = await imported(self._client, source, command.prefix, lambda text: reporter.step(str(source), text))
        finally:
            reporter.close()
        for sentence in told.sentences:
            self._console.note(sentence)
        return Answer(text=json_text(told.json) if command.json else told.text, code=int(not told.is_complete))

    async def _in_steps(self, command: Command) -> Answer:
        """Carries out a command that takes long, and shows how far it is."""
        reporter = self._console.reporter(self._prompt.confirmation)
        try:
            return await carry_out(self._client, command, lambda text: reporter.step("hive", text))
        finally:
            reporter.close()

    async def _backup(self, command: Command) -> Answer:
        """Saves the hive to a file, or brings one back; as a backup, or as text."""
        import asyncio

        from wrpme.shell.backups.restore import restored
        from wrpme.shell.backups.save import STANDARD, backed_up, check_only
        from wrpme.shell.backups.text import exported

        if isinstance(command.source, str) and command.source:
            command = replace(command, file=command.source)
        file, reporter = command.file, self._console.reporter(self._prompt.confirmation)

        def progress(text: str) -> None:
            reporter.step(file, text)

        loop = asyncio.get_running_loop()

        def told_elsewhere(text: str) -> None:
            loop.call_soon_threadsafe(progress, text)

        try:
            if command.name in ("hive_restore", "hive_import"):
                told = await restored(self._client, command, progress, told_elsewhere)
                return Answer(text=json_text(told.json) if command.json else told.text, code=int(told.differing > 0))
            if command.name == "hive_export":
                counts, text = await exported(self._client, file, command.csv, progress)
            elif command.check:
                counts, text = await check_only(file, told_elsewhere)
            else:
                counts, text = await backed_up(self._client, file, progress)
        finally:
            reporter.close()
        if command.json:
            text = json_text({"entries": counts.entries, "bytes": counts.size_bytes, "sections": counts.sections})
        if file == STANDARD and not command.check:
            self._console.note(text)
            return Answer()
        return Answer(text=text)

    async def _watch(self) -> Answer:
        """Prints each record of a watch when it comes, until the command is interrupted."""
        from wrpme.client.watch.records import to_line

        async with self._client.watch() as watcher:
            async for record in watcher:
                self._console.answer(Answer(text=to_line(record).decode()), line_mode=True)
                await self._console.drain()
        return Answer()

    async def _follow(self, command: Command) -> Answer:
        """Prints each change of the entries when it comes, until the command is interrupted."""
        async with self._client.follow(command.prefix) as follower:
            async for change in follower:
                self._console.answer(Answer(text=change_json(change)), line_mode=True)
                await self._console.drain()
        return Answer()

    async def _scan(self, command: Command) -> Answer:
        """Prints entries as they come, some at a time."""
        limit, bound = command.limit, self._console.entries_max
        is_cut = bound is not None and (limit is None or limit > bound)
        found = self._client.scan(
            command.prefix,
            contents=command.contents,
            versions=command.versions,
            after=command.after,
            limit=bound if is_cut else limit,
        )
        count, last, lines, size = 0, "", list[Line](), 0
        async with aclosing(found) as entries:
            try:
                async for entry in entries:
                    count, last = count + 1, entry.alias
                    lines.append(entry_line(command, entry))
                    size += len(entry.content or b"")
                    if len(lines) >= SCAN_LINES_MAX or size >= OUTPUT_PIECE_BYTES:
                        await self._print_lines(lines)
                        lines, size = [], 0
            except errors.WrpmeError:
                await self._print_lines(lines)
                raise
        await self._print_lines(lines)
        if is_cut and count == bound:
            self._console.note(f"{count:,} entries; scan --after {shown(bytes_of(last))} goes on")
        return Answer()

    async def _collected(self, command: Command) -> Collected:
        """Reads the lines of a batch.

        Raises:
            WrpmeError: a line is wrong, and nobody is there to type it again.
            GivenUp: the operator gave it up.
        """
        import asyncio

        collected = Collected(self._client, command.each)
        try:
            while (line := await self._prompt.line(SIGN)) is not None:
                try:
                    if not collected.take(line):
                        break
                except errors.WrpmeError as error:
                    if not self._prompt.is_corrected:
                        await self._drop_batch()
                        which = f"line {collected.lines} of the batch"
                        raise type(error)(f"{which}: {error.sentence}; nothing was sent") from None
                    self._tell(type(error)(f"{error.sentence} (the batch goes on without this line)"))
                    await self._console.drain()
        except asyncio.CancelledError:
            raise GivenUp from None
        return collected

    async def _drop_batch(self) -> None:
        """Reads the rest of a batch that is wrong: its lines are no commands by themselves."""
        while (line := await self._prompt.line(SIGN)) is not None and line.strip() != END:
            pass

    async def _print_lines(self, lines: list[Line]) -> None:
        """Prints a part of a result, and returns when it is written."""
        import asyncio

        self._console.answer(Answer(lines=tuple(lines)), line_mode=True)
        try:
            await self._console.drain()
        except asyncio.CancelledError:
            self._console.answer(Answer(text=""), line_mode=True)  # what was cut off did not end its line
            raise

    def interrupt(self) -> None:
        """Cancels the command that runs, if there is one; the session goes on."""
        if self._running is not None:
            self._running.cancel()

    def _fail(self, error: errors.WrpmeError) -> None:
        self.failed = error
        self._tell(error)

    def _tell(self, error: errors.WrpmeError) -> None:
        self._console.error(error)
        self._end_paste()

    def _end_paste(self) -> None:
        """Gives up what was pasted after the line that did not do what it should, and says how much that was."""
        left = self._prompt.drop_pasted()
        if left:
            self._console.note(left_text(left))


def internal(error: BaseException) -> errors.InternalError:
    """Returns an unexpected exception as one sentence."""
    return errors.InternalError(f"{type(error).__name__}: {error}; this is a defect of wrpmesh, please report it")


def tell_defects(console: Output) -> None:
    """Prints as one sentence what goes wrong in the running loop and outside of what anybody waits for."""
    import asyncio

    def unexpected(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        console.error(internal(context.get("exception") or RuntimeError(context["message"])))

    asyncio.get_running_loop().set_exception_handler(unexpected)


def exit_code(error: errors.WrpmeError | None) -> int:
    """Returns 0 without an error, 2 for wrong usage, else 1."""
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
