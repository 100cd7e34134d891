"""Clients of the simulated hive, and what they were told."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.sim.linear import Op
from tests.sim.world import World
from wrpme.errors import AlreadyExistsError, MismatchError, NotFoundError, UnavailableError, UnstableError
from wrpme.messages import (
    Cas, Content, Failed, Get, GetRemove, GetUpdate, Put, Remove, RemoveIf, Reply, Request, Update,
)  # fmt: skip

KINDS = ["get"] * 6 + ["update"] * 3 + ["put", "put", "cas", "cas", "get_update", "remove", "remove_if", "get_remove"]
RESULTS = {NotFoundError.code: "not_found", AlreadyExistsError.code: "already_exists", MismatchError.code: "mismatch"}


class Client:
    """Asks one thing after the other, of any node, and keeps the history of each alias."""

    def __init__(self, world: World, name: str, aliases: list[str], histories: dict[str, list[Op]]) -> None:
        self.world = world
        self.random = Random(world.random.random())
        self.name = name
        self.aliases = aliases
        self.histories = histories
        self.last_seen: dict[str, bytes] = {}
        self.number = 0
        self.stopped = False
        self.refusals = 0
        world.at(self.random.random(), self.go_on)

    def go_on(self) -> None:
        """The next operation."""
        if self.stopped:
            return
        self.number += 1
        alias, kind = self.random.choice(self.aliases), self.random.choice(KINDS)
        content = f"{self.name}.{self.number}".encode()
        comparand = self.last_seen.get(alias, b"never")
        self.attempt(alias, self.request(kind, alias, content, comparand), kind, content, comparand, self.world.now, 0)

    def request(self, kind: str, alias: str, content: bytes, comparand: bytes) -> Request:
        """The message of an operation."""
        number = self.number
        made: dict[str, Callable[[], Request]] = {
            "get": lambda: Get(number, alias),
            "put": lambda: Put(number, alias, content),
            "update": lambda: Update(number, alias, content),
            "get_update": lambda: GetUpdate(number, alias, content),
            "cas": lambda: Cas(number, alias, content, comparand),
            "remove": lambda: Remove(number, alias),
            "remove_if": lambda: RemoveIf(number, alias, comparand),
            "get_remove": lambda: GetRemove(number, alias),
        }
        return made[kind]()

    def attempt(
        self, alias: str, request: Request, kind: str, content: bytes, comparand: bytes, asked: float, tries: int
    ) -> None:
        """Asks any node; what was certainly not carried out is asked again a few times."""
        world = self.world
        address = self.random.choice(sorted(world.hosts))

        def told(reply: Reply | None) -> None:
            refused = isinstance(reply, Failed) and reply.code in (UnstableError.code, UnavailableError.code)
            if refused and tries < 4 and not self.stopped:
                wait = self.random.uniform(0.02, 0.3)
                world.at(wait, lambda: self.attempt(alias, request, kind, content, comparand, asked, tries + 1))
                return
            if refused:
                self.refusals += 1
            else:
                self.remember(alias, kind, content, comparand, asked, reply)
            world.at(self.random.uniform(0.005, 0.12), self.go_on)

        world.ask(address, request, told)

    def remember(
        self, alias: str, kind: str, content: bytes, comparand: bytes, asked: float, reply: Reply | None
    ) -> None:
        """Into the history."""
        result, got = "unknown", None
        if isinstance(reply, Failed):
            result = RESULTS.get(reply.code, "unknown")
        elif reply is not None:
            result = "ok"
            got = reply.content if isinstance(reply, Content) else None
        if result == "ok" and kind in ("update", "put", "cas", "get_update"):
            self.last_seen[alias] = content
        elif got is not None:
            self.last_seen[alias] = got
        self.world.note(f"client {self.name} {kind} {alias} {content!r} {comparand!r} -> {result} {got!r}")
        self.histories[alias].append(Op(kind, asked, self.world.now, result, content, comparand, got))
