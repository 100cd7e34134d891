"""Whether the clocks of members agree: measured by heartbeats, told when they do not, and when they do again."""

from __future__ import annotations

import pytest

from tests.core.test_replica_table_properties import ALONE
from tests.harness import Hive, hive_of
from tests.replica_parts import WALL_MILLISECONDS, A, B, Bench
from tests.shell.test_format import stats, status
from tests.view_parts import grown
from wrpme.core.context import NodeContext
from wrpme.core.health.clocks import Clocks
from wrpme.core.io import Emit
from wrpme.core.layout import CLOCK_KEY
from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX
from wrpme.errors import NotFoundError, UnstableError
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import EntryRequest, Exists, Failed, Get, Put, Update
from wrpme.protocol.stats import ClockApart
from wrpme.shell.format import clock_texts, condition_line


class Pair:
    """A, which hears B."""

    def __init__(self) -> None:
        self.bench = Bench(ALONE, (A, B))
        self.context = self.bench[A].context
        self.context.heartbeats.watch([B], self.bench.now)
        self.clocks = Clocks(self.context)

    def hear(self, ahead: float, seconds: float, part: float) -> list[ClusterEvent]:
        """B's clock is ``ahead``; its answer takes ``seconds`` in all, ``part`` of it after it looked at the clock."""
        sent = self.context.now
        self.context.now += seconds
        moment = self.context.now - part * seconds
        self.clocks.heard(B, int(WALL_MILLISECONDS + (moment + ahead) * 1000), sent)
        self.clocks.look()
        effects, self.context.outbox.effects = self.context.outbox.effects, []
        return [effect.event for effect in effects if isinstance(effect, Emit)]


@pytest.mark.parametrize("ahead", [7200.0, 1.5, -1.5, -7200.0])
@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_a_difference_is_told_once_and_that_it_is_over(ahead: float, part: float) -> None:
    pair = Pair()
    (told,) = pair.hear(ahead, 0.1, part)
    assert (told.kind, told.node) == ("clock_differs", "b")
    way = "ahead of" if ahead > 0 else "behind"
    assert f" s {way} that of a: life spans go by what most clocks show" in told.sentence
    (found,) = pair.clocks.apart
    assert found.address == "b" and abs(found.ahead - ahead) <= 0.06
    assert pair.hear(ahead, 0.1, part) == [] and pair.hear(CLOCK_DIFFERENCE_SECONDS_MAX, 0.1, part) == []
    (over,) = pair.hear(0.2, 0.1, part)
    assert over.kind == "clock_agrees" and over.seconds >= 0 and pair.clocks.apart == ()


@pytest.mark.parametrize("ahead", [0.0, 0.9, -0.9])
@pytest.mark.parametrize("seconds", [0.001, 0.3, 3.0])
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_an_answer_that_takes_its_time_is_no_difference(ahead: float, seconds: float, part: float) -> None:
    assert Pair().hear(ahead, seconds, part) == []


def test_who_is_no_neighbour_any_more_is_forgotten() -> None:
    pair = Pair()
    assert pair.hear(5.0, 0.0, 0.0)
    pair.context.heartbeats.watch([], pair.context.now)
    pair.clocks.look()
    assert pair.clocks.apart == () and not pair.context.outbox.effects


# --- a hive ------------------------------------------------------------------------------------------------------


def lines_of(hive: Hive, name: str) -> list[str]:
    return [line for node, level, line in hive.lines if node == name and level == "warning" and "clock" in line]


def test_a_node_with_a_wrong_clock_is_named_by_all() -> None:
    hive = hive_of("a", "b", "c")
    hive.go(2.0)
    assert not [line for name in "abc" for line in lines_of(hive, name)]
    hive.nodes["c"].context.process.wall_offset_milliseconds += 7_200_000
    hive.go(2.0)
    for name in "ab":
        assert [line[:36] for line in lines_of(hive, name)] == ["the clock of c is 7,200.0 s ahead of "[:36]]
    assert len(lines_of(hive, "c")) == 2
    (found,) = hive.nodes["a"].status().clocks
    assert found.address == "c" and abs(found.ahead - 7200.0) < 0.1
    hive.nodes["c"].context.process.wall_offset_milliseconds -= 7_200_000
    hive.go(2.0)
    assert [one.node for one in hive.heard("a", "clock_agrees")] == ["c"] and hive.nodes["a"].status().clocks == ()


def test_hive_status_names_the_one_that_differs_from_most() -> None:
    view = grown(4)
    apart = {f"n{at}": stats(f"n{at}", clocks=(ClockApart("n3", 7200.04),)) for at in range(3)}
    apart["n3"] = stats("n3", clocks=tuple(ClockApart(f"n{at}", -7200.04) for at in range(3)))
    found = status(view, **apart)
    (sentence,) = clock_texts(found)
    assert sentence.startswith("the clock of n3 is 7,200.0 s ahead of that of n0 and 2 more: life spans go by")
    assert condition_line(found).endswith(sentence)
    assert clock_texts(status(view)) == []


# --- the time that life spans go by ------------------------------------------------------------------------------


def ahead(context: NodeContext) -> list[float]:
    """By so many seconds the early and the late time are ahead of the true one."""
    return [
        round((time - WALL_MILLISECONDS) / 1000 - context.now, 3) for time in (context.time.early, context.time.late)
    ]


