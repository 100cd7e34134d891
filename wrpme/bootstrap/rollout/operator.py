"""The first admin of a hive with managed TLS: his name and password are made, added to the hive, and removed again.

His password is on the disk of this machine before the hive knows of it. Nodes are asked on their own hosts with their
own certificate, which makes who has it an admin there.
"""

from __future__ import annotations

import asyncio
import secrets

from wrpme.bootstrap.credentials.store import Credentials
from wrpme.bootstrap.hosts.fleet import Fleet
from wrpme.bootstrap.hosts.probe import tell_node, users_at
from wrpme.bootstrap.limits import USER_LOOK_SECONDS, USER_SECONDS_MAX
from wrpme.errors import RemoteError, TimeoutError, WrpmeError
from wrpme.files.hives import OPERATOR
from wrpme.protocol.access.messages import AddUser, RemoveUser
from wrpme.protocol.access.users import SALT_BYTES, Role, User, hashed


async def users(fleet: Fleet) -> tuple[User, ...] | None:
    """Returns the users of the hive as the first node tells that answers; None if none does."""
    for session in fleet.sound:
        for node in session.host.nodes:
            if session.inventory.nodes[node.name].pid is not None:
                try:
                    return await users_at(session.agent, node.address, node.name)
                except WrpmeError:
                    continue
    return None


async def add(fleet: Fleet, mine: Credentials) -> bool:
    """Gives a hive that has no users its first admin; returns whether it had none.

    Raises:
        RemoteError: the hive refuses, or does not answer.
        TimeoutError: it does not decide.
        StorageError: his password can't be kept here; nothing was changed.
    """
    if await _present(fleet):
        return False
    password = mine.operator_password()
    salt = secrets.token_bytes(SALT_BYTES)
    user = User(OPERATOR, Role.ADMIN, (), (await asyncio.to_thread(hashed, password, salt),))
    await _decided(fleet, AddUser(1, user), True)
    return True


async def remove(fleet: Fleet, mine: Credentials) -> None:
    """Removes him, the only user that there is, and what is kept of his password here.

    Raises:
        RemoteError: the hive refuses, or does not answer.
        TimeoutError: it does not decide.
    """
    found = await _present(fleet)
    if [user.name for user in found] == [OPERATOR]:
        await _decided(fleet, RemoveUser(1, OPERATOR, found[0].changed), False)
    mine.forget_operator()


async def _present(fleet: Fleet) -> tuple[User, ...]:
    for session in fleet.sound:
        for node in session.host.nodes:
            return await users_at(session.agent, node.address, node.name)
    raise RemoteError("no node answers that could tell the users of the hive; see hive_logs")


async def _decided(fleet: Fleet, request: AddUser | RemoveUser, there: bool) -> None:
    session = fleet.sound[0]
    node = session.host.nodes[0]
    await tell_node(session.agent, node.address, node.name, request)
    end = asyncio.get_running_loop().time() + USER_SECONDS_MAX
    while any(user.name == OPERATOR for user in await _present(fleet)) is not there:
        if asyncio.get_running_loop().time() >= end:
            what = "added" if there else "removed"
            raise TimeoutError(f"the hive has not {what} the user {OPERATOR} within {USER_SECONDS_MAX:g} s; try again")
        await asyncio.sleep(USER_LOOK_SECONDS)
