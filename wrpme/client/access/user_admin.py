"""What an admin does to the users of a hive, and who the client itself is.

:class:`wrpme.client.client.Client` documents what is public. A password is hashed here, in a thread, as that takes long
on purpose: what travels, and is kept, is the hash.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from wrpme import errors
from wrpme.client.access.credentials import checked_text
from wrpme.client.batches.arguments import Alias, prefix_bytes
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.limits import PROGRESS_SECONDS
from wrpme.protocol.access.messages import AddUser, GetUsers, Identity, RemoveUser, SetPasswords, Users, WhoAmI
from wrpme.protocol.access.users import (
    PASSWORDS_MAX, SALT_BYTES, Password, Role, User, hashed, wrong_name, wrong_password, wrong_user,
)  # fmt: skip
from wrpme.protocol.messages import Done
from wrpme.protocol.quoting import text_of


class HiveUser(Struct, frozen=True):
    """A user of a hive: his role (``read``, ``write`` or ``admin``), the prefixes of the entries that he may ask for
    (all, where there are none), how many passwords of his are valid, and the epoch of the view that made him so."""

    name: str
    role: str
    prefixes: tuple[str, ...]
    passwords: int
    since: int


class WhoIs(Struct, frozen=True):
    """Who a client is to its hive. In an ``open`` hive, which has no users, nobody is asked, and may do everything; the
    name is empty then, and in a hive with users where the client has not said who it is."""

    name: str
    role: str
    prefixes: tuple[str, ...]
    open: bool


class UserAdmin:
    """The users of a hive, as an admin sees and changes them."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def who_am_i(self) -> WhoIs:
        """Returns who the client is."""
        told = await self._dispatcher.ask(WhoAmI(self._dispatcher.next_id()), Identity)
        role = told.role.name.lower() if told.role else ""
        return WhoIs(told.name, role, tuple(map(text_of, told.prefixes)), told.open)

    async def users(self) -> tuple[HiveUser, ...]:
        """Returns all users by name."""
        return tuple(
            HiveUser(
                user.name, user.role.name.lower(), tuple(map(text_of, user.prefixes)), len(user.passwords), user.changed
            )
            for user in await self._users()
        )

    async def _users(self) -> tuple[User, ...]:
        return (await self._dispatcher.ask(GetUsers(self._dispatcher.next_id()), Users)).users

    async def add_user(self, name: str, role: str, passwords: str | Sequence[str], prefixes: Iterable[Alias]) -> None:
        """Adds a user, and returns when the hive has him. After the first one the client goes on as that user: nobody
        is let in without a name any more."""
        given = (passwords,) if isinstance(passwords, str) else tuple(passwords)
        user = User(name, _role(role), tuple(prefix_bytes(prefix) for prefix in prefixes), await _hashed(name, *given))
        if wrong := wrong_user(user):
            raise errors.UsageError(wrong)
        is_first = (await self.who_am_i()).open
        await self._dispatcher.ask(AddUser(self._dispatcher.next_id(), user), Done)
        if is_first:
            self._dispatcher.credentials.become(name, *given)

        def is_done(found: User | None) -> bool:
            if found is not None and _salts(found) != _salts(user):
                raise errors.UsageError(f"somebody else has added a user {name} at the same time; user_list tells")
            return found is not None

        await self._until(name, is_done, f"to add the user {name}")

    async def set_password(self, name: str, password: str, keep: bool) -> None:
        """Gives a user a password, and returns when it is valid."""
        user = await self._user(name)
        if keep and len(user.passwords) >= PASSWORDS_MAX:
            raise errors.UsageError(
                f"{name} has {PASSWORDS_MAX} passwords, as many as a user may have; set one without keeping the others"
            )
        stay = user.passwords if keep else ()
        wanted = (*stay, *await _hashed(name, password))
        own = self._dispatcher.credentials
        request = SetPasswords(self._dispatcher.next_id(), name, wanted, user.changed)
        await self._dispatcher.ask(request, Done)
        is_own = own.name == name
        if is_own:
            own.become(name, password, *own.passwords)  # until all nodes know the new one

        def is_done(found: User | None) -> bool:
            if found is None or (found.changed != user.changed and _salts(found) != {kept.salt for kept in wanted}):
                raise errors.UsageError(f"somebody else has changed the user {name} at the same time; user_list tells")
            return found.changed != user.changed

        await self._until(name, is_done, f"to change the password of {name}")
        if is_own:
            own.become(name, password)

    async def remove_user(self, name: str) -> None:
        """Removes a user, and returns when the hive has him no more."""
        user = await self._user(name)
        await self._dispatcher.ask(RemoveUser(self._dispatcher.next_id(), name, user.changed), Done)
        try:
            await self._until(name, lambda found: found is None, f"to remove the user {name}")
        except errors.UnauthenticatedError:
            if self._dispatcher.credentials.name != name:
                raise  # else that is how he hears of it

    async def remove_users(self) -> None:
        """Removes all users at once, and returns when the hive has none."""
        known = (await self._dispatcher.fresh_view()).users_since
        await self._dispatcher.ask(RemoveUser(self._dispatcher.next_id(), "", known), Done)
        deadline = self._dispatcher.deadline()
        while await self._users():
            await self._wait(deadline, "to remove all users")

    async def _user(self, name: str) -> User:
        if wrong := wrong_name(name):
            raise errors.UsageError(wrong)
        found = next((user for user in await self._users() if user.name == name), None)
        if found is None:
            raise errors.NotFoundError(f"there is no user {name}; user_list has them all")
        return found

    async def _until(self, name: str, is_done: Callable[[User | None], bool], what: str) -> None:
        """Returns when the hive has decided so.

        Raises:
            TimeoutError: It has not within the timeout.
        """
        deadline = self._dispatcher.deadline()
        while not is_done(next((user for user in await self._users() if user.name == name), None)):
            await self._wait(deadline, what)

    async def _wait(self, deadline: float, what: str) -> None:
        if deadline <= self._dispatcher.deadline(0):
            raise errors.TimeoutError(
                f"the hive has not decided in the time given {what}: it can't decide just now; hive_status tells, "
                "then look at user_list, and try again"
            )
        await asyncio.sleep(PROGRESS_SECONDS)


def _role(role: str) -> Role:
    found = next((one for one in Role if one is not Role.NOBODY and one.name.lower() == role), None)
    if found is None:
        raise errors.UsageError(f"the role of a user is read, write or admin, not {str(role)[:60]!r}")
    return found


async def _hashed(name: str, *passwords: str) -> tuple[Password, ...]:
    """Returns what is kept of the passwords of a user.

    Raises:
        UsageError: One can't be a password; the sentence does not show it.
    """
    for password in passwords:
        if not isinstance(password, str):
            raise errors.UsageError(f"a password of {name} is no text")
        if wrong := wrong_password(checked_text(password)):
            raise errors.UsageError(wrong)
    made = [await asyncio.to_thread(hashed, one, secrets.token_bytes(SALT_BYTES)) for one in passwords]
    return tuple(made)


def _salts(user: User) -> set[bytes]:
    return {password.salt for password in user.passwords}
