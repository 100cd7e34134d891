"""A value whose content is still on the disk: what is asked of most values, their header and their size, is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final


@final
class Stored(bytes):
    """Its bytes are the header of the value, ``len`` is the size of all, and ``parts`` reads the content. It stands in
    the place of a value where nobody needs the content, or where that is read bit by bit."""

    _size: int
    parts: Callable[[], Iterator[bytes]]

    def __new__(cls, header: bytes, size: int, parts: Callable[[], Iterator[bytes]]) -> Stored:
        self = super().__new__(cls, header)
        self._size, self.parts = size, parts
        return self

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def whole(self) -> bytes:
        """The value."""
        return b"".join((self[:], *self.parts()))
