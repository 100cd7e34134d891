"""Carries out the commands that are calls of a client. Prints nothing: line mode and the dashboard share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from wrpme.errors import UsageError
from wrpme.protocol.address import listed
from wrpme.protocol.stats import condition_of
from wrpme.protocol.view_json import topology
from wrpme.shell import format
from wrpme.shell.commands import Command, help_text
from wrpme.version import VERSION

if TYPE_CHECKING:
    from wrpme.client.client import Client


class Answer(Struct, frozen=True):
    """An answer has the ``content`` of an entry, bit for bit, or ``text`` (without the last line end), or neither.
    ``code`` is the exit code of a program that carries out this command alone."""

    content: bytes | None = None
    text: str | None = None
    code: int = 0


CODES = {"stable": 0, "stabilizing": 3, "degraded": 3, "unavailable": 4}
"""The exit code of ``hive_status`` by how the hive is."""


async def carry_out(client: Client, command: Command) -> Answer:
    """Carries out a command; ``exit`` does nothing, and the commands about other machines are not carried out here.

    Raises:
        WrpmeError: the client raised it.
    """
    content = command.content if command.content is not None else b""
    life: dict[str, Any] = {
        name: value for name in ("ttl", "expires", "keep_expiry") if (value := getattr(command, name))
    }
    match command.name:
        case "get":
            return Answer(content=await client.get(command.alias))
        case "put":
            await client.put(command.alias, content, **life)
        case "update":
            await client.update(command.alias, content, **life)
        case "get_update":
            return Answer(content=await client.get_update(command.alias, content, **life))
        case "get_remove":
            return Answer(content=await client.get_remove(command.alias))
        case "cas":
            return Answer(content=await client.cas(command.alias, content, command.comparand, **life))
        case "cas_version":
            return Answer(text=str(await client.cas_version(command.alias, content, command.version, **life)))
        case "add" | "append" | "get_range" | "set_range" | "get_expire" | "exists" | "get_version" | "touch":
            return await _carry_out_at_owner(client, command, content, life)
        case "remove":
            await client.remove(command.alias)
        case "remove_if":
            await client.remove_if(command.alias, command.comparand)
        case "remove_version":
            await client.remove_version(command.alias, command.version)
        case "expires_at":
            await client.expires_at(command.alias, command.time)
        case "expires_from_now":
            await client.expires_from_now(command.alias, command.seconds or 0)
        case "get_expiry":
            return Answer(text=format.expiry_text(await client.get_expiry(command.alias)))
        case _:
            return await _carry_out_on_hive(client, command)
    return Answer()


async def _carry_out_at_owner(client: Client, command: Command, content: bytes, life: dict[str, Any]) -> Answer:
    life.pop("keep_expiry", None)  # what is added to keeps it anyway
    match command.name:
        case "add":
            return Answer(text=str(await client.add(command.alias, command.number, **life)))
        case "append":
            return Answer(text=str(await client.append(command.alias, content, **life)))
        case "set_range":
            return Answer(text=str(await client.set_range(command.alias, command.number, content)))
        case "get_range":
            return Answer(content=await client.get_range(command.alias, command.number, command.last))
        case "get_expire":
            return Answer(content=await client.get_expire(command.alias, ttl=command.seconds or None))
        case "exists":
            there = await client.exists(command.alias)
            return Answer(text="yes" if there else "no", code=int(not there))
        case "get_version":
            return Answer(text=str((await client.get_entry(command.alias)).version))
        case "touch":
            await client.touch(command.alias)
    return Answer()


async def _carry_out_on_hive(client: Client, command: Command) -> Answer:
    match command.name:
        case "prefix_get":
            aliases = await client.prefix_get(command.prefix, command.count_max)
            return Answer(text="\n".join(aliases)) if aliases else Answer()
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
        case "node_topology":
            return Answer(text=format.json_text(topology(await client.node_topology(command.address))))
        case "stop_node":
            await client.stop_node(command.address)
        case "leave":
            await client.leave(command.address)
            return Answer(text=f"{command.address} has left; its data directory is not needed any more")
        case "forget":
            await client.forget(command.address)
        case "recover":
            return Answer(text=await client.recover())
        case "verify":
            return Answer(text=format.verified_text(await client.verify()))
        case "watch" | "follow":
            raise UsageError(f"{command.name} goes on until it is interrupted; it is a command of wrpmesh in line mode")
        case "help":
            return Answer(text=help_text(command.topic))
        case "version":
            return Answer(text=f"wrpme {VERSION}")
    return Answer()


async def question(client: Client, command: Command) -> str:
    """Returns the question to put before the command is carried out, with what the command costs; empty for none."""
    if command.yes or not command.spec.confirm:
        return ""
    if command.name == "forget":
        cost = await _cost_of_forgetting(client, command.address)
    elif command.name == "recover":
        cost = await _cost_of_recovery(client)
    else:
        return command.spec.confirm
    return f"{cost}; {command.spec.confirm}"


async def _cost_of_forgetting(client: Client, address: str) -> str:
    price = await client.price_of(address)
    if not price.loss.share:
        return f"{price.address} is the last holder of nothing: no entry is lost"
    return f"{price.address} is the last holder of {format.percent_text(price.loss.share)} of the ring: {price.words}"


async def _cost_of_recovery(client: Client) -> str:
    price = await client.price_of_recovery()
    without = f"without {listed(price.missing)}" if price.missing else "all nodes answer this shell"
    cost = price.words or "each part of the ring has an up-to-date copy, and no entry is given up"
    return f"a new generation of the hive would begin at {price.address}, {without}: {cost}"
