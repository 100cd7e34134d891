"""The figures of a node, each declared once: the table of nodes and the screen of one node follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wrpme.tui.state import format
from wrpme.tui.state.scene import NodeShown, Scene


class Figure(Struct, frozen=True):
    """``value`` is what nodes are compared by, None where it is not known; ``unit`` formats it, and ``words`` say more
    than that where it takes more. ``series`` names the series over time, if there is one; ``graphed`` says that a graph
    of its own shows it. A figure that is ``told`` is only as good as the last report of its node."""

    value: Callable[[NodeShown], Any]
    unit: Callable[[Any], str]
    words: Callable[[NodeShown, Scene], str] | None = None
    series: str = ""
    graphed: bool = False
    told: bool = True
    warns: Callable[[NodeShown, Scene], bool] = lambda node, scene: False

    def text(self, node: NodeShown, scene: Scene) -> str:
        """Returns the figure of a node as an operator reads it."""
        return self.words(node, scene) if self.words is not None else self.unit(self.value(node))


def _lease(node: NodeShown, scene: Scene) -> str:
    if node.lease_seconds is None:
        return "alone" if node.age is not None and not node.stale else format.UNKNOWN
    return "ended" if node.lease_seconds <= 0 else f"{node.lease_seconds:.1f} s"


def _took(seconds: float | None) -> str:
    return format.UNKNOWN if seconds is None else format.took_text(seconds)


def _lacking(size: float | None) -> str:
    return format.bytes_text(None if size is None else -size)


def _is_behind(node: NodeShown, scene: Scene) -> bool:
    return node.epoch not in (0, scene.epoch)


def _epoch(node: NodeShown, scene: Scene) -> str:
    if not node.epoch:
        return format.UNKNOWN
    return f"{node.epoch} of {scene.epoch}" if _is_behind(node, scene) else str(node.epoch)


FIGURES: dict[str, Figure] = {
    "share": Figure(lambda n: n.share, format.percent, told=False),
    "entries": Figure(lambda n: n.entries, format.count_text, series="entries"),
    "copies": Figure(lambda n: n.copies, format.count_text),
    "bytes": Figure(lambda n: n.bytes, format.bytes_text),
    "op/s": Figure(lambda n: n.operations_per_second, format.rate_text, series="operations", graphed=True),
    "p50": Figure(lambda n: n.p50_seconds, format.latency_text, series="p50", graphed=True),
    "p99": Figure(lambda n: n.p99_seconds, format.latency_text, series="p99", graphed=True),
    "received": Figure(lambda n: n.received_bytes_per_second, format.bytes_rate_text, series="received", graphed=True),
    "sent": Figure(lambda n: n.sent_bytes_per_second, format.bytes_rate_text, series="sent", graphed=True),
    "memory": Figure(lambda n: n.memory_bytes or None, format.bytes_text, series="memory"),
    "disk": Figure(lambda n: n.disk_bytes or None, format.bytes_text, series="disk"),
    "disk free": Figure(lambda n: -n.disk_free_bytes if n.disk_free_bytes else None, _lacking),
    "sessions": Figure(lambda n: n.sessions, format.count_text),
    "of Redis": Figure(lambda n: n.redis_sessions, format.count_text),
    "uptime": Figure(lambda n: n.uptime_seconds, format.span),
    "lease": Figure(lambda n: n.lease_seconds, _took, _lease),
    "heartbeat": Figure(lambda n: n.heartbeat_age_seconds, _took),
    "epoch": Figure(lambda n: n.epoch or None, format.count_text, _epoch, warns=_is_behind),
}
"""By its label, in the order of the screen of one node: the important ones first. Free space is compared by what
lacks."""
BY_SERIES: dict[str, Figure] = {figure.series: figure for figure in FIGURES.values() if figure.series}
"""The figures that are kept over time, by the names of their series."""
