"""Logins of the tests: each with a Connector of its own, on real hosts, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncssh

from tests.bootstrap.ssh_hosts import SshHosts
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import RemoteError

ONE, TWO, THREE = "192.168.1.1", "192.168.1.2", "192.168.1.3"
PROBE = "id -un; hostname; echo $SSH_CLIENT"


def host(
    name: str, user: str = "root", port: int = 0, jump: str = "", mode: str = "", pins: tuple[str, ...] = ()
) -> Host:
    """As a topology would name it."""
    return Host(name=name, user=user, port=port, jump=jump, mode=mode, pins=pins)


@dataclass
class Operator:
    """Whoever is asked; ``says`` gives the answer to a question."""

    says: Callable[[str], str]
    questions: list[str] = field(default_factory=list)
    busy: bool = False

    async def ask(self, question: str) -> str:
        """Notices a second question before the first is answered."""
        assert not self.busy, "two questions at once"
        self.busy = True
        self.questions.append(question)
        for _ in range(3):
            await asyncio.sleep(0)
        self.busy = False
        return self.says(question)


@dataclass
class Outcome:
    """Of one login."""

    error: RemoteError | None = None
    user: str = ""
    hostname: str = ""
    client: str = ""
    """The address that the host sees the client at."""

    @property
    def sentence(self) -> str:
        """Of the error that there must be."""
        assert self.error is not None
        assert "\n" not in self.error.sentence
        return self.error.sentence


class Logins:
    """``steps`` are those of the last call."""

    def __init__(self, hosts: SshHosts) -> None:
        self.hosts = hosts
        self.steps: list[str] = []

    def configure(self, text: str) -> None:
        """Writes the client's ~/.ssh/config."""
        (self.hosts.home / ".ssh/config").write_text(text)

    @property
    def known(self) -> str:
        """The client's known_hosts."""
        file = self.hosts.home / ".ssh/known_hosts"
        return file.read_text() if file.exists() else ""

    def each(self, *wanted: Host, operator: Operator | None = None) -> list[Outcome]:
        """All of them at once, with one Connector."""

        async def one(connector: Connector, host: Host) -> Outcome:
            try:
                connection = await connector.connect(host, self.steps.append)
            except RemoteError as error:
                return Outcome(error)
            return await probed(connection)

        async def all_of_them(connector: Connector) -> list[Outcome]:
            return await asyncio.gather(*(one(connector, host) for host in wanted))

        return self.within(all_of_them, operator)

    def one(self, wanted: Host, operator: Operator | None = None) -> Outcome:
        """A single one."""
        return self.each(wanted, operator=operator)[0]

    def within(
        self, work: Callable[[Connector], Awaitable[list[Outcome]]], operator: Operator | None = None
    ) -> list[Outcome]:
        """Some work with a Connector, in the client's network."""
        self.steps.clear()

        async def whole() -> list[Outcome]:
            connector = Connector(operator.ask if operator is not None else None)
            try:
                return await work(connector)
            finally:
                await connector.close()

        return self.hosts.in_client_network(whole)


async def probed(connection: asyncssh.SSHClientConnection) -> Outcome:
    """Who and where one is at the other end."""
    done = await connection.run(PROBE, check=True)
    user, hostname, client = str(done.stdout).splitlines()
    return Outcome(None, user, hostname, client.split()[0])
