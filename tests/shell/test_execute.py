"""Which call of the client each command is, and what it answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wrpme import __version__, errors
from wrpme.client.access.user_admin import WhoIs
from wrpme.client.admin import Verified
from wrpme.client.batches.calls import Entry
from wrpme.client.cluster import NodeSlow, Removed
from wrpme.protocol.administration import SlowLog
from wrpme.shell.commands import COMMANDS
from wrpme.shell.parsing import parse
from wrpme.shell.execute import Answer, Line, carry_out

pytestmark = pytest.mark.asyncio


class Recorder:
    """A client that keeps what it is asked, and answers what the test says."""

    def __init__(self, result: object = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._result = result

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: object, **named: object) -> object:
            self.calls.append((name, *arguments, *named.items()))
            return self._result

        return call


async def answer(line: str, result: object = None) -> tuple[Answer, list[tuple[Any, ...]]]:
    command = parse(line)
    assert command is not None
    client = Recorder(result)
    return await carry_out(client, command), client.calls  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "result", "call", "expected"),
    [
        ("get x", b"\xff1", ("get", b"x"), Answer(content=b"\xff1")),
        ("get x", b"", ("get", b"x"), Answer(content=b"")),
        ("put x two words ", None, ("put", b"x", b"two words "), Answer()),
        ("update x 1", None, ("update", b"x", b"1"), Answer()),
        ("get_update x 1", b"old", ("get_update", b"x", b"1"), Answer(content=b"old")),
        ("get_remove x", b"old", ("get_remove", b"x"), Answer(content=b"old")),
        ("cas x 2 1", b"1", ("cas", b"x", b"2", b"1"), Answer(content=b"1")),
        ("cas_version x 2 77", 78, ("cas_version", b"x", b"2", 77), Answer(text="78")),
        ("add x -5", 37, ("add", b"x", -5), Answer(text="37")),
        ("append x  more", 9, ("append", b"x", b" more"), Answer(text="9")),
        ("get_range x 0 -1", b"all", ("get_range", b"x", 0, -1), Answer(content=b"all")),
        ("set_range x 3 two words", 12, ("set_range", b"x", 3, b"two words"), Answer(text="12")),
        ("exists x", True, ("exists", b"x"), Answer(text="yes")),
        ("exists x", False, ("exists", b"x"), Answer(text="no", code=1)),
        ("get_version x", Entry(b"1", 1 << 100), ("get_entry", b"x"), Answer(text=str(1 << 100))),
        ("touch x", None, ("touch", b"x"), Answer()),
        ("remove_version x 77", None, ("remove_version", b"x", 77), Answer()),
        ("remove x", None, ("remove", b"x"), Answer()),
        ("del x", None, ("remove", b"x"), Answer()),
        ("remove_if x 1", None, ("remove_if", b"x", b"1"), Answer()),
        ("expires_from_now x 90.5", None, ("expires_from_now", b"x", 90.5), Answer()),
        ("get_expiry x", None, ("get_expiry", b"x"), Answer(text="0")),
        (
            "prefix_get k 10",
            ["k1", "k 2\udcff"],
            ("prefix_get", b"k", 10),
            Answer(lines=(Line("k1"), Line('"k 2\\xff"'))),
        ),
        ("prefix_get k", [], ("prefix_get", b"k", None), Answer()),
        ("count", 12345, ("count",), Answer(text="12345")),
        ("remove_all --yes", Removed(1), ("remove_all",), Answer(text="1 entry removed")),
        ("remove_all --yes", Removed(54321), ("remove_all",), Answer(text="54,321 entries removed")),
        ("remove_all --yes", Removed(5, False), ("remove_all",), Answer(text="at least 5 entries removed")),
        ("wait_stable 5", None, ("wait_stable", 5.0), Answer()),
        ("wait_stable", None, ("wait_stable", None), Answer()),
        ("stop_node a:1", None, ("stop_node", "a:1"), Answer()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_commands_are_calls(line: str, result: object, call: tuple[object, ...], expected: Answer) -> None:
    assert await answer(line, result) == (expected, [call])


async def test_a_time_goes_on_as_it_was_meant() -> None:
    given, calls = await answer("expires_at x 0")
    assert given == Answer() and calls[0][:2] == ("expires_at", b"x") and calls[0][2] == 0


@pytest.mark.parametrize("name", ["node_status", "node_config"])
async def test_json_is_shown_indented_and_otherwise_as_it_is(name: str) -> None:
    stats = {"address": "a:1", "share": 0.25, "copies_out": [], "zähler": {"Get": 3}}
    given, calls = await answer(f"{name} a:1", stats)
    assert calls == [(name, "a:1")]
    assert given.text is not None and json.loads(given.text) == stats
    assert given.text.splitlines()[1] == '  "address": "a:1",'


async def test_help_and_version_need_no_daemon() -> None:
    for line in ("help", "help get", "version"):
        given, calls = await answer(line)
        assert calls == [] and given.text
    assert (await answer("version"))[0].text == f"wrpme {__version__}"


RESULTS = {
    "user_list": (),
    "whoami": WhoIs("ann", "read", (), open=False),
    "slow_log": (NodeSlow("a:1", SlowLog(1, 100.0, 0, ()), None),),
    "get_version": Entry(b"", 1),
    "prefix_get": [],
    "get_many": [b"1"],
    "remove_many": [None],
    "remove_all": Removed(0),
    "recover": "it begins",
    "set_replication": "the hive keeps 3 copies of each entry",
    "verify": Verified(1, 2, 3, ()),
}


async def test_every_command_is_carried_out() -> None:
    """A new line of the table that nobody carries out would answer nothing, in silence."""
    silent = {"exit"}
    written = {"user_remove": "user_remove ann"}
    asking = {"user_add --role read a", "user_password a"}
    long = {  # a session does these
        "watch", "follow", "scan", "batch", "hive_import redis://a:1", "hive_backup FILE", "hive_restore FILE",
        "hive_export FILE", *asking,
    }  # fmt: skip
    sample = {"ALIAS": "x", "CONTENT": "1", "COMPARAND": "2", "TIME": "0", "SECONDS": "1", "PREFIX": "k",
        "NAME": "ann", "NUMBER": "1", "FROM": "0", "TO": "1", "VERSION": "7", "R": "3"}  # fmt: skip
    for spec in COMMANDS:
        if spec.is_condition or spec.name in ("locate", "hive_status", "node_topology"):
            continue  # below
        if line := next((line for line in long if line.partition(" ")[0] == spec.name), ""):
            with pytest.raises(errors.UsageError, match="needs the shell of wrpmesh"):
                await answer(line)
            continue
        words = [sample.get(one.name, "a:1") for one in spec.parameters if not one.optional]
        words += [option.written for option in spec.options.all if option.is_required and not spec.remote]
        line = written.get(spec.name) or " ".join([spec.name, *words])
        given, calls = await answer(line, RESULTS.get(spec.name))
        assert calls or given.text or spec.remote or spec.name in silent, spec.name


async def test_an_error_of_the_client_goes_through() -> None:
    class Failing(Recorder):
        def __getattr__(self, name: str) -> Any:
            raise errors.NotFoundError(f"{name}: there is none")

    command = parse("get x")
    assert command is not None
    with pytest.raises(errors.NotFoundError, match="there is none"):
        await carry_out(Failing(), command)  # type: ignore[arg-type]
