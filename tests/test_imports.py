"""What an import loads: a shell that is started for one command pays for nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wrpme

HEAVY = ("textual", "plyvel", "asyncssh", "uvloop", "argparse", "wrpme.daemon", "wrpme.core", "wrpme.tui")
SHELL = sorted(path.stem for path in (Path(wrpme.__file__).parent / "shell").glob("[!_]*.py"))


def loaded_by(program: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


@pytest.mark.parametrize("module", ["wrpme.cli", "wrpme.client.client", "wrpme.client.blocking"])
def test_the_client_and_the_command_load_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}").intersection({*HEAVY, "prompt_toolkit"})


def test_the_shell_loads_nothing_heavy() -> None:
    modules = [f"wrpme.shell.{name}" for name in SHELL if name != "prompt"]  # what only a terminal needs
    assert not loaded_by(f"import {', '.join(modules)}").intersection({*HEAVY, "prompt_toolkit"})
    assert not loaded_by("import wrpme.shell.prompt").intersection(HEAVY)


def test_a_usage_error_loads_no_asyncio() -> None:
    assert "asyncio" not in loaded_by("import wrpme.cli")


def test_the_package_alone_loads_nothing() -> None:
    assert not loaded_by("import wrpme").intersection({*HEAVY, "asyncio", "msgspec", "wrpme.client.client"})


def test_public_names() -> None:
    loaded_by(
        "import wrpme\n"
        "for name in wrpme.__all__: getattr(wrpme, name)\n"
        "assert wrpme.Client.__module__ == 'wrpme.client.client'"
    )
