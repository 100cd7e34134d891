"""What a command of the shell loads once it runs, and not only once it is imported (see tests/test_imports.py): a
single command must not pay for what it does not use. How long it takes is measured by bench/startup.py."""

from __future__ import annotations

import subprocess
import sys

from tests.system.daemons import environment, free_port

FOREIGN = {"textual", "plyvel", "plyvel_next", "asyncssh", "uvloop", "wrpme.daemon", "wrpme.core.node"}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has after that code."""
    code = f"{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_single_command() -> None:
    """It fails as no daemon is there, after it has loaded all that asking takes."""
    modules = loaded_by(f"""
import sys
from wrpme.cli import main
sys.argv = ["wrpmesh", "--daemon", "127.0.0.1:{free_port()}", "--timeout", "0.5", "get", "x"]
try:
    main()
except SystemExit as end:
    assert end.code == 1
""")
    assert "wrpme.client.connection" in modules
    assert not modules & {*FOREIGN, "prompt_toolkit"}


def test_the_line_editor() -> None:
    modules = loaded_by("import sys, wrpme.shell.prompt, wrpme.client.client")
    assert "prompt_toolkit" in modules
    assert not modules & FOREIGN
