"""Large contents within messages: they are neither copied into a frame nor out of one.

To copy 64 MiB takes a loop tens of milliseconds, most of them for memory that the system has to hand out, and nothing
else is done meanwhile. So a message leaves as pieces, of which its large contents are some as they are; and of a frame
that arrives, a large content is gathered by itself as it comes, a piece in each turn of the loop. The bytes on the wire
are those of any encoder.

For both, msgpack is made of the message with a *mark* of a few bytes in the place of each large content. Where the
marks are not just those (somebody sends the like of a mark), the frame is made, or read, as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from struct import Struct
from typing import Any, TypeVar, final

import msgspec
from msgspec.structs import force_setattr, replace

from wrpme.limits import LARGE_BYTES

ROOM_BYTES = 24
"""Before the content of a write so much is left free, for what the store keeps in front of it."""
ROOMY_TAGS = (2, 3)
"""Of :class:`wrpme.protocol.messages.Put` and ``Update``: messages with one content, which goes to the store."""
PARTS_MAX = 64
"""Contents are looked for in tuples of at most so many parts,"""
TOKENS_MAX = 256
"""and behind so many tokens of msgpack: what has more is many small things."""
_MARK = b"\xffwrpme large\xff%3d"
_MARK_START, _MARK_BYTES = _MARK[:-3], 16
_MARKED = b"\xc4\x10"
"""How msgpack begins a mark,"""
_BIN32 = 0xC6
_CONTENT = Struct(">BI")
"""and a large content."""
_SIZES = Struct(">B"), Struct(">H"), Struct(">I")
M = TypeVar("M")


@final
class Arrived:
    """The content of a write as it came in, with room before it. It stands in the place of its bytes where these are
    only measured, stored or passed on."""

    __slots__ = ("_gathered", "_size")

    def __init__(self, gathered: BytesIO) -> None:
        self._gathered = gathered
        self._size = gathered.tell() - ROOM_BYTES

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return self._gathered.getvalue()[ROOM_BYTES:]

    def __eq__(self, other: object) -> bool:
        return self.view == other

    __hash__ = None  # type: ignore[assignment]

    @property
    def view(self) -> memoryview:
        """The content."""
        return memoryview(self._gathered.getvalue())[ROOM_BYTES:]

    def behind(self, header: bytes) -> bytes:
        """The content with the header before it, which fills the room; nothing is copied unless that was asked for
        before."""
        with self._gathered.getbuffer() as buffer:
            buffer[:ROOM_BYTES] = header
        return self._gathered.getvalue()


@final
class Unread:
    """A content that is read while it leaves, in parts; it stands in the place of its bytes in an answer. Whoever needs
    these has them with ``bytes``."""

    __slots__ = ("_parts", "_size")

    def __init__(self, size: int, parts: Callable[[], Iterator[bytes]]) -> None:
        self._size = size
        self._parts = parts

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self._parts())

    def __iter__(self) -> Iterator[bytes]:
        return self._parts()


Content = bytes | memoryview | Arrived | Unread
Piece = bytes | memoryview | Unread


def plain(thing: object) -> bytes | memoryview:
    """What msgpack is made of; for an encoder that finds one of these."""
    if type(thing) is Arrived:
        return thing.view
    if type(thing) is Unread:
        return bytes(thing)
    raise NotImplementedError(f"there is no msgpack for {type(thing)}")


def in_memory(content: Content) -> bytes:
    """The content, read if it is not; for who can't take it as it leaves."""
    return bytes(content) if type(content) is Unread else content  # type: ignore[return-value]


# --- out -------------------------------------------------------------------------------------------------------------


def pieces_of(message: msgspec.Struct, encode: Callable[[Any], bytes]) -> list[Piece]:
    """What follows the header of a frame, in pieces; ``encode`` makes msgpack."""
    contents: list[Content] = []
    marked = encode(_marked(message, contents))
    if marked.count(_MARK_START) != len(contents):
        return [encode(message)]
    pieces: list[Piece] = []
    for number, content in enumerate(contents):
        before, _, marked = marked.partition(_MARKED + _MARK % number)
        pieces.append(before + _CONTENT.pack(_BIN32, len(content)))
        pieces.append(content.view if type(content) is Arrived else content)
    pieces.append(marked)
    return [piece for piece in pieces if piece]


def _marked(thing: Any, contents: list[Content]) -> Any:
    """The same with marks in the place of large contents, which are added to ``contents``."""
    kind = type(thing)
    if kind is bytes or kind is memoryview or kind is Arrived or kind is Unread:
        if len(thing) < LARGE_BYTES:
            return thing
        contents.append(thing)
        return _MARK % (len(contents) - 1)
    if kind is tuple:
        return tuple([_marked(part, contents) for part in thing]) if len(thing) <= PARTS_MAX else thing
    if isinstance(thing, msgspec.Struct):
        changed = {}
        for name in thing.__struct_fields__:
            before = getattr(thing, name)
            after = _marked(before, contents)
            if after is not before:
                changed[name] = after
        return replace(thing, **changed) if changed else thing
    return thing


# --- in --------------------------------------------------------------------------------------------------------------


