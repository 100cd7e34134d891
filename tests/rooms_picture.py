"""Draws docs/rooms.svg: the rooms of the code, which one may import which, and the way of a put through them.

``python -m tests.rooms_picture`` writes it; a test compares the file with what is drawn here, and each step of the way
with the modules that exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs/rooms.svg"
WIDTH, HEIGHT = 1000, 1330
LANES_Y, ROW_HEIGHT = 930, 30
FONT = "'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, FAINT, WAY = "#1f2933", "#52606d", "#b23a48"


@dataclass(frozen=True)
class Room:
    """A box: where it is, its name, and what stands in it, a line each."""

    x: int
    y: int
    width: int
    height: int
    name: str
    holds: tuple[str, ...]
    fill: str


ROOMS = (
    Room(20, 70, 300, 40, "cli", (), "#eef2f7"),
    Room(20, 130, 145, 110, "tui", ("panes/  node/", "ring/  state/ (pure)", "terminal/  web/"), "#eef2f7"),
    Room(
        175, 130, 145, 110, "shell",
        ("commands, prompt", "execute, format", "local_hive  access/", "backups/  imports/"), "#eef2f7",
    ),
    Room(
        20, 260, 300, 74, "bootstrap",
        ("topology/  ssh/  bundle/  hosts/", "credentials/  rollout/  agent/ (over there)"), "#eef2f7",
    ),
    Room(20, 354, 300, 60, "contrib", ("a hive as the cache of frameworks",), "#e3f0e6"),
    Room(
        20, 434, 300, 122, "client",
        (
            "client, cluster, admin, scan, backup", "dispatcher, pool, connection", "requests/  batches/",
            "watch/  follow/  access/",
        ),
        "#e3f0e6",
    ),
    Room(360, 70, 620, 222, "daemon", ("main, config, supervisor, runner, log",), "#fdf0dc"),
    Room(
        380, 132, 280, 140, "net/",
        (
            "connection, server, peers", "listen, gate, watchers, followers", "http/  (door, pages, metrics)",
            "redis/  (session, channels, commands/)",
        ),
        "#fbe4bd",
    ),
    Room(680, 132, 280, 74, "storage/", ("writer, leveldb, recordlog", "identity, rejoin, quarantine"), "#fbe4bd"),
    Room(680, 216, 180, 56, "data/", ("wrpme-data: main, checks",), "#fbe4bd"),
    Room(870, 216, 90, 56, "security/", ("tls, passwords",), "#fbe4bd"),
    Room(360, 312, 620, 244, "core", ("one node, no I/O: inputs and the time in, effects out",), "#e6eaf8"),
    Room(
        380, 374, 186, 110, "",
        ("node, router, admin, access/", "context, outbox, io, layout", "group_commit, fast_path",
            "snapshots (for backups)"),
        "#d3daf3",
    ),
    Room(
        576, 374, 186, 110, "membership/",
        ("voter, paxos, view_sync", "lifecycle, whereabouts", "transitions, placement"), "#d3daf3",
    ),
    Room(
        772, 374, 190, 110, "replication/",
        ("replica_table, replica", "pending, takeover", "sender, receiver, scans"), "#d3daf3",
    ),
    Room(380, 492, 286, 54, "health/", ("failure_detector, clocks, own_disk",), "#d3daf3"),
    Room(676, 492, 286, 54, "stats/", ("node_stats, measured, slot_counts",), "#d3daf3"),
    Room(20, 576, 470, 60, "files", ("option_files, file_text, toml_text: from TOML, from variables",), "#eeeeee"),
    Room(510, 576, 470, 60, "backup", ("frames, reader, writer, text: the file of a backup",), "#eeeeee"),
    Room(20, 654, 960, 40, "options", (), "#eeeeee"),
    Room(
        20, 712, 960, 60, "protocol",
        ("messages, codec, access/ (users, rights), view, view_index, ring, health, stats, events, address",),
        "#eeeeee",
    ),
    Room(20, 790, 960, 40, "errors  limits  version", (), "#f7f7f7"),
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step of a put: from a lane to a lane, what goes, and the modules that it leaves and reaches."""

    source: int
    target: int
    text: str
    modules: tuple[str, ...]


