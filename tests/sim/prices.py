"""What computing costs: prices, and the meter that charges them.

Prices are in seconds of a processor, measured by ``bench/costs.py``, and depend on how many members the hive has. They
are charged for what a node really did: each event by its kind, each message that leaves, and each call of a function
whose time grows with the hive (:data:`WORKS`), where it is called at all. So a seed still tells everything.

In here nodes share equal immutable views: what one node made of a view and a patch, the others are given. They pay for
it all the same.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wrpme.core.io import Effect, Input, Received, ReplyTo, Send
from wrpme.core.membership.view_sync import Adoption
from wrpme.core.membership import transitions as views
from wrpme.protocol import view_index
from wrpme.core.membership.voter import Voter
from wrpme.core.node import Node
from wrpme.daemon.limits import VIEWS_ENCODED_MAX
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Envelope, NextView, Request, WholeView
from wrpme.protocol.view import Change, NodeId, Patch, Proposal, View

FILE = Path(__file__).with_name("prices.json")
SHARED_MAX = 256
MEASURED_FIRST, MEASURED_ONE_IN = 4, 64
OTHER = "other"
Points = list[tuple[float, float]]


class Prices:
    """By kind: points (members, seconds), with straight lines between them and beyond the last two."""

    def __init__(self, points: dict[str, Points]) -> None:
        self.points = {kind: sorted((size, price) for size, price in known) for kind, known in points.items()}
        self.known: dict[tuple[str, int], float] = {}

    @staticmethod
    def read(path: Path = FILE) -> Prices:
        """Those that were measured."""
        return Prices(json.loads(path.read_text())["prices"])

    def of(self, kind: str, members: int) -> float:
        """The price of one of that kind in a hive of so many."""
        price = self.known.get((kind, members))
        if price is None:
            points = self.points.get(kind) or self.points[OTHER]
            price = self.known[kind, members] = max(0.0, _between(points, members))
        return price


def _between(points: Points, size: float) -> float:
    if len(points) == 1:
        return points[0][1]
    at = min(max(1, bisect_left(points, (size, 0.0))), len(points) - 1)
    (low, cheap), (high, dear) = points[at - 1], points[at]
    price = cheap + (dear - cheap) * (size - low) / (high - low)
    return price if size >= low else cheap * size / low


def kind_of(event: Input) -> str:
    """Under which name its price is known."""
    return type(event.envelope.body).__name__ if isinstance(event, Received) else type(event).__name__


class Meter:
    """``spent`` is what all that was called since somebody last set it to 0 costs; ``by_kind`` is for whoever wants to
    know for what, over all nodes."""

    def __init__(self, prices: Prices, measures_bytes: bool = False) -> None:
        self.prices = prices
        self.messages = 0
        self.bytes = 0.0
        """Of all that nodes sent to each other, where these are measured: of most kinds some of them."""
        self._sizes = Sizes() if measures_bytes else None
        self.spent = 0.0
        self.parts: list[tuple[str, float]] = []
        """Of what was spent."""
        self.by_kind: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        """How often each function that has a price was called."""
        self._inside = False
        self._encoded: defaultdict[NodeId, deque[object]] = defaultdict(lambda: deque(maxlen=VIEWS_ENCODED_MAX))
        """The views and proposals that each node keeps as bytes."""

    def charge(self, kind: str, members: int, times: float = 1) -> None:
        """Adds to what was spent. It is hot: each event is charged for several things."""
        price = self.prices.known.get((kind, members))
        seconds = times * (self.prices.of(kind, members) if price is None else price)
        self.spent += seconds
        self.parts.append((kind, seconds))
        self.by_kind[kind] += seconds  # type: ignore[assignment]

    def begin(self) -> None:
        """Nothing was spent yet."""
        self.spent = 0.0
        self.parts = []

    def work(self, name: str, prices: Callable[..., list[tuple[str, int, float]]], honest: Callable[..., Any]) -> Any:
        """The function, which charges what its arguments and its result cost; not where it is called by another one
        that does."""

        def call(*arguments: Any) -> Any:
            if self._inside:
                return honest(*arguments)
            self._inside = True
            self.calls[name] += 1
            try:
                result = honest(*arguments)
            finally:
                self._inside = False
            for kind, members, times in prices(result, *arguments):
                self.charge(kind, members, times)
            return result

        return call

    def handled(self, honest: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        """:meth:`Node.handle` with its price, and that of what it heard and says."""

        def handle(node: Node, event: Input, now: float) -> list[Effect]:
            members = len(node.context.members)
            if isinstance(event, Received):
                self.charge("read", members)
                self._coded("decode", event.envelope.body, members)
            self.charge(kind_of(event), members)
            return self._said(node.context.me, honest(node, event, now), members)

        return handle

    def requested(self, honest: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        """:meth:`Node.request` with its price."""

        def request(node: Node, session: int, asked: Request, now: float) -> list[Effect]:
            members = len(node.context.members)
            self.charge("read", members)
            self.charge("Request", members)
            return self._said(node.context.me, honest(node, session, asked, now), members)

        return request

    def looked(self, honest: Callable[[Voter, float], list[Change]]) -> Callable[[Voter, float], list[Change]]:
        """What waits at a voter, with the price of each change that it looks at."""

        def look(voter: Voter, delay: float) -> list[Change]:
            self.charge("waiting_change", len(voter.context.members), len(voter._requests) + len(voter._backs))
            return honest(voter, delay)

        return look

    def checked(self, honest: Callable[[Voter, View], None]) -> Callable[[Voter, View], None]:
        """The same where a new view may have made it void."""

        def check(voter: Voter, view: View) -> None:
            if voter._checked is not view:
                self.charge("waiting_change", len(view.members), len(voter._requests) + len(voter._backs))
            honest(voter, view)

        return check

    def _said(self, me: NodeId, effects: list[Effect], members: int) -> list[Effect]:
        for effect in effects:
            if isinstance(effect, Send):
                body = effect.envelope.body
                self.charge("write", members)
                if (type(body) is NextView or type(body) is WholeView) and self._is_new(me, told_by(body)):
                    self._coded("encode", body, members)
                self.messages += 1
                if self._sizes is not None:
                    self.bytes += self._sizes.of(effect.envelope)
            elif isinstance(effect, ReplyTo):
                self.charge("write", members)
        return effects

    def _is_new(self, me: NodeId, told: object) -> bool:
        """Whether the node has to encode it: as :class:`wrpme.daemon.net.view_frames.ViewFrames`."""
        encoded = self._encoded[me]
        if any(one is told for one in encoded):
            return False
        encoded.append(told)
        return True

    def _coded(self, coding: str, body: object, members: int) -> None:
        if type(body) is WholeView:
            self.charge(f"{coding}_view", len(body.view.members))
        elif type(body) is NextView:
            patch = body.proposal.patch
            self.charge(f"{coding}_arc", members, len(patch.arcs) + len(patch.members))


def told_by(body: NextView | WholeView) -> View | Proposal:
    """What all messages that tell the same share."""
    return body.view if isinstance(body, WholeView) else body.proposal


class Sizes:
    """Of messages on the wire: of those with views each, of other kinds one in many."""

    def __init__(self) -> None:
        self._of_views: OrderedDict[int, tuple[object, int]] = OrderedDict()
        self._means: dict[type[Any], float] = {}
        self._seen: Counter[type[Any]] = Counter()

    def of(self, envelope: Envelope) -> float:
        """About how many bytes it has."""
        body = envelope.body
        if type(body) is WholeView or type(body) is NextView:
            shared = told_by(body)
            known = self._of_views.get(id(shared))
            if known is None:
                known = self._of_views[id(shared)] = (shared, len(encode(envelope)))
                if len(self._of_views) > SHARED_MAX:
                    self._of_views.popitem(last=False)
            return known[1]
        kind, mean = type(body), self._means.get(type(body), 0.0)
        self._seen[kind] += 1
        if self._seen[kind] <= MEASURED_FIRST or not self._seen[kind] % MEASURED_ONE_IN:
            measured = min(self._seen[kind], MEASURED_FIRST + self._seen[kind] // MEASURED_ONE_IN)
            mean = self._means[kind] = mean + (len(encode(envelope)) - mean) / measured
        return mean


# --- what grows with the hive ------------------------------------------------------------------------------------


def _next_view(result: object, view: View, changes: Any, *_: object) -> list[tuple[str, int, float]]:
    """The first change of a kind pays for what all share, see ``bench/costs.py``."""
    members = len(view.members)
    kinds = Counter(type(change).__name__ for change in changes)
    return [("next_view", members, 1), *((f"{kind}_in_view", members, count) for kind, count in kinds.items())]


def _by_members(kind: str) -> Callable[..., list[tuple[str, int, float]]]:
    def prices(result: object, view: View, *_: object) -> list[tuple[str, int, float]]:
        return [(kind, len(view.members), 1)]

    return prices


def _adopt(result: object, node: Node, adoption: Adoption) -> list[tuple[str, int, float]]:
    members = len(adoption.view.members)
    return [("adopt", members, 1), ("adopt_arc", members, changed_arcs(adoption.base, adoption.view))]


_CHANGED: OrderedDict[tuple[int, int], tuple[View, View, int]] = OrderedDict()


def changed_arcs(before: View | None, view: View) -> int:
    """How many arcs of ``view`` are not arcs of the one before."""
    if before is None:
        return len(view.arcs)
    key = (id(before), id(view))
    if key not in _CHANGED:
        known = {id(arc) for arc in before.arcs}
        count = sum(id(arc) not in known for arc in view.arcs)
        if count == len(view.arcs):  # another copy of the view
            equal = set(before.arcs)
            count = sum(arc not in equal for arc in view.arcs)
        _CHANGED[key] = (before, view, count)
        if len(_CHANGED) > SHARED_MAX:
            _CHANGED.popitem(last=False)
    return _CHANGED[key][2]


WORKS: tuple[tuple[Any, str, Callable[..., list[tuple[str, int, float]]]], ...] = (
    (views, "next_view", _next_view),
    (view_index, "patched", _by_members("patched")),
    (view_index, "digest", _by_members("digest")),
    (views, "difference", _by_members("difference")),
    (view_index, "pack", _by_members("pack")),
    (Node, "_adopt", _adopt),
)
"""Where they are looked up, their name, and what a call costs."""


# --- what nodes share --------------------------------------------------------------------------------------------


class Shared:
    """What was made of views lately, by the identity of what it was made of."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], tuple[object, object]] = OrderedDict()
        self._raw: dict[bytes, View] = {}
        self._packed: OrderedDict[int, tuple[View, bytes]] = OrderedDict()

    def _once(self, key: tuple[object, ...], kept: object, make: Callable[[], Any]) -> Any:
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = (kept, make())
            if len(self._made) > SHARED_MAX:
                self._made.popitem(last=False)
        return known[1]

    def patched(self, honest: Callable[[View, Patch], View]) -> Callable[[View, Patch], View]:
        """:func:`view_index.patched`."""
        return lambda view, patch: self._once(
            ("patched", id(view), id(patch)), (view, patch), lambda: honest(view, patch)
        )

    def of_changes(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """What is made of a view and changes."""

        def share(honest: Callable[..., Any]) -> Callable[..., Any]:
            def call(view: View, changes: Iterator[Change]) -> Any:
                asked = tuple(changes)
                return self._once((name, id(view), asked), view, lambda: honest(view, asked))

            return call

        return share

    def fits(self, honest: Callable[[View, Change], bool]) -> Callable[[View, Change], bool]:
        """:func:`views.fits`; of one view at a time."""
        known: dict[Change, bool] = {}
        of: list[View] = []

        def call(view: View, change: Change) -> bool:
            if not of or of[0] is not view:
                known.clear()
                of[:] = [view]
            fits = known.get(change)
            if fits is None:
                fits = known[change] = honest(view, change)
            return fits

        return call

    def of_view(self, name: str) -> Callable[[Callable[[View], Any]], Callable[[View], Any]]:
        """What is made of a view alone."""

        def share(honest: Callable[[View], Any]) -> Callable[[View], Any]:
            return lambda view: self._once((name, id(view)), view, lambda: honest(view))

        return share

    def pack(self, honest: Callable[[View], bytes]) -> Callable[[View], bytes]:
        """:func:`view_index.pack`; the bytes are known again by :meth:`unpack`."""

        def call(view: View) -> bytes:
            known = self._packed.get(id(view))
            if known is None:
                known = self._packed[id(view)] = (view, honest(view))
                self._raw[known[1]] = view
                if len(self._packed) > SHARED_MAX:
                    self._raw.pop(self._packed.popitem(last=False)[1][1], None)
            return known[1]

        return call

    def unpack(self, honest: Callable[[bytes], View]) -> Callable[[bytes], View]:
        """:func:`view_index.unpack`."""
        return lambda raw: self._raw[raw] if raw in self._raw else honest(raw)


@contextmanager
def replaced(place: Any, name: str, by: Callable[[Any], Any]) -> Iterator[None]:
    """Within, that attribute is what ``by`` makes of it."""
    honest = getattr(place, name)
    setattr(place, name, by(honest))
    try:
        yield
    finally:
        setattr(place, name, honest)


@contextmanager
def sharing() -> Iterator[None]:
    """Within, nodes share views."""
    shared = Shared()
    ways: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
        (view_index, "patched", shared.patched), (views, "next_view", shared.of_changes("next_view")),
        (view_index, "digest", shared.of_view("digest")), (view_index, "pack", shared.pack),
        (views, "fits", shared.fits), (view_index, "unpack", shared.unpack),
        (views, "validate", shared.of_view("validate")),
    )  # fmt: skip
    with ExitStack() as stack:
        for place, name, way in ways:
            stack.enter_context(replaced(place, name, way))
        yield


@contextmanager
def metered(meter: Any) -> Iterator[None]:
    """Within, the meter hears of all that nodes do."""
    with ExitStack() as stack:
        for place, name, prices in WORKS:
            stack.enter_context(replaced(place, name, partial(meter.work, name, prices)))
        stack.enter_context(replaced(Node, "handle", meter.handled))
        stack.enter_context(replaced(Node, "request", meter.requested))
        stack.enter_context(replaced(Voter, "_ripe_requests", meter.looked))
        stack.enter_context(replaced(Voter, "_drop_void", meter.checked))
        yield


def priced_functions() -> list[str]:
    """The kinds that calls of functions are charged as."""
    return ["next_view", "Join_in_view", "Back_in_view", "Down_in_view", "patched", "digest", "difference", "pack",
            "adopt", "adopt_arc", "waiting_change"]  # fmt: skip
