"""Following entries: ``python -m bench.follow [--seconds N] [--followers N...]``.

One node of its own in memory, one writer that puts as fast as one connection with 64 requests in flight does, and raw
followers of one prefix, which read frames and do nothing with them. It prints, for each number of followers: puts per
second, changes told per second (of an entry that was written again before it was told, only the later change), the
processor time of the node for each put, and what of it each change that was told to a follower took; and how many puts
there are beside those without any follower.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from wrpme import Client, WrpmeError
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import Changes, Follow, FollowEnded, Following, Reply
from wrpme.protocol.view import View

IN_FLIGHT = 64
ALIASES = 1000
CONTENT = bytes(100)
START_SECONDS = 20.0


class Follower(asyncio.Protocol):
    """One connection; it decodes the first one's changes alone, as all get the same bytes."""

    def __init__(self, tally: Tally, decodes: bool) -> None:
        self.tally = tally
        self.decodes = decodes
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._decoder: Decoder[Reply] = Decoder(Reply)

    def ask(self, view: View) -> None:
        """Follows everything."""
        self.transport.write(encode(Follow(1, view.members[0].id, view.epoch, b"")))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(PREFACE)

    def data_received(self, data: bytes) -> None:
        self.tally.bytes += len(data)
        if self.ready.done() and not self.decodes:
            return
        for reply in self._decoder.feed(data):
            if isinstance(reply, Following):
                self.ready.set_result(None)
            elif isinstance(reply, Changes):
                self.tally.changes += len(reply.changes)
                self.tally.messages += 1
            elif isinstance(reply, FollowEnded):
                self.tally.ended += 1


@dataclass
class Tally:
    """What followers heard; ``changes`` and ``messages`` of one of them."""

    changes: int = 0
    messages: int = 0
    bytes: int = 0
    ended: int = 0


def processor_seconds(pid: int) -> float:
    """What the process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def write(client: Client, seconds: float) -> int:
    """How many writes were acknowledged in that time."""
    end, done = time.monotonic() + seconds, 0

    async def one(first: int) -> None:
        nonlocal done
        number = first
        while time.monotonic() < end:
            await client.update(f"entry/{number % ALIASES}", CONTENT)
            number += IN_FLIGHT
            done += 1

    await asyncio.gather(*(one(number) for number in range(IN_FLIGHT)))
    return done


async def measured(address: str, pid: int, count: int, seconds: float, without: float) -> float:
    """Prints a row; returns the puts per second."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    tally = Tally()
    followers: list[Follower] = []
    async with Client(address) as client:
        view = await client.view()
        for number in range(count):
            made = await loop.create_connection(lambda number=number: Follower(tally, number == 0), host, int(port))  # type: ignore[misc]
            followers.append(made[1])
            made[1].ask(view)
        for follower in followers:
            await follower.ready
        before, begun = processor_seconds(pid), time.monotonic()
        tally.bytes = 0
        puts = await write(client, seconds)
        took, used = time.monotonic() - begun, processor_seconds(pid) - before
    for follower in followers:
        follower.transport.abort()
    rate = puts / took
    told = tally.changes * count
    each = f"{used / told * 1e6:7.2f}" if told else "      -"
    ratio = f"{rate / without:5.2f}" if without else " 1.00"
    print(
        f"{count:9} {rate:9.0f} {tally.changes / took:9.0f} {told / took:11.0f} {used / puts * 1e6:9.1f} {each} {ratio}"
        f" {tally.ended:6}",
        flush=True,
    )
    return rate


async def run(counts: list[int], seconds: float) -> None:
    """All rows, at one node."""
    address = f"127.0.0.1:{20_000 + os.getpid() % 9000}"
    with tempfile.TemporaryDirectory() as directory:
        options = ["-a", address, "--transient", "-l", "log", "--sessions", str(max(counts, default=0) + 100)]
        node = subprocess.Popen([sys.executable, "-m", "wrpme.daemon", *options], cwd=directory)
        try:
            async with Client(address, timeout=START_SECONDS) as client:
                end = time.monotonic() + START_SECONDS
                while True:
                    try:
                        await client.wait_stable()
                        break
                    except WrpmeError:  # nobody listens there yet
                        if time.monotonic() > end:
                            raise
                        await asyncio.sleep(0.1)
                await write(client, 1.0)
            print("followers    puts/s changes/s      told/s  µs a put  µs told  ratio behind")
            without = await measured(address, node.pid, 0, seconds, 0.0)
            for count in counts:
                await measured(address, node.pid, count, seconds, without)
            await measured(address, node.pid, 0, seconds, without)
        finally:
            node.terminate()
            node.wait()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.follow", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row (5)")
    parser.add_argument("--followers", type=int, nargs="*", default=[1, 100, 10_000], help="how many (1 100 10000)")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    asyncio.run(run(options.followers, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