LANES = ("shell", "client", "net", "runner", "core", "replication", "storage", "other nodes")
PUT = (
    Step(0, 1, "put entry", ("shell/execute", "client/client")),
    Step(1, 2, "a frame", ("client/dispatcher", "client/connection", "daemon/net/connection")),
    Step(2, 3, "a request", ("daemon/net/connection", "daemon/runner")),
    Step(3, 4, "node.request", ("daemon/runner", "core/node", "core/router")),
    Step(4, 5, "execute", ("core/router", "core/replication/replica", "core/replication/pending")),
    Step(5, 4, "gathered", ("core/replication/sender", "core/group_commit", "core/outbox")),
    Step(4, 6, "Persist: one sync for the batch", ("core/group_commit", "daemon/runner", "daemon/storage/writer")),
    Step(4, 7, "Streams, at the same time", ("core/outbox", "daemon/net/peers")),
    Step(6, 5, "Persisted", ("daemon/storage/writer", "daemon/runner", "core/replication/replica")),
    Step(7, 5, "StreamAcks, once on their disks", ("daemon/net/connection", "core/node", "core/replication/sender")),
    Step(5, 2, "the reply, when all have it", ("core/replication/replica", "core/outbox", "daemon/runner")),
    Step(2, 0, "done", ("daemon/net/connection", "client/connection", "client/dispatcher")),
)
"""In the order in which a put on its primary meets them."""


def drawn() -> str:
    """The whole picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>',
        _text(20, 34, "The rooms: an import points down only", 20, INK, "600"),
        _text(20, 58, "wrpmesh", 13, FAINT),
        _text(360, 58, "wrpmed", 13, FAINT),
    ]
    for room in ROOMS:
        parts += _box(room)
    parts.append(_text(20, LANES_Y - 34, "The way of a put", 20, INK, "600"))
    for lane, name in enumerate(LANES):
        x = _lane_x(lane)
        parts.append(f'<line x1="{x}" y1="{LANES_Y + 10}" x2="{x}" y2="{HEIGHT - 20}" stroke="#cbd2d9"/>')
        parts.append(_text(x, LANES_Y, name, 13, INK, "600", "middle"))
    for row, step in enumerate(PUT):
        parts += _arrow(row, step)
    return "\n".join([*parts, "</svg>\n"])


def _lane_x(lane: int) -> int:
    return 70 + lane * (WIDTH - 140) // (len(LANES) - 1)


def _arrow(row: int, step: Step) -> list[str]:
    y, source, target = LANES_Y + 44 + row * ROW_HEIGHT, _lane_x(step.source), _lane_x(step.target)
    back = 10 if source > target else -10
    modules = escape(", ".join(f"{module}.py" for module in step.modules))
    return [
        f'<line x1="{source}" y1="{y}" x2="{target}" y2="{y}" stroke="{WAY}" stroke-width="1.6" '
        f"><title>{modules}</title></line>",
        f'<path d="M{target} {y} l{back} -5 v10 z" fill="{WAY}"/>',
        f'<circle cx="{source}" cy="{y}" r="3" fill="{WAY}"/>',
        _text((source + target) // 2, y - 6, step.text, 12, FAINT, "400", "middle"),
    ]


def _text(x: int, y: int, text: str, size: int, fill: str, weight: str = "400", anchor: str = "start") -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style} fill="{fill}">{escape(text)}</text>'


def _box(room: Room) -> list[str]:
    parts = [
        f'<rect x="{room.x}" y="{room.y}" width="{room.width}" height="{room.height}" rx="8" fill="{room.fill}" '
        'stroke="#9aa5b1"/>'
    ]
    y = room.y + 22
    if room.name:
        parts.append(_text(room.x + 12, y, room.name, 16, INK, "600"))
        y += 20
    for line in room.holds:
        parts.append(_text(room.x + 12, y, line, 13, FAINT))
        y += 18
    return parts


if __name__ == "__main__":
    PICTURE.write_text(drawn())