class Alone(Pair):
    """A, which hears as many as it is told of."""

    def compare(self, own: float, *others: float) -> list[float]:
        nodes = [bytes((number,)) * 16 for number in range(1, len(others) + 1)]
        self.context.heartbeats.watch(nodes, self.context.now)
        self.context.process.wall_offset_milliseconds = WALL_MILLISECONDS + 1000 * own
        for node, other in zip(nodes, others, strict=True):
            self.clocks.heard(node, int(WALL_MILLISECONDS + 1000 * (self.context.now + other)), self.context.now)
        self.clocks.look()
        return ahead(self.context)


@pytest.mark.parametrize(
    ("own", "others", "early", "late"),
    [
        (0.0, (), 0.0, 0.0),
        (3600.0, (), 3600.0, 3600.0),  # nobody else knows better
        (3600.0, (0.0, 0.1), 0.1, 0.1),
        (-3600.0, (0.0, 0.1), 0.0, 0.0),
        (0.0, (3600.0, 0.1), 0.0, 0.0),  # its own, as it is near to what most say
        (0.4, (0.0, 0.1, -0.2, 0.3), 0.4, 0.4),
        (3600.0, (0.0,), 0.0, 3600.0),  # of two nobody knows which one is wrong
        (0.0, (-3600.0,), -3600.0, 0.0),
        (0.0, (0.5,), 0.0, 0.0),
        (0.0, (0.0, 7200.0, 7200.0), 0.0, 7200.0),
    ],
)
def test_life_spans_go_by_what_most_clocks_say(
    own: float, others: tuple[float, ...], early: float, late: float
) -> None:
    assert Alone().compare(own, *others) == [early, late]


def test_a_clock_that_is_set_changes_nothing_before_it_was_compared() -> None:
    alone = Alone()
    alone.compare(0.0, 0.0, 0.0)
    alone.context.process.wall_offset_milliseconds += 3_600_000
    assert ahead(alone.context) == [0.0, 0.0]
    alone.clocks.look()
    assert ahead(alone.context) == [0.0, 0.0] and alone.clocks.apart


def test_an_answer_that_comes_again_much_later_tells_nothing_of_a_clock() -> None:
    alone = Alone()
    alone.compare(0.0, 0.0, 0.0)
    sent, alone.context.now = alone.context.now, alone.context.now + 8.0
    for node in alone.context.heartbeats.neighbours:
        alone.clocks.heard(node, int(WALL_MILLISECONDS + 1000 * sent), sent)
    alone.clocks.look()
    assert ahead(alone.context) == [0.0, 0.0] and not alone.clocks.apart


def test_a_node_that_is_left_alone_goes_on_by_what_was_agreed_on() -> None:
    alone = Alone()
    alone.compare(3600.0, 0.0, 0.0)
    assert alone.compare(3600.0) == [0.0, 3600.0]
    assert alone.compare(7200.0) == [0.0, 7200.0], "its clock was set once more"
    assert alone.compare(-60.0) == [-60.0, 0.0]


@pytest.mark.parametrize(("apart", "expected"), [(3600.0, [0.0, 3600.0]), (0.5, [0.5, 0.5]), (-3600.0, [-3600.0, 0.0])])
def test_a_node_that_starts_again_alone_knows_how_wrong_its_clock_is(apart: float, expected: list[float]) -> None:
    before = Alone()
    before.compare(apart, 0.0, 0.0)
    noted = noted_by(before)
    assert (noted is None) == (apart == 0.5), "a small difference is nothing to write down"
    after = started_with(noted)
    assert after.compare(apart) == expected and after.context.clock_is_checked()


def test_a_node_whose_clock_was_set_while_it_was_alone_starts_again_with_that_noted() -> None:
    before = Alone()
    before.compare(0.0, 0.0, 0.0)
    before.compare(3600.0)
    assert started_with(noted_by(before)).compare(3600.0) == [0.0, 3600.0]


def noted_by(alone: Alone) -> bytes | None:
    """What is on its disk after this."""
    alone.bench[A].collect()
    alone.bench.settle()
    return alone.bench[A].store.get(CLOCK_KEY)


def started_with(noted: bytes | None) -> Alone:
    """A node that starts with that on its disk, and hears nobody."""
    after = Alone()
    after.bench[A].store.write([(CLOCK_KEY, noted)], True)
    after.context.clocks_heard = 0
    after.clocks = Clocks(after.context)
    after.context.heartbeats.watch([], after.context.now)
    assert not after.context.clock_is_checked()
    return after


def test_what_was_measured_by_a_clock_that_did_not_count_is_void() -> None:
    alone = Alone()
    alone.compare(0.0, 0.0)
    assert alone.context.clock_is_checked()
    alone.clocks.forget()
    assert not alone.context.clock_is_checked()
    alone.context.heartbeats.watch([], alone.context.now)
    assert alone.context.clock_is_checked(), "there is nobody to compare it with"


@pytest.mark.parametrize("request_", [Get(1, b"x"), Put(1, b"x", b"new"), Exists(1, b"x")])
def test_nothing_expires_by_a_clock_that_was_not_compared(request_: EntryRequest) -> None:
    bench = Bench(ALONE, (A, B))
    side = bench[A]
    side.ask(Update(1, b"x", b"old", expiry=int(WALL_MILLISECONDS) - 3_600_000))
    bench.settle()
    side.context.heartbeats.watch([B], bench.now)
    side.context.clocks_heard = 0
    session = side.ask(request_)
    bench.settle()
    reply = side.replies[session]
    assert isinstance(reply, Failed) and reply.code == UnstableError.code and "compared its clock" in reply.sentence
    side.context.clocks_heard = 1
    session = side.ask(Get(1, b"x"))
    bench.settle()
    gone = side.replies[session]
    assert isinstance(gone, Failed) and gone.code == NotFoundError.code
