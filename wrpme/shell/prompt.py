"""wrpmesh on a terminal: line editing, history and completion. Only a session on a terminal loads this module."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from wrpme.shell.completion import complete, takes_file
from wrpme.shell.history import LineFile

if TYPE_CHECKING:
    from wrpme.client.client import Client

PROMPT = "> "


class LineHistory(History):
    """The lines of a file, in the form that prompt_toolkit asks for."""

    def __init__(self, file: LineFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """Yields the lines, the newest first."""
        return reversed(self._file.load())

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
    """Asks the operator for lines and for answers."""

    def __init__(self, client: Client) -> None:
        # Without this, prompt_toolkit asks the terminal for the position of its cursor, and complains to the operator
        # where the terminal does not answer; only menus below the line need the position, and there are none.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._session: PromptSession[str] = PromptSession(
            history=LineHistory(LineFile.of_user()),
            completer=_Words(client),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_history_search=True,
            style=Style([("aborting", "fg:default"), ("exiting", "fg:default")]),  # not greyed
        )

    async def line(self) -> str | None:
        """Returns the next line, or None after Ctrl-D on an empty line; Ctrl-C gives up the line being typed."""
        while True:
            try:
                return await self._session.prompt_async(_prompt(PROMPT), handle_sigint=False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None

    async def confirmation(self, question: str) -> str:
        """Puts a question and returns the answer, which no history keeps; Ctrl-C and Ctrl-D answer with nothing."""
        try:
            session: PromptSession[str] = PromptSession(history=DummyHistory())
            return await session.prompt_async(_prompt(question), handle_sigint=False)
        except (KeyboardInterrupt, EOFError):
            return ""
