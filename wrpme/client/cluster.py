"""The operations on the hive as a whole and on single nodes: scans, locations, status.

:class:`wrpme.client.client.Client` documents those that are public.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from wrpme import errors
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.limits import SLOW_SHOWN, STATUS_SECONDS, VIEW_SECONDS
from wrpme.client.scan import Patience, Scan, all_of, owners, page_of, scanned
from wrpme.protocol import address as addresses
from wrpme.protocol import health, ring, view_index
from wrpme.protocol.access.messages import Identity, WhoAmI
from wrpme.protocol.administration import StopNode
from wrpme.protocol.messages import Count, Done, GetConfig, GetLog, GetStatus, GetView, Number, RemoveAll, Text, ViewIs
from wrpme.protocol.stats import NodeStats, HiveStatus, NodeStatus, condition_of
from wrpme.protocol.quoting import text_of
from wrpme.protocol.administration import GetSlow, SlowLog
from wrpme.protocol.view import Arc, Member, State, View

R = TypeVar("R")


class Location(Struct, frozen=True):
    """Where an entry lives in the view of ``epoch``: its ``position`` on the ring (64 bits), and the arc that it lies
    in, from ``start`` to ``arc.end``, both included. ``owner`` serves it, or is None while no holder of the arc is
    up; ``holders`` have a complete copy, ``incoming`` are receiving one."""

    epoch: int
    alias: str
    position: int
    start: int
    arc: Arc
    owner: Member | None
    holders: tuple[Member, ...]
    incoming: tuple[Member, ...]


class Removed(int):
    """The number of entries that were removed. Where ``exact`` is False at least so many were: an owner was lost, or
    changed, while it removed some that nobody has counted."""

    exact: bool

    def __new__(cls, number: int, exact: bool = True) -> Removed:
        made = super().__new__(cls, number)
        made.exact = exact
        return made


class NodeSlow(Struct, frozen=True):
    """The slow requests of a node; where it did not tell them, ``log`` is None and ``error`` says why."""

    address: str
    log: SlowLog | None
    error: errors.WrpmeError | None


class ClusterOps:
    """What a client asks of the hive and of its nodes; nothing here changes who the members are."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    @property
    def known_addresses(self) -> list[str]:
        """The addresses of all members, or those that were given while no view is known."""
        now = self._dispatcher.view
        return [member.address for member in now.members] if now else list(self._dispatcher.addresses)

    async def view(self) -> View:
        """Returns the view that a node has now."""
        return await self._dispatcher.fresh_view()

    async def locate(self, alias: bytes) -> Location:
        """Returns where the entry of that alias lives, or would live."""
        now = await self._dispatcher.fresh_view()
        position = ring.position_of(now, alias)
        index = ring.arc_at(now, position)
        arc = now.arcs[index]
        of = {member.id: member for member in now.members}
        owner = view_index.owner(now, arc)
        return Location(
            epoch=now.epoch,
            alias=text_of(alias),
            position=position,
            start=ring.arc_start(now, index),
            arc=arc,
            owner=of[owner] if owner is not None else None,
            holders=tuple(of[node] for node in arc.holders if node in of),
            incoming=tuple(of[node] for node in arc.incoming if node in of),
        )

    async def wait_stable(self, seconds: float | None = None) -> None:
        """Returns when the hive is stable, or raises TimeoutError after ``seconds``."""
        if seconds is None:
            seconds = self._dispatcher.timeout
        deadline = self._dispatcher.deadline(seconds)
        news = self._dispatcher.epoch_seen
        while True:
            news.clear()
            asked = max(deadline, self._dispatcher.deadline(VIEW_SECONDS))  # of 0 s, too, an answer is wanted
            condition = health.condition(await self._dispatcher.fresh_view(asked))
            remaining = deadline - self._dispatcher.deadline(0)
            if condition.word == "stable" or remaining <= 0:
                # The nodes know what no view says: who does not answer, and how many still wait to join.
                condition = condition_of(await self.hive_status())
            if condition.word == "stable":
                return
            if remaining <= 0:
                raise errors.TimeoutError(f"after {seconds:g} s the hive is {condition.word}: {condition.sentence}")
            try:
                async with asyncio.timeout(min(remaining, VIEW_SECONDS)):
                    await news.wait()
            except TimeoutError:
                continue

    # --- nodes ---------------------------------------------------------------------------------------------------

    async def hive_status(self) -> HiveStatus:
        """Returns the view, and the figures of each node that answers within ``STATUS_SECONDS``."""
        now = await self._dispatcher.fresh_view()
        nodes = await asyncio.gather(*(self._status(member) for member in now.members))
        later = await self._dispatcher.fresh_view()
        if later.epoch != now.epoch:  # it changed meanwhile, and what was told does not go with it
            nodes = await asyncio.gather(*(self._status(member) for member in later.members))
        return HiveStatus(later, tuple(nodes), await self._is_open(later))

    async def _is_open(self, now: View) -> bool:
        """Returns whether the hive has no users. A view that never had any says so itself: nodes of former releases
        need not be asked, which would take the question for nonsense."""
        if not now.users_since:
            return True
        try:
            return (await self._dispatcher.ask(WhoAmI(self._dispatcher.next_id()), Identity)).open
        except errors.WrpmeError:
            return False

    async def _status(self, member: Member) -> NodeStatus:
        request = GetStatus(self._dispatcher.next_id(), member.id)
        deadline = self._dispatcher.deadline(min(STATUS_SECONDS, self._dispatcher.timeout))
        # Of one that is down, any other node tells how long it has been.
        address = member.address if member.state is not State.DOWN else None
        try:
            reply = await self._dispatcher.ask(request, Text, address=address, deadline=deadline)
            return NodeStatus(member, msgspec.json.decode(reply.text, type=NodeStats), None)
        except errors.WrpmeError as error:
            return NodeStatus(member, None, error)
        except msgspec.MsgspecError as error:
            return NodeStatus(member, None, errors.ProtocolError(f"{member.address} told no proper status ({error})"))

    async def node_status(self, address: str) -> dict[str, Any]:
        """Returns all figures of the node at that address, by name."""
        member = await self.member_at(address)
        return await self._json(GetStatus(self._dispatcher.next_id(), member.id), member)

    async def node_config(self, address: str) -> dict[str, Any]:
        """Returns the configuration of the node at that address, by option."""
        member = await self.member_at(address)
        return await self._json(GetConfig(self._dispatcher.next_id(), member.id), member)

    async def _json(self, request: GetStatus | GetConfig, member: Member) -> dict[str, Any]:
        text = (await self._dispatcher.ask(request, Text, address=member.address)).text
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise errors.ProtocolError(f"{member.address} answered with no proper JSON ({error})") from None

    async def slow_log(self, address: str | None = None) -> tuple[NodeSlow, ...]:
        """Returns the last slow requests of the node at that address, or of all nodes that are not down."""
        if address is not None:
            members: Sequence[Member] = [await self.member_at(address)]
        else:
            now = await self._dispatcher.fresh_view()
            members = [member for member in now.members if member.state is not State.DOWN]
        return tuple(await asyncio.gather(*(self._slow_of(member) for member in members)))

    async def _slow_of(self, member: Member) -> NodeSlow:
        request = GetSlow(self._dispatcher.next_id(), member.id, SLOW_SHOWN)
        deadline = self._dispatcher.deadline(min(STATUS_SECONDS, self._dispatcher.timeout))
        try:
            found = await self._dispatcher.ask(request, SlowLog, address=member.address, deadline=deadline)
            return NodeSlow(member.address, found, None)
        except (errors.DeniedError, errors.UnauthenticatedError):
            raise  # any node says so
        except errors.WrpmeError as error:
            return NodeSlow(member.address, None, error)

    async def node_topology(self, address: str) -> View:
        """Returns the view as the very node at that address has it."""
        member = await self.member_at(address)
        request = GetView(self._dispatcher.next_id())
        return (await self._dispatcher.ask_there(request, ViewIs, member.address, self._dispatcher.deadline())).view

    async def log_of(self, address: str) -> list[str]:
        """Returns the latest lines of the log of the very node at that address, the oldest first."""
        member = await self.member_at(address)
        request = GetLog(self._dispatcher.next_id())
        reply = await self._dispatcher.ask_there(request, Text, member.address, self._dispatcher.deadline())
        try:
            return msgspec.json.decode(reply.text, type=list[str])
        except msgspec.MsgspecError as error:
            raise errors.ProtocolError(f"{member.address} answered with no proper log ({error})") from None

    async def stop_node(self, address: str) -> None:
        """Begins the planned stop of the node at that address."""
        member = await self.member_at(address)
        await self._dispatcher.ask(StopNode(self._dispatcher.next_id(), member.id), Done, address=member.address)

    async def member_at(self, address: str) -> Member:
        """Returns the member at that address, or raises UsageError."""
        wanted = addresses.parse(address)
        now = await self._dispatcher.fresh_view()
        same = next((one.address for one in now.members if addresses.parse(one.address) == wanted), address)
        found = view_index.member_at(now, same)
        if found is None:
            known = addresses.listed(member.address for member in now.members)
            raise errors.UsageError(f"no node of this hive is at {address}; its nodes are at {known}")
        return found

    # --- scans ---------------------------------------------------------------------------------------------------

    async def count(self) -> int:
        """Returns how many entries the hive has, all counted at one epoch."""

        async def attempt(owners: Sequence[Member], epoch: int, patience: Patience) -> int:
            async def one(owner: Member) -> int:
                request = Count(self._dispatcher.next_id(), owner.id, epoch)
                return (await page_of(self._dispatcher, request, Number, owner, patience)).number

            return sum(await all_of([one(owner) for owner in owners]))

        return await self._at_one_epoch(attempt)

    async def prefix_get(self, prefix: bytes, count_max: int | None = None) -> list[str]:
        """Returns the aliases that begin with ``prefix``, sorted, at most ``count_max``."""
        return [entry.alias async for entry in scanned(self._dispatcher, Scan(prefix), b"", count_max)]

    async def remove_all(self) -> Removed:
        """Removes every entry of the hive, and returns how many were removed."""
        removed, exact = 0, True

        async def attempt(owners: Sequence[Member], epoch: int, patience: Patience) -> None:
            async def one(owner: Member) -> None:
                nonlocal removed
                after = b""
                while True:
                    request = RemoveAll(self._dispatcher.next_id(), owner.id, epoch, after)
                    page = await page_of(self._dispatcher, request, Number, owner, patience)
                    removed += page.number
                    patience.renew()
                    if not page.cursor:
                        return
                    after = page.cursor

            nonlocal exact
            try:
                await all_of([one(owner) for owner in owners])
            except errors.IndeterminateError:
                exact = False  # these may have been removed, and nobody has counted them
                raise

        await self._at_one_epoch(attempt, errors.IndeterminateError)
        return Removed(removed, exact)

    async def _at_one_epoch(
        self,
        attempt: Callable[[Sequence[Member], int, Patience], Awaitable[R]],
        harmless: type[errors.WrpmeError] = errors.UnstableError,
    ) -> R:
        """Calls ``attempt`` with all owners and their epoch; again from the start whenever one of them is at another
        epoch, or fails in a way that is ``harmless`` here."""
        patience = Patience(self._dispatcher)
        pause = 0.0
        while True:
            now = await self._dispatcher.fresh_view(patience.deadline)
            try:
                return await attempt(owners(now), now.epoch, patience)
            except (errors.UnstableError, harmless) as error:
                pause = await self._dispatcher.back_off(pause, patience.deadline, error)


def owner_of(now: View, arc: Arc) -> Member:
    """Returns who serves an arc; raises UnavailableError where all its holders are down."""
    owner = view_index.owner(now, arc)
    found = view_index.member(now, owner) if owner is not None else None
    if found is None:
        names = addresses.listed((member.address for member in now.members if member.id in arc.holders), " or ")
        raise errors.UnavailableError(f"the arc that ends at {arc.end:016x} is on {names}, which is down")
    return found
