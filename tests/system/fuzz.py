"""Anything at the port of real nodes, before and after the handshake of TLS: ``python -m tests.system.fuzz``.

Conversations in each protocol that the port speaks are made of right messages, and broken: bytes change, come twice or
not at all; the handshake is broken too, and so is what follows it, below and above TLS. They come in pieces, and end in
every way. Now and then each node has to answer a client in each protocol; it must not end, log a traceback, or grow.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import ssl
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic


from tests.certificates import OF_CLIENTS, Authority
from tests.daemon_parts import Raw
from tests.samples import ENVELOPE_SAMPLES, REQUEST_SAMPLES
from tests.system.daemons import Daemons, free_port, until
from wrpme import Client
from wrpme.daemon.net.redis.commands.table import ENTRIES
from wrpme.files.certificates import TlsFiles, client_context
from wrpme.limits import MIB
from wrpme.protocol.access.messages import AddUser
from wrpme.protocol.codec import PREFACE, encode

SAMPLES = [one for one in (*REQUEST_SAMPLES, *ENVELOPE_SAMPLES) if not isinstance(one, AddUser)]
"""A hive that has a user answers nobody else."""
MODES = ("prefer", "require", "off")
AT_ONCE = 24
HELD_MAX = 64
"""So many connections are left as they are, after what they said."""
ROUND = 240
"""After so many conversations each node is looked at."""
PATIENCE_SECONDS = 20.0
READ_SECONDS = 0.05
GROWTH_BYTES_MAX = 64 * MIB
GROWTH_FILES_MAX = 16
WARM_ROUNDS = 40
"""After so many rounds a node has grown to what it needs."""
WORDS = [*b"a {t}b {t}c 1 -1 x 99999999999999999999 100 NX XX GET EX AUTH 2 3 HELLO *".split(), b"", b"x" * 5000]
PATHS = (b"/live", b"/ready", b"/metrics", b"/status", b"/", b"/%00", b"*", b"/" + b"a" * 5000)
HEADERS = (b"Host: a", b"Connection: close", b"Content-Length: 5", b"Transfer-Encoding: chunked",
           b"Expect: 100-continue", b"Accept-Encoding: gzip", b"X: " + b"y" * 4000, b" more", b"no colon")  # fmt: skip


class Fuzz:
    """What is said to nodes at these ports, each in its mode; the hives' ids are not that of any message here, as no
    node is to believe what is said well on a plain connection."""

    def __init__(self, seed: int, ports: dict[str, int], authority: Authority) -> None:
        self.random = random.Random(seed)
        self.ports = ports
        nobody, client, node = (
            authority.issue("any"),
            authority.issue("client", good_for=OF_CLIENTS),
            authority.issue("n"),
        )
        self.contexts = [client_context(one) for one in (TlsFiles(ca=nobody.ca), client, node)]
        self.said: Counter[str] = Counter()
        self._held: list[socket.socket] = []

    async def go(self, count: int) -> None:
        """Says so many things, some of them at the same time."""
        left = iter(range(count))

        async def some() -> None:
            for _ in left:
                await self._one()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    def let_go(self) -> None:
        """Closes what was left open."""
        while self._held:
            self._held.pop().close()

    # --- what is said --------------------------------------------------------------------------------------------

    def _hive(self) -> bytes:
        chosen = self.random.choices(SAMPLES, k=self.random.randint(1, 6))
        return PREFACE + b"".join(encode(one) for one in chosen)

    def _redis(self) -> bytes:
        said = b""
        for _ in range(self.random.randint(1, 8)):
            name = self.random.choice(ENTRIES).name.encode()
            words = [name, *self.random.choices(WORDS, k=self.random.randint(0, 5))]
            said += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        return said

    def _http(self) -> bytes:
        said = b""
        for _ in range(self.random.randint(1, 3)):
            method = self.random.choice((b"GET", b"HEAD", b"POST", b"OPTIONS", b"PATCH"))
            lines = [method + b" " + self.random.choice(PATHS) + b" HTTP/1." + self.random.choice((b"0", b"1", b"9"))]
            said += b"\r\n".join([*lines, *self.random.sample(HEADERS, self.random.randint(0, 4)), b"", b""])
        return said

    def _noise(self) -> bytes:
        return self.random.randbytes(self.random.choice((1, 7, 64, 5000)))

    def broken(self, said: bytes) -> bytes:
        """Some of it changed, left out, doubled or cut; a third of the time all stays as it is."""
        data, draw = bytearray(said), self.random
        for _ in range(draw.choice((0, 0, 1, 1, 3, 20))):
            at = draw.randrange(len(data) + 1)
            match draw.randrange(6):
                case 0 if at < len(data):
                    data[at] = draw.choice((0, 0x7F, 0x80, 0xFF, draw.randrange(256)))
                case 1:
                    del data[at : at + draw.choice((1, 4, 100))]
                case 2:
                    data[at:at] = draw.randbytes(draw.choice((1, 4, 100)))
                case 3:
                    data[at:at] = data[at : at + draw.choice((1, 16, 1000))]
                case 4:
                    del data[at:]
                case _:
                    data[at : at + 4] = struct.pack(">I", draw.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
        return bytes(data)

    # --- how -----------------------------------------------------------------------------------------------------

    async def _one(self) -> None:
        kind: Callable[[], bytes] = self.random.choice((self._hive, self._hive, self._redis, self._http, self._noise))
        way = self.random.choice(("plain", "secured", "secured", "hello", "below"))
        self.said[f"{way} {kind.__name__[1:]}"] += 1
        said, port = self.broken(kind()), self.ports[self.random.choice(list(self.ports))]
        made = socket.socket()
        made.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
                if way == "plain":
                    await self._say(made, said)
                else:
                    await self._by_tls(made, said, way)
        except OSError:  # the node ends what it does not understand
            made.close()
        except TimeoutError:
            made.close()
            raise AssertionError(f"a node takes nothing any more: {way} {kind.__name__[1:]}") from None
        else:
            await self._end(made)

    async def _by_tls(self, made: socket.socket, said: bytes, way: str) -> None:
        """Goes through the handshake, in which ``hello`` breaks something; ``below``: in what follows it."""
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        secured = self.random.choice(self.contexts).wrap_bio(came, goes, server_hostname="127.0.0.1")
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                flight = goes.read()
                await self._say(made, self.broken(flight) if way == "hello" else flight)
                if not await self._read(made, came, PATIENCE_SECONDS if way != "hello" else READ_SECONDS):
                    return
            except ssl.SSLError:
                return
        for at in range(0, len(said), 16_000):
            secured.write(said[at : at + 16_000])
        if self.random.random() < 0.3:
            with suppress(ssl.SSLError):
                secured.unwrap()
        records = goes.read()
        await self._say(made, self.broken(records) if way == "below" else records)

    async def _say(self, made: socket.socket, said: bytes) -> None:
        loop, at = asyncio.get_running_loop(), 0
        while at < len(said):
            size = self.random.choice((1, 5, 100, 1 << 16, 1 << 16)) if at < 200 else 1 << 16
            await loop.sock_sendall(made, said[at : at + size])
            at += size
            await asyncio.sleep(0)

    async def _read(self, made: socket.socket, came: ssl.MemoryBIO, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                data = await asyncio.get_running_loop().sock_recv(made, 1 << 16)
        except TimeoutError:
            return False
        came.write(data)
        return bool(data)

    async def _end(self, made: socket.socket) -> None:
        match self.random.randrange(5):
            case 0:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case 1:
                with suppress(OSError):
                    made.shutdown(socket.SHUT_WR)
                with suppress(OSError):
                    await self._read(made, ssl.MemoryBIO(), READ_SECONDS)
            case 2:
                with suppress(OSError):
                    await self._read(made, ssl.MemoryBIO(), READ_SECONDS)
            case 3:
                self._held.append(made)
                if len(self._held) <= HELD_MAX:
                    return
                made = self._held.pop(self.random.randrange(len(self._held)))
        made.close()


class Watch:
    """Whether nodes are well."""

    def __init__(self, hives: dict[str, Daemons], ca: str) -> None:
        self.hives = hives
        self.files = TlsFiles(ca=ca)
        self._at_first: dict[str, tuple[int, int]] = {}

    async def check(self, rounds: int) -> str:
        """Each answers in each protocol, and takes no more than it did; returns figures."""
        told = []
        for mode, hive in self.hives.items():
            if hive.processes[0].poll() is not None:
                log = (hive.directory / "0.log").read_text()
                raise AssertionError(f"the node in {mode} has ended:\n{log[-3500:]}")
            hive.check_alive()
            address, secured = hive.addresses[0], None if mode == "off" else self.files
            async with Client(address, PATIENCE_SECONDS, secured) as client:
                await client.remove_all()
                await client.update("canary", b"sings")
                assert await client.get("canary") == b"sings"
            context = client_context(self.files) if secured is not None else None
            for said, answer in (
                (b"PING\r\n", b"+PONG\r\n"),
                (b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 "),
            ):
                async with Raw(int(address.rpartition(":")[2]), context) as raw, asyncio.timeout(PATIENCE_SECONDS):
                    raw.writer.write(said)
                    assert (await raw.reader.readexactly(len(answer))) == answer
            took = self._takes(mode)
            if rounds == WARM_ROUNDS or mode not in self._at_first:
                self._at_first[mode] = took
            grown = took[0] - self._at_first[mode][0]
            assert grown < GROWTH_BYTES_MAX, f"the node in {mode} has grown by {grown / MIB:.0f} MiB"
            told.append(f"{mode} {took[0] / MIB:.0f} MiB, {took[1]} files")
        return "; ".join(told)

    async def check_files(self) -> None:
        """Nothing is left of connections that have ended."""
        for mode in self.hives:

            async def closed(mode: str = mode) -> bool:
                return self._takes(mode)[1] <= self._at_first[mode][1] + GROWTH_FILES_MAX

            await until(f"the node in {mode} has closed what has ended", closed)

    def _takes(self, mode: str) -> tuple[int, int]:
        process = Path(f"/proc/{self.hives[mode].processes[0].pid}")
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"), len(
            os.listdir(process / "fd")
        )


async def run(directory: Path, seed: int, enough: Callable[[int], bool], say: Callable[[str], None]) -> Fuzz:
    """Goes on until there was ``enough``, which is told the rounds so far."""
    authority = Authority(directory)
    files = authority.issue("node")
    hives = {}
    for mode in MODES:
        (directory / mode).mkdir()
        named = ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca] if mode != "off" else []
        address = f"127.0.0.1:{free_port()}"
        hives[mode] = Daemons(directory / mode, 1, "--transient", "--tls-mode", mode, *named, addresses=[address])
    with hives[MODES[0]], hives[MODES[1]], hives[MODES[2]]:
        for hive in hives.values():
            hive.start(0)
        fuzz = Fuzz(seed, {mode: int(hive.addresses[0].rpartition(":")[2]) for mode, hive in hives.items()}, authority)
        watch = Watch(hives, files.ca)
        for mode, hive in hives.items():

            async def serves(mode: str = mode, hive: Daemons = hive) -> bool:
                async with Client(hive.addresses, 5.0, None if mode == "off" else watch.files) as client:
                    return await client.count() == 0

            await until("a node that serves", serves)
        rounds = 0
        say(await watch.check(rounds))
        while not enough(rounds):
            await fuzz.go(ROUND)
            rounds += 1
            say(f"{sum(fuzz.said.values())} conversations; {await watch.check(rounds)}")
        fuzz.let_go()
        await watch.check_files()
        for hive in hives.values():
            hive.terminate(0)
            hive.check_alive()
    return fuzz


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    given = parser.parse_args()
    end, told = monotonic() + 60 * given.minutes, monotonic()
    print(f"seed {given.seed}", flush=True)

    def say(line: str) -> None:
        nonlocal told
        if monotonic() - told >= 15:
            told = monotonic()
            print(line, flush=True)

    with tempfile.TemporaryDirectory() as directory:
        fuzz = asyncio.run(run(Path(directory), given.seed, lambda rounds: monotonic() >= end, say))
    print(f"{sum(fuzz.said.values())} conversations, and nothing was wrong: {dict(fuzz.said.most_common())}")


if __name__ == "__main__":
    main()
