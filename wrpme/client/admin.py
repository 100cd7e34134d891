"""The operations of an operator that change the hive for good, and the one that shows that all copies agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from wrpme import errors
from wrpme.client.cluster import Hive
from wrpme.limits import STATUS_SECONDS, TEND_SECONDS
from wrpme.protocol import health, view_index
from wrpme.protocol import ring, salvage
from wrpme.protocol.address import listed
from wrpme.protocol.messages import (
    Done, ForgetNode, GetHoldings, GetView, Holding, Holdings, LeaveNode, Recover, Text, VerifyArc, ViewIs,
)  # fmt: skip
from wrpme.protocol.salvage import Loss
from wrpme.protocol.view import Arc, Choice, Member, NodeId, State, View


class Price(Struct, frozen=True):
    """What is given up with a dead member: of ``loss.share`` of the ring it is the last holder, and ``choices`` are the
    copies that this starts again from; ``words`` say so."""

    address: str
    loss: Loss
    choices: tuple[Choice, ...]
    words: str


class Difference(Struct, frozen=True):
    """A copy of an arc (by its end, in hex) on ``node`` that differs from the owner's in ``entries`` entries; some of
    them are ``aliases``."""

    arc: str
    owner: str
    node: str
    entries: int
    aliases: tuple[str, ...]


class Verified(Struct, frozen=True):
    """What a comparison of all copies found: ``entries`` of ``arcs`` arcs, each compared with ``copies`` others in
    all."""

    arcs: int
    entries: int
    copies: int
    differences: tuple[Difference, ...]


class _CopySeen(Struct, frozen=True):
    node: str
    differing: int
    aliases: tuple[str, ...]


class _ArcSeen(Struct, frozen=True):
    entries: int
    wanted: int
    copies: tuple[_CopySeen, ...]


class Tending(Hive):
    """The part of :class:`wrpme.client.client.Client` that tends the hive."""

    async def leave(self, address: str) -> None:
        """The node moves its data away, then stops for good; returns when it is no member any more.

        Raises:
            TimeoutError: nothing has moved for the timeout of the client; it goes on by itself.
        """
        member = await self._member_at(address)
        await self._courier.ask(LeaveNode(self._courier.next_id(), member.id), Done, address=member.address)
        deadline, before = self._courier.deadline(), None
        while True:
            now = await self._courier.fresh_view()
            if view_index.member(now, member.id) is None:
                return
            status = await self.hive_status()
            seen = (now.epoch, [node.figures.copies_out for node in status.nodes if node.figures])
            if seen != before:
                deadline, before = self._courier.deadline(), seen
            elif deadline <= self._courier.deadline(0):
                how = health.condition(now)
                sentence = f"{address} has begun to leave and goes on by itself; the hive is {how.word}: {how.sentence}"
                raise errors.TimeoutError(sentence)
            await asyncio.sleep(TEND_SECONDS)

    async def price_of(self, address: str) -> Price:
        """What is given up if the member at that address, which is down, is forgotten.

        Raises:
            UsageError: it is not down.
        """
        now = await self._courier.fresh_view()
        member = await self._dead_at(now, address)
        there = [found for found in now.members if found.state is not State.DOWN]
        told = await self._holdings(there)
        choices, loss = salvage.choose(now, salvage.orphans(now, (member.id,)), told)
        return Price(address, loss, choices, self._in_words(now, loss))

    async def _holdings(self, members: Sequence[Member]) -> dict[NodeId, tuple[Holding, ...]]:
        """What each of them has on its disk; nothing of those that do not answer."""

        async def ask(member: Member) -> tuple[Holding, ...]:
            request = GetHoldings(self._courier.next_id(), member.id)
            deadline = self._courier.deadline(STATUS_SECONDS)
            try:
                reply = await self._courier.ask(
                    request, Holdings, address=member.address, deadline=deadline, until_stable=False
                )
            except errors.WrpmeError:
                return ()
            return reply.holdings

        told = await asyncio.gather(*(ask(member) for member in members))
        return {member.id: holdings for member, holdings in zip(members, told, strict=True)}

    @staticmethod
    def _in_words(now: View, loss: Loss) -> str:
        addresses = {member.id: member.address for member in now.members}
        return salvage.in_words(loss, lambda node: addresses.get(node, node.hex()[:8]))

    async def _dead_at(self, now: View, address: str) -> Member:
        """The member that is down there: it, and not the new node that may run at its address by now."""
        found = await self._member_at(address)
        for member in now.members:
            if member.address == found.address and member.state is State.DOWN:
                return member
        raise errors.UsageError(f"{address} is not down; stop_node stops a node, leave lets it go for good")

    async def forget(self, address: str, price: Price | None = None) -> None:
        """The operator's word that the dead node there never returns; returns when it is no member any more. What it
        alone held starts again as the ``price`` says, or from the most complete copies there are now."""
        member = await self._dead_at(await self._courier.fresh_view(), address)
        choices = (price or await self.price_of(address)).choices
        await self._courier.ask(ForgetNode(self._courier.next_id(), member.id, member.incarnation, choices), Done)
        deadline = self._courier.deadline()
        while view_index.member(await self._courier.fresh_view(), member.id) is not None:
            if deadline <= self._courier.deadline(0):
                raise errors.TimeoutError(
                    f"the hive has not forgotten {address} in the time given: it can't decide just now, or what is "
                    "lost with it has changed; hive_status tells, then try again"
                )
            await asyncio.sleep(TEND_SECONDS)

    async def recover(self) -> str:
        """The operator's word that the voters that the first given daemon does not see are dead: it starts a new
        generation of the hive. Gives what it says of it.

        Raises:
            UsageError: it sees a quorum, and there is nothing to recover.
        """
        address = self._courier.addresses[0]
        deadline = self._courier.deadline()
        now = (await self._courier.ask_there(GetView(self._courier.next_id()), ViewIs, address, deadline)).view
        told = await self._holdings(now.members)  # also of those that are down in this view: they may wait to be back
        lost = [member.id for member in now.members if not told.get(member.id)]
        choices, loss = salvage.choose(now, salvage.orphans(now, lost), told)
        request = Recover(self._courier.next_id(), choices)
        sentence = (await self._courier.ask_there(request, Text, address, self._courier.deadline())).text
        return "; ".join(filter(None, (sentence, self._in_words(now, loss))))

    async def verify(self) -> Verified:
        """Compares the copies of every arc with its owner's, while they are served.

        Raises:
            UnavailableError: an arc has no live holder.
        """
        arcs = entries = copies = 0
        differences: list[Difference] = []
        position = ring.RING - 1
        while position >= 0:  # from arc to arc, as they are when their turn comes: they may be divided meanwhile
            seen, end, position, owner = await self._verify_arc(position)
            arcs += 1
            entries += seen.entries
            copies += len(seen.copies)
            differences += [
                Difference(f"{end:016x}", owner, copy.node, copy.differing, copy.aliases)
                for copy in seen.copies
                if copy.differing
            ]
        return Verified(arcs, entries, copies, tuple(differences))

    async def _verify_arc(self, position: int) -> tuple[_ArcSeen, int, int, str]:
        """What was seen of the arc that the position lies in, its end, the position before it, and its owner."""
        deadline, pause = self._courier.deadline(), 0.0
        while True:
            now = self._courier.view or await self._courier.fresh_view(deadline)
            index = ring.arc_at(now, position)
            arc = now.arcs[index]
            owner = self._owner(now, arc)
            request = VerifyArc(self._courier.next_id(), owner.id, now.epoch, arc.end)
            try:
                reply = await self._courier.ask(
                    request, Text, address=owner.address, deadline=deadline, until_stable=False
                )
                seen = msgspec.json.decode(reply.text, type=_ArcSeen)
                return seen, arc.end, ring.arc_start(now, index) - 1, owner.address
            except errors.UnstableError as error:
                pause = await self._courier.back_off(pause, deadline, error)
                await self._courier.fresh_view(deadline)
            except msgspec.MsgspecError as error:
                raise errors.ProtocolError(f"{owner.address} compared in a way of its own ({error})") from None

    @staticmethod
    def _owner(now: View, arc: Arc) -> Member:
        owner = view_index.owner(now, arc)
        found = view_index.member(now, owner) if owner is not None else None
        if found is None:
            names = listed((member.address for member in now.members if member.id in arc.holders), " or ")
            raise errors.UnavailableError(f"the arc that ends at {arc.end:016x} is on {names}, which is down")
        return found
