"""The files of deploy/systemd as systemd takes them. The rules of logrotate are in daemon/test_rotation.py, and what a
running systemd makes of the parts of the unit in bootstrap/test_systemd.py."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.generated import ROOT, UNIT
from wrpme.bootstrap.hosts import systemd_unit

FILES = ROOT / "deploy" / "systemd"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users and directories of others")


def lines(text: str) -> set[str]:
    return {line for line in text.splitlines() if line and line[0] not in "#["}


def test_what_differs_from_a_node_over_ssh() -> None:
    """All else is the same: the hardening, the limits, the restarts."""
    by_hand = lines((ROOT / UNIT).read_text())
    over_ssh = lines(systemd_unit.unit("n", "/var/lib/wrpme/n", user=False, address="h:5909"))
    names = {line.partition("=")[0] for line in by_hand ^ over_ssh}
    assert names == {
        "CapabilityBoundingSet", "Description", "Documentation", "ExecReload", "ExecStart", "Group", "ReadWritePaths",
        "RequiresMountsFor", "StateDirectory", "StateDirectoryMode", "User",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    text = (ROOT / UNIT).read_text().replace("/opt/wrpme/bin/wrpmed", "/bin/true")
    (tmp_path / "wrpmed.service").write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / "wrpmed.service"],
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (0, "")


@AS_ROOT
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="there is no systemd here")
def test_the_user_and_its_directories(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for program, file in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        create = ["--create"] if file == "tmpfiles" else []
        command = [program, f"--root={tmp_path}", *create, str(FILES / f"wrpmed.{file}")]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
    entry = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("wrpmed:"))
    _, _, user, group, about, home, shell = entry.split(":")
    assert (about, home) == ("wrpme node", "/var/lib/wrpmed")
    assert shell.endswith("nologin")
    made = (tmp_path / "etc/wrpme").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (0, int(group), 0o750)
    assert int(user) < 1000
