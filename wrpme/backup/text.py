"""Entries as text, for other programs: lines of JSON, or of CSV with a head.

What is UTF-8 stands as it is under ``alias`` and ``content``, other bytes in Base64 under ``alias_base64`` and
``content_base64``; ``expires`` is a moment of ISO 8601, or left out for an entry that lives for ever.
"""

from __future__ import annotations

import csv
import io
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import msgspec

from wrpme.backup.frames import Counts, SavedEntry
from wrpme.errors import BackupError, WrpmeError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX
from wrpme.protocol.validation import check_alias, check_content

COLUMNS = ("alias", "alias_base64", "content", "content_base64", "expires")
LINE_BYTES_MAX = 2 * (ALIAS_BYTES_MAX + CONTENT_BYTES_MAX)
"""A longer line is none of an entry, whatever it has."""
NO_VERSION = bytes(16)
EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def json_lines(entries: Iterable[SavedEntry]) -> Iterator[bytes]:
    """Yields each entry as an object in a line."""
    encoder = msgspec.json.Encoder()
    for entry in entries:
        yield encoder.encode(_fields(entry, as_text=_text_of)) + b"\n"


def csv_lines(entries: Iterable[SavedEntry]) -> Iterator[bytes]:
    """Yields the names of the columns, then each entry as a line; a quoted content may go over several."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerow(_fields(entry, as_text=_plain_text_of))
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()


def _text_of(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _plain_text_of(data: bytes) -> str | None:
    """Programs that read CSV take other line ends for the end of a line, and NUL for the end of all."""
    return None if b"\0" in data or b"\r" in data else _text_of(data)


def _fields(entry: SavedEntry, as_text: Callable[[bytes], str | None]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, data in (("alias", entry.alias), ("content", entry.content)):
        text = as_text(data)
        fields |= {f"{name}_base64": b2a_base64(data, newline=False).decode()} if text is None else {name: text}
    if entry.expiry:
        moment = EPOCH + entry.expiry * MILLISECOND
        fields["expires"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return fields


class TextReader:
    """Of a ``file`` that can be read several times, called ``name`` in sentences; which of the two it has, its first
    byte tells. Everything here raises BackupError where a line is none of an entry. ``told`` hears how many bytes were
    checked."""

    def __init__(self, file: BinaryIO, name: str, told: Callable[[int], None] = lambda _: None) -> None:
        self._file = file
        self._name = name
        self._told = told

    def check(self) -> Counts:
        """Looks at all of it, once; returns what it has."""
        entries = size_bytes = 0
        for entry in self.entries():
            entries += 1
            size_bytes += len(entry.content)
            if not entries % 1000:
                self._told(self._file.tell())
        return Counts(1, entries, size_bytes)

    def entries(self) -> Iterator[SavedEntry]:
        """Yields all entries."""
        self._file.seek(0)
        first = self._file.read(1)
        self._file.seek(0)
        seen = 0
        try:
            for fields in self._json() if first in (b"{", b"") else self._csv():
                yield self._entry(fields)
                seen += 1
        except (ValueError, TypeError, msgspec.MsgspecError, csv.Error, WrpmeError) as error:
            if isinstance(error, BackupError):
                raise
            said = error.sentence if isinstance(error, WrpmeError) else " ".join(str(error).split())
            raise self._wrong(seen + 1, said) from None

    def _wrong(self, number: int, said: str) -> BackupError:
        what = f"entry {number} of {self._name} is none ({said})"
        return BackupError(
            f"{what}; it has lines as hive_export writes them, of JSON or CSV. Nothing was written of it"
        )

    def _json(self) -> Iterator[Mapping[str, Any]]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        while line := self._file.readline(LINE_BYTES_MAX):
            if line.strip():
                yield decoder.decode(line)

    def _csv(self) -> Iterator[Mapping[str, Any]]:
        csv.field_size_limit(LINE_BYTES_MAX)
        text = io.TextIOWrapper(self._file, encoding="utf-8", newline="")
        try:
            rows = csv.DictReader(text, strict=True)
            if not {"alias", "alias_base64"}.intersection(rows.fieldnames or ()):
                raise BackupError(
                    f"{self._name} has no entries: it begins neither with an object of JSON nor with the names of "
                    f"columns of CSV ({', '.join(COLUMNS)}). Nothing was written of it"
                )
            yield from rows
        finally:
            if not self._file.closed:  # else there is nothing to detach it from
                text.detach()

    def _entry(self, fields: Mapping[str, Any]) -> SavedEntry:
        strange = [name for name in fields if name not in COLUMNS]
        if strange:
            raise ValueError(f"there is no field {str(strange[0])[:40]!r}")
        alias, content = self._bytes(fields, "alias"), self._bytes(fields, "content")
        check_alias(alias)
        check_content(content)
        expires = fields.get("expires") or ""
        expiry = (datetime.fromisoformat(expires).astimezone(UTC) - EPOCH) // MILLISECOND if expires else 0
        if not 0 <= expiry <= EXPIRY_MILLISECONDS_MAX:
            raise ValueError(f"it expires at {expires}")
        return SavedEntry(alias, expiry, NO_VERSION, content)

    @staticmethod
    def _bytes(fields: Mapping[str, Any], name: str) -> bytes:
        plain, encoded = fields.get(name), fields.get(f"{name}_base64")
        if plain and encoded:
            raise ValueError(f"it has {name} and {name}_base64")
        if encoded:
            try:
                return a2b_base64(encoded, strict_mode=True)
            except Base64Error as error:
                raise ValueError(f"{name}_base64: {error}") from None
        if not isinstance(plain, str):
            raise ValueError(f"it has no {name}")
        return plain.encode()
