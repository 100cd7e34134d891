"""Clients that change several entries of one tag together, or many at once, in virtual time; and the judge of what they
heard. They have entries of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.sim.machine import Machine
from tests.sim.scans import REFUSED
from tests.sim.serial import CHANGES, Step, Together, Told, is_serializable
from wrpme import errors
from wrpme.errors import BY_CODE
from wrpme.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from wrpme.protocol.messages import (
    NO_VERSION, Add, Content, EntryRequest, Exists, Failed, Get, IfContent, IfVersion, Many, Number, Put, Remove,
    Results, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import arc_at, position_of
from wrpme.protocol.view import NodeId
from wrpme.protocol.view_index import owner

if TYPE_CHECKING:
    from tests.sim.world import World

NAMES = "abc"
COUNTER = "n"
TAGS = 2
HISTORY_MAX = 60
"""Of one tag; then another one takes its place."""
UNLUCKY = 0.01
UNKNOWN = {errors.IndeterminateError.code}


def request_of(step: Step) -> EntryRequest:
    """What is asked for a step."""
    alias, content = step.alias.encode(), step.content
    number = int(content) if step.kind == "add" else 0
    return {
        "get": Get(0, alias), "exists": Exists(0, alias), "update": Update(0, alias, content),
        "put": Put(0, alias, content), "add": Add(0, alias, number), "remove": Remove(0, alias),
        "absent": IfVersion(0, alias, NO_VERSION), "same": IfContent(0, alias, content),
    }[step.kind]  # type: ignore[return-value]  # fmt: skip


def given(reply: object) -> bytes | int | None:
    """What an answer gives."""
    return reply.content if isinstance(reply, Content) else reply.number if isinstance(reply, Number) else None


class Batches:
    """What all of them share."""

    def __init__(self, world: World, padding: int, count: int, think_seconds: float) -> None:
        self.world = world
        self.padding = padding
        self.active = True
        self.histories: dict[str, list[Together]] = {}
        self.contents = 0
        self._tags = [self._new() for _ in range(TAGS)]
        self.clients = [Batcher(self, f"b{at}", think_seconds) for at in range(count)]
        for client in self.clients:
            client.think()

    def _new(self) -> str:
        tag = f"t{len(self.histories)}"
        self.histories[tag] = []
        return tag

    def choose(self) -> str:
        """A tag whose history is not long yet."""
        place = self.world.random.randrange(TAGS)
        if len(self.histories[self._tags[place]]) >= HISTORY_MAX:
            self._tags[place] = self._new()
        return self._tags[place]

    def new_content(self) -> bytes:
        """Never the same twice."""
        self.contents += 1
        return b"%d" % self.contents + b"." * self.padding

    def end(self) -> None:
        """In a stable hive: all is read once more, and removed."""
        world, last = self.world, self.clients[0]
        self.active = False
        for tag in self.histories:
            aliases = [f"{{{tag}}}{name}" for name in (*NAMES, COUNTER)]
            for alias in aliases:
                self._last(last, tag, (Step("exists", alias),))
            present = [alias for alias in aliases if self._told_last(tag, alias)]
            for steps in (tuple(Step("get", alias) for alias in present), tuple(Step("remove", a) for a in present)):
                if steps:
                    self._last(last, tag, steps)
        world.agenda.run_until(world.agenda.now + 0.5)

    def _told_last(self, tag: str, alias: str) -> bool:
        return next(one for one in reversed(self.histories[tag]) if one.steps[0].alias == alias).told == (1,)

    def _last(self, client: Batcher, tag: str, steps: tuple[Step, ...]) -> None:
        world, known = self.world, len(self.histories[tag])
        client.ask(tag, steps, together=True, patience=20.0)
        world.agenda.run_until(world.agenda.now + 21.0, lambda: client.number < 0)
        added = self.histories[tag][known:]
        assert added and added[0].told is not None, f"{tag} can't be read in a stable hive: {client.last}"

    def judge(self) -> int:
        """How many histories were too tangled; AssertionError where one is not strictly serializable."""
        undecided = 0
        for tag, history in self.histories.items():
            verdict = is_serializable(history)
            told = "\n".join(str(one) for one in sorted(history, key=lambda one: one.call))
            assert verdict is not False, f"the history of the tag {tag} is not serializable:\n{told}"
            undecided += verdict is None
        return undecided


class Batcher:
    """One at a time: thinks, asks, hears, records. ``number`` is that of the attempt it waits for, below 0 for none."""

    def __init__(self, batches: Batches, name: str, think_seconds: float) -> None:
        self.batches = batches
        self.world = batches.world
        self.name = name
        self.think_seconds = think_seconds
        self.number = -1
        self.last = ""
        self._attempts = 0
        self._sessions: dict[int, tuple[int, int]] = {}
        self._machine: Machine | None = None
        self._tag = ""
        self._steps: tuple[Step, ...] = ()
        self._together = True
        self._call = 0.0
        self._pause = 0.0
        self._asked = 0
        self.world.on_end.append(self._ended)

    def think(self) -> None:
        """The next one, after a while."""
        seconds = self.world.random.expovariate(1 / self.think_seconds)
        self.world.agenda.after(seconds if self.world.faults.active else 5 * seconds, self._next)

    def _next(self) -> None:
        if self.batches.active:
            tag = self.batches.choose()
            steps, together = self._draw(tag)
            self.ask(tag, steps, together, self.world.random.choice((2.0, 6.0)))

    def _draw(self, tag: str) -> tuple[tuple[Step, ...], bool]:
        random, content = self.world.random, self.batches.new_content()
        names = [f"{{{tag}}}{name}" for name in random.sample(NAMES, len(NAMES))]
        first, second = names[:2]
        kind = random.choice(("read", "read", "read", "write", "write", "write", "move", "same", "add", "many", "one"))
        if kind == "read":
            return tuple(Step("get", alias) for alias in names[: random.choice((2, 3))]), True
        if kind == "write":
            return tuple(Step("update", alias, content) for alias in names[: random.choice((2, 3))]), True
        if kind == "move":
            return (Step("remove", first), Step("update", second, content), Step("exists", first)), True
        if kind == "same":
            heard = [one.told for one in self.batches.histories[tag][-6:] if one.told and one.steps[0].kind == "get"]
            known = [content for told in heard for content in told if isinstance(content, bytes)]
            condition = Step("same", first, random.choice(known)) if known else Step("absent", first)
            return (condition, Step("update", first, content), Step("update", second, content)), True
        if kind == "add":
            counter = f"{{{tag}}}{COUNTER}"
            return (Step("add", counter, b"1"), Step("add", counter, b"2"), Step("update", first, content)), True
        if kind == "many":
            return (Step("update", first, content), Step("get", second)), False
        return (Step("update", first, content),), False

    def ask(self, tag: str, steps: tuple[Step, ...], together: bool, patience: float) -> None:
        """Begins a request."""
        self._tag, self._steps, self._together, self._pause = tag, steps, together, 0.0
        self._asked += 1
        asked = self._asked
        self.number = 0
        self.world.agenda.after(patience, lambda: self._give_up() if self._asked == asked else None)
        self._attempt()

    def _attempt(self) -> None:
        world = self.world
        if self.number < 0:
            return
        machine = self._choose()
        if machine is None or machine.node is None:
            self._again()
            return
        self._attempts += 1
        number = self.number = self._attempts
        self._machine, self._call = machine, world.moment()
        requests = tuple(request_of(step) for step in self._steps)
        request = Transaction(number, requests) if self._together else Many(number, self._owner() or b"", requests)
        life, session = machine.life, self._session_to(machine)

        def arrive() -> None:
            if machine.life == life:
                machine.request(session, request)

        world.agenda.after(world.habits.latency * (0.5 + world.random.random()), arrive)
        if world.faults.active and world.random.random() < UNLUCKY:
            world.agenda.after(
                world.random.random() * 0.01, lambda: self._lost() if self._machine and self.number == number else None
            )

    def _owner(self) -> NodeId | None:
        view = self.world.checks.newest()
        if view is None:
            return None
        return owner(view, view.arcs[arc_at(view, position_of(view, self._steps[0].alias.encode()))])

    def _choose(self) -> Machine | None:
        world, at = self.world, self._owner()
        if world.random.random() < 0.5:
            for machine in world.machines:
                if machine.node is not None and machine.node.settings.id == at:
                    return machine
        return world.random.choice(world.machines)

    def _session_to(self, machine: Machine) -> int:
        life, session = self._sessions.get(machine.index, (0, 0))
        if life != machine.life:
            session = self.world.open_session(self._hear)
            self._sessions[machine.index] = (machine.life, session)
        return session

    def _ended(self, machine: Machine) -> None:
        if self._machine is not machine or not machine.powered:
            return
        number = self.number
        seconds = self.world.random.random() * 0.1
        self.world.agenda.after(seconds, lambda: self._lost() if self._machine and self.number == number else None)

    def _hear(self, reply: object) -> None:
        number = self.number
        if getattr(reply, "id", None) == number:
            self.world.agenda.after(
                self.world.habits.latency,
                lambda: self._heard(reply) if self._machine is not None and self.number == number else None,
            )

    def _heard(self, reply: object) -> None:
        self._machine = None
        if isinstance(reply, Failed) and reply.code in REFUSED:
            self.last = reply.sentence
            if reply.code == errors.UnstableError.code:
                self._again()
            else:
                self._finish([])
        elif isinstance(reply, Failed):
            unknown = reply.code in UNKNOWN
            assert unknown or reply.operation >= 0, f"{self._steps} were answered with {reply}"
            self._finish([self._one(self._steps, None if unknown else (reply.operation, BY_CODE[reply.code].word))])
        else:
            assert isinstance(reply, Results) and len(reply.replies) == len(self._steps), reply
            if self._together:
                self._finish([self._one(self._steps, tuple(given(part) for part in reply.replies))])
            else:
                self._finish(self._each(reply))

    def _one(self, steps: tuple[Step, ...], told: Told | None) -> Together:
        one = Together(steps, self._call)
        return one if told is None else replace(one, back=self.world.moment(), told=told)

    def _each(self, reply: Results) -> list[Together]:
        """Each by itself; nothing is known of those that were refused, as nothing of them was done."""
        found: list[Together] = []
        for step, part in zip(self._steps, reply.replies, strict=True):
            if not isinstance(part, Failed):
                found.append(self._one((step,), (given(part),)))
            elif part.code not in REFUSED:
                told = None if part.code in UNKNOWN else (0, BY_CODE[part.code].word)
                found.append(self._one((step,), told))
        return found

    def _lost(self) -> None:
        """The connection ended before the answer."""
        self._machine = None
        if any(step.kind in CHANGES for step in self._steps):
            self._unknown()
        else:
            self._again()

    def _unknown(self) -> None:
        if self._together:
            self._finish([self._one(self._steps, None)])
        else:
            self._finish([self._one((step,), None) for step in self._steps])

    def _again(self) -> None:
        self._pause = min(RETRY_SECONDS_MAX, max(RETRY_SECONDS_MIN, 2 * self._pause))
        asked = self._asked
        self.world.agenda.after(
            self._pause * self.world.random.uniform(0.5, 1.0), lambda: self._attempt() if self._asked == asked else None
        )

    def _give_up(self) -> None:
        if self.number >= 0:
            if self._machine is not None:
                self._unknown()
            else:
                self._finish([])

    def _finish(self, heard: list[Together]) -> None:
        self.number, self._machine = -1, None
        self.batches.histories[self._tag] += heard
        for one in heard:
            shown = " ".join(f"{step.kind} {step.alias} {step.content[:12].decode()}" for step in one.steps)
            self.world.say(None, f"{self.name} {shown}: {one.told}")
        self.think()
