"""The operations of an operator that change who the members are, and the one that compares all copies.

:class:`wrpme.client.client.Client` documents those that are public.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from wrpme import errors
from wrpme.client.cluster import ClusterOps, owner_of
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.limits import PROGRESS_SECONDS, STATUS_SECONDS
from wrpme.protocol import health, ring, salvage, view_index
from wrpme.protocol.messages import (
    Done, ForgetNode, GetHoldings, GetView, Holding, Holdings, LeaveNode, Recover, Text, VerifyArc, ViewIs,
)  # fmt: skip
from wrpme.protocol.salvage import Loss
from wrpme.protocol.view import Choice, Member, NodeId, State, View


class LossEstimate(Struct, frozen=True):
    """What is given up if the dead member at ``address`` is forgotten, or if the node at ``address`` begins a new
    generation without those at the addresses ``missing``. They are the last holders of ``loss.share`` of the ring (0 to
    1); ``choices`` are the copies that this part starts again from, and ``words`` say so to an operator."""

    address: str
    loss: Loss
    choices: tuple[Choice, ...]
    words: str
    missing: tuple[str, ...] = ()


class Difference(Struct, frozen=True):
    """The copy of an arc (named by its end, in hex) at the address ``node`` differs from the copy of the ``owner`` in
    ``entries`` entries, of which ``aliases`` are at most ten."""

    arc: str
    owner: str
    node: str
    entries: int
    aliases: tuple[str, ...]


class Verified(Struct, frozen=True):
    """The result of a comparison of all copies: the owners' ``entries`` of ``arcs`` arcs were compared with ``copies``
    other copies of arcs."""

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


class AdminOps:
    """What an operator does to the hive: a member leaves or is forgotten, a lost quorum is recovered, copies are
    compared."""

    def __init__(self, dispatcher: Dispatcher, cluster: ClusterOps) -> None:
        self._dispatcher = dispatcher
        self._cluster = cluster

    async def leave(self, address: str) -> None:
        """Lets the node move its data away and stop for good, and returns when it is no member any more."""
        member = await self._cluster.member_at(address)
        await self._dispatcher.ask(LeaveNode(self._dispatcher.next_id(), member.id), Done, address=member.address)
        deadline, before = self._dispatcher.deadline(), None
        while True:
            now = await self._dispatcher.fresh_view()
            if view_index.member(now, member.id) is None:
                return
            status = await self._cluster.hive_status()
            seen = (now.epoch, [node.stats.copies_out for node in status.nodes if node.stats])
            if seen != before:
                deadline, before = self._dispatcher.deadline(), seen
            elif deadline <= self._dispatcher.deadline(0):
                how = health.condition(now)
                sentence = f"{address} has begun to leave and goes on by itself; the hive is {how.word}: {how.sentence}"
                raise errors.TimeoutError(sentence)
            await asyncio.sleep(PROGRESS_SECONDS)

    async def price_of(self, address: str) -> LossEstimate:
        """Returns what is given up if the member at that address, which is down, is forgotten."""
        now = await self._dispatcher.fresh_view()
        member = await self._dead_at(now, address)
        there = [found for found in now.members if found.state is not State.DOWN]
        told = await self._holdings(there)
        choices, loss = salvage.choose(now, salvage.orphans(now, (member.id,)), told)
        return LossEstimate(address, loss, choices, self._in_words(now, loss))

    async def _holdings(self, members: Sequence[Member]) -> dict[NodeId, tuple[Holding, ...]]:
        """Returns what each of them has on its disk, and nothing for those that do not answer."""

        async def ask(member: Member) -> tuple[Holding, ...]:
            request = GetHoldings(self._dispatcher.next_id(), member.id)
            deadline = self._dispatcher.deadline(STATUS_SECONDS)
            try:
                reply = await self._dispatcher.ask(
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
        """Returns the member that is down there, and not the new node that may run at its address by now."""
        found = await self._cluster.member_at(address)
        for member in now.members:
            if member.address == found.address and member.state is State.DOWN:
                return member
        raise errors.UsageError(f"{address} is not down; stop_node stops a node, leave lets it go for good")

    async def forget(self, address: str, price: LossEstimate | None = None) -> None:
        """Gives up the dead member at that address, and returns when it is no member any more."""
        member = await self._dead_at(await self._dispatcher.fresh_view(), address)
        choices = (price or await self.price_of(address)).choices
        await self._dispatcher.ask(ForgetNode(self._dispatcher.next_id(), member.id, member.incarnation, choices), Done)
        deadline = self._dispatcher.deadline()
        while view_index.member(await self._dispatcher.fresh_view(), member.id) is not None:
            if deadline <= self._dispatcher.deadline(0):
                raise errors.TimeoutError(
                    f"the hive has not forgotten {address} in the time given: it can't decide just now, or what is "
                    "lost with it has changed; hive_status tells, then try again"
                )
            await asyncio.sleep(PROGRESS_SECONDS)

    async def price_of_recovery(self) -> LossEstimate:
        """Returns what is given up if the node at the first given address starts a new generation of the hive."""
        address = self._dispatcher.addresses[0]
        deadline = self._dispatcher.deadline()
        now = (await self._dispatcher.ask_there(GetView(self._dispatcher.next_id()), ViewIs, address, deadline)).view
        told = await self._holdings(now.members)  # also of those that are down in this view: they may wait to be back
        lost = [member for member in now.members if not told.get(member.id)]
        choices, loss = salvage.choose(now, salvage.orphans(now, [member.id for member in lost]), told)
        words = "; ".join(filter(None, (self._in_words(now, loss), salvage.given_up(now, loss, told))))
        return LossEstimate(address, loss, choices, words, tuple(member.address for member in lost))

    async def recover(self, price: LossEstimate | None = None) -> str:
        """Has the node at the first given address start a new generation of the hive, and returns what it says."""
        price = price or await self.price_of_recovery()
        request = Recover(self._dispatcher.next_id(), price.choices)
        deadline = self._dispatcher.deadline()
        sentence = (await self._dispatcher.ask_there(request, Text, price.address, deadline)).text
        return "; ".join(filter(None, (sentence, price.words)))

    async def verify(self) -> Verified:
        """Compares the copies of every arc with its owner's, while they are served."""
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
        """Returns what was seen of the arc that the position lies in, its end, the position before it, and the address
        of its owner."""
        deadline, pause = self._dispatcher.deadline(), 0.0
        while True:
            now = self._dispatcher.view or await self._dispatcher.fresh_view(deadline)
            index = ring.arc_at(now, position)
            arc = now.arcs[index]
            owner = owner_of(now, arc)
            request = VerifyArc(self._dispatcher.next_id(), owner.id, now.epoch, arc.end)
            try:
                reply = await self._dispatcher.ask(
                    request, Text, address=owner.address, deadline=deadline, until_stable=False
                )
                seen = msgspec.json.decode(reply.text, type=_ArcSeen)
                return seen, arc.end, ring.arc_start(now, index) - 1, owner.address
            except errors.UnstableError as error:
                pause = await self._dispatcher.back_off(pause, deadline, error)
                await self._dispatcher.fresh_view(deadline)
            except msgspec.MsgspecError as error:
                raise errors.ProtocolError(f"{owner.address} compared in a way of its own ({error})") from None
