"""Scenes of a few nodes by hand, for tests of what draws them."""

from __future__ import annotations

from typing import Any

from wrpme.limits import SLOTS
from wrpme.tui.state.scene import ArcShown, Mode, Mood, NodeShown, NodeState, Scene


def node(number: int, **fields: Any) -> NodeShown:
    """Node ``number`` from 1, up and told a moment ago."""
    known: dict[str, Any] = {
        "id": number.to_bytes(16, "big"),
        "address": f"192.168.1.{number}:5909",
        "name": f"n{number}",
        "key": str(number % 10),
        "colour": number - 1,
        "place": number * 1000,
        "state": NodeState.UP,
        "since": None,
        "reason": "",
        "share": 0.25,
        "age": 0.1,
        "stale": False,
        "entries": 10 * number,
        "copies": number,
        "bytes": 1000 * number,
        "operations_per_second": 5.0 * number,
        "p50_seconds": 0.001 * number,
        "p99_seconds": 0.01 * number,
        "disk_free_bytes": number << 30,
        "uptime_seconds": 60.0 * number,
        "epoch": 7,
    }
    return NodeShown(**{**known, **fields})


def scene(count: int, **fields: Any) -> Scene:
    """A stable hive of so many nodes, each arc with two copies."""
    nodes = tuple(node(number) for number in range(1, count + 1))
    ends = [round(SLOTS * (at + 1) / count) for at in range(count)]
    arcs = tuple(
        ArcShown(first, end, (at, (at + 1) % count) if count > 1 else (0,), (), min(2, count), True, False)
        for at, (first, end) in enumerate(zip([0, *ends], ends, strict=False))
    )
    known: dict[str, Any] = {
        "mode": Mode.LIVE,
        "at": 1000.0,
        "mood": Mood.STABLE,
        "sentence": f"all {count} nodes are up and every arc has its copies",
        "hive": "3f2a1c04" * 4,
        "epoch": 7,
        "generation": 1,
        "replication": 2,
        "heard": count,
        "entries": 1234,
        "operations_per_second": 56.0,
        "nodes": nodes,
        "arcs": arcs,
    }
    return Scene(**{**known, **fields})
