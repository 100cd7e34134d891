"""The shell against a real hive: batches, many entries and scans, and aliases of any bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.system.daemons import Daemons, finished, stable_hive, wrpmesh
from wrpme import BlockingClient, request_id

ENTRIES = 3000


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("shell"), 2) as daemons:
        yield daemons


def run(hive: Daemons, *words: str, given: str | None = None) -> tuple[int, str, str]:
    done = finished(wrpmesh("--daemon", hive.addresses[1], *words), given.encode() if given is not None else None)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_batch_is_carried_out_whole_or_not_at_all(hive: Daemons) -> None:
    lines = "if_content {cart:7}total 30\nget_remove {cart:7}items\nadd {cart:7}total -30\n"
    assert run(hive, "batch", given="put {cart:7}total 30\nput {cart:7}items a lamp\n") == (0, "ok\nok\n", "")
    assert run(hive, "batch", given=lines) == (0, 'ok\n"a lamp"\n0\n', "")
    code, out, err = run(hive, given=f"batch\n{lines}.\nget {{cart:7}}total\n")
    assert (code, out) == (1, "0\n") and err == (
        'mismatch: operation 1 of 3 (line 1, if_content): the content of "{cart:7}total" is not the comparand; '
        "nothing was changed\n"
    )
    code, out, err = run(hive, "batch", given="put a 1\nput b 2\n")
    assert (code, out) == (2, "") and err.startswith('apart: "a" and "b" are not together')
    code, out, err = run(hive, "batch", "--each", given="put a 1\nput b 2\nget c\nput a 3\nget b\n.\nget a\n")
    assert (code, out) == (1, 'ok\nok\nnot_found\nalready_exists\n"2"\n')
    assert [line.split(" (")[0] for line in err.splitlines()] == [
        "not_found: operation 3 of 5", "already_exists: operation 4 of 5"
    ]  # fmt: skip


def test_what_is_printed_can_be_typed(hive: Daemons) -> None:
    aliases = [b"q/two words", b"q/\xff\x00", b'q/"', "q/é".encode(), b"q/\\", b"q/-"]
    with BlockingClient(hive.addresses[0]) as client:
        client.put_many({alias: b"\n" + alias for alias in aliases})
        code, out, _ = run(hive, "scan", "--contents", "q/")
        assert code == 0 and out.count("\n") == len(aliases)
        client.remove_many(aliases)
        lines = "".join(f"put {line}\n" for line in out.splitlines())
        assert run(hive, "batch", "--each", given=lines) == (0, len(aliases) * "ok\n", "")
        assert client.get_many(aliases) == [b"\n" + alias for alias in aliases]
        words = run(hive, "prefix_get", "q/")[1].splitlines()
        assert run(hive, "get_many", *words)[1] == out and run(hive, "remove_many", *words) == (0, "", "")
    code, out, err = run(hive, "remove_many", *words[:2])
    assert (code, out) == (1, "") and err.count("not_found: there is no entry ") == 2


def test_a_scan_gives_all(hive: Daemons) -> None:
    with BlockingClient(hive.addresses[0]) as client:
        client.put_many({f"scan/{number:05}": b"" for number in range(ENTRIES)})
    lines = run(hive, "scan", "scan/")[1].splitlines()
    assert lines == [f"scan/{number:05}" for number in range(ENTRIES)]
    assert run(hive, "scan", "--after", "scan/00009", "--limit", "1", "--contents")[1] == 'scan/00010 ""\n'
    last = json.loads(run(hive, "scan", "scan/", "--json", "--versions")[1].splitlines()[-1])
    assert last["alias"] == lines[-1] and last["version"] == run(hive, "get_version", lines[-1])[1].strip()


def test_the_logs_of_all_nodes_know_a_request_by_its_id(hive: Daemons) -> None:
    """Whichever node is asked, and whoever owns the entry: a hive of two keeps it on both."""
    assert run(hive, "--request-id", "deploy-7", "put", "traced", "content") == (0, "", "")
    with BlockingClient(hive.addresses[0]) as client, request_id("deploy-8"):
        assert client.get("traced") == b"content"
    logs = [(hive.directory / f"{index}.log").read_text() for index in range(2)]
    assert all('request deploy-7: put "traced"' in log for log in logs)
    assert "request deploy-7: written everywhere: queued " in "".join(logs)
    assert 'request deploy-8: get "traced"' in "".join(logs)
    told = run(hive, "slow_log")[1].splitlines()
    assert sorted(line for line in told if " over 100 ms since its start" in line) == sorted(told[-2:])
    assert [line.partition(": ")[0] for line in told[-2:]] == sorted(hive.addresses, key=lambda one: int(one[-5:]))
