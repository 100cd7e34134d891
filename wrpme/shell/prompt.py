"""wrpmesh on a terminal: line editing, history and completion. Loaded only there."""

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
    """The lines of a file, as prompt_toolkit wants them."""

    def __init__(self, file: LineFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        return reversed(self._file.load())

    def store_string(self, string: str) -> None:
        """Appends a line."""
        self._file.append(string)


class _Words(Completer):
    """Commands with their options, the nodes that the client knows, and files where one is wanted."""

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
    """In a colour of its own, though the usual one: prompt_toolkit would jump over a space at the end otherwise."""
    return FormattedText([("fg:default", text)])


class Terminal:
    """Asks the operator for lines."""

    def __init__(self, client: Client) -> None:
        # Without this, prompt_toolkit asks the terminal where its cursor is, and complains to the operator if it does
        # not say; only menus below the line need it, and there are none.
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
        """The next line; Ctrl-C gives up the one being typed, Ctrl-D on an empty one leaves."""
        while True:
            try:
                return await self._session.prompt_async(_prompt(PROMPT), handle_sigint=False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None

    async def confirmation(self, question: str) -> str:
        """The answer, which no history keeps."""
        try:
            session: PromptSession[str] = PromptSession(history=DummyHistory())
            return await session.prompt_async(_prompt(question), handle_sigint=False)
        except (KeyboardInterrupt, EOFError):
            return ""
