"""Clients in virtual time, which do what the client library does, and the histories of what they heard."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.sim.follows import Followers
from tests.sim.linear import COMPARES, GIVES, READS, WRITES, Operation
from tests.sim.machine import Machine
from tests.sim.scans import REFUSED, Scans
from tests.sim.spans import LIFE_SECONDS, Deadline, Deadlines
from tests.sim.versions import Seen, Versions, is_counter
from wrpme import errors
from wrpme.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from wrpme.protocol.messages import (
    Add, Cas, CasVersion, Content, Done, Expire, Failed, Get, GetRemove, GetUpdate, Number, Put, Remove, RemoveIf,
    RemoveVersion, Request, Update,
)  # fmt: skip
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view_index import owner

if TYPE_CHECKING:
    from tests.sim.world import World

KINDS = ("get", "put", "update", "cas", "get_update", "remove", "remove_if", "get_remove")
WRITE_WEIGHTS = (10, 20, 12, 8, 4, 4, 3)
COUNTED = ("add", "add", "add", "add", "get", "get", "remove", "get_remove")
VERSIONED = ("get_entry", "get_entry", "put", "update", "update", "cas_version", "cas_version", "cas_version",
    "remove_version", "remove")  # fmt: skip
STEPS = (1, 2, 7, -1, -5)
NEVER_SEEN = Seen(0.0, 0.0, b"nothing", bytes(15) + b"\1")
ANSWERS = {error.code: error.word for error in (errors.NotFoundError, errors.AlreadyExistsError, errors.MismatchError)}
UNSTABLE = errors.UnstableError.code
HISTORY_MAX = 50
"""Operations on one alias, so that its history can be judged fast; then another alias takes its place, so that clients
have work as long as things go wrong."""
SCANNED_USUAL = 0.02
MORTAL_USUAL = 0.05
UNLUCKY_USUAL = 0.01
"""How often a connection breaks before the answer."""
CALM_THINK = 5.0
"""So much longer clients think while nothing goes wrong."""


class Workload:
    """What all clients share."""

    def __init__(
        self,
        world: World,
        aliases: list[str],
        padding: int,
        reads: int,
        scanned: float = SCANNED_USUAL,
        mortal: float = MORTAL_USUAL,
        counts: bool = False,
    ) -> None:
        self.world = world
        self.counts = counts
        """Every second entry is a counter, and of the others clients compare versions."""
        self.versions = Versions()
        self.aliases: list[str] = []
        """All that there ever were."""
        self.padding = padding
        self.weights = (reads, *WRITE_WEIGHTS)
        self.histories: dict[str, list[Operation]] = {}
        self.begun: dict[str, int] = {}
        self.written: dict[str, list[bytes]] = {}
        self.scans = Scans(world)
        self.scans.versions = self.versions if counts else None
        self.followers: Followers | None = None
        self.mortal = mortal
        """How often what is written has a life span."""
        self.deadlines = Deadlines(world)
        self.scanned = scanned
        """How often a request is preceded by a scan."""
        self.walked = self.taken = 0.0
        """How often somebody goes through all entries in the order of the ring, or an arc as of one moment."""
        self.active = True
        self.served = 0
        self._first = aliases
        self._now: list[str] = []
        """Those that clients work on, each in the place of an alias of the first generation."""
        for alias in aliases:
            self._now.append(self._new(alias))

    def _new(self, alias: str) -> str:
        self.aliases.append(alias)
        self.histories[alias], self.written[alias], self.begun[alias] = [], [], 0
        return alias

    def choose(self) -> str:
        """An alias whose history is not long yet."""
        place = self.world.random.randrange(len(self._now))
        if self.begun[self._now[place]] >= HISTORY_MAX:
            self._now[place] = self._new(f"{self._first[place]}.{len(self.aliases)}")
        return self._now[place]

    def record(self, alias: str, operation: Operation) -> None:
        """For the judge, and for the story."""
        self.histories[alias].append(operation)
        if operation.result == "ok":
            self.served += 1
            if operation.kind in WRITES and operation.content is not None:
                self.world.checks.acknowledged(operation.content)

    def new_content(self, alias: str, name: str) -> bytes:
        """Never the same twice."""
        content = f"{name}.{len(self.written[alias])}".encode().ljust(24) + b"." * self.padding
        self.written[alias].append(content)
        return content


class Client:
    """One at a time: thinks, asks, hears, records."""

    def __init__(self, workload: Workload, name: str, think_seconds: float, patience: float) -> None:
        self.workload = workload
        self.world = workload.world
        self.name = name
        self.think_seconds = think_seconds
        self.patience = patience
        self.busy = False
        self.asked: Asked | None = None
        self.asks: Machine | None = None
        """The only machine that it asks, if there is one."""
        self.unlucky = UNLUCKY_USUAL
        self.span_seconds = 0.0
        """How long lives what it writes; 0: that is left to chance."""
        self._sessions: dict[int, tuple[int, int]] = {}
        self.number = 0
        self.world.on_end.append(self._process_ended)

    def begin(self) -> None:
        """The first request, after a while."""
        self.world.agenda.after(self.world.random.random() * self.think_seconds, self._next)

    def _think(self) -> None:
        seconds = self.world.random.expovariate(1 / self.think_seconds)
        self.world.agenda.after(seconds if self.world.faults.active else CALM_THINK * seconds, self._next)

    def _next(self) -> None:
        workload, random = self.workload, self.world.random
        if not workload.active:
            return
        if random.random() < workload.scanned:
            workload.scans.ask(random.choice(workload.aliases))
        if workload.walked and random.random() < workload.walked:
            workload.scans.walk_from_any()
        if workload.taken and random.random() < workload.taken:
            workload.scans.take_any()
        if workload.counts:
            alias = workload.choose()
            self.ask(alias, random.choice(COUNTED if is_counter(alias) else VERSIONED))
            return
        kind = random.choices(KINDS, workload.weights)[0]
        if random.random() < workload.mortal / 2:
            kind = "expire"
        self.ask(workload.choose(), kind)

    def ask(self, alias: str, kind: str) -> Asked:
        """Begins a request."""
        workload, random = self.workload, self.world.random
        workload.begun[alias] += 1
        content = workload.new_content(alias, f"{alias}-{self.name}") if kind in WRITES else None
        comparand, version = None, b""
        if kind == "add":
            content = b"%d" % random.choice(STEPS)
        elif kind in ("cas_version", "remove_version"):
            seen = random.choice(
                workload.versions.latest(alias, 3) or [Seen(0.0, 0.0, b"nothing", b"no such version.")]
            )
            comparand, version = seen.content, seen.version
        elif kind in COMPARES:
            known = workload.written[alias][-6:]
            heard = [one.given for one in workload.histories[alias][-4:] if one.given is not None]
            comparand = random.choice(heard or known or [b"nothing"])
        self.asked = Asked(self, alias, kind, content, comparand, version)
        if self.span_seconds:
            self.asked.live_for(self.span_seconds)
        elif kind == "expire" or (kind in WRITES and random.random() < workload.mortal):
            self.asked.live_for(random.choice(LIFE_SECONDS) * random.uniform(0.5, 1.0))
        self.asked.attempt()
        return self.asked

    def done(self) -> None:
        """The request is over, one way or another."""
        self._think()

    def session_to(self, machine: Machine) -> int:
        """This client's connection to that process."""
        life, session = self._sessions.get(machine.index, (0, 0))
        if life != machine.life:
            session = self.world.open_session(self._hear)
            self._sessions[machine.index] = (machine.life, session)
        return session

    def _hear(self, reply: object) -> None:
        asked = self.asked
        if asked is not None and getattr(reply, "id", None) == asked.number:
            number = self.number
            self.world.agenda.after(self.world.habits.latency, lambda: self._heard(asked, number, reply))

    def _heard(self, asked: Asked, number: int, reply: object) -> None:
        if self.asked is asked and self.number == number:
            asked.hear(reply)

    def _process_ended(self, machine: Machine) -> None:
        asked = self.asked
        if asked is None or asked.machine is not machine:
            return
        number = asked.number

        def learn() -> None:
            if self.asked is asked and asked.number == number and asked.waiting:
                asked.lost()

        if machine.powered:
            self.world.agenda.after(self.world.random.random() * 0.1, learn)


