"""wrpmesh on a terminal: line editing, history and completion. Only a session on a terminal loads this module."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import PasswordProcessor
from prompt_toolkit.output import create_output
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import is_dumb_terminal

from wrpme.errors import UsageError
from wrpme.shell.access.passwords import HOW
from wrpme.shell.batch import GivenUp
from wrpme.shell.completion import complete, takes_file
from wrpme.shell.format import escaped
from wrpme.shell.history import LineFile
from wrpme.shell.limits import PASTE_PAUSE_SECONDS
from wrpme.shell.paste import pasted_lines

if TYPE_CHECKING:
    from wrpme.client.client import Client
    from wrpme.shell.console import Stream

PROMPT = "> "


class LineHistory(History):
    """The lines of a file, in the form that prompt_toolkit asks for."""

    def __init__(self, file: LineFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """Yields the lines, the newest first."""
        return reversed(self._file.load())

    def append_string(self, string: str) -> None:
        """Appends a line to what up and down walk through, and to the file, if it is one to keep."""
        if self._file.keeps(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Appends a line to the file."""
        self._file.append(string)


class _Words(Completer):
    """Completes commands, their options, the nodes that the client knows, and files where a command takes one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        if takes_file(line):
            yield from self._files.get_completions(Document(line.split(" ")[-1]), event)
        start = -len(line.split(" ")[-1])
        for word in complete(line, self._client.known_addresses):
            yield Completion(word, start)


def _prompt(text: str) -> FormattedText:
    """Returns the text in the default colour; without a colour, prompt_toolkit would jump over a space at its end."""
    return FormattedText([("fg:default", text)])


class Terminal:
    """Asks the operator for lines and for answers, and draws on ``stream`` (else on standard output). Of a paste of
    several lines it holds those whose turn has not come."""

    is_corrected = True

    def __init__(self, client: Client, stream: Stream | None = None) -> None:
        # Without this, prompt_toolkit asks the terminal for the position of its cursor, and complains to the operator
        # where the terminal does not answer; only menus below the line need the position, and there are none.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._stream = stream
        drawn = stream is not None and not is_dumb_terminal()  # on a dumb one prompt_toolkit only prints
        self._output = create_output(stdout=cast(TextIO, stream)) if drawn else None
        self._pasted: deque[str] = deque()
        self._brackets_pastes = False
        self._suspending = False
        keys = KeyBindings()
        keys.add(Keys.BracketedPaste)(self._paste)
        keys.add("c-z")(self._suspend)
        self._session: PromptSession[str] = PromptSession(
            history=LineHistory(LineFile.of_user()),
            completer=_Words(client),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_history_search=True,
            key_bindings=keys,
            output=self._output,
            style=Style([("aborting", "fg:default"), ("exiting", "fg:default")]),  # not greyed
        )

    async def line(self, sign: str = "") -> str | None:
        """Returns the next line, or None after Ctrl-D on an empty line; Ctrl-C gives up the line being typed.

        Raises:
            GivenUp: it was a line with a sign of its own.
        """
        if self._pasted:
            return self._next_pasted(sign)
        while True:
            try:
                return await self._asked(self._session, sign or PROMPT)
            except KeyboardInterrupt:
                if sign:
                    raise GivenUp from None
                continue
            except EOFError:
                return None

    async def confirmation(self, question: str) -> str:
        """Puts a question and returns the answer, which no history keeps; Ctrl-C and Ctrl-D answer with nothing. It is
        typed: pasted lines are commands, and answer no question."""
        keys = KeyBindings()
        keys.add("c-z")(self._suspend)
        try:
            session: PromptSession[str] = PromptSession(history=DummyHistory(), key_bindings=keys, output=self._output)
            return await self._asked(session, question)
        except (KeyboardInterrupt, EOFError):
            return ""

    async def secret(self, question: str) -> str:
        """Puts a question, and returns what is typed or pasted, of which no character is shown and nothing kept. Ctrl-C
        and Ctrl-D give the command up.

        Raises:
            GivenUp: so did the operator.
            UsageError: the terminal would show it.
        """
        if is_dumb_terminal():
            raise UsageError(f"this terminal is a dumb one, and would show what is typed; {HOW}")
        keys = KeyBindings()
        keys.add("c-z")(self._suspend)
        keys.add(Keys.BracketedPaste)(lambda event: event.current_buffer.insert_text(event.data.strip("\r\n")))
        session: PromptSession[str] = PromptSession(
            history=DummyHistory(), key_bindings=keys, output=self._output, input_processors=[PasswordProcessor("")]
        )
        try:
            return await self._asked(session, question)
        except (KeyboardInterrupt, EOFError):
            raise GivenUp from None

    def drop_pasted(self) -> int:
        """Drops the pasted lines that wait, and returns how many they were. A terminal that has put no brackets around
        a paste so far may not do so at all: of what waits there, nothing is carried out that was sent before the
        operator could see what went wrong, pasted or typed ahead."""
        count = len(self._pasted) + (0 if self._brackets_pastes else self._drop_waiting())
        self._pasted.clear()
        return count

    def _drop_waiting(self) -> int:
        source = self._session.app.input
        keys = get_typeahead(source)
        with source.raw_mode():
            while select.select([source.fileno()], [], [], PASTE_PAUSE_SECONDS if keys else 0)[0] and not source.closed:
                keys += source.read_keys()
        if any(one.key == Keys.BracketedPaste for one in keys):
            store_typeahead(source, keys)
            return 0
        store_typeahead(source, [one for one in keys if one.key == Keys.ControlD])  # the end stays the end
        entered = [one.key in (Keys.ControlM, Keys.ControlJ) for one in keys if one.key != Keys.ControlD]
        return sum(entered) + (entered[-1:] == [False])

    async def _asked(self, session: PromptSession[str], text: str) -> str:
        loop = asyncio.get_running_loop()

        def resumed(*_: object) -> None:
            if self._suspending:  # prompt_toolkit itself left the terminal, and takes it back
                self._suspending = False
            else:
                loop.call_soon_threadsafe(_take_back, session.app)

        before = signal.signal(signal.SIGCONT, resumed)
        try:
            return await session.prompt_async(_prompt(text), handle_sigint=False)
        finally:
            signal.signal(signal.SIGCONT, before)

    def _paste(self, event: KeyPressEvent) -> None:
        """Types a paste of one line; of several ones enters the first, and keeps the others for their turn."""
        self._brackets_pastes = True
        buffer = event.current_buffer
        document = buffer.document
        lines = pasted_lines(event.data, document.text_before_cursor, document.text_after_cursor)
        if buffer is not self._session.default_buffer:  # a search
            buffer.insert_text(" ".join(pasted_lines(event.data)))
            return
        if len(lines) == 1:
            typed = len(lines[0]) - len(document.text_after_cursor)
            buffer.document = Document(lines[0], typed)
            return
        buffer.document = Document(lines[0])
        self._pasted.extend(lines[1:])
        buffer.validate_and_handle()

    def _next_pasted(self, sign: str) -> str:
        """The pasted line whose turn it is, shown and kept as one that was entered."""
        line = self._pasted.popleft()
        output = self._session.app.output
        output.write(f"{sign or PROMPT}{escaped(line)}\n")
        output.flush()
        self._session.history.append_string(line)
        return line

    def _suspend(self, event: KeyPressEvent) -> None:
        """Leaves the terminal to the shell, as Ctrl-Z does elsewhere."""

        def stop() -> None:
            if self._stream is not None:
                self._stream.finish()  # what is written while the shell has the terminal would disturb it
            os.kill(0, signal.SIGTSTP)

        self._suspending = True
        run_in_terminal(stop)


def _take_back(app: Application[Any]) -> None:
    """Draws the line anew after a SIGSTOP: the shell had the terminal meanwhile."""
    if app.is_running:
        app.input.raw_mode().__enter__()  # what was before is restored by the one that was entered first
        app.renderer.reset()
        app.output.write_raw("\r\x1b[K")
        app.invalidate()
