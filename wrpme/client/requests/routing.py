"""Where a request goes: what a client knows of its hive. No sockets, no clock.

Any node serves any request, so the view is only a short cut: with none, or an old one, the request goes to a node
that answers, and that one passes it on.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence

from wrpme import errors
from wrpme.protocol import ring, view_index
from wrpme.protocol.view import State, View

_LOG = logging.getLogger("wrpme")


class Routes:
    """The hive as one client knows it: which one it is, its view, and the owner of each position of the ring.

    Changed by the event loop of the client alone. A blocking client reads ``stale`` and :meth:`owner_at` from any
    thread: the table of owners is replaced as a whole.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = tuple(addresses)
        self.view: View | None = None
        self.stale = True
        """Whether the view is to be asked for: there is none, or a node told of a later one."""
        self.conflict: errors.AnotherHiveError | None = None
        """Why no request is sent any more: the user gave addresses of several hives."""
        self._table: tuple[list[int], list[str]] = ([], [])
        self._epoch_told = 0
        self._hive = b""
        self._hive_at = ""
        """The address where that hive was met first."""
        self._warned: set[str] = set()

    def position_of(self, alias: bytes) -> int:
        """Returns the position of an entry by the rule of the hive, as far as that is known: without a view the request
        goes to any node, which knows better."""
        return ring.position_of(self.view, alias)

    def owner_at(self, position: int | None) -> str:
        """Returns the address of the owner of a position, empty if none is known."""
        ends, owners = self._table
        return owners[bisect_left(ends, position)] if ends and position is not None else ""

    def candidates(
        self, first: str | None, failing: Callable[[str], bool], ready: Callable[[str], object]
    ) -> list[str]:
        """Returns the addresses to try, in this order: the right one, those that are open, the given ones, the other
        live members; those that lately failed come last."""
        members = self.view.members if self.view else ()
        known = [member.address for member in members if member.state is not State.DOWN]
        ordered = list(dict.fromkeys([*([first] if first else []), *self.addresses, *known]))
        ordered.sort(key=lambda address: (failing(address), address != first, not ready(address)))
        return ordered

    def meet(self, address: str, hive: bytes) -> errors.AnotherHiveError | None:
        """Takes note of which hive the node at an address is, and returns the error if that is another one than is
        known. A node at an address of the known hive is then left alone, and a warning logged; where the address was
        given by the user, all requests fail from then on, as only the user can tell which hive is meant."""
        if not hive or hive == self._hive:
            return None
        if not self._hive:
            self._hive, self._hive_at = hive, address
            return None
        known = self.view is not None and any(member.address == address for member in self.view.members)
        theirs, ours = hive.hex()[:8], self._hive.hex()[:8]
        if address in self.addresses and not known:
            error = self.conflict = errors.AnotherHiveError(
                f"the daemons given are of different hives: {self._hive_at} of hive {ours}, {address} of hive "
                f"{theirs}; nothing was sent to {address}. Name those of one hive; if they should be of one, the data "
                "directory of a node was lost: hive_status of each of them tells which, and what to do"
            )
            return error
        error = errors.AnotherHiveError(
            f"{address} belongs to hive {theirs} now, and this client works with hive {ours} ({self._hive_at}); "
            "nothing was sent there. Was the data directory of that node lost, and did it found a hive of its own? "
            f"Then stop it, and start it with an empty directory and --peer {self._hive_at}"
        )
        if address not in self._warned:
            self._warned.add(address)
            _LOG.warning("%s", error.sentence)
        return error

    def is_known(self, hive: bytes) -> bool:
        """Returns whether that is the hive of this client, or it has met none yet."""
        return not self._hive or hive == self._hive

    def adopt(self, new: View) -> list[str] | None:
        """Takes a view that a node told, and returns the addresses of the members that are down in it; None if the one
        that is known is as late."""
        old = self.view
        self.stale = new.epoch < self._epoch_told
        if old and old.hive == new.hive and view_index.age(new) <= view_index.age(old):
            return None
        self.view = new
        homes = {member.id: member.address for member in new.members}
        alive = view_index.live(new)
        owners = (ring.owner_among(alive, arc) for arc in new.arcs)
        self._table = ([arc.end for arc in new.arcs], [homes[owner] if owner is not None else "" for owner in owners])
        up = {member.address for member in new.members if member.state is not State.DOWN}
        return [member.address for member in new.members if member.address not in up]

    def refused(self, error: errors.WrpmeError) -> None:
        """Takes note of what a node answered to a request: one that refuses as the hive changes has a later view."""
        self.stale = self.stale or (error.retry and not isinstance(error, errors.BusyError))

    def told(self, epoch: int) -> None:
        """Takes note that a node has adopted a view of that epoch."""
        self._epoch_told = epoch
        if self.view is None or epoch > self.view.epoch:
            self.stale = True

    def unfollowed(self) -> None:
        """Takes note that no node tells of its views any more."""
        self.stale, self._epoch_told = True, 0
