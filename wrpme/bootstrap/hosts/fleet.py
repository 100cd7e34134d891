"""The hosts of one command, which are worked on side by side; an error on one host does not stop the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import asyncssh

from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.inventory import Hello, HostInventory, read_answer
from wrpme.bootstrap.limits import HOSTS_AT_ONCE_MAX, LOCK_SECONDS
from wrpme.bootstrap.reporter import Reporter
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import LockedError, RemoteError, WrpmeError
from wrpme.protocol import address as addresses


class HostSession:
    """One host during one command: its connection, its agent, what was found there, and how far the work has come.

    ``error`` is what ended the work on this host.
    """

    def __init__(self, host: Host, reporter: Reporter) -> None:
        self.host = host
        self.reporter = reporter
        self.error: WrpmeError | None = None
        self.clock_ahead_seconds = 0.0
        """How far the host's clock is ahead of this machine's; negative if it is behind."""
        self._agent: AgentClient | None = None
        self._inventory: HostInventory | None = None

    @property
    def name(self) -> str:
        """Returns the name that the topology file has for it."""
        return self.host.name

    @property
    def agent(self) -> AgentClient:
        """Returns the agent there. It may be asked for only while the host is connected."""
        assert self._agent is not None
        return self._agent

    @property
    def inventory(self) -> HostInventory:
        """Returns what was found when the inventory was taken last."""
        assert self._inventory is not None
        return self._inventory

    @property
    def hello(self) -> Hello:
        """Returns what the agent said of its machine when it started."""
        return read_answer(Hello, self.agent.hello, self.name)

    def step(self, text: str) -> None:
        """Shows the operator which step this host is at."""
        self.reporter.step(self.name, text)

    async def open(self, connector: Connector) -> None:
        """Connects to the host and starts the agent there."""
        self.step("connecting")
        connection = await connector.connect(self.host, self.step)
        self._agent = await AgentClient.open(connection, self.host)

    async def take_lock(self, text: str) -> None:
        """Keeps other operators away from this machine until the connection ends, and creates the base directory.

        Raises:
            LockedError: another operator is at work there.
            RemoteError: another session of this very command has the lock: two hosts of the file are one machine.
        """
        self.step("taking the lock")
        try:
            await self.agent.call("lock", directory=self.host.directory, text=text, seconds=LOCK_SECONDS)
        except LockedError as error:
            if text not in error.sentence:
                raise
            raise RemoteError(
                f"{self.name} is the same machine as another host of the file; say the same host for both of its nodes"
            ) from None

    async def take_inventory(self) -> HostInventory:
        """Finds out how things are on the host, and changes nothing."""
        self.step("looking at the machine")
        nodes = {node.name: {"address": _pair(node.address)} for node in self.host.nodes}
        before = time.time()
        answer = await self.agent.call("look", directory=self.host.directory, nodes=nodes)
        self._inventory = read_answer(HostInventory, answer, self.name)
        # As in NTP, the answer is taken to have been made half way between the question and its arrival.
        self.clock_ahead_seconds = self._inventory.clock - (before + time.time()) / 2
        return self._inventory

    def finish(self, text: str, how: str = "good") -> None:
        """Ends the work on this host; ``how`` is good, bad or same (nothing was to be done)."""
        self.reporter.ended(self.name, text, how)

    def fail(self, error: WrpmeError) -> None:
        """Ends the work on this host with an error."""
        self.error = error
        self.finish(error.sentence.removeprefix(f"{self.name}: "), "bad")

    async def close(self) -> None:
        """Ends the agent, and the lock with it."""
        if self._agent is not None:
            agent, self._agent = self._agent, None
            await agent.close()


def _pair(address: str) -> tuple[str, int]:
    parsed = addresses.parse(address)
    return parsed.host, parsed.port


class Fleet:
    """All hosts of one command. Leaving the context ends all agents and connections."""

    def __init__(self, hosts: Sequence[Host], reporter: Reporter) -> None:
        self.sessions = [HostSession(host, reporter) for host in hosts]
        self.reporter = reporter
        self.connector = Connector(reporter.ask if reporter.can_ask else None)
        self._slots = asyncio.Semaphore(HOSTS_AT_ONCE_MAX)

    async def __aenter__(self) -> Fleet:
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()

        def unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # asyncssh reports a broken connection here, too; whoever waits for the connection has the error already.
            if isinstance(context.get("exception"), asyncssh.Error):
                return
            if before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(unexpected)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.gather(*(session.close() for session in self.sessions), return_exceptions=True)
        finally:  # an operator who interrupts a second time waits for no agent, and still no connection is left
            self.reporter.close()
            await self.connector.close()

    @property
    def sound(self) -> list[HostSession]:
        """Returns the sessions that have had no error so far."""
        return [session for session in self.sessions if session.error is None]

    @property
    def broken(self) -> dict[Host, WrpmeError]:
        """Returns the hosts that had an error, with the error."""
        return {session.host: session.error for session in self.sessions if session.error is not None}

    async def each(
        self, work: Callable[[HostSession], Awaitable[Any]], sessions: Iterable[HostSession] | None = None
    ) -> None:
        """Does the work on ``sessions``, or on all sound ones, at most ``HOSTS_AT_ONCE_MAX`` at a time.

        A WrpmeError fails its own session; anything else ends all work and is raised.
        """

        async def one(session: HostSession) -> None:
            async with self._slots:
                try:
                    await work(session)
                except WrpmeError as error:
                    session.fail(error)

        try:
            async with asyncio.TaskGroup() as group:
                for session in list(self.sound if sessions is None else sessions):
                    group.create_task(one(session))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    def raise_broken(self, command: str) -> None:
        """Raises the errors of all hosts as one, if there are any.

        Raises:
            WrpmeError: the only error that there is, or a RemoteError that counts and names the hosts.
        """
        broken = list(self.broken.values())
        if len(broken) == 1:
            raise broken[0]
        if broken:
            names = addresses.listed(host.name for host in self.broken)
            raise RemoteError(
                f"{command} failed on {len(broken)} of {len(self.sessions)} hosts: {names}; what is wrong with each is "
                "said above; do something about it and give the command again, it goes on where it stopped"
            )
