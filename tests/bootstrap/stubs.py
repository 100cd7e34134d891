"""Stand-ins for what is said over SSH, for tests that need no machine: an agent, the nodes behind it, an operator."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from wrpme import errors, view
from wrpme.bootstrap.facts import Hello, Look
from wrpme.bootstrap.fleet import Machine
from wrpme.bootstrap.progress import Reporter
from wrpme.bootstrap.remote import Remote
from wrpme.bootstrap.topology_file import Host
from wrpme.codec import PREFACE, Decoder, encode
from wrpme.figures import Figures
from wrpme.messages import Failed, GetStatus, GetView, Reply, Request, Text, ViewIs
from wrpme.picture import Member, State, View

HIVE = b"h" * 16


def node_id(number: int) -> bytes:
    """Of the node ``number`` (from 1) of the hives here."""
    return bytes([number]) * 16


def address_of(number: int) -> str:
    """As the topologies of plan_parts have it."""
    return f"10.0.0.{number}:5909"


def hive_view(
    count: int = 3, epoch: int = 7, hive: bytes = HIVE, down: Sequence[int] = (), moving: bool = False
) -> View:
    """A hive whose first node has all; nodes of these numbers are down, or a copy is made."""
    first = view.found(hive, node_id(1), 1, address_of(1), 1)
    members = [
        Member(node_id(number), 1, address_of(number), number, State.DOWN if number in down else State.UP)
        for number in range(1, count + 1)
    ]
    arcs = tuple(replace(arc, incoming=(node_id(2),) if moving else ()) for arc in first.arcs)
    return replace(first, epoch=epoch, members=tuple(members), arcs=arcs)


def figures_of(member: Member, epoch: int, serving: bool = True, quorum: str = "") -> Figures:
    """What that member tells while it knows that epoch."""
    told = Figures(member.address, epoch, "up", "0.1.0", 1.0, 0.3, 3, 30, True)
    return replace(told, serving=serving, quorum=quorum)


class Moment:
    """What can be heard at one time: ``view`` from whoever is asked (None: it waits for its hive), and the figures of
    each member, who knows the epoch of the view unless ``late`` has another one; ``silent`` ones tell nothing."""

    def __init__(
        self,
        shown: View | None,
        late: dict[int, int] | None = None,
        silent: Sequence[int] = (),
        starting: Sequence[int] = (),
        without_quorum: Sequence[int] = (),
    ) -> None:
        self.view = shown
        self.late = late or {}
        self.silent = silent
        self.starting = starting
        self.without_quorum = without_quorum

    def reply(self, me: int, request: Request) -> Reply:
        """What the node ``me`` answers."""
        assert isinstance(request, GetView | GetStatus)
        if isinstance(request, GetView):
            if self.view is None:
                return Failed(request.id, errors.UnstableError.code, "it waits for its hive; look at the others")
            return ViewIs(request.id, node_id(me), self.view)
        number = request.node[0] if request.node else me
        if number in self.silent:
            return Failed(request.id, errors.UnavailableError.code, f"{address_of(number)} does not answer")
        epoch = self.late.get(number, self.view.epoch if self.view is not None else 0)
        member = Member(node_id(number), 1, address_of(number), number, State.UP)
        quorum = "this node has no quorum" if number in self.without_quorum else ""
        figures = figures_of(member, epoch, number not in self.starting, quorum)
        return Text(request.id, msgspec.json.encode(figures).decode())


class Agent:
    """In the place of :class:`wrpme.bootstrap.remote.Remote`. ``answers`` has what is answered to a request, or a
    function of its arguments that does it; ``moments`` what nodes tell, a new one with each question for the view, and
    the last one stays; a moment that is an error is raised."""

    def __init__(self, *moments: Moment | errors.WrpmeError, **answers: Any) -> None:
        self.moments = list(moments)
        self.answers: dict[str, Any] = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.hello: dict[str, Any] = msgspec.to_builtins(
            Hello((3, 11, 2), "/usr/bin/python3", "x86_64", ("glibc", "2.36"), "root", 0, "/root", "host")
        )
        self.host_key = "ssh-ed25519 SHA256:abc"
        self.closed = False
        self._now: Moment | errors.WrpmeError | None = None

    def asked(self, do: str) -> list[dict[str, Any]]:
        """The arguments of all requests of that kind."""
        return [arguments for one, arguments in self.calls if one == do]

    async def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """See :class:`wrpme.bootstrap.remote.Remote`."""
        self.calls.append((do, arguments))
        if do == "ask" and "ask" not in self.answers:
            return self._ask(**arguments)
        answer = self.answers[do]
        found: dict[str, Any] = answer(**arguments) if callable(answer) else answer
        return found

    def _ask(self, address: tuple[str, int], frames: str, count: int, seconds: float) -> dict[str, Any]:
        decoder: Decoder[Request] = Decoder(Request)
        requests = decoder.feed(base64.b64decode(frames))
        assert len(requests) == count
        assert seconds > 0
        if any(isinstance(request, GetView) for request in requests):
            self._now = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        now = self._now
        if isinstance(now, errors.WrpmeError):
            raise now
        assert now is not None
        me = int(address[0].rpartition(".")[2])
        data = PREFACE + b"".join(encode(now.reply(me, request)) for request in requests)
        return {"data": base64.b64encode(data).decode()}

    async def close(self) -> None:
        """See :class:`wrpme.bootstrap.remote.Remote`."""
        self.closed = True


class Shown:
    """A reporter that keeps what it is told; ``answer`` is given to every question."""

    def __init__(self, answer: str = "") -> None:
        self.can_ask = bool(answer)
        self.steps: list[tuple[str, str]] = []
        self.ends: list[tuple[str, str, str]] = []
        self.said: list[str] = []
        self.lines: list[tuple[int, str, int, str]] = []
        self.questions: list[str] = []
        self.closed = 0
        self.on_log: Callable[[], None] = lambda: None
        self._answer = answer

    def step(self, host: str, text: str) -> None:
        self.steps.append((host, text))

    def ended(self, host: str, text: str, how: str) -> None:
        self.ends.append((host, text, how))

    def say(self, text: str) -> None:
        self.said.append(text)

    def log(self, number: int, name: str, width: int, line: str) -> None:
        self.lines.append((number, name, width, line))
        self.on_log()

    async def ask(self, question: str) -> str:
        self.questions.append(question)
        return self._answer

    def close(self) -> None:
        self.closed += 1


def reach(machine: Machine, agent: Agent, seen: Look | None = None) -> Machine:
    """That machine as if it were connected to ``agent``, and looked at."""
    machine._remote = cast(Remote, agent)
    machine._look = seen
    return machine


def machine_of(host: Host, agent: Agent, seen: Look | None = None, reporter: Reporter | None = None) -> Machine:
    """A machine of that host alone."""
    return reach(Machine(host, reporter or Shown()), agent, seen)
