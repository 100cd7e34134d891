"""What nodes tell each other of that clients have published; part of :mod:`wrpme.protocol.messages`."""

from __future__ import annotations

from msgspec import Struct


class Publication(Struct, frozen=True, array_like=True, gc=False):
    """A message that a client published to a channel; the channels of ``sharded`` ones are others of the same names."""

    channel: bytes
    content: bytes
    sharded: bool = False


class Published(Struct, frozen=True, array_like=True, tag=128):
    """To all members: what was published at the sender, in order. Nothing answers it, and it is never said again."""

    messages: tuple[Publication, ...]
