"""Answers of agents, checked."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.bootstrap.plan_parts import hello, inventory, running, topology
from wrpme.bootstrap.hosts.inventory import HostInventory, Record, read_answer
from wrpme.errors import RemoteError

RECORD = {"address": "10.0.0.1:5909", "arguments": ["--grace", "30"], "peers": [], "release": "0.1.0-aaaaaaaa"}


def test_what_a_later_version_wrote_is_passed_over() -> None:
    record = read_answer(Record, {**RECORD, "colour": "blue"}, "host")
    assert (record.address, record.arguments) == ("10.0.0.1:5909", ("--grace", "30"))


@pytest.mark.parametrize("answer", [{}, {**RECORD, "address": 3}, {**RECORD, "peers": "none"}, None, []])
def test_what_makes_no_sense_names_the_host(answer: object) -> None:
    with pytest.raises(RemoteError, match="host: its answer makes no sense"):
        read_answer(Record, answer, "host")


def test_what_comes_as_json_is_the_same_again() -> None:
    host = topology().hosts[0]
    for found in (hello(), inventory(host), running(host).inventory):
        assert read_answer(type(found), json.loads(msgspec.json.encode(found)), "host") == found


def test_what_a_later_version_tells_of_a_machine_is_passed_over() -> None:
    told = msgspec.to_builtins(inventory(topology().hosts[0]))
    assert read_answer(HostInventory, {**told, "clock": 5, "others": {"x": {"record": None}}}, "host").clock == 5.0
