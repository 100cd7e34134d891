"""Whether the clocks of members agree: measured by heartbeats, told when they do not, and when they do again."""

from __future__ import annotations

import pytest

from tests.core.test_replica_table_properties import ALONE
from tests.harness import Hive, hive_of
from tests.replica_parts import WALL_MILLISECONDS, A, B, Bench
from tests.shell.test_format import stats, status
from tests.view_parts import grown
from wrpme.core.health.clocks import Clocks
from wrpme.core.io import Emit
from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX
from wrpme.protocol.events import ClusterEvent
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
    assert f" s {way} that of a: entries expire by the clock of their owner" in told.sentence
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
    assert sentence.startswith("the clock of n3 is 7,200.0 s ahead of that of n0 and 2 more: entries expire by")
    assert condition_line(found).endswith(sentence)
    assert clock_texts(status(view)) == []
