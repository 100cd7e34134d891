"""What the commands about users do, and what is printed of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.json import encode

from wrpme.errors import UnauthenticatedError, UsageError, WrpmeError
from wrpme.protocol.health import OPEN
from wrpme.protocol.quoting import bytes_of, shown
from wrpme.shell.access.passwords import SETS_PASSWORD
from wrpme.shell.format import json_text, left_aligned

if TYPE_CHECKING:
    from wrpme.client.access.user_admin import HiveUser, WhoIs
    from wrpme.client.client import Client
    from wrpme.shell.commands import Command

LET_IN_SECONDS = 3.0
COMMANDS = ("user_add", "user_password", "user_remove", "user_list", "whoami")


async def carry_out(client: Client, command: Command, password: str) -> str | None:
    """Carries out a command about users, and returns what is printed; None where that is nothing. ``password`` is the
    one that it sets.

    Raises:
        WrpmeError: the client raised it.
    """
    if command.name in SETS_PASSWORD and not password:
        raise UsageError(f"{command.name} asks for a password: it needs the shell of wrpmesh")
    match command.name:
        case "user_add":
            return await _add(client, command, password)
        case "user_password":
            await client.set_password(command.user, password, command.keep)
            return None
        case "user_remove":
            await (client.remove_users() if command.all else client.remove_user(command.user))
            return None
        case "user_list":
            found = await client.users()
            return _json_lines(found) if command.json else _list(found)
        case _:
            who = await client.whoami()
            return json_text(_who_json(who)) if command.json else who_text(who)


async def _add(client: Client, command: Command, password: str) -> str | None:
    was_open = (await client.whoami()).open
    await client.add_user(command.user, command.role, password, command.prefixes)
    if not was_open:
        return None
    return (
        f"{command.user} is the first user: from now on every connection says who it is. This shell goes on as "
        f"{command.user}; others begin with wrpmesh --user NAME"
    )


def _list(users: Sequence[HiveUser]) -> str:
    if not users:
        return f"{OPEN}; user_add --role admin NAME adds the first"
    rows = [("USER", "ROLE", "PASSWORDS", "SINCE VIEW", "ENTRIES")]
    rows += [(one.name, one.role, str(one.passwords), str(one.since), _entries(one.prefixes)) for one in users]
    return left_aligned(rows)


def _json_lines(users: Sequence[HiveUser]) -> str | None:
    lines = [
        encode(
            {
                "user": one.name,
                "role": one.role,
                "prefixes": [shown(bytes_of(prefix)) for prefix in one.prefixes],
                "passwords": one.passwords,
                "since_view": one.since,
            }
        ).decode()
        for one in users
    ]
    return "\n".join(lines) if lines else None


def _entries(prefixes: Sequence[str]) -> str:
    return " ".join(shown(bytes_of(prefix)) for prefix in prefixes) or "all"


def who_text(who: WhoIs) -> str:
    """Returns who somebody is in words."""
    if who.open:
        return f"nobody: {OPEN}"
    if not who.name:
        return "nobody: this hive has users, and you have not said who you are; begin with wrpmesh --user NAME"
    bound = f", entries under {_entries(who.prefixes)}" if who.prefixes else ""
    return f"{who.name}, {who.role}{bound}"


def _who_json(who: WhoIs) -> dict[str, object]:
    prefixes = [shown(bytes_of(prefix)) for prefix in who.prefixes]
    return {"user": who.name, "role": who.role, "prefixes": prefixes, "open": who.open}


async def let_in(client: Client) -> None:
    """Returns once it is known that the hive takes who the client is, or that nobody can be asked just now.

    Raises:
        UnauthenticatedError: it does not.
    """
    import asyncio

    try:
        async with asyncio.timeout(LET_IN_SECONDS):
            who = await client.whoami()
    except UnauthenticatedError:
        raise
    except (WrpmeError, TimeoutError):
        return  # whatever it is, whoever asks next is told
    if not who.name and not who.open:
        raise UnauthenticatedError("this hive has users, and you have not said who you are; begin with --user NAME")


async def removal_question(client: Client, command: Command) -> str:
    """Returns what comes of the removal of the last user, or of all; empty where others stay."""
    names = [one.name for one in await client.users()]
    after = "after that whoever reaches a port of the hive reads, writes and stops it"
    if command.all and names:
        return f"all users go at once ({len(names)}): {after}"
    return f"{command.user} is the last user: {after}" if names == [command.user] else ""
