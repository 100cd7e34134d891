"""A three-node etcd as Debian ships it, and the lightest client that speaks its protocol honestly.

The client is gRPC over HTTP/2 by hand: constant HPACK blocks of literals, protobuf laid out once for each key. It keeps
one request in flight, heeds the flow control of the server, answers its pings, and takes nothing for carried out whose
trailers do not say ``grpc-status: 0``.
"""

from __future__ import annotations

import asyncio
import subprocess
import urllib.request
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import cast

from bench.target import CONTENT_BYTES, ENDED, Answered, unheard
from tests.system.daemons import free_port, until

PROGRAM = "etcd"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = Struct(">HBBBI")
_LONG = Struct(">I")
_SETTING = Struct(">HI")
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE = 1, 4
_WINDOW_USUAL = 65_535
_WINDOW_MAX = (1 << 31) - 1
_STATUS = bytes.fromhex("00889acac8b21234da8f")  # HPACK of "grpc-status": a literal without index, its name in Huffman
_STATUS_OK = _STATUS + b"\x010"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _literal(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text


def _request_headers(path: bytes, authority: bytes) -> bytes:
    """The HPACK block: ``:method: POST`` and ``:scheme: http`` by index, the rest as literals without index."""
    named = b"\x04" + _literal(path) + b"\x01" + _literal(authority) + b"\x0f\x10" + _literal(b"application/grpc")
    return b"\x83\x86" + named + b"\x00" + _literal(b"te") + _literal(b"trailers")


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def _message(body: bytes) -> bytes:
    return b"\x00" + _LONG.pack(len(body)) + body


class EtcdConnection(asyncio.Protocol):
    """One connection to one member; ``answered`` is told of each reply."""

    def __init__(self, address: str) -> None:
        authority = address.encode()
        self.answered: Answered = unheard
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put_headers = _request_headers(b"/etcdserverpb.KV/Put", authority)
        self._range_headers = _request_headers(b"/etcdserverpb.KV/Range", authority)
        self._content_tag = bytes([5 << 3 | 2, CONTENT_BYTES])
        self._buffer = b""
        self._stream = -1
        self._window = _WINDOW_USUAL
        self._waiting = b""
        self._reading = False
        self._received = b""
        self._hearing = False
        self._gathered: list[bytes] = []

    # --- requests ------------------------------------------------------------------------------------------------

    def put(self, alias: bytes, content: bytes) -> None:
        """Adds or replaces."""
        self._reading = False
        self._ask(self._put_headers, _message(_field(1, alias) + _field(2, content)))

    def get(self, alias: bytes) -> None:
        """A linearizable read, as is etcd's default."""
        self._reading = True
        self._ask(self._range_headers, _message(_field(1, alias)))

    def _ask(self, headers: bytes, body: bytes) -> None:
        self._stream += 2
        self._received = b""
        frames = _frame(_HEADERS, _END_HEADERS, self._stream, headers) + _frame(_DATA, _END_STREAM, self._stream, body)
        self._window -= len(body)
        if self._window < 0:
            self._waiting = frames
        else:
            self._write(frames)

    def _write(self, frames: bytes) -> None:
        """What is said while it listens leaves in one write: an answer to a ping goes with the next request."""
        if self._hearing:
            self._gathered.append(frames)
        else:
            self._transport.write(frames)

    # --- what asyncio calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = _SETTING.pack(_HEADER_TABLE_SIZE, 0) + _SETTING.pack(_INITIAL_WINDOW_SIZE, _WINDOW_MAX)
        more = _LONG.pack(_WINDOW_MAX - _WINDOW_USUAL)
        self._transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, more))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        self._hearing = True
        at, end = 0, len(data)
        while end - at >= 9:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, at)
            after = at + 9 + (high << 8 | low)
            if after > end:
                break
            self._heard(kind, flags, stream, data[at + 9 : after])
            at = after
        self._buffer = data[at:]
        self._hearing = False
        if self._gathered:
            self._transport.write(b"".join(self._gathered))
            self._gathered.clear()

    def connection_lost(self, error: Exception | None) -> None:
        self.answered(None, ENDED)

    def close(self) -> None:
        """Ends it; nobody is told."""
        self.answered = unheard
        self._transport.abort()

    # --- frames --------------------------------------------------------------------------------------------------

    def _heard(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._received += payload
        elif kind == _HEADERS and flags & _END_STREAM:
            self._ended(payload, bool(flags & _END_HEADERS))
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += _LONG.unpack(payload)[0]
            if self._waiting and self._window >= 0:
                self._write(self._waiting)
                self._waiting = b""
        elif kind == _SETTINGS and not flags & _ACK:
            self._write(_frame(_SETTINGS, _ACK, 0, b""))
            if not self.ready.done():
                self.ready.set_result(None)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _RESET and stream == self._stream:
            self.answered(None, "the stream was reset")
        elif kind in (_GOAWAY, _CONTINUATION):
            self._transport.abort()

    def _ended(self, trailers: bytes, whole: bool) -> None:
        if not whole or _STATUS_OK not in trailers:
            status = trailers.partition(_STATUS)[2][1:3].decode("latin-1")
            self.answered(None, f"the trailers say status {status!r}, {trailers.hex()}")
        elif not self._reading:
            self.answered(None, "")
        else:
            # The content is the last field of the entry, and the count of entries, 1, the last one of the reply.
            tail = self._received[-CONTENT_BYTES - 4 :]
            if tail[:2] == self._content_tag and tail[-2:] == b"\x20\x01":
                self.answered(tail[2:-2], "")
            else:
                self.answered(b"", "")  # no such entry, or a content of another size


class Etcd:
    """Members on the loopback, default settings, each with its own ports and data directory; all end with it."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = directory
        ports = [free_port() for _ in range(2 * count)]
        self.addresses = [f"127.0.0.1:{port}" for port in ports[:count]]
        self._peers = [f"http://127.0.0.1:{port}" for port in ports[count:]]
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Etcd:
        cluster = ",".join(f"n{index}={peer}" for index, peer in enumerate(self._peers))
        try:
            for index, (address, peer) in enumerate(zip(self.addresses, self._peers, strict=True)):
                client = f"http://{address}"
                command = [PROGRAM, "--name", f"n{index}", "--data-dir", str(self.directory / f"etcd-{index}")]
                command += ["--listen-client-urls", client, "--advertise-client-urls", client]
                command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
                command += ["--initial-cluster", cluster, "--initial-cluster-state", "new"]
                with open(self.directory / f"etcd-{index}.log", "ab") as log:
                    self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    async def until_healthy(self) -> None:
        """Every member has a leader and serves."""

        def healthy() -> bool:
            for address in self.addresses:
                with urllib.request.urlopen(f"http://{address}/health", timeout=2.0) as reply:
                    if b'"true"' not in reply.read():
                        return False
            return True

        async def attempt() -> bool:
            try:
                return await asyncio.to_thread(healthy)
            except OSError:
                return False

        await until("a healthy etcd", attempt)
