"""hive_status for scripts: its exit code, and its form in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.shell.test_format import stats, status
from tests.view_parts import grown
from wrpme import errors
from wrpme.protocol.stats import HiveStatus
from wrpme.protocol.view import State, View
from wrpme.shell.parsing import parse
from wrpme.shell.execute import carry_out

pytestmark = pytest.mark.asyncio


class Told:
    """A client of a hive that is so."""

    def __init__(self, told: HiveStatus) -> None:
        self.told = told

    async def hive_status(self) -> HiveStatus:
        return self.told


def one_is_down() -> View:
    """Returns a hive that serves all its data although a node is down."""
    three = grown(3)
    gone, one = three.members[1], three.members[0].id
    members = tuple(replace(member, state=State.DOWN) if member is gone else member for member in three.members)
    return replace(
        three, members=members, arcs=tuple(replace(arc, holders=(one,), wanted=(one,)) for arc in three.arcs)
    )


STABLE = status(grown(3))
DEGRADED = status(one_is_down(), n1=errors.UnavailableError("n1 has been down for 12 s"))
STABILIZING = status(grown(3), n1=stats("n1", serving=False))
UNAVAILABLE = status(grown(3), n2=errors.ConnectionError("no answer in 2 s"))


@pytest.mark.parametrize(
    ("told", "word", "code"),
    [
        (STABLE, "stable", 0),
        (STABILIZING, "stabilizing", 3),
        (DEGRADED, "degraded", 3),
        (UNAVAILABLE, "unavailable", 4),
    ],
    ids=["stable", "stabilizing", "degraded", "unavailable"],
)
@pytest.mark.parametrize("line", ["hive_status", "hive_status --json"])
async def test_the_exit_code_says_how_the_hive_is(told: HiveStatus, word: str, code: int, line: str) -> None:
    command = parse(line)
    assert command is not None
    answer = await carry_out(Told(told), command)  # type: ignore[arg-type]
    assert answer.code == code and answer.text is not None and word in answer.text


async def test_the_form_in_json_stays_as_the_reference_has_it() -> None:
    command = parse("hive_status --json")
    assert command is not None
    answer = await carry_out(Told(DEGRADED), command)  # type: ignore[arg-type]
    found = json.loads(answer.text or "")
    assert list(found) == [
        "state", "sentence", "details", "hive", "generation", "epoch", "replication", "open",
        "nodes",
    ]  # fmt: skip
    assert [(node["address"], node["state"]) for node in found["nodes"]] == [("n0", "up"), ("n1", "down"), ("n2", "up")]
    up, gone, _ = found["nodes"]
    assert list(up) == list(gone) == [
        "address", "id", "state", "share", "entries", "copies", "bytes", "epoch", "uptime_seconds", "version",
        "troubles", "error",
    ]  # fmt: skip
    assert (up["entries"], up["error"], gone["entries"]) == (12_345, None, None)
    assert gone["error"] == "n1 has been down for 12 s"
    reference = (Path(__file__).parents[2] / "docs" / "wrpmesh.md").read_text()
    section = reference.partition("### hive_status --json")[2].partition("\n## ")[0]
    for field in (*found, *up):
        assert f"`{field}`" in section, f"{field} is not in the reference"
