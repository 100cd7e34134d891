"""Connections that are opened only to be held, at a hive with TLS: ``python -m tests.system.crowd``.

A third of them say nothing, a third begin a ClientHello, and a third speak plainly and go no further. Those that a node
closes are opened again, all the time. Meanwhile a client does what clients do, with a new connection each time, and the
nodes are to stay members. The figures are of one machine that does all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from statistics import median
from time import monotonic
from types import TracebackType
from typing import Self

from tests.certificates import Authority
from tests.system.daemons import Daemons, environment, until, until_stable
from wrpme import Client
from wrpme.files.certificates import TlsFiles
from wrpme.limits import MIB

WORDS = (b"", b"\x16\x03\x01\x02\x00\x01\x00", b"*3\r\n$3\r\nSET\r\n")
OPENED_AT_ONCE = 256
SOURCES = 200
"""Addresses that they come from: one has too few ports for those that have just ended."""


def raise_files() -> None:
    """Lets this process have as many files as the system lets it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Crowd:
    """A process that holds ``size`` connections to the node at an address of loopback."""

    def __init__(self, size: int, address: str) -> None:
        port = address.rpartition(":")[2]
        self._command = [sys.executable, "-m", "tests.system.crowd", "--hold", str(size), port]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    async def gathered(self) -> None:
        """Waits until all were opened."""
        assert self.process.stdout is not None
        assert await asyncio.to_thread(self.process.stdout.readline) == "gathered\n"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


def hold(size: int, port: int) -> None:
    """Opens so many connections, and again those that end, until it is killed."""
    raise_files()
    waiting, numbers = selectors.DefaultSelector(), count()
    wanted, opened = size, 0
    while True:
        for _ in range(min(wanted, OPENED_AT_ONCE)):
            number = next(numbers)
            made = socket.socket()
            made.setblocking(False)
            made.bind((f"127.0.1.{1 + number % SOURCES}", 0))
            made.connect_ex(("127.0.0.1", port))
            waiting.register(made, selectors.EVENT_WRITE, WORDS[number % len(WORDS)])
            wanted -= 1
        for key, _ in waiting.select(0.01 if wanted else None):
            made = key.fileobj  # type: ignore[assignment]
            try:
                if key.events == selectors.EVENT_WRITE:
                    made.send(key.data)
                    waiting.modify(made, selectors.EVENT_READ)
                    opened += 1
                    if opened == size:
                        print("gathered", flush=True)
                    continue
                ended = not made.recv(4096)
            except OSError:
                ended = True
            if ended:
                waiting.unregister(made)
                made.close()
                wanted += 1


async def visits(hive: Daemons, files: TlsFiles, enough: int) -> list[float]:
    """A client comes so often, writes and reads an entry through some node, and goes; how long each took."""
    took = []
    for number in range(enough):
        began = monotonic()
        async with Client(hive.addresses[number % len(hive.addresses)], 20.0, files) as client:
            await client.update("entry", b"%d" % number)
            assert await client.get("entry") == b"%d" % number
        took.append(monotonic() - began)
    return took


def memory_of(hive: Daemons) -> str:
    pages = (int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) for one in hive.processes.values())
    return ", ".join(f"{each * resource.getpagesize() / MIB:.0f} MiB" for each in pages)


async def run(size: int, enough: int, mode: str) -> None:
    """Two nodes, and the figures."""
    with tempfile.TemporaryDirectory() as directory:
        files = Authority(Path(directory)).issue("node")
        named = ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca]
        with Daemons(Path(directory), 2, "--transient", "--tls-mode", mode, *named, lean=True) as hive:
            raise_files()  # the nodes inherit it
            hive.start_all((0, 1))
            ca = TlsFiles(ca=files.ca)
            async with Client(hive.addresses, tls=ca) as client:
                before = await until_stable(client, 2)
            alone = await visits(hive, ca, enough)
            print(f"alone: {_figures(alone)}; {memory_of(hive)}")
            began = monotonic()
            with Crowd(size, hive.addresses[0]) as crowd, Crowd(size, hive.addresses[1]) as other:
                meanwhile = _figures(await visits(hive, ca, enough))
                await crowd.gathered()
                await other.gathered()
                print(f"{size} connections to each node within {monotonic() - began:.0f} s; meanwhile: {meanwhile}")
                print(f"while they are held: {_figures(await visits(hive, ca, enough))}; {memory_of(hive)}")
                async with Client(hive.addresses, 20.0, ca) as client:
                    view = await client.view()
                print(
                    "the hive is as it was"
                    if view.epoch == before.epoch
                    else f"views since: {view.epoch - before.epoch}"
                )

            async def served() -> bool:
                return len(await visits(hive, ca, 2)) == 2

            await until("all as before", served)
            hive.check_alive()


def _figures(took: list[float]) -> str:
    return f"a visit took {1000 * median(took):.0f} ms at the median, {1000 * max(took):.0f} ms at most, of {len(took)}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--visits", type=int, default=30)
    parser.add_argument("--tls-mode", choices=("prefer", "require"), default="require")
    parser.add_argument("--hold", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.hold:
        hold(*given.hold)
    asyncio.run(run(given.count, given.visits, given.tls_mode))


if __name__ == "__main__":
    main()
