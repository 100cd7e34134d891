"""How an unfinished line may go on, and the help beside it."""

from __future__ import annotations

import pytest

from wrpme.shell.commands import COMMANDS
from wrpme.shell.completion import complete, completed, hint, takes_file

NODES = ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("get_", ["get_expire", "get_expiry", "get_many", "get_range", "get_remove", "get_update", "get_version"]),
        ("  cou", ["count"]),
        ("get x", []),
        ("help hive_st", ["hive_start", "hive_status", "hive_stop"]),
        ("stop_node a", ["a:1"]),
        ("stop_node ", NODES),
        ("stop_node a:1 ", []),
        ("remove_all ", ["--yes"]),
        ("remove_all --yes ", []),
        ("forget ", NODES),
        ("forget a:1 ", ["--yes"]),
        ("set_replication ", ["1", "2", "3", "4", "5"]),
        ("set_replication 3 ", ["--yes"]),
        ("recover --f", ["--force"]),
        ("scan --", ["--contents", "--versions", "--after", "--limit", "--json"]),
        ("scan user/ --l", ["--limit"]),
        ("put --", ["--ttl", "--expires"]),
        ("put --ttl 5 --e", ["--expires"]),
        ("put x --", []),
        ("xyzzy ", []),
        ("hive_check x --", []),
        ("hive_plan ", []),
        ("hive_plan -", ["--example", "-q"]),
        ("hive_logs x ", ["--node", "--since", "-f"]),
        ("hive_logs x --", ["--node", "--since"]),
        ("hive_logs x --node ", NODES),
        ("hive_logs x --node b", ["b:2"]),
        ("hive_logs x --since ", []),
        ("hive_logs x -f --since 10m --node a:1 ", ["--node"]),
        ("hive_destroy x ", ["--yes", "-q"]),
        ("hive_destroy x --yes ", ["-q"]),
        ("node_start web1 -", ["-a", "--peer", "--advertise", "--replication", "--grace",
                               "--slow-threshold", "--bytes-max", "--memory-max", "--no-sync", "--transient",
                               "--log-level", "--sessions", "--redis-strict"]),
        ("node_start web1 -a ", []),
        ("node_start web1 -a w:1 --peer ", NODES),
        ("node_start web1 -a w:1 --peer a:1 --p", ["--peer"]),
        ("node_start web1 --no-sync --log-level w", ["warning"]),
        ("node_start web1 --no-sync --no", []),
    ],
)  # fmt: skip
def test_completion(line: str, choices: list[str]) -> None:
    assert complete(line, NODES) == choices


@pytest.mark.parametrize(
    ("line", "takes"),
    [
        ("hive_apply ", True),
        (" hive_logs ./hi", True),
        ("hive_apply", False),
        ("hive_plan --ex", False),
        ("hive_logs x ", False),
        ("node_start ", False),
        ("get ", False),
        ("xyzzy ", False),
    ],
)
def test_where_a_file_is_named(line: str, takes: bool) -> None:
    assert takes_file(line) == takes


# --- help beside what is typed ----------------------------------------------------------------------------------


def test_nothing_typed_no_hint() -> None:
    assert hint("") == hint("   ") == ""


def test_a_command_is_explained_as_soon_as_it_is_there() -> None:
    for spec in COMMANDS:
        assert hint(spec.name).startswith(f"{spec.syntax}: {spec.summary}")
        assert hint(f"{spec.name} something").startswith(f"{spec.syntax}: {spec.summary}")


def test_the_beginning_of_a_word_lists_what_it_may_become() -> None:
    assert hint("get_e") == "get_expire  get_expiry"
    assert hint("p").split() == ["prefix_get", "put"]


def test_a_word_that_is_none_names_the_nearest() -> None:
    assert hint("updat x") == "there is no command updat: update?"
    assert hint("xyzzyq x") == "there is no command xyzzyq"


@pytest.mark.parametrize(
    ("line", "becomes", "choices"),
    [
        ("loc", "locate ", []),
        ("get_e", "get_expir", ["get_expire", "get_expiry"]),
        ("stop_node 192.168.1.2", "stop_node 192.168.1.2:5909 ", []),
        ("stop_node ", "stop_node 192.168.1.", ["192.168.1.1:5909", "192.168.1.2:5909"]),
        ("get alias", "get alias", []),
    ],
)
def test_tab(line: str, becomes: str, choices: list[str]) -> None:
    assert completed(line, ["192.168.1.1:5909", "192.168.1.2:5909"]) == (becomes, choices)
