"""Programs of node beside a hive: the clients of Redis that they use come from npm, into a directory of the user's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.system.daemons import PATIENCE_SECONDS

PROGRAMS = Path(__file__).parent / "redis_clients"
NODE_MIN = 20
"""As the clients want it."""


def needed() -> Path:
    """Returns where the packages are; skips the test where they can't be had, fails it where all has to be run."""
    packages, missing = _packages()
    if packages is not None:
        return packages
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@cache
def _packages() -> tuple[Path | None, str]:
    if not shutil.which("node") or not shutil.which("npm"):
        return None, "there is no node here, or no npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < NODE_MIN:
        return None, f"node {version} is here, {NODE_MIN} is needed"
    wanted = hashlib.sha256((PROGRAMS / "package-lock.json").read_bytes()).hexdigest()[:16]
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wrpme-tests" / wanted
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(dir=cached.parent)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROGRAMS / name, made)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(install, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(made)
            return None, f"npm can't install the clients: {done.stderr}"
        try:
            os.rename(made, cached)
        except OSError:  # somebody else was faster
            shutil.rmtree(made)
    return cached / "node_modules", ""


def said(program: str, *arguments: str) -> list[dict[str, Any]]:
    """What a scenario heard, step by step."""
    done = subprocess.run(
        ["node", program, *arguments],
        cwd=PROGRAMS,
        env={**os.environ, "NODE_PATH": str(needed())},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]
