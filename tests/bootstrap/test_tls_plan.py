"""The modes that a hive goes through, and the certificates that are due."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from tests.bootstrap.plan_parts import BARE
from tests.bootstrap.test_authority import CA, DAY, request
from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.rollout.tls_plan import Wanted, due, names_of, path, span_left
from wrpme.bootstrap.topology.file import Host, Node

NOW = time.time()
WANTED = Wanted("require", authority=CA.id, trusted=CA.certificate, now=NOW)


@pytest.mark.parametrize(
    ("modes", "target", "through"),
    [
        ("", "require", ""),
        ("off", "require", "allow prefer require"),
        ("off allow", "require", "allow prefer require"),
        ("allow prefer", "require", "prefer require"),
        ("require prefer", "require", "require"),
        ("require", "require", ""),
        ("off", "off", ""),
        ("require", "off", "prefer allow off"),
        ("require prefer", "off", "prefer allow off"),
        ("off allow", "off", "off"),
        ("require", "prefer", "prefer"),
        ("allow", "prefer", "prefer"),
        ("prefer allow", "prefer", "prefer"),
    ],
)
def test_no_step_is_left_out(modes: str, target: str, through: str) -> None:
    assert path(modes.split(), target) == tuple(through.split())


def test_a_node_that_starts_understands_those_that_run() -> None:
    assert replace(WANTED, modes=("off",)).begins("") == "allow"
    assert replace(WANTED, modes=("allow", "prefer")).begins("off") == "prefer"
    assert replace(WANTED, modes=("require",)).begins("") == "require"
    assert WANTED.begins("allow") == "require", "none runs"
    assert Wanted("off", modes=("require",)).begins("") == "prefer"
    assert Wanted("off").begins("require") == "require", "there may be users"
    assert Wanted("off").begins("prefer") == "prefer", "beside one that had it"
    assert Wanted("prefer").begins("off") == "prefer"
    held = replace(WANTED, held="somebody is missing")
    assert replace(held, modes=("off", "allow")).begins("") == "allow"
    assert held.begins("allow") == "allow" and not held.steps
    assert replace(WANTED, modes=("off", "allow")).left("allow") == ("prefer", "require")


def test_names_are_those_that_others_dial_and_those_of_the_machine() -> None:
    assert names_of(Host("web1"), Node("10.0.0.1:5909"), "Node-1") == ("10.0.0.1", "web1", "node-1")
    everywhere = Node("0.0.0.0:5909", "n1.example:5909")
    assert names_of(Host("10.0.0.1"), everywhere, "") == (
        "n1.example", "localhost", "127.0.0.1", "::1", "10.0.0.1",
    )  # fmt: skip
    assert names_of(Host("wéb!"), Node("[fd00::1]:5909"), "(none)") == ("fd00::1",)


@pytest.mark.parametrize(
    ("age_days", "names", "wanted", "told"),
    [
        (0, ["a", "b"], WANTED, ""),
        (59, ["a"], WANTED, ""),
        (61, ["a"], WANTED, "the present one expires in 29 d"),
        (89.5, ["a"], WANTED, "the present one expires in 12 h"),
        (91, ["a"], WANTED, "the present one has expired"),
        (0, ["a"], replace(WANTED, authority="other"), "the present one is from another CA"),
        (0, ["a"], replace(WANTED, authority="other", lost="it is elsewhere"), ""),
        (0, ["a", "c"], WANTED, "the present one does not name c"),
        (61, ["a", "c"], replace(WANTED, mode="off"), ""),
    ],
)
def test_when_a_certificate_is_due(age_days: float, names: list[str], wanted: Wanted, told: str) -> None:
    there = authority.issue(CA, request(), ["a", "b"], 90, NOW - age_days * DAY)
    assert due(replace(BARE, certificate=there), names, wanted) == told


def test_a_node_without_a_certificate() -> None:
    assert due(BARE, ["a"], WANTED) == "it has none" and span_left("", NOW) == ""
    there = authority.issue(CA, request(), ["a"], 90, NOW)
    assert span_left(there, NOW + 89 * DAY) == "expires in 24 h"
    assert span_left(there, NOW + 91 * DAY) == "has expired"
