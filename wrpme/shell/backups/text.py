"""``hive_export``: all entries of a hive as text; and what ``hive_import`` reads of it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from time import monotonic
from typing import BinaryIO

from wrpme import errors
from wrpme.backup.frames import Counts, Header
from wrpme.backup.reader import Reader
from wrpme.backup.text import TextReader, csv_lines, json_lines
from wrpme.backup.writer import Writer
from wrpme.client.client import Client
from wrpme.shell.backups.save import Output, Sections, counts_text, name_of, progress_text
from wrpme.version import VERSION


async def exported(client: Client, path: str, as_csv: bool, progress: Callable[[str], None]) -> tuple[Counts, str]:
    """Writes all entries of the hive as text; returns how much that was, and a line about it. What an arc had when its
    owner died in the middle is in no text: all is in a file of its own first.

    Raises:
        WrpmeError: A part of the hive can't be read, or the file can't be written; there is no file then.
    """
    output, begun = Output(path, "text"), monotonic()
    try:
        with tempfile.TemporaryFile() as spool:
            waiting = Output.of_file(spool, "the directory for temporary files (TMPDIR)")
            writer = Writer(waiting.put, Header(VERSION, bytes(16), 1, 0, True))
            await client.backup(
                Sections(writer, waiting), lambda told: progress(progress_text(told, monotonic() - begun))
            )
            writer.finish()
            await waiting.flush()
            reader = Reader(spool, "the copy of the hive")
            counts = await asyncio.to_thread(reader.check)
            for number, line in enumerate((csv_lines if as_csv else json_lines)(reader.entries()), 1):
                output.put(line)
                await output.room()
                if not number % 1000:
                    progress(f"writing {number:,} of {counts.entries:,} entries")
        await output.finish()
    except OSError as error:
        output.drop()
        raise errors.BackupError(f"no temporary file can be made ({(error.strerror or str(error)).lower()})") from None
    except BaseException:
        output.drop()
        raise
    return counts, f"{counts_text(counts)} written to {output.name} as {'CSV' if as_csv else 'lines of JSON'}"


def checked_text(file: BinaryIO, path: str, progress: Callable[[str], None]) -> tuple[TextReader, Counts]:
    """Looks at all of a text of entries; returns what reads it, and what it has.

    Raises:
        BackupError: A line is none of an entry.
    """
    size = file.seek(0, os.SEEK_END)
    reader = TextReader(
        file, name_of(path), lambda read: progress(f"checked {100 * read // max(1, size)} % of the lines")
    )
    return reader, reader.check()
