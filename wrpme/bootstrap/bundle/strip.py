"""What of a wheel a host needs: everything but what only compilers, type checkers and debuggers read. Pure.

Of the 14 MB of uvloop, 12 are debug information; without it a bundle has less than half the size. The build id stays,
by which a debugger finds that information in the wheel as it was published.
"""

from __future__ import annotations

import struct

_UNREAD = (".pyx", ".pxd", ".pxi", ".pyi", ".c", ".cpp", ".h", ".exe")
_ELF_64_LITTLE = b"\x7fELF\x02\x01"
_HEADER_BYTES = 64
_SEGMENT = struct.Struct("<IIQQQQQQ")


def is_read(path: str) -> bool:
    """Whether Python reads that file of a package (or a person does: licences are)."""
    return not path.endswith(_UNREAD)


def without_debug_information(content: bytes) -> bytes:
    """A shared library up to the end of what is loaded; anything else as it is.

    What follows the last segment, sections of debug information and the table of sections, is never mapped: the loader
    knows segments only.
    """
    if not content.startswith(_ELF_64_LITTLE) or len(content) < _HEADER_BYTES:
        return content
    (segments_at,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    end = segments_at + size * count
    if size != _SEGMENT.size or count == 0 or end > len(content):
        return content
    for index in range(count):
        _, _, offset, _, _, in_file, _, _ = _SEGMENT.unpack_from(content, segments_at + index * size)
        end = max(end, offset + in_file)
    if end >= len(content):
        return content
    header = bytearray(content[:_HEADER_BYTES])
    struct.pack_into("<Q", header, 40, 0)  # where the table of sections is,
    struct.pack_into("<HHH", header, 58, _HEADER_BYTES, 0, 0)  # how many there are, and which has their names
    return bytes(header) + content[_HEADER_BYTES:end]
