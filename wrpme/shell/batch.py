"""Batches of the shell: operations on lines, which are committed together or each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wrpme.errors import TooLargeError, UsageError, WrpmeError
from wrpme.limits import MIB, TRANSACTION_BYTES_MAX, TRANSACTION_REQUESTS_MAX
from wrpme.shell.commands import Command
from wrpme.shell.execute import Answer, Line, answer_of, asked_of
from wrpme.shell.parsing import parse

if TYPE_CHECKING:
    from wrpme.client.client import Client

END = "."
SIGN = ". "
"""Stands before each line that an operator types of a batch."""
DONE = "ok"
"""What is printed of an operation that prints nothing by itself."""


class GivenUp(Exception):
    """An operator gave up what was being typed."""


class Operation(NamedTuple):
    """A part of a batch, and the line that it stands on, counted from 1."""

    line: int
    command: Command


class Collected:
    """What was read of a batch; with ``each``, its operations are carried out each by itself."""

    def __init__(self, client: Client, each: bool) -> None:
        self._batch = client.batch(each=each)
        self._each = each
        self._operations: list[Operation] = []
        self._bytes = 0
        self.lines = 0
        """So many were read."""

    def take(self, line: str) -> bool:
        """Takes a line; returns whether another one may follow.

        Raises:
            WrpmeError: the line is none of a batch, or would be too much for it. It was not taken.
        """
        self.lines += 1
        if line.strip() == END:
            return False
        command = parse(line)
        if command is None:
            return True
        if not command.spec.in_batch:
            raise UsageError(
                f"{command.name} can't be a part of a batch: it has operations on one entry each, such as put or add, "
                "and the conditions if_version, if_absent and if_content"
            )
        size = len(command.alias) + len(command.content or b"") + len(command.comparand)
        if len(self._operations) >= TRANSACTION_REQUESTS_MAX:
            raise UsageError(f"a batch has at most {TRANSACTION_REQUESTS_MAX} operations; divide it")
        if self._bytes + size > TRANSACTION_BYTES_MAX:
            limit = TRANSACTION_BYTES_MAX // MIB
            raise TooLargeError(f"the aliases and contents of the batch have more than {limit} MiB; divide it")
        asked_of(self._batch, command)
        self._operations.append(Operation(self.lines, command))
        self._bytes += size
        return True

    async def commit(self) -> Answer:
        """Carries the operations out, and returns a line for each, in their order.

        Raises:
            WrpmeError: they were not carried out, all of them; the sentence names the one that failed.
        """
        try:
            outcomes = await self._batch.commit()
        except WrpmeError as error:
            if error.operation is None:
                raise
            raise self._named(error, error.operation, "; nothing was changed") from None
        lines, failures = [], []
        for number, (operation, outcome) in enumerate(zip(self._operations, outcomes, strict=True)):
            if isinstance(outcome, WrpmeError):
                lines.append(Line(outcome.word))
                failures.append(self._named(outcome, number))
            else:
                lines.append(_line(answer_of(operation.command, outcome)))
        return Answer(lines=tuple(lines), failures=tuple(failures))

    def _named(self, error: WrpmeError, number: int, end: str = "") -> WrpmeError:
        """An error of an operation with its number and line."""
        operation = self._operations[number]
        which = f"operation {number + 1} of {len(self._operations)}"
        sentence = error.sentence.removeprefix(f"{which}: ").removesuffix(end)
        return type(error)(f"{which} (line {operation.line}, {operation.command.name}): {sentence}{end}")


def _line(answer: Answer) -> Line:
    """An answer as one line of several. A content is in quotes, so that it is no other answer."""
    if answer.content is not None:
        return Line(content=answer.content, in_quotes=True)
    return Line(DONE if answer.text is None else answer.text)
