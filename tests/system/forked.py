"""wrpmesh as a process of its own that is forked from one that has imported it: for tests of what a command does, and
not of how a Python starts, which costs more than most commands."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.system.daemons import PATIENCE_SECONDS, ROOT, environment
from wrpme import cli

CLONE_NEWNET = 0x4000_0000
GIVEN_BYTES_MAX = 64 * 1024
"""What a pipe takes before anybody reads it."""
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [__name__, "asyncio", "wrpme.client.client", "wrpme.bootstrap.commands", "wrpme.shell.prompt"]
)


def wrpmesh(
    *words: str,
    given: bytes | None = None,
    directory: Path = ROOT,
    values: Mapping[str, str] | None = None,
    network: str = "",
) -> subprocess.CompletedProcess[bytes]:
    """A command that has run to its end, with these bytes or nothing on its standard input; ``values`` are its whole
    environment, ``network`` is the file of the network namespace that it runs in."""
    assert given is None or len(given) <= GIVEN_BYTES_MAX
    with tempfile.TemporaryDirectory() as outputs:
        out, err = Path(outputs, "out"), Path(outputs, "err")
        told = (words, given, directory, dict(values or environment()), network, out, err)
        process = _processes.Process(target=_run, args=told)
        process.start()
        process.join(PATIENCE_SECONDS)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["wrpmesh", *words], PATIENCE_SECONDS)
        return subprocess.CompletedProcess(["wrpmesh", *words], code, out.read_bytes(), err.read_bytes())


def wrpmesh_on(terminal: str, *words: str, values: Mapping[str, str]) -> ForkServerProcess:
    """A command that has begun, at the terminal of that name: from there it hears Ctrl-C."""
    process = _processes.Process(target=_run_on, args=(terminal, words, dict(values)))
    process.start()
    return process


def _run(
    words: Sequence[str],
    given: bytes | None,
    directory: Path,
    values: dict[str, str],
    network: str,
    out: Path,
    err: Path,
) -> None:
    if network:
        enter(network)
    os.chdir(directory)
    if given is None:
        standard_input = os.open(os.devnull, os.O_RDONLY)
    else:
        standard_input, feeding = os.pipe()
        os.write(feeding, given)
        os.close(feeding)
    _main((standard_input, _created(out), _created(err)), words, values)


def _run_on(terminal: str, words: Sequence[str], values: dict[str, str]) -> None:
    os.setsid()
    opened = os.open(terminal, os.O_RDWR)  # the first one that a session opens is the one that it is controlled by
    _main((opened, os.dup(opened), os.dup(opened)), words, values)


def _main(standards: Sequence[int], words: Sequence[str], values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)
    for standard, used in enumerate(standards):
        os.dup2(used, standard)
        os.close(used)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    sys.argv = ["wrpmesh", *words]
    cli.main()


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT)


def enter(network: str) -> None:
    """From now on this thread is in the network namespace of that file."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(network, "rb") as space:
        assert libc.setns(space.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
