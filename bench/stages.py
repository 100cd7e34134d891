"""The stages that an operation goes through in wrpmed, and how their processor time is taken: the account of
``bench.profile``. Nothing of it runs in a daemon that is not profiled.

A function that is watched is timed, without what it calls that is watched too. The clock of the thread is a system call
and would take more than most of these functions, so it is asked only around the outermost of them; within, the clock of
the machine is, and time in which the thread did not run (another process had the core, it waited for the disk) is taken
off where it must have been: where the most time passed. What the watching itself takes is measured once, and taken off
too.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from msgspec import Struct

STAGES = (
    "receive", "decode", "route", "decide", "batch", "to the holders", "encode", "send", "disk thread", "hand-over",
    "apply at the holder", "ack at the holder", "ack at the owner", "ticks", "the loop itself", "other threads",
)  # fmt: skip
RECEIVE, SEND, DISK, HAND_OVER, HOLDER_ACK, OWNER_ACK, LOOP, OTHERS = (
    "receive", "send", "disk thread", "hand-over", "ack at the holder", "ack at the owner", "the loop itself",
    "other threads",
)  # fmt: skip
WATCHED = {
    "wrpme.daemon.net.server:Session.data_received": RECEIVE,
    "wrpme.daemon.net.peers:Lane.data_received": RECEIVE,
    "wrpme.protocol.codec:Decoder.feed_lazily": "decode",
    "wrpme.daemon.runner:Runner.serve": "route",
    "wrpme.core.fast_path:FastPath.take": "decide",
    "wrpme.core.replication.replica:Replica.execute": "decide",
    "wrpme.core.replication.pending:PendingWrites.apply": "batch",
    "wrpme.daemon.runner:Runner._end_turn": "batch",
    "wrpme.core.replication.sender:Sender.catch_up": "to the holders",
    "wrpme.core.outbox:Outbox._flush_streams": "to the holders",
    "wrpme.protocol.codec:encode": "encode",
    "wrpme.daemon.runner:Runner._reply": SEND,
    "wrpme.daemon.runner:Runner.flush": SEND,
    "wrpme.daemon.net.peers:Links.send": SEND,
    "wrpme.daemon.storage.writer:ThreadDisk.write": HAND_OVER,
    "wrpme.daemon.runner:Runner._written": HAND_OVER,
    "wrpme.core.replication.replica_table:ReplicaTable.on_streams": "apply at the holder",
    "wrpme.core.group_commit:GroupCommit.on_persisted": HOLDER_ACK,
    "wrpme.core.node:Node._on_persisted": OWNER_ACK,
    "wrpme.core.replication.replica_table:ReplicaTable.on_acks": OWNER_ACK,
    "wrpme.daemon.runner:Runner._wake": "ticks",
    "wrpme.daemon.runner:Runner._tick": "ticks",
}
"""What the thread of the loop runs, and the stage that it is of."""
WRITTEN = "wrpme.daemon.storage.leveldb:LevelStore.write"
"""What the disk thread runs; all else that it takes is the hand-over."""
SETTLE = "wrpme.core.replication.replica:Replica.settle"
FLUSH_MESSAGES = "wrpme.core.outbox:Outbox.flush_messages"
CALIBRATION_CALLS, CALIBRATION_WITHIN = 20_000, 100
SLACK_NANOSECONDS = 2_000
"""The two clocks are not read at the same moment."""


class Figure(Struct):
    """Of one function: how often it was called, and its nanoseconds without what it calls that is watched too."""

    calls: int = 0
    nanoseconds: float = 0.0


class Meter:
    """The account of one thread. ``total`` are the nanoseconds of all that is watched, with what the watching takes.
    Of that ``own`` is in the function, ``around`` in the one that called it, ``after`` at the end of the outermost one
    for each within, and ``outermost`` for that one in addition."""

    def __init__(
        self, clock: Callable[[], int] = time.perf_counter_ns, used: Callable[[], int] = time.thread_time_ns
    ) -> None:
        self.figures: dict[str, Figure] = {}
        self.total = 0.0
        self.own = self.around = self.after = self.outermost = 0.0
        self.outermost_calls = 0
        self._clock, self._used = clock, used
        self._is_inside = False
        self._within = 0.0
        """Of what was called by the function that runs now."""
        self._passed: list[float] = []
        self._ran: list[Figure] = []
        """Of the outermost function that runs now, and all within. Two lists: tuples would be more work for Python's
        collector, which looks through all that a daemon has."""

    def watched(
        self, name: str, function: Callable[..., Any], note: Callable[..., None] | None = None
    ) -> Callable[..., Any]:
        """The function, timed under that name; ``note`` is called with the same before."""
        clock, used, all_passed, ran = self._clock, self._used, self._passed, self._ran
        figure = self.figures.setdefault(name, Figure())

        def timed(*given: Any, **named: Any) -> Any:
            if note is not None:
                note(*given, **named)
            is_outermost, before = not self._is_inside, 0
            if is_outermost:
                self._is_inside = True
                before = used()
            outside, self._within = self._within, 0.0
            begun = clock()
            try:
                return function(*given, **named)
            finally:
                passed = clock() - begun
                all_passed.append(passed - self._within)
                ran.append(figure)
                self._within = outside + passed + self.around
                if is_outermost:
                    self._end(passed, used() - before)

        return timed

    def _end(self, passed: float, used: float) -> None:
        own, all_passed, ran = self.own, self._passed, self._ran
        self.outermost_calls += 1
        self.total += min(passed, used) + self.after * len(ran) + self.outermost
        if passed - used > SLACK_NANOSECONDS:
            idle = passed - used
            for at in sorted(range(len(ran)), key=all_passed.__getitem__, reverse=True):
                taken = min(idle, all_passed[at])
                all_passed[at] -= taken
                idle -= taken
        for nanoseconds, figure in zip(all_passed, ran, strict=True):
            figure.calls += 1
            figure.nanoseconds += nanoseconds - own
        all_passed.clear()
        ran.clear()
        self._within, self._is_inside = 0.0, False

    def calibrate(self, calls: int = CALIBRATION_CALLS) -> None:
        """Measures what the watching takes; all that comes after is without it."""

        def nothing() -> None:
            pass

        def again(call: Callable[[], Any], count: int = calls) -> float:
            begun = self._used()
            for _ in range(count):
                call()
            return (self._used() - begun) / count

        usual, watched = again(nothing), self.watched("nothing", nothing)
        alone = again(self.watched("alone", nothing)) - usual
        several = self.watched("several", lambda: again(watched, CALIBRATION_WITHIN))
        rounds = calls // CALIBRATION_WITHIN
        nested = (again(several, rounds) - alone) / CALIBRATION_WITHIN - usual
        inner, outer = self.figures["nothing"], self.figures["several"]
        for name in ("nothing", "alone", "several"):
            del self.figures[name]
        self.own = max(0.0, inner.nanoseconds / inner.calls - usual)
        self.around = max(0.0, outer.nanoseconds / inner.calls)
        self.after = max(0.0, nested - self.own - self.around)
        self.outermost = max(0.0, alone - self.own - self.after)
        self.total, self.outermost_calls = 0.0, 0

    @property
    def cost(self) -> float:
        """The nanoseconds that were taken off."""
        calls = sum(figure.calls for figure in self.figures.values())
        inner = calls - self.outermost_calls
        return calls * (self.own + self.after) + inner * self.around + self.outermost_calls * self.outermost


class Snapshot(Struct):
    """What the account of a process says at one moment; all times are processor time in nanoseconds. ``calls`` are of
    what is watched, by stage."""

    stages: dict[str, float]
    functions: dict[str, float]
    calls: dict[str, int]
    counts: dict[str, int]
    process: float
    cost: float


def together(snapshots: Sequence[Snapshot], signs: Sequence[int] = ()) -> Snapshot:
    """Of several processes, or of several times; those with the sign -1 are taken off."""
    signs = signs or (1,) * len(snapshots)
    stages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    process = cost = 0.0
    for each, sign in zip(snapshots, signs, strict=True):
        _add(stages, each.stages, sign)
        _add(functions, each.functions, sign)
        _add(calls, each.calls, sign)
        _add(counts, each.counts, sign)
        process += sign * each.process
        cost += sign * each.cost
    return Snapshot(dict[str, float](stages), dict[str, float](functions), dict(calls), dict(counts), process, cost)


def _add(sums: Counter[str], figures: Mapping[str, float], sign: int) -> None:
    for name, figure in figures.items():
        sums[name] += sign * figure  # type: ignore[assignment]


class Account:
    """Of one process: what its loop and its disk thread run."""

    def __init__(self) -> None:
        self.main = Meter()
        self.disk = Meter()
        self.counts: Counter[str] = Counter()
        self._stages: dict[str, str] = {}

    def install(self) -> None:
        """Watches all that is named above, in this process; before it makes any of these objects."""
        from wrpme.core.replication.replica import Role

        for name, stage in WATCHED.items():
            self._watch(self.main, name, stage, self._note_message if name.endswith("Links.send") else None)
        self._watch(self.disk, WRITTEN, DISK, self._note_batch)
        replicas, settle = found(SETTLE)
        as_owner, as_holder = self._both(SETTLE, settle, (OWNER_ACK, HOLDER_ACK))
        replicas.settle = lambda replica: (as_owner if replica.role is Role.OWNER else as_holder)(replica)
        outboxes, flush = found(FLUSH_MESSAGES)
        acks, streams = self._both(FLUSH_MESSAGES, flush, (HOLDER_ACK, "to the holders"))

        def flush_messages(outbox: Any, now: float) -> None:
            if outbox._answers or outbox._acks:
                acks(outbox, now)
            elif outbox._streams:
                streams(outbox, now)

        outboxes.flush_messages = flush_messages
        self.main.calibrate()
        self.disk.calibrate()

    def _watch(self, meter: Meter, name: str, stage: str, note: Callable[..., None] | None) -> None:
        owner, function = found(name)
        self._stages[name] = stage
        watched = meter.watched(name, function, note)
        if isinstance(owner, type):
            setattr(owner, function.__name__, watched)
            return
        name = function.__name__
        for known, module in list(sys.modules.items()):  # whoever imported it by its name has it too
            if known.startswith("wrpme") and vars(module).get(name) is function:
                setattr(module, name, watched)

    def _both(self, name: str, function: Callable[..., Any], stages: tuple[str, str]) -> list[Callable[..., Any]]:
        both = []
        for stage in stages:
            self._stages[f"{name} {stage}"] = stage
            both.append(self.main.watched(f"{name} {stage}", function))
        return both

    def _note_message(self, links: Any, message: Any, now: float) -> None:
        body = message.envelope.body
        self.counts[f"message {type(body).__name__}"] += 1
        for stream in getattr(body, "streams", ()):
            self.counts["streamed writes"] += sum(len(getattr(item, "pairs", ())) for item in stream.items)

    def _note_batch(self, store: Any, operations: list[Any], sync: bool) -> None:
        self.counts["disk batches"] += 1
        self.counts["disk syncs"] += sync
        self.counts["disk operations"] += len(operations)
        self.counts["writes"] += sum(key[:1] == b"e" for key, _ in operations)

    def snapshot(self, loop: float, disk: float, process: float) -> Snapshot:
        """``loop``, ``disk`` and ``process`` are the processor time of these threads and of all."""
        stages = dict.fromkeys(STAGES, 0.0)
        functions: dict[str, float] = {}
        calls: Counter[str] = Counter()
        for meter in (self.main, self.disk):
            for name, figure in meter.figures.items():
                stages[self._stages[name]] += figure.nanoseconds
                calls[self._stages[name]] += figure.calls
                functions[name] = figure.nanoseconds
        stages[LOOP] += loop - self.main.total
        stages[HAND_OVER] += disk - self.disk.total
        stages[OTHERS] += process - loop - disk
        cost = self.main.cost + self.disk.cost
        return Snapshot(stages, functions, dict(calls), dict(self.counts), process, cost)


def found(name: str) -> tuple[Any, Any]:
    """The class or module that has a function, and the function."""
    module, _, path = name.partition(":")
    owner: Any = import_module(module)
    *classes, last = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, vars(owner)[last]
