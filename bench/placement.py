"""What the next view costs: ``python -m bench.placement [nodes ...]`` prints processor time for each kind of change.

The hive grows node by node, as in life, with three copies of each entry; then one node joins, dies, returns, leaves, is
expelled, a copy is complete, and a tenth of all dies at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from wrpme.core.membership import transitions as views
from wrpme.limits import SLOTS
from wrpme.protocol import health, view_index
from wrpme.protocol.view import Activated, Back, Change, Down, Expel, Join, Leave, NodeId, Synced, View
from wrpme.protocol.view_index import index_of

REPLICATION = 3
TIMES = 5


def id_of(number: int) -> NodeId:
    """The id of a node."""
    return b"%04d" % number + bytes(12)


def settled(view: View) -> View:
    """All copies are complete, all owners serve."""
    for _ in range(2 * REPLICATION):
        changes: list[Change] = []
        for arc in view.arcs:
            owner = view_index.owner(view, arc)
            if owner is not None:
                changes += [Synced(arc.end, arc.version, new, owner, 1) for new in arc.incoming[:1]]
                changes += [Activated(arc.end, arc.version, owner, 1)] * bool(arc.prev)
        made = views.next_view(view, changes)
        if made is None:
            break
        view = made[0]
    return view


def grown(count: int) -> tuple[View, float]:
    """A stable hive, and the share that its growth was off the fair share at worst."""
    view = views.found(b"h" * 16, id_of(0), 1, "n0:1", REPLICATION)
    worst = 0.0
    for number in range(1, count):
        view = settled(made(view, Join(id_of(number), 1, f"n{number}:1")))
        if number >= REPLICATION:
            fair = SLOTS / (number + 1)
            shares = index_of(view).table.owning.values()
            worst = max(worst, max(shares) / fair - 1, 1 - min(shares) / fair)
    return view, worst


def made(view: View, *changes: Change) -> View:
    """The next view; there has to be one."""
    found = views.next_view(view, changes)
    assert found is not None, changes
    return found[0]


def measure(name: str, work: Callable[[], object]) -> None:
    """Prints the best of some runs."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    print(f"  {name:<44} {best * 1000:9.3f} ms", flush=True)


def neighbours(view: View) -> list[int]:
    """By node with how many others it shares arcs."""
    found: dict[NodeId, set[NodeId]] = {member.id: set() for member in view.members}
    for arc in view.arcs:
        for node in arc.wanted:
            found[node].update(arc.wanted)
    return [len(others - {node}) for node, others in found.items()]


def main() -> None:
    """See the module."""
    for count in [int(text) for text in sys.argv[1:]] or [100, 300, 999]:
        began = time.process_time()
        view, worst = grown(count)
        others = neighbours(view)
        print(
            f"{count} nodes, grown in {time.process_time() - began:.1f} s: {len(view.arcs) / count:.1f} arcs and "
            f"{sum(others) / count:.1f} neighbours a node (at most {max(others)}), owners at most {100 * worst:.1f} % "
            f"off the fair share, {len(view_index.pack(view)) / 1024:.0f} KiB"
        )
        report(view, count)


def report(view: View, count: int) -> None:
    """One line for each kind of change."""
    one = view.members[count // 2]
    join = Join(id_of(count), 1, f"n{count}:1")
    joined = views.next_view(view, [join])
    assert joined is not None
    dead = made(view, Down(one.id, 1))
    left = made(view, Leave(one.id, 1))
    tenth = [Down(member.id, 1) for member in view.members[1 : count // 10 + 1]]
    many = made(view, *tenth)
    backs = [Back(change.node, 2, index_of(view).members[change.node].address) for change in tenth[:8]]
    arc = next(arc for arc in joined[0].arcs if arc.incoming)
    synced = Synced(arc.end, arc.version, arc.incoming[0], arc.holders[0], 1)
    measure("a join", lambda: views.next_view(view, [join]))
    measure("a death", lambda: views.next_view(view, [Down(one.id, 1)]))
    measure("a return", lambda: views.next_view(dead, [Back(one.id, 2, one.address)]))
    measure("a leave", lambda: views.next_view(view, [Leave(one.id, 1)]))
    measure("its end: copies complete", lambda: settled(left))
    measure("an expulsion", lambda: views.next_view(dead, [Expel(one.id, 1)]))
    measure(f"a tenth ({len(tenth)}) dies at once", lambda: views.next_view(view, tenth))
    measure(f"{len(backs)} of them return in one view", lambda: views.next_view(many, backs))
    measure("a copy complete", lambda: views.next_view(joined[0], [synced]))
    measure(f"a join as a patch ({len(joined[1].arcs)} arcs) adopted", lambda: view_index.patched(view, joined[1]))
    measure("its digest", lambda: view_index.digest(view_index.patched(view, joined[1])))
    measure("does a join fit", lambda: views.fits(view, join))
    measure("does a return fit", lambda: views.fits(dead, backs[0]))
    measure("the condition", lambda: health.condition(many))
    measure("from nothing: index, digest and condition", lambda: _anew(view))


def _anew(view: View) -> None:
    fresh = view_index.unpack(view_index.pack(view))
    view_index.digest(fresh)
    health.condition(fresh)


if __name__ == "__main__":
    main()
