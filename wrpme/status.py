"""The figures of a node, as ``node_status`` shows them."""

from __future__ import annotations

from wrpme import __version__
from wrpme.council import Council
from wrpme.ground import Ground
from wrpme.life import Life
from wrpme.limits import SLOTS
from wrpme.replica import Role
from wrpme.router import Router
from wrpme.table import Table
from wrpme.view import lacks_copies


def figures(ground: Ground, table: Table, council: Council, life: Life, router: Router) -> dict[str, object]:
    """Ready for JSON: ids in hex, times in seconds, shares from 0 to 1, entries and bytes of the arcs owned here."""
    view = ground.view
    mine = ground.members.get(ground.me)
    slots, entries, size = table.figures(lambda replica: replica.role in (Role.OWNER, Role.ASLEEP))
    _, copies, _ = table.figures(lambda replica: replica.role is Role.HOLDER)
    risky, at_risk, _ = table.figures(
        lambda replica: replica.role is Role.OWNER and view is not None and lacks_copies(replica.arc, ground.alive)
    )
    return {
        "address": ground.settings.address,
        "id": ground.me.hex(),
        "hive": view.hive.hex() if view else "",
        "generation": view.generation if view else 0,
        "epoch": view.epoch if view else 0,
        "state": mine.state.name.lower() if mine else "joining",
        "serving": ground.lives,
        "version": __version__,
        "uptime_seconds": round(ground.now - life.started, 1),
        "share": slots / SLOTS,
        "entries": entries,
        "bytes": size,
        "copies": copies,
        "at_risk_share": risky / SLOTS,
        "at_risk_entries": at_risk,
        "grace_seconds": ground.settings.grace_seconds,
        "voter": council.is_voter,
        "suspected": [ground.address_of(node) for node in ground.beacons.silent(ground.now)],
        "quorum": life.quorum(),
        "copies_out": [
            {"end": f"{copy.replica.arc.end:016x}", "peer": ground.address_of(copy.node), "done": copy.done()}
            for copy in table.copies()
            if copy.node in copy.replica.arc.incoming
        ],
        "copies_in": [
            {
                "end": f"{replica.arc.end:016x}",
                "peer": ground.address_of(replica.sink.source),
                "done": replica.sink.done(),
            }
            for replica in table.mine
            if replica.sink is not None and replica.role is Role.INCOMING
        ],
        "operations": {kind.__name__: count for kind, count in router.requests.items()},
    }
