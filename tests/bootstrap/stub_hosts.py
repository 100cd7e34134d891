"""Two hosts of a hive, as far as their agents tell: for commands as a whole, without SSH."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from tests.bootstrap.fleet_parts import ADDRESSES, HIVE, IDS, Agent, Shown, answers, figures, hive
from tests.bootstrap.plan_parts import BARE, RELEASE, hello, inventory
from wrpme.bootstrap import commands
from wrpme.bootstrap.bundle.build import Bundle
from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.fleet import HostSession
from wrpme.bootstrap.hosts.inventory import HostInventory, NodeFound, Record
from wrpme.bootstrap.rollout import apply, check
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import ConnectionError, RemoteError
from wrpme.protocol.messages import Failed, Reply, Request

BOTH = {IDS[0]: figures(0), IDS[1]: figures(1)}
NAMES = ("10.0.0.1", "10.0.0.2")


class Asked(Shown):
    """An operator who gives that answer to every question."""

    can_ask = True

    def __init__(self, answer: str) -> None:
        super().__init__()
        self._answer = answer

    async def ask(self, question: str) -> str:
        self.lines.append(question)
        return self._answer


class StubHosts:
    """``actions`` has what was done in its order: the host's name, the request, and the node's name. ``found`` is how
    each node is found, ``running`` those that run, ``answer`` how they answer once all do: alone, a node waits.
    ``refuse`` has the requests that hosts refuse (as "10.0.0.1 start")."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.found: dict[str, NodeFound] = dict.fromkeys(NAMES, BARE)
        self.seen: Callable[[HostInventory], HostInventory] = lambda found: found
        self.running: set[str] = set()
        self.answer: Callable[[int], Callable[[Request], Reply]] = lambda me: answers(hive(), BOTH, me)
        self.refuse: set[str] = set()
        self.reached = "open"
        self.actions: list[str] = []
        self.records: dict[str, Record] = {}
        self.file = directory / "hive.toml"
        self.reporter = Shown()
        self.shown: list[str] = []
        self.members: Sequence[str] = ADDRESSES
        self.write()
        hosts = self

        async def opened(session: HostSession, connector: Connector) -> None:
            hosts.check(session.name, "connect")
            session._agent = cast(AgentClient, hosts.agent(session.host))

        async def bundle_for(session: HostSession) -> Bundle:
            hosts.check(session.name, "bundle")
            return Bundle(RELEASE, Path("bundle.zip"), 5_000_000)

        monkeypatch.setattr(HostSession, "open", opened)
        monkeypatch.setattr(apply, "bundle_for", bundle_for)
        monkeypatch.setattr(check, "bundle_for", bundle_for)

    def write(self, *lines: str) -> None:
        """The topology file, with these lines for each node."""
        text = ""
        for name in NAMES:
            text += "\n".join(["[[node]]", f'host = "{name}"', f'address = "{name}:5909"', *lines, ""])
        self.file.write_text(text)

    def configured(self, release: str = RELEASE, run: bool = True) -> None:
        """Both nodes were configured, and run or are stopped with their data."""
        for number, name in enumerate(NAMES):
            record = Record(f"{name}:5909", peers=(ADDRESSES[1 - number],), release=release)
            pid = 42 if run else None
            self.found[name] = NodeFound(record, True, 1 << 20, pid, hive=HIVE.hex(), release_running=run * release)
        self.running = set(NAMES) if run else set()

    def check(self, name: str, do: str) -> None:
        if f"{name} {do}" in self.refuse:
            raise RemoteError(f"{name}: no {do} today")

    def agent(self, host: Host) -> Agent:
        """Of that host, which has one node."""
        me = NAMES.index(host.name)

        def reply(request: Request) -> Reply:
            if host.name not in self.running:
                raise ConnectionError(f"{host.name}: {ADDRESSES[me]} does not answer (Connection refused)")
            if self.running != set(NAMES):
                return Failed(request.id, 6, f"{ADDRESSES[me]} waits for the others; see them")
            return self.answer(me)(request)

        agent = Agent(reply, **{do: self._action(host.name, do) for do in (*CHANGING, "look", "state", "reach")})
        agent.hello = msgspec.to_builtins(hello())
        return agent

    def _action(self, name: str, do: str) -> Callable[..., dict[str, Any]]:
        def action(**arguments: Any) -> dict[str, Any]:
            self.check(name, do)
            if do in CHANGING:
                self.actions.append(f"{name} {do}")
            if do == "look":
                found = inventory(Host(name, nodes=()), releases=(RELEASE,))
                nodes = dict.fromkeys(arguments["nodes"], self.found[name])
                told = self.seen(msgspec.structs.replace(found, nodes=nodes, clock=time.time()))
                return cast(dict[str, Any], msgspec.to_builtins(told))
            if do == "start":
                self.running.add(name)
            if do == "configure":
                self.records[name] = msgspec.convert(arguments["record"], Record)
            told_by: dict[str, dict[str, Any]] = {
                "state": {"pid": 42 if name in self.running else None, "unit_state": "", "tail": "", "restarts": 0},
                "stop": {"was_running": name in self.running},
                "configure": {"changed": True},
                "reach": {f"{host}:{port}": self.reached for host, port in arguments.get("addresses", ())},
            }
            if do == "stop":
                self.running.discard(name)
            return told_by.get(do, {})

        return action

    async def run(self, name: str, *words: str) -> str:
        """A command on the file (or with these words, for node_start); what it says of each host at the end, and what
        it shows."""

        async def members() -> Sequence[str]:
            return self.members

        given = words if name == "node_start" else (str(self.file), *words)
        self.shown.clear()
        before = len(self.reporter.lines)
        await commands.run(name, given, self.reporter, self.shown.append, members)
        told = [line for line in self.reporter.lines[before:] if re.match(r"\S+: (good|same|bad): ", line)]
        return "\n".join([*told, *self.shown])


CHANGING = ("lock", "install", "configure", "start", "stop", "prune", "remove", "clean")