class Asked:
    """One request, over all its attempts."""

    def __init__(
        self,
        client: Client,
        alias: str,
        kind: str,
        content: bytes | None,
        comparand: bytes | None,
        version: bytes = b"",
    ) -> None:
        self.version = version
        self.client = client
        self.world = client.world
        self.alias = alias
        self.kind = kind
        self.content = content
        self.comparand = comparand
        self.number = 0
        self.machine: Machine | None = None
        self.waiting = False
        self.over = False
        self.last = ""
        self.result = ""
        self._called = 0
        self._expiry = 0
        self._life_seconds = 0.0
        self._deadline_of_entry: Deadline | None = None
        self._pause = 0.0
        self._deadline = self.world.agenda.now + client.patience
        self.world.agenda.at(self._deadline, self._give_up)

    def live_for(self, seconds: float) -> None:
        """What is written, or is there, has so long to live."""
        deadlines = self.client.workload.deadlines
        self._life_seconds = seconds
        if self.content is None:
            self._deadline_of_entry, self.content = deadlines.expire(self.alias, seconds)
        else:
            self._deadline_of_entry, self._expiry = deadlines.write(self.alias, self.content, seconds)

    def attempt(self) -> None:
        """Sends it to some node; only what was certainly not carried out gets here again."""
        if self.over:
            return
        machine = self._choose()
        if machine is None or machine.node is None:
            self._again()
            return
        client, world = self.client, self.world
        client.number += 1
        self.number = client.number
        self.machine = machine
        self.waiting = True
        self._called = world.moment()
        request, life, session = self._request(), machine.life, client.session_to(machine)

        def arrive() -> None:
            if machine.life == life:
                machine.request(session, request)

        world.agenda.after(world.habits.latency * (0.5 + world.random.random()), arrive)
        if world.faults.active and world.random.random() < client.unlucky:
            number = self.number
            seconds = world.random.random() * 0.01
            world.agenda.after(seconds, lambda: self.lost() if self.waiting and self.number == number else None)

    def _choose(self) -> Machine | None:
        world = self.world
        if self.client.asks is not None:
            return self.client.asks
        view = world.checks.newest()
        if view is not None and world.random.random() < 0.5:
            at = owner(view, view.arcs[arc_at(view, hash_of(self.alias.encode()))])
            for machine in world.machines:
                if machine.node is not None and machine.node.settings.id == at:
                    return machine
        return world.random.choice(world.machines)

    def _request(self) -> Request:
        number, alias = self.number, self.alias.encode()
        content, comparand = self.content or b"", self.comparand or b""
        versioned = self.client.workload.counts
        requests: dict[str, Request] = {
            "get": Get(number, alias),
            "get_entry": Get(number, alias, versioned=True),
            "put": Put(number, alias, content, self._expiry, versioned=versioned),
            "update": Update(number, alias, content, self._expiry, versioned=versioned),
            "add": Add(number, alias, int(content) if self.kind == "add" else 0),
            "cas_version": CasVersion(number, alias, content, self.version),
            "remove_version": RemoveVersion(number, alias, self.version),
            "cas": Cas(number, alias, content, comparand, self._expiry),
            "get_update": GetUpdate(number, alias, content, self._expiry),
            "expire": Expire(number, alias, round(1000 * self._life_seconds), relative=True),
            "remove": Remove(number, alias),
            "remove_if": RemoveIf(number, alias, comparand),
            "get_remove": GetRemove(number, alias),
        }
        return requests[self.kind]

    def hear(self, reply: object) -> None:
        """The answer to the last attempt."""
        if not self.waiting or self.over:
            return
        self.waiting = False
        if isinstance(reply, Done | Content | Number):
            given = reply.content if isinstance(reply, Content) else None
            if isinstance(reply, Number):
                given = b"%d" % reply.number
            assert (self.kind in GIVES) is (given is not None), f"{self.kind} was answered with {reply}"
            if not isinstance(reply, Number) and reply.version:
                content = given if given is not None else self.content
                assert content is not None
                seen = Seen(self._called, self.world.moment(), content, reply.version)
                self.client.workload.versions.note(self.alias, seen)
            self._finish("ok", given)
        elif isinstance(reply, Failed) and reply.code in ANSWERS:
            self._finish(ANSWERS[reply.code])
        elif isinstance(reply, Failed) and reply.code in REFUSED:
            self.last = reply.sentence
            if reply.code == UNSTABLE:
                self._again()
            else:
                self._finish("refused")
        else:
            known = (
                isinstance(reply, Failed) and reply.code == errors.IndeterminateError.code and self.kind not in READS
            )
            assert known, f"{self.kind} was answered with {reply}"
            self._finish("")

    def lost(self) -> None:
        """The connection ended before the answer."""
        self.waiting = False
        if self.kind in READS:
            self._again()
        else:
            self._finish("")

    def _again(self) -> None:
        random = self.world.random
        self._pause = min(RETRY_SECONDS_MAX, max(RETRY_SECONDS_MIN, 2 * self._pause))
        self.world.agenda.after(self._pause * random.uniform(0.5, 1.0), self.attempt)

    def _give_up(self) -> None:
        if not self.over:
            self._finish("" if self.waiting and self.kind not in READS else "refused")

    def _finish(self, result: str, given: bytes | None = None) -> None:
        self.over = True
        self.waiting = False
        self.result = result
        world = self.world
        content = (self.content or b"").split(b" ")[0].decode()
        heard = (given or b"").split(b" ")[0].decode()
        world.say(None, f"{self.client.name} {self.kind} {self.alias} {content}: {result or 'unknown'} {heard}")
        if self._deadline_of_entry is not None:
            self.client.workload.deadlines.finish(self._deadline_of_entry, result, self._life_seconds)
        if result != "refused":
            operation = Operation(self.kind, self._called, content=self.content, comparand=self.comparand)
            if result:
                operation = replace(operation, back=world.moment(), result=result, given=given)
            self.client.workload.record(self.alias, operation)
        else:
            self.client.workload.begun[self.alias] -= 1
        self.client.done()
