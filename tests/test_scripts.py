"""What scripts/test installs of the system: what the files need that are asked for, and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("bash", "cat", "dirname", "env", "grep", "rm")
"""What the script uses and every machine has."""
ALL = {"chromium", "fish", "groff", "iproute2", "iptables", "nodejs", "npm", "tmux", "zsh"}
"""Of the packages those whose programs are found by PATH: the others may be on this machine."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The script and the tests, where nothing is run or installed but the names of packages are written down."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts" / "test")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (programs / tool).symlink_to(found)
    stubs = {
        tmp_path / "scripts" / "install": "echo venv",
        tmp_path / "venv" / "bin" / "python": "",
        programs / "id": "echo 0",
        programs / "install": "cat > /dev/null",
        programs / "apt-get": f'[ "$1" != install ] || echo "$@" > {tmp_path}/installed',
    }
    for path, body in stubs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (["tests/core/test_voter.py", "-k", "late"], set()),
        (["tests/protocol", "tests/shell"], set()),
        (["tests/bootstrap/test_platform.py"], set()),
        (["tests/bootstrap/test_connector.py::test_of_some_name"], {"iproute2"}),
        (["tests/system/test_dashboard.py"], {"tmux"}),
        (["tests/system/test_redis_clients.py"], {"nodejs", "npm"}),
        (["tests/system/test_web.py"], {"chromium"}),
        (["tests/system/test_readme.py"], {"iproute2"}),
        (["tests/system/test_nemesis.py", "tests/core"], {"iproute2", "iptables"}),
        (["tests/system"], ALL - {"fish", "groff", "zsh"}),
        (["tests/deploy"], {"fish", "groff", "zsh"}),
        (["-x"], ALL),
        ([], ALL),
    ],
)
def test_what_is_installed_follows_from_the_files(project: Path, arguments: list[str], packages: set[str]) -> None:
    program = [str(project / "scripts" / "test"), *arguments]
    subprocess.run(program, env={"PATH": str(project / "programs")}, check=True, timeout=60)
    installed = project / "installed"
    words = installed.read_text().split() if installed.exists() else []
    assert ALL.intersection(words) == packages


def test_scripts_can_be_run() -> None:
    for script in (ROOT / "scripts").iterdir():
        assert os.access(script, os.X_OK), script
        subprocess.run(["bash", "-n", str(script)], check=True)
