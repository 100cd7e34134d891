"""What LevelDB does not tell of its logs, and what it takes for damage though it is none.

A power loss may tear the write that was under way, which nobody was told to be done: it is the end of the log. LevelDB
agrees where the file ends there or goes on with zeros; where a checksum is wrong, it refuses the database. In that case
the end is cut off, and kept beside. It is no more than one record: the next write begins when the disk has this one, so
a record with another one behind it was acknowledged, and is damaged.

On the other hand LevelDB passes over a log that is missing, a hole of zeros with records behind it, and an older log
that ends in the middle of a record. All of that is damage: something that was acknowledged is gone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import takewhile

from wrpme.daemon.storage import rejoin
from wrpme.daemon.storage.recordlog import a_record_begins, follows, number_of, records

_LOG = re.compile(r"(\d+)\.log\Z")
_LOG_NUMBER, _NEXT_FILE_NUMBER, _NUMBERS, _TEXTS, _POINTER, _DELETED, _NEW = 2, 3, (2, 3, 4, 9), (1,), 5, 6, 7
"""What an edit in a manifest may hold: the log that is the first to be read, other numbers, texts..."""


def flaw(directory: str) -> str:
    """Returns why the logs are not what was written, as far as LevelDB would not say so; empty if nothing is wrong.

    Raises:
        OSError: they can't be read.
    """
    first = _first_log(directory)
    logs = {number: name for number, name in _logs(directory).items() if number >= first}
    if first and first not in logs:
        return f"its log {first:06d}.log is missing"
    for number, name in logs.items():
        log = _read(directory, name)
        found, end = records(log)
        if end >= len(log):
            continue
        if number != max(logs):
            return f"its log {name} ends too early, at byte {end}"
        if a_record_begins(log, end + 1, number_of(found[-1].content(log)) if found else 0):
            return f"its log {name} has a hole at byte {end}"
    return ""


def cut_end(directory: str) -> str:
    """Cuts off a write that is not whole at the end of the newest log, and returns a line that says so. Where the log
    does not end so, the damage is another one: nothing is done, and the line is empty.

    Raises:
        OSError: it can't be done; the log is as it was.
    """
    number, name = max(_logs(directory).items(), default=(0, ""))
    if not number:
        return ""
    log = _read(directory, name)
    found, end = records(log)
    right = list(takewhile(lambda record: record.is_right(log), found))
    newest = number_of(right[-1].content(log)) if right else 0
    wrong = found[len(right) :]
    if wrong:
        end = wrong[0].start
    behind = any(follows(number_of(record.content(log)), newest) for record in wrong[1:])
    if end >= len(log) or behind or a_record_begins(log, end + 1, newest):
        return ""
    kept = os.path.join(directory, f"torn-{number:06d}")
    rejoin.write_file(kept, log[end:])
    with open(os.path.join(directory, name), "rb+") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return (
        f"the data directory {directory} ends in a write that is not whole, as a power loss leaves one that was under "
        f"way; its {len(log) - end} bytes were cut off and kept as {kept}"
    )


def _logs(directory: str) -> dict[int, str]:
    found = (_LOG.match(name) for name in os.listdir(directory))
    return dict(sorted((int(match[1]), match[0]) for match in found if match))


def _read(directory: str, name: str) -> bytes:
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


# --- the manifest ------------------------------------------------------------------------------------------------


def _first_log(directory: str) -> int:
    """Returns the number of the first log that is still needed; 0 where none is, or the manifest can't be understood,
    which LevelDB will say itself."""
    return _last_told(directory, _LOG_NUMBER)


def next_number(directory: str) -> int:
    """Returns the number from which on LevelDB may name new files; 0 where the manifest can't be understood."""
    return _last_told(directory, _NEXT_FILE_NUMBER)


def _last_told(directory: str, wanted: int) -> int:
    try:
        manifest = _read(directory, _read(directory, "CURRENT").decode().strip())
        found = 0
        for record in records(manifest)[0]:
            for tag, value in _edit(record.content(manifest)):
                if tag == wanted:
                    found = value
        return found
    except (FileNotFoundError, IsADirectoryError, ValueError, IndexError):
        return 0


def _edit(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields the tags of an edit, each with its number, or with 0."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text() -> None:
        nonlocal at
        length = number()
        at += length

    while at < len(content):
        tag = number()
        value = 0
        if tag in _NUMBERS:
            value = number()
        elif tag in _TEXTS:
            text()
        elif tag == _POINTER:
            number()
            text()
        elif tag == _DELETED:
            number()
            number()
        elif tag == _NEW:
            for read in (number, number, number, text, text):
                read()
        else:
            raise ValueError(f"tag {tag}")
        yield tag, value
