"""A real Prometheus that scrapes a hive, with the configuration and the alerts of ``deploy/``, in quick time."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from urllib.request import urlopen


from tests import programs
from tests.system.daemons import PATIENCE_SECONDS, ROOT, free_port

DEPLOYED = ROOT / "deploy" / "prometheus"


def needed(program: str = "prometheus") -> None:
    """Skips a test that needs Prometheus where there is none; fails it where all has to be run."""
    programs.program(program)


class Prometheus:
    """Scrapes these addresses; what the files of ``deploy/`` say in minutes, it does in tenths of a second."""

    def __init__(self, directory: Path, addresses: Sequence[str]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        config = (DEPLOYED / "prometheus.yml").read_text()
        config, count = re.subn(r"( +- )192\.0\.2\.1:5909\n(.*:5909\n)*", _targets(addresses), config)
        assert count == 1
        (directory / "prometheus.yml").write_text(
            re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 500ms", config)
        )
        alerts = (DEPLOYED / "alerts.yml").read_text()
        (directory / "alerts.yml").write_text(re.sub(r"\bfor: \w+", "for: 0s", alerts))
        self._log = directory / "prometheus.log"
        options = [
            f"--config.file={directory}/prometheus.yml", f"--web.listen-address={self.address}",
            f"--storage.tsdb.path={directory}/tsdb", "--log.level=warn",
        ]  # fmt: skip
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)

    def asked(self, path: str) -> Any:
        """What its API answers."""
        with urlopen(f"http://{self.address}/api/v1/{path}", timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> dict[str, float]:
        """The values of an expression by ``instance``."""
        found = self.asked(f"query?query={quote(expression)}")["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found}

    def firing(self) -> set[tuple[str, str]]:
        """Alerts that fire, with their instances."""
        alerts = self.asked("alerts")["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"].get("instance", ""))
            for one in alerts
            if one["state"] == "firing"
        }

    def until(self, what: str, reached: Any) -> None:
        """Waits until it is so."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if reached():
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, f"{what}: still not; {self._log.read_text()[-2000:]}"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def _targets(addresses: Sequence[str]) -> str:
    return "".join(rf"\g<1>{address}" + "\n" for address in addresses)
