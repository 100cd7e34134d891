"""What computing costs a node, by the size of the hive: ``python -m bench.costs``. The simulation charges these prices.

Hives of several sizes grow in virtual time, on real nodes, with some requests; then each event that a node handles is
timed by its kind, and what grows with the hive (the next view, a patch, a digest, the adoption of a view) by itself.
Printed, and written to ``tests/sim/prices.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from time import process_time
from typing import Any

from tests.sim.prices import FILE, OTHER, Meter, Prices, changed_arcs, kind_of, metered, sharing
from tests.sim.storm import Hive
from wrpme.core.io import Effect, Input
from wrpme.core.membership import transitions as views
from wrpme.core.node import Node
from wrpme.protocol import view_index
from wrpme.protocol.codec import Decoder, encode
from wrpme.protocol.messages import Heartbeat, Envelope, Request, WholeView
from wrpme.protocol.view import Activated, Back, Change, Down, Elect, Join, Synced, View

SIZES = (3, 10, 30, 60, 100, 400)
WATCHED_SECONDS = 3.0
"""Virtual time in which events are timed."""
ROUNDS = 5
TIMES = 3
"""All is measured so often, as a machine is slower at times: the lowest price of each is taken."""
ONCE_NODES_MIN = 400
"""But only once with so many nodes, which takes ten minutes."""
REPETITIONS = 500
PAUSE_SECONDS = 0.004
"""Between two messages: a node is woken for most of those that it gets, and what it needs is in no cache any more."""
AT_ONCE_MIN = 5
WISHES = 1000
FREE = Prices({OTHER: [(1.0, 0.0)]})


class Stopwatch(Meter):
    """Charges nothing, and notes how long everything took: events without what is timed by itself within them."""

    def __init__(self) -> None:
        super().__init__(FREE)
        self.on = False
        self.events: defaultdict[str, list[float]] = defaultdict(list)
        self.adoptions: list[tuple[int, float]] = []
        """Of each adoption the number of arcs that changed, and its seconds."""
        self._within = 0.0

    def work(self, name: str, prices: Callable[..., Any], honest: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self._inside or not self.on:
                return honest(*arguments)
            self._inside, begun = True, process_time()
            try:
                return honest(*arguments)
            finally:
                self._inside = False
                seconds = process_time() - begun
                self._within += seconds
                if isinstance(arguments[0], Node):
                    self.adoptions.append((changed_arcs(arguments[1].base, arguments[1].view), seconds))

        return call

    def handled(self, honest: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        def handle(node: Node, event: Input, now: float) -> list[Effect]:
            return self._timed(kind_of(event), lambda: honest(node, event, now))

        return handle

    def requested(self, honest: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        def request(node: Node, session: int, asked: Request, now: float) -> list[Effect]:
            return self._timed("Request", lambda: honest(node, session, asked, now))

        return request

    def _timed(self, kind: str, call: Callable[[], list[Effect]]) -> list[Effect]:
        self._within, begun = 0.0, process_time()
        effects = call()
        if self.on:
            self.events[kind].append(process_time() - begun - self._within)
        return effects


def timed(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The fewest seconds that it took."""
    best = float("inf")
    for _ in range(rounds):
        begun = process_time()
        call()
        best = min(best, process_time() - begun)
    return best


def private(view: View) -> View:
    """Another copy, of which nobody knows anything yet."""
    return view_index.unpack(view_index.pack(view))


