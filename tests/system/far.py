"""A distance between nodes of one machine: connections that pass through here take their time each way, and some lose
their first packet."""

from __future__ import annotations

import asyncio
from collections import deque

LOST_SYN_SECONDS = 1.0
"""After so long a system sends again what was lost of a new connection."""


class Distance:
    """A port that leads to another one, ``seconds`` away; every ``lossy``-th connection loses its first packet."""

    def __init__(self, port: int, seconds: float, lossy: int = 0) -> None:
        self.port = port
        self.address = ""
        self.connections = 0
        self._seconds = seconds
        self._lossy = lossy
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 16)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            first = 2 * self._seconds  # until the connection is known to be there
            if self._lossy and self.connections % self._lossy == 0:
                first += LOST_SYN_SECONDS
            await asyncio.sleep(first)
            try:
                there, back = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                writer.transport.abort()
                return
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """What arrives leaves again so much later; several pieces may be on their way."""
        loop = asyncio.get_running_loop()
        on_the_way: deque[tuple[float, bytes]] = deque()
        more = asyncio.Event()

        async def deliver() -> None:
            while True:
                while not on_the_way:
                    more.clear()
                    await more.wait()
                at, data = on_the_way[0]
                await asyncio.sleep(max(0.0, at - loop.time()))
                on_the_way.popleft()
                if not data:
                    target.close()
                    return
                target.write(data)
                await target.drain()

        delivering = asyncio.ensure_future(deliver())
        try:
            while True:
                try:
                    data = await source.read(1 << 16)
                except OSError:
                    data = b""
                on_the_way.append((loop.time() + self._seconds, data))
                more.set()
                if not data:
                    break
            await delivering
        except OSError:
            pass
        finally:
            delivering.cancel()
            target.close()
