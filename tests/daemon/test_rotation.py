"""The log of a running node under a real logrotate: deploy/systemd/wrpmed.logrotate, and with copytruncate instead."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid


from tests.daemon.test_main import PATIENCE_SECONDS, ROOT, wrpmed
from tests.programs import program
from tests.daemon_parts import until_written
from tests.system.daemons import free_port

RULES = (ROOT / "deploy" / "systemd" / "wrpmed.logrotate").read_text()
UNIT = (ROOT / "deploy" / "systemd" / "wrpmed.service").read_text()
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8").split("## Rotating the log")[1].split("\n## ")[0]


def rotate(directory: Path, rules: str, pid: int) -> None:
    """Runs logrotate with these rules, as the user of the tests in the place of the unit's; systemctl sends the signal
    that it is asked for to the node."""
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "systemctl").write_text(f'#!/bin/sh\n[ "$*" = "{ASKED}" ] && kill -HUP {pid}\n')
    (programs / "systemctl").chmod(0o755)
    path = directory / "rules"
    user, group = getpwuid(os.getuid()).pw_name, getgrgid(os.getgid()).gr_name
    rules = rules.replace("/var/lib/wrpmed/log", str(directory / "log")).replace(SU, f"su {user} {group}\n")
    path.write_text(rules)
    path.chmod(0o644)
    done = subprocess.run(
        [program("logrotate"), "--force", "--state", str(directory / "state"), str(path)],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ASKED = "kill --kill-who=main --signal=HUP wrpmed.service"
SU = "su wrpmed wrpmed\n"


def test_the_rules_are_carried_out_by_the_user_of_the_unit() -> None:
    assert f"    {SU}" in RULES and re.search(r"^User=wrpmed$", UNIT, re.MULTILINE)


def test_the_rules_stand_in_the_page() -> None:
    found = re.search(r"```\n(/var/lib/wrpmed/log \{.*?)```", PAGE, re.DOTALL)
    assert found is not None and found[1] in RULES


def test_no_line_is_lost(tmp_path: Path) -> None:
    """Also where others than root may write to the directory: logrotate refuses that unless it is told a user."""
    log, older = tmp_path / "log", tmp_path / "log.1"
    tmp_path.chmod(0o777)
    port = free_port()
    with wrpmed(tmp_path, port, "-l", "log", "--transient") as process:
        process.until("serving at")
        until_written(log, "serving at")
        rotate(tmp_path, RULES, process.popen.pid)
        process.until("the log file was reopened")
        until_written(log, "the log file was reopened")
        assert "serving at" in older.read_text() and "serving at" not in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o640, "as the node makes it"

        begin, end = RULES.index("    nocreate"), RULES.index("    endscript\n") + len("    endscript\n")
        rotate(tmp_path, f"{RULES[:begin]}    copytruncate\n{RULES[end:]}", process.popen.pid)
        assert "the log file was reopened" in older.read_text()
        assert (tmp_path / "log.2.gz").exists() and log.read_bytes() == b""
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0
    lines = log.read_text().splitlines()
    assert lines and all(re.match(r"\d{4}-", line) for line in lines), "it goes on at the beginning of the file"
    assert lines[-1].endswith("stopped")
