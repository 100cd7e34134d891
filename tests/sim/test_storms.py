"""Storms of the simulation: many nodes, and computing that costs time; and that it does."""

from __future__ import annotations

from typing import get_args

import pytest

from bench.costs import price_in_hive
from tests.sim.busy import BusyMachine
from tests.sim.prices import OTHER, Meter, Prices, metered, priced_functions
from tests.sim.run import SimulationError
from tests.sim.storm import Hive, Storm, priced
from wrpme.core.io import Input
from wrpme.protocol.messages import Body
from wrpme.protocol.view import Change

NODES, PACE, REPLICATION = 30, 0.3, 2
"""More of them, of the usual length and with a third copy, are for scripts/soak."""
DISASTERS = 4
"""After each of the four starts, as the hive of one that was survived is as good as a new one: 20 storms in all."""


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_hive_survives_storms(seed: int) -> None:
    try:
        Storm(seed, NODES, pace=PACE, disasters=DISASTERS, replication=REPLICATION).run()
    except SimulationError as error:
        pytest.fail(str(error), pytrace=False)


def test_a_storm_is_a_function_of_its_seed() -> None:
    lived = []
    for _ in range(2):
        storm = Storm(1, 5)
        lived.append((storm.run(), list(storm.hive.world.lines), dict(storm.meter.by_kind)))
    assert lived[0] == lived[1]


def test_prices_can_be_measured() -> None:
    measured = price_in_hive(3)
    assert measured.keys() >= {*priced_functions(), OTHER, "Heartbeat", "Persisted"}
    assert measured["Join_in_view"] > 0


def test_prices_lie_on_lines_between_what_was_measured() -> None:
    prices = Prices({"tick": [(10, 1.0), (20, 3.0)], OTHER: [(1, 0.5)]})
    assert prices.of("tick", 15) == pytest.approx(2.0)
    assert prices.of("tick", 30) == pytest.approx(5.0)
    assert prices.of("tick", 5) == pytest.approx(0.5)
    assert prices.of("what nobody measured", 7) == 0.5


def test_each_price_is_of_something_that_there_is() -> None:
    """What is called otherwise now would be charged as anything else, and no storm would say so."""
    inputs, bodies, changes = ({kind.__name__ for kind in get_args(union)} for union in (Input, Body, Change))
    parts = {f"{coding}_{what}" for coding in ("encode", "decode") for what in ("view", "arc")}
    others = {OTHER, "Request", "read", "write", *priced_functions(), *parts}
    assert set(Prices.read().points) <= inputs | bodies | {f"{kind}_in_view" for kind in changes} | others


def test_a_machine_that_computes_for_longer_than_a_lease_is_missed() -> None:
    free = Meter(Prices({OTHER: [(1, 0.0)]}))
    hive = Hive(1, 3, free)
    with priced(free):
        hive.start_all()
        hive.until_stable(60.0)
        hive.run(12.0)
        busy = hive.machines[1]
        assert isinstance(busy, BusyMachine) and busy.node is not None
        epoch = hive.view().epoch
        busy.factor = 1e4
        free.prices = Prices({OTHER: [(1, 0.0)], "HeartbeatAck": [(1, 0.0002)]})
        hive.run(9.0)
        assert hive.view().epoch > epoch, "its heartbeats were late, and others took it for dead"
        busy.factor = 1.0
        hive.until_stable(60.0)


def test_every_function_that_has_a_price_is_one_of_the_product() -> None:
    with metered(Meter(Prices({OTHER: [(1, 0.0)]}))):
        pass
    measured = Prices.read().points
    assert OTHER in measured and measured.keys() >= set(priced_functions()), "bench/costs.py measures all of them"
