"""What is asked before data is given up: first what it costs is counted, and the nodes are named."""

from __future__ import annotations

import pytest

from wrpme.client.admin import LossEstimate
from wrpme.protocol.salvage import Loss
from wrpme.shell.parsing import parse
from wrpme.shell.execute import question

pytestmark = pytest.mark.asyncio


class Told:
    """A client of a hive where that is lost."""

    def __init__(self, price: LossEstimate) -> None:
        self.price = price

    async def price_of_recovery(self) -> LossEstimate:
        return self.price


async def asked(line: str, price: LossEstimate) -> str:
    command = parse(line)
    assert command is not None
    return await question(Told(price), command)  # type: ignore[arg-type]


async def test_a_recovery_names_who_is_missing_and_what_is_given_up() -> None:
    price = LossEstimate(
        "a:1", Loss(0.5, 0.5, ()), (), "of 50.0 % of the ring no living node has a copy", ("b:1", "c:1")
    )
    assert await asked("recover --force", price) == (
        "a new generation of the hive would begin at a:1, without b:1, c:1: of 50.0 % of the ring no living node has a "
        "copy; type yes if they are dead for good: "
    )
    assert await asked("recover --force --yes", price) == ""


async def test_a_recovery_that_costs_nothing_says_so() -> None:
    question_put = await asked("recover --force", LossEstimate("a:1", Loss(0, 0, ()), (), "", ("b:1",)))
    assert "without b:1: " in question_put and "no entry is given up; type yes" in question_put
