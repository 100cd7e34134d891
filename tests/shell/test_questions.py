"""What is asked before data is given up: first what it costs is counted, and the nodes are named."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from wrpme.client.admin import LossEstimate
from tests.samples import VIEW as SAMPLE
from wrpme.protocol.salvage import Loss
from wrpme.protocol.view import View
from wrpme.shell.parsing import parse
from wrpme.shell.execute import question

pytestmark = pytest.mark.asyncio
VIEW = replace(SAMPLE, replication=3)


class Told:
    """A client of a hive where that is lost."""

    def __init__(self, price: LossEstimate) -> None:
        self.price = price

    async def price_of_recovery(self) -> LossEstimate:
        return self.price

    async def view(self) -> View:
        return VIEW


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


async def test_only_fewer_copies_are_a_question_and_it_says_what_is_borne_then() -> None:
    price = LossEstimate("a:1", Loss(0, 0, ()), (), "", ())
    assert await asked("set_replication 2", price) == (
        "the hive keeps 3 copies of each entry, and would keep 2: it outlives the death of 1 at a time then, instead "
        "of 2; type yes to keep fewer: "
    )
    assert "gone with its disk; type yes to keep fewer: " in await asked("set_replication 1", price)
    assert await asked("set_replication --yes 1", price) == ""
    assert await asked("set_replication 3", price) == await asked("set_replication 5", price) == ""
