"""Carries out the commands that are calls of a client. Prints nothing: line mode and the dashboard share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from wrpme.errors import UsageError, WrpmeError
from wrpme.protocol.address import listed
from wrpme.protocol.health import copies_in_words
from wrpme.protocol.quoting import bytes_of, shown
from wrpme.protocol.stats import condition_of
from wrpme.client.watch.view_json import topology
from wrpme.shell import format
from wrpme.shell.access import users
from wrpme.shell.commands import Command, help_text
from wrpme.version import VERSION

if TYPE_CHECKING:
    from wrpme.client.batches.calls import Entry
    from wrpme.client.client import Client
    from wrpme.client.scan import Scanned


class Line(Struct, frozen=True):
    """A line of an answer: ``text``, or a ``content``, or both; the content is printed so that it can be typed, with
    ``in_quotes`` in any case in quotes."""

    text: str = ""
    content: bytes | None = None
    in_quotes: bool = False


class Answer(Struct, frozen=True):
    """An answer has the ``content`` of an entry, bit for bit, or ``text`` (without the last line end), or ``lines``, or
    nothing. ``failures`` are errors beside it. ``code`` is the exit code of a program that carries out this command
    alone."""

    content: bytes | None = None
    text: str | None = None
    code: int = 0
    lines: tuple[Line, ...] = ()
    failures: tuple[WrpmeError, ...] = ()


CODES = {"stable": 0, "stabilizing": 3, "degraded": 3, "unavailable": 4}
"""The exit code of ``hive_status`` by how the hive is."""


async def carry_out(
    client: Client, command: Command, told: Callable[[str], None] | None = None, password: str = ""
) -> Answer:
    """Carries out a command; ``exit`` does nothing, and the commands about other machines are not carried out here.
    ``told`` hears how far one is that takes long; ``password`` is the one that it sets.

    Raises:
        WrpmeError: the client raised it.
    """
    if command.spec.is_condition:
        raise UsageError(f"{command.name} is a condition of a batch; type batch, and then the lines of it")
    if command.spec.in_batch:
        return answer_of(command, await asked_of(client, command))
    if command.name in users.COMMANDS:
        return Answer(text=await users.carry_out(client, command, password))
    return await _carry_out_on_hive(client, command, told)


def asked_of(asked: Any, command: Command) -> Any:
    """Calls the method of a client or a batch that an operation on an entry is, and returns what that returns."""
    content = command.content if command.content is not None else b""
    life = {name: value for name in ("ttl", "expires", "keep_expiry") if (value := getattr(command, name))}
    if command.name in ("add", "append"):
        life.pop("keep_expiry", None)  # what is added to keeps it anyway
    name, alias = command.name, command.alias
    match name:
        case "put" | "update" | "get_update" | "append":
            return getattr(asked, name)(alias, content, **life)
        case "cas":
            return asked.cas(alias, content, command.comparand, **life)
        case "cas_version":
            return asked.cas_version(alias, content, command.version, **life)
        case "add":
            return asked.add(alias, command.number, **life)
        case "set_range":
            return asked.set_range(alias, command.number, content)
        case "get_range":
            return asked.get_range(alias, command.number, command.last)
        case "get_expire":
            return asked.get_expire(alias, ttl=command.seconds or None)
        case "get_version":
            return asked.get_entry(alias)
        case "remove_if" | "if_content":
            return getattr(asked, name)(alias, command.comparand)
        case "remove_version" | "if_version":
            return getattr(asked, name)(alias, command.version)
        case "expires_at":
            return asked.expires_at(alias, command.time)
        case "expires_from_now":
            return asked.expires_from_now(alias, command.seconds or 0)
        case _:  # it takes the alias alone
            return getattr(asked, name)(alias)


def answer_of(command: Command, result: object) -> Answer:
    """Returns what is printed of the result of an operation on an entry."""
    match command.name:
        case "put" | "update":
            return Answer()
        case "get_expiry":
            return Answer(text=format.expiry_text(cast(datetime | None, result)))
        case "get_version":
            return Answer(text=str(cast("Entry", result).version))
        case "exists":
            return Answer(text="yes" if result else "no", code=int(not result))
    if isinstance(result, bytes):
        return Answer(content=result)
    return Answer() if result is None else Answer(text=str(result))


async def _carry_out_on_hive(client: Client, command: Command, told: Callable[[str], None] | None) -> Answer:
    match command.name:
        case "prefix_get":
            aliases = await client.prefix_get(command.prefix, command.count_max)
            return Answer(lines=tuple(Line(shown(bytes_of(alias))) for alias in aliases))
        case "get_many":
            return _many(command, await client.get_many(command.aliases))
        case "remove_many":
            outcomes = await client.remove_many(command.aliases)
            return Answer(failures=tuple(outcome for outcome in outcomes if outcome is not None))
        case "count":
            return Answer(text=str(await client.count()))
        case "remove_all":
            removed = await client.remove_all()
            return Answer(text=f"{'' if removed.exact else 'at least '}{format.entries_text(removed)} removed")
        case "locate":
            return Answer(text=format.location_text(await client.locate(command.alias)))
        case "hive_status":
            status = await client.hive_status()
            text = format.json_text(format.hive_json(status)) if command.json else format.hive_text(status)
            return Answer(text=text, code=CODES[condition_of(status).word])
        case "wait_stable":
            await client.wait_stable(command.seconds)
        case "node_status":
            return Answer(text=format.json_text(await client.node_status(command.address)))
        case "node_config":
            return Answer(text=format.json_text(await client.node_config(command.address)))
        case "slow_log":
            found = await client.slow_log(command.address or None)
            if command.json:
                return Answer(lines=tuple(Line(text) for text in format.slow_json(found)))
            return Answer(text=format.slow_text(found))
        case "node_topology":
            return Answer(text=format.json_text(topology(await client.node_topology(command.address))))
        case "stop_node":
            await client.stop_node(command.address)
        case "leave":
            await client.leave(command.address)
            return Answer(text=f"{command.address} has left; its data directory is not needed any more")
        case "forget":
            await client.forget(command.address)
        case "set_replication":
            return Answer(text=await client.set_replication(command.number, told))
        case "recover":
            return Answer(text=await client.recover())
        case "verify":
            return Answer(text=format.verified_text(await client.verify()))
        case "watch" | "follow" | "scan" | "batch" | "hive_import" | "hive_backup" | "hive_restore" | "hive_export":
            raise UsageError(f"{command.name} is more than one question to the hive: it needs the shell of wrpmesh")
        case "help":
            return Answer(text=help_text(command.topic))
        case "version":
            return Answer(text=f"wrpme {VERSION}")
    return Answer()


def _many(command: Command, contents: Sequence[bytes | None]) -> Answer:
    pairs = list(zip(command.aliases, contents, strict=True))
    if command.json:
        lines = [Line(format.entry_json(alias, content=content)) for alias, content in pairs]
    else:
        lines = [Line(shown(alias), content) for alias, content in pairs]
    return Answer(lines=tuple(lines), code=int(None in contents))


def entry_line(command: Command, entry: Scanned) -> Line:
    """Returns what is printed of an entry that a scan met."""
    alias = bytes_of(entry.alias)
    if not command.json:
        told = (shown(alias), str(entry.version) if command.versions else "")
        return Line(" ".join(filter(None, told)), entry.content)
    fields: dict[str, object] = {"version": str(entry.version)} if command.versions else {}
    return Line(format.entry_json(alias, **fields, **({"content": entry.content} if command.contents else {})))


async def question(client: Client, command: Command) -> str:
    """Returns the question to put before the command is carried out, with what the command costs; empty for none."""
    if command.yes or not command.spec.confirm:
        return ""
    if command.name == "forget":
        cost = await _cost_of_forgetting(client, command.address)
    elif command.name == "recover":
        cost = await _cost_of_recovery(client)
    elif command.name == "set_replication":
        cost = _cost_of_fewer(command.number, (await client.view()).replication)
        if not cost:
            return ""
    elif command.name == "user_remove":
        cost = await users.removal_question(client, command)
        if not cost:
            return ""
    else:
        return command.spec.confirm
    return f"{cost}; {command.spec.confirm}"


async def _cost_of_forgetting(client: Client, address: str) -> str:
    price = await client.price_of(address)
    if not price.loss.share:
        return f"{price.address} is the last holder of nothing: no entry is lost"
    return f"{price.address} is the last holder of {format.percent_text(price.loss.share)} of the ring: {price.words}"


def _cost_of_fewer(wanted: int, kept: int) -> str:
    if wanted >= kept:
        return ""
    left = "entries of a node that dies are unavailable until it is back, and gone with its disk"
    risk = left if wanted == 1 else f"it outlives the death of {wanted - 1} at a time then, instead of {kept - 1}"
    return f"the hive keeps {copies_in_words(kept)} of each entry, and would keep {wanted}: {risk}"


async def _cost_of_recovery(client: Client) -> str:
    price = await client.price_of_recovery()
    without = f"without {listed(price.missing)}" if price.missing else "all nodes answer this shell"
    cost = price.words or "each part of the ring has an up-to-date copy, and no entry is given up"
    return f"a new generation of the hive would begin at {price.address}, {without}: {cost}"
