"""Figures as operators collect them: the files of ``deploy/``, a real Prometheus, real daemons, and the recipes of
docs/observing.md."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import prometheus
from tests.system.daemons import PATIENCE_SECONDS, ROOT, Daemons, free_port, stable_hive
from tests.system.prometheus import Prometheus
from wrpme.client.blocking import BlockingClient
from wrpme.daemon.net.http.metrics import ROWS

NAMES = {row.name for row in ROWS}
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
BOARD = json.loads((ROOT / "deploy" / "grafana" / "hive.json").read_text())
PAGE = (ROOT / "docs" / "observing.md").read_text()
USED = re.compile(r"\b(?:wrpme|process)_[a-z_]+\b")


def base(name: str) -> str:
    """The metric that a series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_alerts_and_dashboard_and_document_name_metrics_that_there_are() -> None:
    expressions = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    expressions += [variable["query"]["query"] for variable in BOARD["templating"]["list"][1:]]
    assert len(expressions) > 30
    for text in [*expressions, ALERTS, PAGE]:
        for name in USED.findall(text):
            assert base(name) in NAMES, name


def test_every_alert_is_in_the_document_and_no_other() -> None:
    assert set(re.findall(r"^\| `(Wrpme\w+)`", PAGE, re.MULTILINE)) == set(re.findall(r"alert: (\w+)", ALERTS))


def test_the_alerts_fire_when_they_should_and_not_else() -> None:
    prometheus.needed()
    rules = Path(__file__).parent / "alerts_test.yml"
    done = subprocess.run(
        ["promtool", "test", "rules", str(rules)], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = rules.read_text()
    config = str(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    assert subprocess.run(["promtool", "check", "config", config], capture_output=True, check=False).returncode == 0
    assert all(name in told for name in re.findall(r"alert: (\w+)", ALERTS)), "each is tried"


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("observed"), 3) as daemons:
        yield daemons


def test_the_commands_of_the_document(hive: Daemons, tmp_path: Path) -> None:
    """One node waits for a hive that is not there."""
    prometheus.needed("curl")
    (block,) = re.findall(r"^```\n(\$ curl.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    nowhere = f"127.0.0.1:{free_port()}"
    with Daemons(tmp_path, 1, "--peer", nowhere) as waiting:
        waiting.start(0)
        host, port = waiting.addresses[0].split(":")
        until_open(host, int(port))
        real = {"1": hive.addresses[0], "4": waiting.addresses[0], "5": nowhere}
        block = re.sub(r"192\.168\.1\.(\d):5909", lambda found: real[found[1]], block)
        steps = re.findall(r"^\$ curl (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE)
        assert len(steps) == 3
        for command, expected in steps:
            told = subprocess.run(["curl", "-sS", *command.split()], capture_output=True, timeout=PATIENCE_SECONDS)
            assert told.stdout.decode().replace("\r", "").startswith(expected), told


def until_open(host: str, port: int) -> None:
    """Waits until something listens there."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection((host, port)).close()
            return
        except OSError:
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.05)


def test_a_thousand_half_open_connections_keep_out_neither_a_client_nor_a_scrape(hive: Daemons) -> None:
    host, port = hive.addresses[0].rsplit(":", 1)
    held = []
    for _ in range(1000):
        held.append(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
        held[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: node\r\n")
    try:
        with BlockingClient([hive.addresses[0]]) as client:
            client.update("k", b"1")
            assert client.get("k") == b"1"
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as scraper:
            scraper.sendall(b"GET /ready HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
            assert scraper.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    finally:
        for connection in held:
            connection.close()


def test_a_node_that_dies_is_seen_by_prometheus(hive: Daemons, tmp_path: Path) -> None:
    """The recipe of docs/observing.md, with its files."""
    prometheus.needed()
    with BlockingClient(hive.addresses) as client:
        for number in range(50):
            client.update(f"entry:{number}", b"x")
    with Prometheus(tmp_path, hive.addresses) as watching:
        everyone: Any = dict.fromkeys(hive.addresses, 1.0)
        watching.until("all are up", lambda: watching.query('up{job="wrpme"}') == everyone)
        watching.until("all serve", lambda: watching.query("wrpme_serving") == everyone)
        updates = 'sum(wrpme_requests_total{op="update",outcome="ok"})'
        watching.until("the updates are counted", lambda: watching.query(updates).get("", 0) >= 50)
        watching.until("nothing fires", lambda: not watching.firing())
        dead, *others = hive.addresses
        hive.kill(0)
        watching.until("its death is told", lambda: ("WrpmeNodeDown", dead) in watching.firing())
        down = dict.fromkeys(others, 1.0)
        watching.until("the others know", lambda: watching.query('wrpme_members{state="down"}') == down)
        watching.until("entries want copies", lambda: ("WrpmeEntriesWantCopies", "") in watching.firing())
        hive.start(0)
        watching.until("all is well", lambda: watching.query("wrpme_serving") == everyone and not watching.firing())
