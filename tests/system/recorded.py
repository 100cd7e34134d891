"""A hive and its clients in a network of their own, of which every packet is recorded:
``python -m tests.system.recorded MODE DIRECTORY`` within a network namespace.

It prints as JSON how often each of ``SECRETS`` is in what was recorded. All that users would not like to be read on the
wire belongs there: whoever adds a secret says it in ``speak`` or ``log_in``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import threading
from base64 import b64encode
from pathlib import Path
from time import monotonic, sleep

from tests.certificates import Authority
from tests.daemon_parts import Raw
from tests.system.daemons import PATIENCE_SECONDS, POLL_SECONDS, Daemons, until_stable
from tests.system.users import HiveTalk, HttpTalk, RedisTalk, add_users, password_of, user
from wrpme import Client
from wrpme.files.certificates import TlsFiles, client_context
from wrpme.limits import MIB
from wrpme.protocol.access.messages import Authenticate, Identity
from wrpme.protocol.access.users import Role
from wrpme.protocol.messages import GetLog, Text

OPERATOR = "operator"
SECRETS = {
    "a content": b"content-that-nobody-reads",
    "an alias": b"alias-that-nobody-reads",
    "a content by Redis": b"content-by-redis-that-nobody-reads",
    "what is published": b"published-that-nobody-reads",
    "figures by HTTP": b"wrpme_uptime_seconds",
    "a line of the log": b"founding hive",
    "a password": password_of(OPERATOR).encode(),
    "a password by HTTP": b64encode(f"{OPERATOR}:{password_of(OPERATOR)}".encode()),
}
ENTRIES = 30
ALL_PROTOCOLS = 3
"""ETH_P_ALL."""


class Recording:
    """All packets of loopback, from the beginning on."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * MIB)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._packets: list[bytes] = []
        self._enough = False
        self._thread = threading.Thread(target=self._record)
        self._thread.start()

    def _record(self) -> None:
        while True:
            try:
                self._packets.append(self._socket.recv(1 << 17))
            except TimeoutError:
                if self._enough:
                    return

    def end(self) -> bytes:
        """Returns what was recorded, once nothing more comes."""
        self._enough = True
        self._thread.join()
        self._socket.close()
        return b"".join(self._packets)


async def speak(hive: Daemons, files: TlsFiles | None) -> None:
    """Says all secrets, to each node, so that some are passed on, and copied to others."""
    context: ssl.SSLContext | None = client_context(files) if files is not None else None
    async with Client(hive.addresses, tls=files) as client:
        await until_stable(client, len(hive.addresses))
        for number in range(ENTRIES):
            alias = SECRETS["an alias"] + b"-%d" % number
            await client.update(alias, SECRETS["a content"])
            assert await client.get(alias) == SECRETS["a content"]
    async with Raw(int(hive.addresses[0].rpartition(":")[2]), context) as raw:
        raw.say(GetLog(1), preface=True)
        told = await raw.reply()
        assert isinstance(told, Text) and SECRETS["a line of the log"].decode() in told.text
    for address in hive.addresses:
        async with Raw(int(address.rpartition(":")[2]), context) as raw:
            for words in ((b"SET", b"by-redis", SECRETS["a content by Redis"]), (b"GET", b"by-redis"),
                          (b"PUBLISH", b"channel", SECRETS["what is published"])):  # fmt: skip
                raw.writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
            await raw.reader.readuntil(SECRETS["a content by Redis"] + b"\r\n:0\r\n")
        async with Raw(int(address.rpartition(":")[2]), context) as raw:
            raw.writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert SECRETS["figures by HTTP"] in await raw.rest()


def log_in(hive: Daemons, files: TlsFiles | None) -> None:
    """Says a password in each protocol to each node. Without TLS no hive has users, and it is said in vain."""
    context = client_context(files) if files is not None else None
    if context is not None:
        add_users(hive.addresses[0], context, user(OPERATOR, Role.ADMIN))
    for address in hive.addresses:
        with HiveTalk(address, context) as hive_talk, RedisTalk(address, context) as redis_talk:
            end = monotonic() + PATIENCE_SECONDS
            while not isinstance(hive_talk.ask(Authenticate(1, OPERATOR, password_of(OPERATOR))), Identity):
                if context is None:
                    break
                assert monotonic() < end, f"{address} does not hear of the user"
                sleep(POLL_SECONDS)
            said = redis_talk.say(b"AUTH", OPERATOR.encode(), password_of(OPERATOR).encode())
            assert said == b"+OK\r\n" or context is None
        with HttpTalk(address, context) as http_talk:
            assert http_talk.get("/status", OPERATOR) == 200 or context is None


async def run(mode: str, directory: Path) -> dict[str, int]:
    """Returns how often each secret was on the wire."""
    recording = Recording()
    files = Authority(directory).issue("node")
    named = ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca] if mode != "off" else []
    try:
        with Daemons(directory, 3, "--transient", "--replication", "2", "--tls-mode", mode, *named) as hive:
            hive.start_all(range(3))
            ca = TlsFiles(ca=files.ca) if mode != "off" else None
            await speak(hive, ca)
            await asyncio.to_thread(log_in, hive, ca)
            hive.terminate(0, 1, 2)
    finally:
        recorded = recording.end()
    assert len(recorded) > 10_000, "it was recorded"
    return {what: recorded.count(secret) for what, secret in SECRETS.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], Path(sys.argv[2])))))
