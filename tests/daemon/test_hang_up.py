"""The file of options as docs/operations.md tells it: checked, started with, changed while requests run, spoilt."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.daemon.test_main import PATIENCE_SECONDS, ROOT, Process, command, environment
from tests.system.daemons import free_port
from wrpme import BlockingClient

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
SECTION = PAGE.split("## A file of options")[1].split("\n## ")[0]


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", SECTION, re.DOTALL)
    assert found is not None
    return found[1]


def run(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=directory, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_the_file_of_options_as_the_page_tells_it(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    path = tmp_path / "wrpmed.toml"
    page = block("toml")
    text = re.sub(r"peer = .*\n", "", page.replace("192.168.1.2:5909", address))
    text = text.replace("/var/lib/wrpmed", str(tmp_path))
    assert (address in text, text.count(str(tmp_path))) == (True, 2)
    path.write_text(text)
    check, start = (
        line.removeprefix("$ wrpmed ").replace("/etc/wrpme", str(tmp_path)).split()
        for line in re.findall(r"^\$ wrpmed .*$", SECTION, re.MULTILINE)
    )

    checked = run(check, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"grace = 120 # {path}, line 4" in [" ".join(line.split()) for line in checked.stdout.splitlines()]
    assert [found.name for found in tmp_path.iterdir()] == [path.name], "nothing is started, and nothing made"

    with subprocess.Popen(
        command(*start, "-o"), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    ) as popen:
        try:
            changes(Process(popen), address, path, text)
        finally:
            popen.kill()


def changes(process: Process, address: str, path: Path, text: str) -> None:
    process.until("serving at")
    done = threading.Event()
    trouble: list[BaseException] = []

    def requests() -> None:
        try:
            with BlockingClient(address) as client:
                while not done.is_set():
                    client.update("entry", b"1")
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=requests)
    thread.start()
    told = re.findall(r"^(?:INFO|WARN|ERROR) +(.*)$", SECTION, re.MULTILINE)

    def hang_up(changed: str | bytes, part: str) -> str:
        path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        process.popen.send_signal(signal.SIGHUP)
        return process.until(part)

    again = "the configuration was read again: "
    assert told[0] in hang_up(text.replace("grace = 120", "grace = 30"), again)
    assert told[1] in hang_up(text.replace("grace = 120", "grace = 30") + "sessions = 500\nreplication = 3\n", again)
    bad = text.replace("grace", "grce")
    line = hang_up(bad, "the configuration stays as it is: ")
    assert re.sub(r"line \d+", "line 5", line).endswith(told[2].replace("/etc/wrpme", str(path.parent))), line
    assert "at its end: not TOML" in hang_up(text + "[", "stays as it is")
    path.unlink()
    process.popen.send_signal(signal.SIGHUP)
    assert "can't be read (No such file or directory)" in process.until("stays as it is")
    with BlockingClient(address) as client:
        shown = client.node_config(address)
        assert shown["grace"] == {"value": 30.0, "origin": f"{path}, line 4"}
        assert shown["sessions"]["value"] == 500
        assert shown["replication"] == {"value": None, "origin": "default"}, "that waits for a restart"
        assert shown["log-console"]["origin"] == "command line"
        assert client.node_status(address)["grace_seconds"] == 30.0
    assert "log-format is json" in json.loads(hang_up(text + 'log-format = "json"', again))["message"]
    assert "nothing in it has changed" in hang_up(text + 'log-format = "json"\n# the same', again)
    assert "log-level is error" in hang_up(text + 'log-level = "error"', again)
    assert "log-level is info" in hang_up(text, again)
    done.set()
    thread.join(PATIENCE_SECONDS)
    assert not trouble
    process.popen.send_signal(signal.SIGTERM)
    assert process.end() == 0


def test_one_that_comes_before_it_is_handled_does_not_end_the_node() -> None:
    program = (
        "import os, signal\n"
        "from wrpme.daemon import main\n"
        "main.run = lambda arguments: os.kill(os.getpid(), signal.SIGHUP) or 3\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment(), timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 3
