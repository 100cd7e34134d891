"""What a paste means to a shell. Pure: line mode and the dashboard share it.

A paste of one line is typed, to be looked at before it is entered. Several lines are commands: they are carried out one
after the other, as if each had been entered, until one fails.
"""

from __future__ import annotations


def pasted_lines(text: str, before: str = "", after: str = "") -> list[str]:
    """Returns the lines that a line becomes when a text is pasted between ``before`` and ``after``. A line end at the
    end of the text ends its last line, and begins none; after a single line it means nothing."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ended = len(lines) > 1 and not lines[-1]
    if ended:
        lines.pop()
    lines[0] = before + lines[0]
    if len(lines) > 1 and ended and after:
        lines.append(after)
    else:
        lines[-1] += after
    return lines


def left_text(count: int) -> str:
    """Returns the sentence about so many lines that were pasted, or typed ahead, and were not carried out."""
    lines = "1 more line that waited was" if count == 1 else f"{count:,} more lines that waited were"
    return f"{lines} not carried out"
