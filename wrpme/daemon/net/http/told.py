"""What HTTP tells of a node: figures that are there anyway, gathered when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from wrpme.core.io import Process, ProcessStats
from wrpme.core.stats.measured import Measured
from wrpme.daemon.net.peers import Links
from wrpme.daemon.net.redis.channels import Channels
from wrpme.daemon.net.redis.figures import Figures
from wrpme.daemon.net.server import Server
from wrpme.daemon.systemd import Outlook
from wrpme.protocol.histogram import Latency, Pairs
from wrpme.protocol.stats import NodeStats


class Command(Struct, frozen=True):
    """What the Redis door counts of one command; ``seconds`` is the sum."""

    calls: int
    failed: int
    rejected: int
    seconds: float


class Told(Struct, frozen=True):
    """At one moment. A node that has no data directory has no figures of its own."""

    serves: bool
    stats: NodeStats | None
    measured: Measured | None
    process: ProcessStats
    processor_seconds: float
    lag: Pairs
    """How late the loop was for its timers."""
    connections: int
    """Of all kinds."""
    accepted: int
    """Connections since the start."""
    sessions_max: int
    """So many connections clients may have."""
    fills: dict[str, float]
    """As :attr:`wrpme.core.stats.measured.Measured.fills`, of the process."""
    commands: dict[str, Command]


class Teller(Protocol):
    """The node: :class:`wrpme.core.node.Node`, or what runs in its place."""

    def stats(self, now: float) -> str:
        """Returns its figures as JSON; an empty text where it has none."""

    def measured(self, now: float) -> tuple[NodeStats, Measured] | None:
        """Returns its figures, and what it counts beside them."""


class Source:
    """Where HTTP reads. ``outlook`` tells whether the node serves, and one line on how it is; ``lag`` how late the
    loop was for its timers."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        outlook: Outlook,
        node: Teller,
        process: Process,
        server: Server,
        links: Links,
        channels: Channels,
        commands: Figures,
        lag: Latency,
    ) -> None:
        self.clock = clock
        self.outlook = outlook
        self._node = node
        self._process = process
        self._server = server
        self._links = links
        self._channels = channels
        self._commands = commands
        self._lag = lag

    def status(self) -> str:
        """Returns the figures of ``node_status`` as JSON; an empty text where there are none."""
        return self._node.stats(self.clock())

    def told(self) -> Told:
        """Returns all that there is."""
        process, server = self._process, self._server
        stats, measured = self._node.measured(self.clock()) or (None, None)
        return Told(
            serves=self.outlook()[0],
            stats=stats,
            measured=measured,
            process=process.stats(),
            processor_seconds=time.process_time(),
            lag=self._lag.pairs(),
            connections=len(server.sessions),
            accepted=server.accepted,
            sessions_max=server.clients_max,
            fills={
                "sessions": process.sessions / max(1, server.clients_max),
                "connections": len(server.sessions) / server.sessions_max,
                "partial_messages": server.partial_bytes / process.memory.frames,
                "large_answers": process.answers_bytes / process.memory.answers,
                "link": self._links.waiting_bytes / process.memory.link,
                "subscribers": self._channels.behind_bytes / process.memory.behind,
            },
            commands={
                name: Command(found.calls, found.failed, found.rejected, found.seconds)
                for name, found in self._commands.by_name()
            },
        )
