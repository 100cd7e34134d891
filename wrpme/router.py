"""The way of a request: to the arc that this node owns, or on to the node that can answer it.

A request that was passed on is never passed on again, and one that changes data is sent once: if it is not known what
became of it, whoever asked hears ``indeterminate``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from wrpme.effects import ToRunner
from wrpme.entries import key_of
from wrpme.errors import IndeterminateError, TooLargeError, UnavailableError, UnstableError, UsageError, WrpmeError
from wrpme.ground import Ground, Origin
from wrpme.identities import GetHive
from wrpme.limits import EXPIRY_MILLISECONDS_MAX, FORWARDS_MAX, STOP_SECONDS_MAX
from wrpme.messages import (
    READS, Beacon, Cas, Content, Count, EntryRequest, Expire, ForgetNode, Forward, Get, GetConfig, GetExpiry,
    GetHoldings, GetRemove, GetStatus, GetUpdate, GetView, LeaveNode, NodeRequest, PrefixScan, Put, Recover, Remove,
    RemoveAll, RemoveIf, Reply, Request, StopNode, Update, VerifyArc, ViewIs,
)  # fmt: skip
from wrpme.picture import NOBODY, Arc, NodeId, State
from wrpme.replica import Role
from wrpme.ring import arc_at, check_alias, check_content, hash_of, owner_among
from wrpme.table import Table

_WITH_CONTENT = (Put, Update, GetUpdate, Cas)
_WITH_COMPARAND = (Cas, RemoveIf)
_ENTRIES = (Get, Put, Update, GetUpdate, GetRemove, Cas, Remove, RemoveIf, Expire, GetExpiry)
_TO_NODES = (PrefixScan, Count, RemoveAll, GetStatus, GetConfig, StopNode, LeaveNode, VerifyArc, GetHoldings)


_Passed = tuple[Origin, int, NodeId, bool, float]
"""Who asked under which id, who answers, whether it changes nothing, and when it came; below 0: not about an entry."""


class Router:
    """``not_serving`` says why this node as a whole serves nothing now, or gives None; ``quorum`` why it sees none, or
    gives an empty text."""

    def __init__(
        self,
        ground: Ground,
        table: Table,
        not_serving: Callable[[], WrpmeError | None],
        quorum: Callable[[], str],
        local: dict[type[Any], Callable[[Origin, Any], None]],
    ) -> None:
        self.ground = ground
        self.table = table
        self._not_serving = not_serving
        self._quorum = quorum
        self._local = local
        self._forwards: dict[int, _Passed] = {}
        self._stopping: dict[NodeId, float] = {}
        """Nodes that stop as planned, and until when they may still answer."""
        self._number = 0
        self.requests: dict[type[Any], int] = dict.fromkeys(_ENTRIES, 0)
        """How many of each kind clients asked here, also those that were passed on."""

    # --- requests ------------------------------------------------------------------------------------------------

    def request(self, origin: Origin, request: Request) -> None:
        """Answers, now or later, or passes on."""
        kind = type(request)
        if isinstance(request, _ENTRIES):
            if type(origin) is int:
                self.requests[kind] += 1
                self.ground.at_once += 1
            self._for_entry(origin, request)
            return
        if type(origin) is int:
            self.requests[kind] = self.requests.get(kind, 0) + 1
        if isinstance(request, _TO_NODES):
            self._for_node(origin, request)
        elif isinstance(request, GetView):
            self._get_view(origin, request)
        elif isinstance(request, GetHive):
            view = self.ground.view
            self.ground.reply(origin, Content(request.id, view.hive if view is not None else b""))
        elif isinstance(request, ForgetNode | Recover):
            self._local[kind](origin, request)
        elif isinstance(origin, int):
            self.ground.effects.append(ToRunner(origin, request))
        else:
            own = UsageError("a watch, and the log, are asked for at the very node: nobody passes that on")
            self.ground.fail(origin, request.id, own)

    def _for_entry(self, origin: Origin, request: EntryRequest) -> None:
        try:
            alias = check_alias(request.alias)
            if isinstance(request, _WITH_CONTENT):
                check_content(request.content)
                if not 0 <= request.expiry <= EXPIRY_MILLISECONDS_MAX:
                    raise UsageError("an expiry is in milliseconds since 1970, at most the year 9999, or 0 for ever")
            if isinstance(request, _WITH_COMPARAND):
                check_content(request.comparand)
        except (UsageError, TooLargeError) as error:
            self.ground.fail(origin, request.id, error)
            return
        position = hash_of(alias)
        replica = self.table.at(position)
        if replica is not None and replica.role is Role.OWNER:
            replica.execute(origin, request, key_of(position, alias))
        else:
            self._elsewhere(origin, request, position)

    def _elsewhere(self, origin: Origin, request: EntryRequest, position: int) -> None:
        ground, view = self.ground, self.ground.view
        refusal = self._not_serving()
        if view is None or refusal is not None:
            ground.fail(origin, request.id, refusal or UnstableError("this node starts; try again"))
            return
        arc = view.arcs[arc_at(view, position)]
        owner = owner_among(ground.alive, arc)
        if owner is None:
            ground.fail(origin, request.id, self._unavailable(request.alias, arc))
        elif not isinstance(origin, int):
            moved = UnstableError("the owner of this part of the ring is changing; nothing was changed, try again")
            ground.fail(origin, request.id, moved)
        else:
            self._forward(origin, request, owner)

    def _unavailable(self, alias: str, arc: Arc) -> UnavailableError:
        ground = self.ground
        names = " or ".join(ground.address_of(node) for node in arc.holders)
        since = min((ground.down_since.get(node, ground.now) for node in arc.holders), default=ground.now)
        return UnavailableError(
            f'"{alias}" lives on {names}, which has been down for {max(0, ground.now - since):.0f} s; '
            "it is served again when that node returns"
        )

    def _for_node(self, origin: Origin, request: NodeRequest) -> None:
        ground = self.ground
        if request.node in (NOBODY, ground.me):
            self._local[type(request)](origin, request)
            return
        member = ground.members.get(request.node)
        if member is None:
            ground.fail(origin, request.id, UsageError("no such node in this hive; hive_status lists its nodes"))
        elif member.state is State.DOWN:
            since = ground.now - ground.down_since.get(member.id, ground.now)
            down = UnavailableError(f"{member.address} has been down for {since:.0f} s")
            ground.fail(origin, request.id, down)
        elif isinstance(origin, int):
            self._forward(origin, request, member.id)

    def _get_view(self, origin: Origin, request: GetView) -> None:
        ground = self.ground
        if request.follow and isinstance(origin, int):
            ground.effects.append(ToRunner(origin, request))
        if ground.view is None:
            refusal = self._not_serving() or UnstableError("this node starts; try again")
            ground.fail(origin, request.id, refusal)
        else:
            ground.reply(origin, ViewIs(request.id, ground.me, ground.known or ground.view))

    # --- passing on ----------------------------------------------------------------------------------------------

    def _forward(self, origin: Origin, request: EntryRequest | NodeRequest, node: NodeId) -> None:
        ground = self.ground
        address = ground.address_of(node)
        if ground.linked.get(address) is False:
            ground.send(node, Beacon(ground.now))  # so that the link is tried again
            ground.fail(origin, request.id, self._unreachable(address))
            return
        if len(self._forwards) >= FORWARDS_MAX:
            busy = UnstableError("too many requests wait for other nodes; nothing was changed, try again")
            ground.fail(origin, request.id, busy)
            return
        self._number += 1
        since = ground.put_off(origin) if isinstance(request, _ENTRIES) else -1.0
        self._forwards[self._number] = (origin, request.id, node, isinstance(request, READS), since)
        ground.send(node, Forward(msgspec.structs.replace(request, id=self._number)))

    def _unreachable(self, address: str) -> WrpmeError:
        """For a moment, or for as long as nobody can decide that it is dead."""
        me = self.ground.settings.address
        if quorum := self._quorum():
            return UnavailableError(f"{address}, which serves this, can't be reached from {me}, and {quorum}")
        sentence = f"{address}, which serves this, can't be reached from {me} just now"
        return UnstableError(f"{sentence}; nothing was changed, try again")

    def on_forwarded(self, source: NodeId, reply: Reply) -> None:
        """The answer to a request that was passed on."""
        known = self._forwards.get(reply.id)
        if known is not None and known[2] == source:
            del self._forwards[reply.id]
            self._note_answer(known)
            self.ground.reply(known[0], msgspec.structs.replace(reply, id=known[1]))

    def _note_answer(self, passed: _Passed) -> None:
        if passed[4] >= 0:
            self.ground.answered(passed[0], passed[4])

    def on_link_down(self, address: str, was_up: bool) -> None:
        """What was passed on over that link may be lost; ``was_up``: it may have left at all."""
        self._give_up(lambda node: self.ground.address_of(node) == address, was_up)

    def on_moved(self, node: NodeId) -> None:
        """It answers elsewhere from now on, and in another life."""
        self._give_up(lambda target: target == node, True)

    @property
    def waits(self) -> bool:
        """Somebody waits for an answer of another node."""
        return bool(self._forwards)

    def adopt(self, stopping: Collection[NodeId]) -> None:
        """What was passed on to a node that is down now is not waited for, but for nodes that are ``stopping`` as
        planned: these answer before they go."""
        alive, now = self.ground.alive, self.ground.now
        self._stopping = {node: until for node, until in self._stopping.items() if node not in alive and now < until}
        self._stopping.update(dict.fromkeys(stopping, now + STOP_SECONDS_MAX))
        self._give_up(lambda node: node not in alive and node not in self._stopping, True)

    def tick(self) -> None:
        """Time has passed: who stops for too long will not answer."""
        if self._stopping and self.ground.now >= min(self._stopping.values()):
            self.adopt(())

    def _give_up(self, lost: Callable[[NodeId], bool], was_sent: bool) -> None:
        for number, passed in list(self._forwards.items()):
            origin, request_id, node, is_read, _ = passed
            if not lost(node):
                continue
            del self._forwards[number]
            self._note_answer(passed)
            address = self.ground.address_of(node)
            if is_read or not was_sent:
                error: WrpmeError = UnstableError(f"the connection to {address} broke; nothing was changed, try again")
            else:
                error = IndeterminateError(
                    f"the connection to {address} broke while it wrote; the write may or may not have been carried out"
                )
            self.ground.fail(origin, request_id, error)
