"""What an import loads: a shell that is started for one command pays for nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("textual", "plyvel", "asyncssh", "prompt_toolkit", "uvloop", "argparse", "wrpme.daemon", "wrpme.core.node")


def loaded_by(program: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


@pytest.mark.parametrize(
    "module", ["wrpme.cli", "wrpme.client.client", "wrpme.client.blocking", "wrpme.shell.local_hive"]
)
def test_the_shell_and_the_client_load_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}").intersection(HEAVY)


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
