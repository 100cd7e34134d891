"""Requests to exactly one node, past the routing of the client, and bytes that no client would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType

from wrpme.protocol import codec
from wrpme.protocol.messages import Failed, Reply, Request

SECONDS_MAX = 30.0
BATCH = 500


class Wire:
    """One connection to one node; replies are matched by their id."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), SECONDS_MAX)
        self.socket.sendall(codec.PREFACE)
        self._decoder: codec.Decoder[Reply] = codec.Decoder(Reply)

    def ask(self, requests: Sequence[Request]) -> dict[int, Reply]:
        """The reply to each by its id; as many at a time as a session may have in flight."""
        replies: dict[int, Reply] = {}
        for start in range(0, len(requests), BATCH):
            replies |= self._ask(requests[start : start + BATCH])
        return replies

    def _ask(self, requests: Sequence[Request]) -> dict[int, Reply]:
        self.socket.sendall(b"".join(codec.encode(request) for request in requests))
        missing = {request.id for request in requests}
        replies: dict[int, Reply] = {}
        while missing:
            data = self.socket.recv(1 << 18)
            assert data, f"the connection ended, {len(missing)} requests unanswered"
            for reply in self._decoder.feed(data):
                assert not (isinstance(reply, Failed) and reply.id == 0), reply
                if reply.id in missing:
                    missing.discard(reply.id)
                    replies[reply.id] = reply
        return replies

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
