"""Sessions with hosts whose agents are stubs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec

from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.fleet import HostSession
from wrpme.bootstrap.topology.file import Host
from wrpme.core.membership import transitions
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import Failed, GetStatus, GetView, Reply, Request, Text, ViewIs
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import NOBODY, State, View

HIVE = b"h" * 16
IDS = (b"1" * 16, b"2" * 16)
ADDRESSES = ("10.0.0.1:5909", "10.0.0.2:5909")


class Shown:
    """A reporter that keeps what it is told."""

    can_ask = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, host: str, text: str) -> None:
        self.lines.append(f"{host}: {text}")

    def ended(self, host: str, text: str, how: str) -> None:
        self.lines.append(f"{host}: {how}: {text}")

    def say(self, text: str) -> None:
        self.lines.append(text)

    def log(self, number: int, name: str, width: int, line: str) -> None:
        self.lines.append(f"{number} {name} {line}")

    async def drain(self) -> None:
        """All is written."""

    async def ask(self, question: str) -> str:
        raise AssertionError(question)

    def close(self) -> None:
        self.lines.append("closed")


class Paper:
    """An output that keeps what is printed. While it is ``stalled`` it takes, and writes nothing."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal
        self.stalled = False
        self.waiting: list[Iterable[bytes]] = []
        self._written = b""

    def hand_over(self, pieces: Iterable[bytes]) -> None:
        self.waiting.append(pieces)
        if not self.stalled:
            self.write()

    def write(self) -> None:
        for pieces in self.waiting:
            self._written += b"".join(pieces)
        self.waiting.clear()

    async def drain(self) -> None:
        self.write()

    def text(self) -> str:
        """What was printed since the last call."""
        text, self._written = self._written.decode(), b""
        return text


class Agent:
    """Stands for :class:`AgentClient`.

    ``reply`` answers a request to a node, ``others`` all other requests, each with what is told or a function of the
    arguments; ``given`` has the arguments of what was ``asked``.
    """

    def __init__(self, reply: Callable[[Request], Reply], **others: Any) -> None:
        self.hello: dict[str, Any] = {}
        self.host_key = "ssh-ed25519 SHA256:abc"
        self.asked: list[str] = []
        self.given: list[dict[str, Any]] = []
        self._reply = reply
        self._others = others

    async def check_sending(self) -> None:
        """It could be sent."""

    async def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(do)
        self.given.append(arguments)
        if do != "ask":
            answer = self._others[do]
            told: dict[str, Any] = answer(**arguments) if callable(answer) else answer
            return told
        decoder: Decoder[Request] = Decoder(Request)
        requests = decoder.feed(base64.b64decode(arguments["frames"]))
        data = PREFACE + b"".join(encode(cast(msgspec.Struct, self._reply(request))) for request in requests)
        return {"data": base64.b64encode(data).decode()}

    async def close(self) -> None:
        self.asked.append("close")


def session(host: Host, agent: Agent, shown: Shown) -> HostSession:
    """A session that is connected to that agent."""
    made = HostSession(host, shown)
    made._agent = cast(AgentClient, agent)
    return made


def hive(epoch: int = 3, down: Sequence[int] = (), hive_id: bytes = HIVE) -> View:
    """A hive of two, stable unless one is down."""
    found = transitions.found(hive_id, IDS[0], 1, ADDRESSES[0], 2)
    first = found.members[0]
    second = msgspec.structs.replace(first, id=IDS[1], address=ADDRESSES[1], joined=2)
    members = tuple(
        msgspec.structs.replace(member, state=State.DOWN) if at in down else member
        for at, member in enumerate((first, second))
    )
    arcs = tuple(msgspec.structs.replace(arc, holders=IDS, wanted=IDS) for arc in found.arcs)
    return msgspec.structs.replace(found, epoch=epoch, members=members, arcs=arcs)


def figures(number: int, epoch: int = 3, serving: bool = True) -> NodeStats:
    return NodeStats(ADDRESSES[number], epoch, "up", "0.1.0", 1.0, 0.5, 3, 30, True, serving=serving)


def answers(now: View, told: dict[bytes, NodeStats], me: int = 0) -> Callable[[Request], Reply]:
    """How the node ``me`` answers in that view, when each member tells those figures."""

    def reply(request: Request) -> Reply:
        if isinstance(request, GetView):
            return ViewIs(request.id, IDS[me], now)
        assert isinstance(request, GetStatus)
        found = told.get(IDS[me] if request.node == NOBODY else request.node)
        if found is None:
            return Failed(request.id, 5, "it has been down for 3 s")
        return Text(request.id, msgspec.json.encode(found).decode())

    return reply
