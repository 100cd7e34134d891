"""What is said about users: who somebody is, and what an admin changes of them.

Part of what is said on the wire, see :mod:`wrpme.protocol.messages`.
"""

from __future__ import annotations

from typing import Union

from msgspec import Struct

from wrpme.protocol.access.users import Password, Role, User


class Authenticate(Struct, frozen=True, array_like=True, tag=28, gc=False):
    """From now on the connection asks for that user; answered by Identity. In a hive without users nobody is asked who
    he is, and whoever says it is let in as before: so clients can say it before there are users."""

    id: int
    name: str
    password: str

    def __repr__(self) -> str:
        return f"Authenticate(id={self.id}, name={self.name!r})"  # no password in any log

    __str__ = __repr__


class WhoAmI(Struct, frozen=True, array_like=True, tag=29, gc=False):
    """Who the connection is; answered by Identity."""

    id: int


class GetUsers(Struct, frozen=True, array_like=True, tag=31, gc=False):
    """All users; answered by Users."""

    id: int


class AddUser(Struct, frozen=True, array_like=True, tag=32):
    """There shall be that user, of whose name there is none; answered when the voters have been asked."""

    id: int
    user: User


class SetPasswords(Struct, frozen=True, array_like=True, tag=33):
    """A user, whom the admin knows as of the view ``known``, shall have these passwords and no others; one without a
    hash is that of the same salt which he has. Answered when the voters have been asked."""

    id: int
    name: str
    passwords: tuple[Password, ...]
    known: int


class RemoveUser(Struct, frozen=True, array_like=True, tag=34, gc=False):
    """There shall be no user of that name, whom the admin knows as of the view ``known``; without a name no users at
    all, as the view ``known`` left them, so that the hive is open from one view to the next. Answered when the voters
    have been asked."""

    id: int
    name: str
    known: int


USER_REQUESTS = (Authenticate, WhoAmI, GetUsers, AddUser, SetPasswords, RemoveUser)
UserRequest = Union[Authenticate, WhoAmI, GetUsers, AddUser, SetPasswords, RemoveUser]


class Identity(Struct, frozen=True, array_like=True, tag=77):
    """Who a connection is: nobody has an empty name. ``open`` tells that the hive has no users, and asks nobody."""

    id: int
    name: str
    role: Role
    prefixes: tuple[bytes, ...] = ()
    open: bool = False


class Users(Struct, frozen=True, array_like=True, tag=79):
    """All users by name, without what is kept of their passwords but its salts; ``epoch`` is that of the view."""

    id: int
    users: tuple[User, ...]
    epoch: int
