"""The hosts of one command, worked on side by side: what breaks on one does not stop the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import asyncssh

from wrpme.bootstrap.hosts import inventory
from wrpme.bootstrap.hosts.agent_client import Remote
from wrpme.bootstrap.hosts.inventory import Hello, Look
from wrpme.bootstrap.limits import HOSTS_AT_ONCE_MAX, LOCK_SECONDS
from wrpme.bootstrap.reporter import Reporter
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import LockedError, RemoteError, WrpmeError
from wrpme.protocol import address as addresses


class Machine:
    """A host, as far as this command has come with it. ``error`` ends its part."""

    def __init__(self, host: Host, reporter: Reporter) -> None:
        self.host = host
        self.reporter = reporter
        self.error: WrpmeError | None = None
        self.begun = asyncio.get_running_loop().time()
        self.seconds = 0.0
        self.outcome = ""
        self.clock_ahead_seconds = 0.0
        """Of that machine against this one."""
        self._remote: Remote | None = None
        self._look: Look | None = None

    @property
    def name(self) -> str:
        """As the file says."""
        return self.host.name

    @property
    def remote(self) -> Remote:
        """The agent there; only while it is connected."""
        assert self._remote is not None
        return self._remote

    @property
    def look(self) -> Look:
        """What was seen last."""
        assert self._look is not None
        return self._look

    @property
    def hello(self) -> Hello:
        """What its agent said at first."""
        return inventory.read(Hello, self.remote.hello, self.name)

    def step(self, text: str) -> None:
        """Shows where it is."""
        self.reporter.step(self.name, text)

    async def open(self, connector: Connector) -> None:
        """Connects and starts the agent."""
        self.step("connecting")
        connection = await connector.connect(self.host, self.step)
        self._remote = await Remote.open(connection, self.host)

    async def take_lock(self, text: str) -> None:
        """Keeps other operators away from this machine until the connection ends; creates the base directory."""
        self.step("taking the lock")
        try:
            await self.remote.call("lock", directory=self.host.directory, text=text, seconds=LOCK_SECONDS)
        except LockedError as error:
            if text not in error.sentence:
                raise
            raise RemoteError(
                f"{self.name} is the same machine as another host of the file; say the same host for both of its nodes"
            ) from None

    async def look_around(self) -> Look:
        """Sees how things are; changes nothing."""
        self.step("looking at the machine")
        nodes = {node.name: {"address": _pair(node.address)} for node in self.host.nodes}
        before = time.time()
        answer = await self.remote.call("look", directory=self.host.directory, nodes=nodes)
        self._look = inventory.read(Look, answer, self.name)
        # As NTP has it: the answer was made half way between question and arrival.
        self.clock_ahead_seconds = self._look.clock - (before + time.time()) / 2
        return self._look

    def finish(self, text: str, how: str = "good") -> None:
        """Its part is done."""
        self.outcome = text
        self.seconds = asyncio.get_running_loop().time() - self.begun
        self.reporter.ended(self.name, text, how)

    def fail(self, error: WrpmeError) -> None:
        """Its part ends here."""
        self.error = error
        self.finish(error.sentence.removeprefix(f"{self.name}: "), "bad")

    async def close(self) -> None:
        """Lets the agent end, and the lock with it."""
        if self._remote is not None:
            remote, self._remote = self._remote, None
            await remote.close()


def _pair(address: str) -> tuple[str, int]:
    parsed = addresses.parse(address)
    return parsed.host, parsed.port


class Fleet:
    """All hosts of one command; leaving the context ends all connections."""

    def __init__(self, hosts: Sequence[Host], reporter: Reporter) -> None:
        self.machines = [Machine(host, reporter) for host in hosts]
        self.reporter = reporter
        self.connector = Connector(reporter.ask if reporter.can_ask else None)
        self._places = asyncio.Semaphore(HOSTS_AT_ONCE_MAX)

    async def __aenter__(self) -> Fleet:
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()

        def unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # Of a connection that breaks asyncssh tells everything that used it: whoever waits for that has an error.
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
            await asyncio.gather(*(machine.close() for machine in self.machines), return_exceptions=True)
        finally:  # whoever interrupts once more waits for no agent, and yet no connection stays
            self.reporter.close()
            await self.connector.close()

    @property
    def sound(self) -> list[Machine]:
        """Those without an error so far."""
        return [machine for machine in self.machines if machine.error is None]

    @property
    def broken(self) -> dict[Host, WrpmeError]:
        """What went wrong where."""
        return {machine.host: machine.error for machine in self.machines if machine.error is not None}

    async def each(
        self, work: Callable[[Machine], Awaitable[Any]], machines: Iterable[Machine] | None = None
    ) -> None:
        """Does the work on all machines that are sound (or on those), at most ``HOSTS_AT_ONCE_MAX`` at a time."""

        async def one(machine: Machine) -> None:
            async with self._places:
                try:
                    await work(machine)
                except WrpmeError as error:
                    machine.fail(error)

        try:
            async with asyncio.TaskGroup() as group:
                for machine in list(self.sound if machines is None else machines):
                    group.create_task(one(machine))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    def raise_broken(self, verb: str) -> None:
        """The errors of all hosts as one, if there are any.

        Raises:
            WrpmeError: the only error there is, or a RemoteError that counts and names them.
        """
        broken = list(self.broken.values())
        if len(broken) == 1:
            raise broken[0]
        if broken:
            names = addresses.listed(host.name for host in self.broken)
            raise RemoteError(
                f"{verb} failed on {len(broken)} of {len(self.machines)} hosts: {names}; what is wrong with each is "
                "said above; do something about it and give the command again, it goes on where it stopped"
            )
