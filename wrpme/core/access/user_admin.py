"""What an admin changes of the users: the voters are asked for it, and from the view on that has it, it counts."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from wrpme.core.context import NodeContext
from wrpme.core.outbox import Origin
from wrpme.errors import AlreadyExistsError, NotFoundError, UsageError, WrpmeError
from wrpme.protocol.access.messages import AddUser, GetUsers, RemoveUser, SetPasswords, Users
from wrpme.protocol.access.users import USERS_MAX, Password, Role, User, wrong_user
from wrpme.protocol.address import listed
from wrpme.protocol.messages import Done
from wrpme.protocol.view import DropUser, PutUser, View

NAMED_MAX = 5


class UserAdmin:
    """``quorum`` says why this node sees none; nothing where it does."""

    def __init__(self, context: NodeContext, quorum: Callable[[], str]) -> None:
        self.context = context
        self._quorum = quorum

    def get_users(self, origin: Origin, request: GetUsers) -> None:
        """Answers with all users; of their passwords, with what tells them apart."""
        view = self.context.view
        users = view.users if view is not None else ()
        told = tuple(
            replace(user, passwords=tuple(replace(kept, hash=b"") for kept in user.passwords)) for user in users
        )
        self.context.outbox.reply(origin, Users(request.id, told, view.epoch if view is not None else 0))

    def add_user(self, origin: Origin, request: AddUser) -> None:
        """The voters are asked for a further user."""
        user, view = request.user, self.context.view
        if view is None or (error := self._wrong(view, user)) is not None:
            nothing_yet = UsageError("this node has no hive yet, which could have users")
            self.context.outbox.fail(origin, request.id, error if view is not None and error else nothing_yet)
            return
        role, first = user.role.name.lower(), "" if view.users else ", the first one"
        prefixes = f", of {len(user.prefixes)} prefixes" if user.prefixes else ""
        self._ask(origin, request.id, PutUser(user, 0), f"user_add {user.name} as {role}{prefixes}{first}")

    def _wrong(self, view: View, user: User) -> WrpmeError | None:
        if wrong := wrong_user(user):
            return UsageError(wrong)
        if any(known.name == user.name for known in view.users):
            return AlreadyExistsError(f"there is a user {user.name} already; user_password changes his password")
        if len(view.users) >= USERS_MAX:
            return UsageError(f"a hive has at most {USERS_MAX} users, and this one has so many")
        if view.users:
            return None
        if user.role is not Role.ADMIN:
            return UsageError(
                "the first user is an admin: from then on nobody else could add the others (--role admin)"
            )
        open_ones = [member.address for member in view.members if not member.secured]
        if open_ones:
            more = f" and {len(open_ones) - NAMED_MAX} more" if len(open_ones) > NAMED_MAX else ""
            names = listed(open_ones[:NAMED_MAX]) + more
            return UsageError(
                f"users need TLS, as their passwords would travel in plain words: {names} did not start with "
                "--tls-mode require (docs/security.md says how a running hive is brought there)"
            )
        return None

    def set_passwords(self, origin: Origin, request: SetPasswords) -> None:
        """The voters are asked for other passwords of a user."""
        user = self._known(origin, request.id, request.name, request.known)
        if user is None:
            return
        of_salt = {kept.salt: kept for kept in user.passwords}
        passwords: list[Password] = []
        for given in request.passwords:
            kept = given if given.hash else of_salt.get(given.salt)
            if kept is not None:
                passwords.append(kept)
        changed = replace(user, passwords=tuple(passwords))
        if wrong := wrong_user(changed):
            self.context.outbox.fail(origin, request.id, UsageError(wrong))
            return
        self._ask(origin, request.id, PutUser(changed, user.changed), f"user_password {user.name}")

    def remove_user(self, origin: Origin, request: RemoveUser) -> None:
        """The voters are asked for one user less, or for none at all."""
        if not request.name:
            self._remove_all(origin, request)
            return
        user = self._known(origin, request.id, request.name, request.known)
        view = self.context.view
        if user is None or view is None:
            return
        others = [known for known in view.users if known.name != user.name]
        if others and all(known.role is not Role.ADMIN for known in others):
            last = f"{user.name} is the last admin: nobody could add or remove users; remove the others first, or all"
            self.context.outbox.fail(origin, request.id, UsageError(last))
            return
        what = f"user_remove {user.name}" + ("" if others else ", the last one: nobody is asked from then on")
        self._ask(origin, request.id, DropUser(user.name, user.changed), what)

    def _remove_all(self, origin: Origin, request: RemoveUser) -> None:
        view = self.context.view
        if view is None or not view.users:
            self.context.outbox.fail(origin, request.id, NotFoundError("this hive has no users"))
        elif view.users_since != request.known:
            changed = "somebody else has changed users; nothing was changed by you, look again (user_list)"
            self.context.outbox.fail(origin, request.id, UsageError(changed))
        else:
            what = f"user_remove, all {len(view.users)} of them: nobody is asked from then on"
            self._ask(origin, request.id, DropUser("", request.known), what)

    def _known(self, origin: Origin, number: int, name: str, known: int) -> User | None:
        """The user whom the admin means; None where there is none, or another one by now, and he is told."""
        view = self.context.view
        user = next((user for user in view.users if user.name == name), None) if view is not None else None
        if user is None:
            self.context.outbox.fail(origin, number, NotFoundError(f"there is no user {name}; user_list has them all"))
        elif user.changed != known:
            changed = f"somebody else has changed the user {name}; nothing was changed by you, look again (user_list)"
            self.context.outbox.fail(origin, number, UsageError(changed))
            return None
        return user

    def _ask(self, origin: Origin, number: int, change: PutUser | DropUser, what: str) -> None:
        context = self.context
        if quorum := self._quorum():
            context.outbox.fail(origin, number, UsageError(f"nothing can be decided here: {quorum}"))
            return
        context.asked(origin, what)
        context.outbox.reports.append(change)
        context.outbox.reply(origin, Done(number))