class Gathering:
    """The body of one large frame, as it comes: ``due`` bytes of it are to come."""

    def __init__(self, size: int) -> None:
        self.due = self._size = size
        self._plain = bytearray()
        """What is not in large contents, with the contents cut out, each behind its header."""
        self._contents: list[tuple[int, BytesIO, bool]] = []
        """Where each was cut out, and whether it has room before it."""
        self._content_due = 0
        self._at = 0
        """Up to here tokens were looked at."""
        self._tokens = TOKENS_MAX
        self._tag = 0
        self._tag_follows = False

    @property
    def gathered(self) -> int:
        """How many bytes have come."""
        return self._size - self.due

    def take(self, data: memoryview) -> None:
        """Takes what comes next, no more than is due."""
        self.due -= len(data)
        while data:
            if self._content_due:
                part = data[: self._content_due]
                self._contents[-1][1].write(part)
                self._content_due -= len(part)
                data = data[len(part) :]
                continue
            before = len(self._plain)
            self._plain += data
            if not self._finds_content():
                return
            data = data[self._at - before :]
            del self._plain[self._at :]

    def _finds_content(self) -> bool:
        """Goes on to the first large content; returns whether there is one, which begins at ``_at``."""
        plain = self._plain
        while self._tokens and (size := _token_bytes(plain, self._at)):
            first = plain[self._at]
            tag_follows, self._tag_follows = self._tag_follows, 0x90 <= first <= 0x9F or first in (0xDC, 0xDD)
            if tag_follows:
                self._tag = first if first < 0x80 else -1
            self._tokens -= 1
            self._at += size
            if first == _BIN32 and (content := size - _CONTENT.size) >= LARGE_BYTES:
                self._at -= content
                has_room = self._tag in ROOMY_TAGS
                gathered = BytesIO()
                if has_room:
                    gathered.write(bytes(ROOM_BYTES))
                self._contents.append((self._at, gathered, has_room))
                self._content_due = content
                return True
        return False

    def message(self, decode: Callable[[bytes | bytearray | memoryview], M]) -> M:
        """The message, once all has come; ``decode`` reads msgpack, and what it raises is raised."""
        contents = self._contents
        if not contents or self._plain.count(_MARK_START):
            return decode(self._whole() if contents else self._plain)
        marked, start = bytearray(), 0
        for number, (end, _, _) in enumerate(contents):
            marked += self._plain[start : end - _CONTENT.size] + _MARKED + _MARK % number
            start = end
        marked += self._plain[start:]
        found: dict[bytes, Arrived | bytes] = {
            _MARK % number: Arrived(gathered) if has_room else gathered.getvalue()
            for number, (_, gathered, has_room) in enumerate(contents)
        }
        message: M = _filled(decode(marked), found, True)
        return decode(self._whole()) if found else message  # some are where nobody looks

    def _whole(self) -> bytearray:
        whole, start = bytearray(), 0
        for end, gathered, has_room in self._contents:
            whole += self._plain[start:end]
            whole += gathered.getbuffer()[ROOM_BYTES if has_room else 0 :]
            start = end
        return whole + self._plain[start:]


def _token_bytes(data: bytearray, at: int) -> int:
    """The size of the token of msgpack that begins there, without what is in an array or a map; 0 where that is not
    there yet."""
    if at >= len(data):
        return 0
    first = data[at]
    if first < 0xA0 or first >= 0xE0:
        return 1
    if first < 0xC0:
        return 1 + (first & 0x1F)
    plain, of_size = _TOKENS[first - 0xC0]
    if of_size is None:
        return plain
    if at + 1 + of_size.size > len(data):
        return 0
    size: int = of_size.unpack_from(data, at + 1)[0]
    return plain + size


def _tokens() -> Sequence[tuple[int, Struct | None]]:
    """From 0xc0 to 0xdf: the size of a token, or where one has a size, what is added to it."""
    fixed = {0xC0: 1, 0xC1: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5}
    fixed |= {0xCC + power: 1 + (1 << power) for power in range(4)} | {
        0xD0 + power: 1 + (1 << power) for power in range(4)
    }
    fixed |= {0xD4 + power: 2 + (1 << power) for power in range(5)}
    sized: dict[int, tuple[int, Struct | None]] = {}
    for power, of_size in enumerate(_SIZES):
        sized |= dict.fromkeys((0xC4 + power, 0xD9 + power), (1 + of_size.size, of_size))
        sized[0xC7 + power] = 2 + of_size.size, of_size
    return [sized.get(first) or (fixed[first], None) for first in range(0xC0, 0xE0)]


_TOKENS = _tokens()


def _filled(thing: Any, contents: dict[bytes, Arrived | bytes], alone: bool) -> Any:
    """Puts the contents in the place of their marks. What arrived with room stays so in a message that has just this
    one, and is ``alone`` there; elsewhere it becomes bytes."""
    kind = type(thing)
    if kind is bytes:
        content = contents.pop(thing, None) if len(thing) == _MARK_BYTES else None
        if content is None:
            return thing
        return content if alone or type(content) is bytes else bytes(content)
    if kind is tuple:
        return tuple([_filled(part, contents, False) for part in thing])
    if isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            before = getattr(thing, name)
            after = _filled(before, contents, alone)
            if after is not before:
                force_setattr(thing, name, after)
    return thing
