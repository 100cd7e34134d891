"""Users in virtual time: an admin adds, changes and removes them while everything else goes on, and they ask for what
they may and may not.

What each answer has to be is worked out here from the view that the node has when the request is handed to it. All
other clients of the run are the admin, who says who he is on each of his connections. Guests ask for entries that there
are not, so that nothing else of a run depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.user_parts import quickly_hashed, user, verified
from wrpme.core.io import Effect, Verify
from wrpme.errors import DeniedError, NotFoundError, UnauthenticatedError
from wrpme.protocol.access.messages import AddUser, Authenticate, Identity, RemoveUser, SetPasswords
from wrpme.protocol.access.users import Password, Role, User
from wrpme.protocol.messages import Failed, Get, Remove, Request

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

PAUSE_SECONDS = (0.05, 0.6)
SOON_SECONDS = 0.1
LOOK_SECONDS = (0.0, 0.1)
"""How long a password is looked at."""
ADMIN = "root"
NAMES = ("ann", "bob", "eve")
OWN, OTHERS = b"guest/own/", b"guest/others/"
KEPT_OUT = (UnauthenticatedError.code, DeniedError.code)


@dataclass(slots=True)
class Guest:
    """A connection: to which life of which machine, and who it has proven to be there, by which password."""

    machine: Machine
    life: int
    name: str = ""
    password: str = ""
    is_right: bool = False
    """Whether what was said last is right by the view that the node has when it answers."""


class Guests:
    """What they draw is their own, so that a run without them is what it was. ``are_there`` tells whether this run has
    any."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = Random(f"guests {world.seed}")
        self.are_there = False
        self._active = False
        self._guests: dict[int, Guest] = {}
        self._passwords = 0
        self._number = 1
        self._expected: dict[int, tuple[str, bool]] = {}
        """By the number of a request: who asks, and whether he may."""
        self.let_in = self.kept_out = 0

    def begin(self) -> None:
        """Adds the admin, and then does something now and then."""
        self._active = True
        self._later()

    def end(self) -> None:
        """Nobody asks any more."""
        self._active = False

    # --- everybody else ------------------------------------------------------------------------------------------

    def introduce(self, machine: Machine, session: int, now: float) -> list[Effect]:
        """The effects of saying, on a connection of somebody else, that it is the admin's, if the node asks."""
        node = machine.node
        if not self.are_there or node is None or session in self._guests:
            return []
        if not node.sessions.asks or node.sessions.user(session) is not None:
            return []
        effects: list[Effect] = []
        for effect in node.request(session, Authenticate(0, ADMIN, ADMIN), now):
            assert isinstance(effect, Verify), f"the admin is asked for with {effect}"
            effects += node.handle(verified(replace(effect, slowed=False)), now)
        return [effect for effect in effects if not isinstance(getattr(effect, "reply", None), Identity)]

    # --- the admin -----------------------------------------------------------------------------------------------

    def _later(self) -> None:
        self.world.agenda.after(self.random.uniform(*PAUSE_SECONDS), self._look)

    def _look(self) -> None:
        if not self._active:
            return
        self._later()
        running = [one for one in self.world.machines if one.node is not None and one.node.view is not None]
        if not running:
            return
        machine = self.random.choice(running)
        assert machine.node is not None and machine.node.view is not None
        users = machine.node.view.users
        if not users:
            self._say(machine, AddUser(1, user(ADMIN, Role.ADMIN)))
        elif self.random.random() < 0.3:
            self._change(machine, users)
        else:
            self._ask(machine, users)

    def _change(self, machine: Machine, users: tuple[User, ...]) -> None:
        name = self.random.choice(NAMES)
        known = next((found for found in users if found.name == name), None)
        self._passwords += 1
        password, salt = f"{name}{self._passwords}", b"%d" % self._passwords
        if known is None:
            role = self.random.choice((Role.READ, Role.WRITE))
            prefixes = (OWN,) if self.random.random() < 0.5 else ()
            self._say(machine, AddUser(1, user(name, role, *prefixes, password=password, salt=salt)))
        elif self.random.random() < 0.1:
            assert machine.node is not None and machine.node.view is not None
            self._say(machine, RemoveUser(1, "", machine.node.view.users_since))
        elif self.random.random() < 0.6:
            self._say(machine, RemoveUser(1, name, known.changed))
        else:
            kept = [Password(one.salt, b"") for one in known.passwords if self.random.random() < 0.5][:3]
            self._say(machine, SetPasswords(1, name, (quickly_hashed(password, salt), *kept), known.changed))
        if self.random.random() < 0.5:  # somebody knows it before the hive does
            self.world.agenda.after(self.random.uniform(0.0, SOON_SECONDS), partial(self._try, name, password))

    def _say(self, machine: Machine, request: Request) -> None:
        self.world.say(None, f"the admin at {machine}: {request}")
        machine.request(self.world.open_session(lambda reply: None), request)

    # --- guests --------------------------------------------------------------------------------------------------

    def _ask(self, machine: Machine, users: tuple[User, ...]) -> None:
        there = [one for one, guest in self._guests.items() if guest.machine.life == guest.life]
        if not there or self.random.random() < 0.3:
            self._enter(machine, users)
            return
        session = self.random.choice(there)
        alias = self.random.choice((OWN, OTHERS)) + b"%d" % self.random.randrange(64)
        self._number += 1
        request = self.random.choice((Get(self._number, alias), Remove(self._number, alias)))
        self._guests[session].machine.request(session, request)

    def _enter(self, machine: Machine, users: tuple[User, ...]) -> None:
        """A new connection of somebody, with a password that may have been right once."""
        added = [found.name for found in users if found.name != ADMIN]
        name = self.random.choice(added if added and self.random.random() < 0.8 else NAMES)
        number = self.random.randint(1, max(1, self._passwords))
        known = next((found for found in users if found.name == name), None)
        for tried in range(1, self._passwords + 1):  # mostly the right one
            password = f"{name}{tried}"
            if known is not None and self.random.random() < 0.8 and _is_of(known, password):
                number = tried
        self._say_who(machine, name, f"{name}{number}")

    def _try(self, name: str, password: str) -> None:
        running = [one for one in self.world.machines if one.node is not None and one.node.view is not None]
        if self._active and running:
            self._say_who(self.random.choice(running), name, password)

    def _say_who(self, machine: Machine, name: str, password: str) -> None:
        guest = Guest(machine, machine.life)
        session = self.world.open_session(partial(self._judge, guest))
        self._guests[session] = guest
        assert machine.node is not None
        machine.node.context.process.clients[session] = f"10.9.9.{self.random.randrange(99)}:{session}"
        machine.request(session, Authenticate(1, name, password))

    def look_at(self, machine: Machine, asked: Verify) -> None:
        """A password of a guest is looked at, which takes a while."""
        life = machine.life

        def done() -> None:
            guest, node = self._guests.get(asked.session), machine.node
            if machine.life != life or node is None or guest is None:
                return
            known = next((found for found in node.view.users if found.name == asked.name), None) if node.view else None
            guest.name, guest.password = "", ""
            guest.is_right = known is not None and _is_of(known, asked.password) and not asked.slowed
            if guest.is_right and any(quickly_hashed(asked.password, kept.salt) == kept for kept in asked.passwords):
                guest.name, guest.password = asked.name, asked.password
            self.world.say(machine, f"{asked.name} says who he is, and is {guest.name or 'nobody'}")
            machine.feed(verified(asked))

        self.world.agenda.after(self.random.uniform(*LOOK_SECONDS), done)

    def handed(self, machine: Machine, session: int, request: Request) -> None:
        """A request is handed to the node now: how it is answered, if it is, follows from the view of this moment."""
        guest = self._guests.get(session)
        if guest is None:
            return
        if not isinstance(request, Get | Remove):
            guest.name = guest.password = ""
            return
        node = machine.node
        if node is None or node.view is None:
            return
        known = next((found for found in node.view.users if found.name == guest.name), None)
        role = Role.WRITE if isinstance(request, Remove) else Role.READ
        may = not node.view.users or (
            known is not None
            and _is_of(known, guest.password)
            and known.role >= role
            and (not known.prefixes or request.alias.startswith(known.prefixes))
        )
        self._expected[request.id] = guest.name or "nobody", may

    def _judge(self, guest: Guest, reply: object) -> None:
        machine = guest.machine
        if isinstance(reply, Identity):
            return
        assert isinstance(reply, Failed), f"a guest heard {reply} of an entry that there is not"
        if reply.id not in self._expected:  # to who he says he is
            believed = reply.code not in KEPT_OUT or not guest.is_right
            assert believed, f"a right password was called wrong at {machine}: {reply.sentence}"
            return
        name, may = self._expected.pop(reply.id)
        if reply.code == NotFoundError.code:
            self.let_in += 1
            assert may, f"{name} was let in at {machine}"
        elif reply.code in KEPT_OUT:
            self.kept_out += 1
            assert not may, f"{name} was kept out at {machine}: {reply.sentence}"


def _is_of(known: User, password: str) -> bool:
    return any(quickly_hashed(password, kept.salt) == kept for kept in known.passwords)