def mean_of_most(seconds: list[float]) -> float:
    """Without the dearest twentieth: the machine did something else then."""
    seconds = sorted(seconds)
    return statistics.mean(seconds[: max(1, len(seconds) * 19 // 20)])


# --- views -------------------------------------------------------------------------------------------------------


def known(view: View) -> View:
    """A copy of which a node knows what it knows of the view that it has adopted."""
    copy = private(view)
    view_index.digest(copy)
    view_index.live(copy)
    return copy


def price_of_changes(view: View) -> dict[str, float]:
    """The next view: what any costs, and what one more change of each kind adds."""
    moving = next((arc for arc in view.arcs if arc.prev), view.arcs[0])
    senior, junior = view.members[0], view.members[-1]
    found: dict[str, float] = {}

    def cost(base: View, *changes: Change) -> float:
        return min(timed_once(known(base), changes) for _ in range(ROUNDS))

    def timed_once(base: View, changes: Sequence[Change]) -> float:
        begun = process_time()
        views.next_view(base, changes)
        return process_time() - begun

    elect = Elect(next((member.id for member in view.members if member.id not in view.voters), bytes(16)))
    found["next_view"] = any_view = cost(view, elect)
    down = Down(junior.id, junior.incarnation)
    found["Down_in_view"] = cost(view, down) - any_view
    made = views.next_view(view, [down])
    assert made is not None
    back = Back(junior.id, junior.incarnation + 1, junior.address, made[0].epoch)
    found["Back_in_view"] = cost(made[0], back) - any_view
    joins = [Join(bytes([number]) * 16, 1, f"10.9.9.{number}:5909") for number in (1, 2, 3)]
    found["Join_in_view"] = (cost(view, *joins) - any_view) / len(joins)
    activated = Activated(moving.end, moving.version, senior.id, senior.incarnation)
    synced = Synced(moving.end, moving.version, junior.id, senior.id, senior.incarnation)
    found["Activated_in_view"] = cost(view, elect, activated) - any_view
    found["Synced_in_view"] = cost(view, elect, synced) - any_view
    found["Elect_in_view"] = 0.0
    return found


def price_of_views(view: View) -> dict[str, float]:
    """What else is made of views."""
    member = view.members[-1]
    made = views.next_view(view, [Down(member.id, member.incarnation)])
    assert made is not None
    after, patch = made
    found = price_of_changes(view)
    found["pack"] = timed(lambda: view_index.pack(view))
    found["difference"] = timed(lambda: views.difference(view, after))
    found["patched"], found["digest"] = inf, inf
    for _ in range(ROUNDS):
        base = known(view)
        begun = process_time()
        following = view_index.patched(base, patch)
        between = process_time()
        view_index.digest(following)
        found["patched"] = min(found["patched"], between - begun)
        found["digest"] = min(found["digest"], process_time() - between)
    frame = encode(envelope := Envelope(view.hive, 1, bytes(16), 1, bytes(16), view.epoch, WholeView(view)))
    decoder: Decoder[Envelope] = Decoder(Envelope, preface=False)
    found["encode_view"] = timed(lambda: encode(envelope))
    found["decode_view"] = timed(lambda: decoder.feed(frame))
    for coding in ("encode", "decode"):
        found[f"{coding}_arc"] = found[f"{coding}_view"] / len(view.arcs)
    return {kind: max(0.0, seconds) for kind, seconds in found.items()}


# --- messages ----------------------------------------------------------------------------------------------------


def price_of_a_message() -> float:
    """The processor seconds from one write of a small message to the next, on the loop that daemons run on: half of it
    for who writes, half for who reads."""
    frame = encode(Envelope(bytes(16), 1, bytes(16), 1, bytes(16), 7, Heartbeat(1.0)))

    class Echo(asyncio.Protocol):
        left = REPETITIONS
        over: asyncio.Future[None]

        def __init__(self) -> None:
            self.decoder: Decoder[Envelope] = Decoder(Envelope, preface=False)

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            (envelope,) = self.decoder.feed(data)
            Echo.left -= 1
            if Echo.left > 0:
                asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.transport.write, encode(envelope))
            elif not Echo.over.done():
                Echo.over.set_result(None)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        Echo.over = loop.create_future()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(Echo, *server.sockets[0].getsockname())
        begun = process_time()
        transport.write(frame)
        await Echo.over
        spent = process_time() - begun
        transport.close()
        server.close()
        return spent / REPETITIONS

    try:
        import uvloop
    except ImportError:
        return asyncio.run(run())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


# --- hives -------------------------------------------------------------------------------------------------------


def grow(hive: Hive) -> None:
    """A few at a time, so that not much has to be decided at once."""
    at_once = max(AT_ONCE_MIN, len(hive.machines) // 25)
    for first in range(0, len(hive.machines), at_once):
        started = hive.machines[: first + at_once]
        for machine in started[first:]:
            machine.start()
        hive.until_stable(600.0, started)


def price_of_a_waiting_change(hive: Hive) -> float:
    """For each change that waits, at each look of a voter."""
    voter = next(machine for machine in hive.machines if machine.identity == hive.view().voters[-1])
    node = voter.node
    assert node is not None
    asked, now = node.voter, node.context.now
    kept, asked._requests = asked._requests, {}
    for end in range(WISHES):
        asked._requests[Synced(end, 1, bytes(16), bytes(16), 1)] = now
    begun = process_time()
    asked._ripe_requests(inf)
    spent = process_time() - begun
    asked._requests = kept
    return spent / WISHES


def price_in_hive(size: int) -> dict[str, float]:
    """Of events in a hive of that size, and of the adoption of views; with the prices of its view."""
    watch = Stopwatch()
    hive = Hive(1, size, watch)
    with ExitStack() as stack:
        stack.enter_context(metered(watch))
        with sharing():
            grow(hive)
            view = hive.view()
        gc.collect()
        hive.write()
        watch.on = True
        hive.write()
        hive.run(WATCHED_SECONDS)
        found = {kind: mean_of_most(seconds) for kind, seconds in watch.events.items()}
        waiting = price_of_a_waiting_change(hive)
        hive.machines[-1].crash()
        hive.run(4.0)
        hive.machines[-1].start()
        hive.until_stable(60.0)
        watch.on = False
    for kind, seconds in watch.events.items():
        found.setdefault(kind, mean_of_most(seconds))
    found[OTHER] = statistics.median(found.values())
    found |= price_of_adoption(watch.adoptions)
    return found | price_of_views(view) | {"waiting_change": waiting}


def price_of_adoption(adoptions: list[tuple[int, float]]) -> dict[str, float]:
    """Seconds of any, and for each arc that changed."""
    changes = [float(count) for count, _ in adoptions]
    seconds = [spent for _, spent in adoptions]
    if len(set(changes)) < 2:
        return {"adopt": statistics.mean(seconds), "adopt_arc": 0.0}
    line = statistics.linear_regression(changes, seconds)
    slope = max(0.0, line.slope)
    return {"adopt": max(min(seconds), statistics.mean(seconds) - slope * statistics.mean(changes)), "adopt_arc": slope}


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), metavar="N", help="of the hives")
    parser.add_argument("--file", type=Path, default=FILE, help="where the table goes")
    asked = parser.parse_args()
    table: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for size in asked.sizes:
        begun = process_time()
        lowest: dict[str, float] = {}
        for _ in range(TIMES if size < ONCE_NODES_MIN else 1):
            for kind, seconds in price_in_hive(size).items():
                lowest[kind] = min(seconds, lowest.get(kind, inf))
        for kind, seconds in lowest.items():
            table[kind].append((size, seconds))
        print(f"a hive of {size}: {process_time() - begun:.0f} s", flush=True)
    message = min(price_of_a_message() for _ in range(TIMES))
    table["read"] = table["write"] = [(1, message / 2)]
    print(f"{'microseconds':24}" + "".join(f"{size:>10}" for size in asked.sizes))
    for kind, points in sorted(table.items()):
        known = {size: f"{1e6 * seconds:.1f}" for size, seconds in points}
        print(f"{kind:24}" + "".join(f"{known.get(size, ''):>10}" for size in asked.sizes))
    print(f"{'read or write':24}{1e6 * message / 2:10.1f}")
    rounded = {kind: [[size, float(f"{seconds:.3g}")] for size, seconds in points] for kind, points in table.items()}
    asked.file.write_text(json.dumps({"unit": "seconds", "prices": rounded}, indent=None, sort_keys=True) + "\n")
    print(f"written to {asked.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
