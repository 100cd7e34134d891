"""Frames of views: what is told to every member of the hive is encoded once for all of them.

Whoever proposed a view tells it to each member, and its patch may have hundreds of arcs: to encode it anew for each
would keep the node from everything else, its own heartbeats included, for longer than a lease in a hive of a thousand.
"""

from __future__ import annotations

from collections import deque

import msgspec

from wrpme.daemon.limits import VIEWS_ENCODED_BYTES_MAX, VIEWS_ENCODED_MAX
from wrpme.protocol import codec
from wrpme.protocol.messages import Envelope, NextView, WholeView
from wrpme.protocol.view import Proposal, View


class ViewFrames:
    """Encodes messages between nodes; of views and patches it remembers the last few."""

    def __init__(self) -> None:
        self._known: deque[tuple[View | Proposal, msgspec.Raw]] = deque()
        """By the identity of what was told, which is kept for that; a proposal is that of one epoch."""
        self._bytes = 0

    def frame(self, envelope: Envelope) -> bytes:
        """One frame, as :func:`wrpme.protocol.codec.encode` makes it.

        Raises:
            TooLargeError: the message is beyond ``FRAME_BYTES_MAX``.
        """
        body = envelope.body
        if type(body) is NextView:
            return self._frame(envelope, body, body.proposal)
        if type(body) is WholeView:
            return self._frame(envelope, body, body.view)
        return codec.encode(envelope)

    def _frame(self, envelope: Envelope, body: NextView | WholeView, told: View | Proposal) -> bytes:
        raw = next((raw for known, raw in self._known if known is told), None)
        if raw is None:
            raw = self._keep(told, codec.encode_body(body))
        return codec.encode(msgspec.structs.replace(envelope, body=raw))

    def _keep(self, told: View | Proposal, encoded: bytes) -> msgspec.Raw:
        raw = msgspec.Raw(encoded)
        self._known.append((told, raw))
        self._bytes += len(encoded)
        while len(self._known) > VIEWS_ENCODED_MAX or (self._bytes > VIEWS_ENCODED_BYTES_MAX and len(self._known) > 1):
            self._bytes -= len(memoryview(self._known.popleft()[1]))
        return raw
