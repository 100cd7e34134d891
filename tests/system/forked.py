"""wrpmesh, wrpmed or another program as a process of its own that is forked from one that has imported it: for tests of
what it does, and not of how a Python starts, which costs more than most commands."""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import forkserver, reduction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, BinaryIO

from wrpme import cli
from wrpme.daemon.main import main as wrpmed_main

CLONE_NEWNET = 0x4000_0000
PR_SET_PDEATHSIG = 1
PATIENCE_SECONDS = 60.0
GIVEN_BYTES_MAX = 64 * 1024
"""What a pipe takes before anybody reads it."""
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        __name__,
        "uvloop",
        "wrpme.client.client",
        "wrpme.bootstrap.commands",
        "wrpme.bootstrap.agent.dispatch",
        "wrpme.shell.prompt",
    ]
)


@atexit.register
def _end_all() -> None:
    """Else Python waits at its end for what a test has left, for ever, when all results are told long since."""
    for process in multiprocessing.active_children():
        process.kill()


class Forked:
    """A process, as :class:`subprocess.Popen` has it."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired([self._process.name], timeout)
        return code

    def send_signal(self, number: int) -> None:
        """As long as it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


def wrpmesh(
    *words: str,
    given: bytes | None = None,
    directory: Path | None = None,
    values: Mapping[str, str] = os.environ,
    network: str = "",
    patience_seconds: float = PATIENCE_SECONDS,
) -> subprocess.CompletedProcess[bytes]:
    """A command that has run to its end, with these bytes or nothing on its standard input; ``values`` are its whole
    environment, ``network`` is the file of the network namespace that it runs in."""
    assert given is None or len(given) <= GIVEN_BYTES_MAX
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        standard_input = _input(given)
        standard = (standard_input, out.fileno(), err.fileno())
        process = start(words, standard, directory or Path.cwd(), values, network)
        os.close(standard_input)
        try:
            code = process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for output in (out, err):
            output.seek(0)
            said.append(output.read())
        return subprocess.CompletedProcess(["wrpmesh", *words], code, *said)


def wrpmesh_on(terminal: str, *words: str, values: Mapping[str, str]) -> BaseProcess:
    """A command that has begun, at the terminal of that name: from there it hears Ctrl-C."""
    process = _processes.Process(target=_run_on, args=(terminal, words, dict(values)))
    process.start()
    return process


def start(
    words: Sequence[str], standard: Sequence[int], directory: Path, values: Mapping[str, str], network: str = ""
) -> Forked:
    """A command that has begun; see :func:`begin`."""
    return begin(partial(_wrpmesh, words), standard, directory, values, network)


def wrpmed(
    options: Sequence[str], out: BinaryIO, directory: Path, values: Mapping[str, str], network: str = ""
) -> Forked:
    """A daemon that has begun, with that standard output and error; see :func:`begin`."""
    with open(os.devnull, "rb") as nothing:
        standard = (nothing.fileno(), out.fileno(), out.fileno())
        return begin(partial(_wrpmed, options), standard, directory, values, network)


def begin(
    program: Callable[[], None],
    standard: Sequence[int],
    directory: Path,
    values: Mapping[str, str],
    network: str = "",
) -> Forked:
    """A process that runs that program, in a session of its own: no terminal is its own but one that it is given. It
    has these descriptors as its standard input, output and error; the caller waits for its end."""
    inherited = tuple(map(_Descriptor, standard))
    process = _processes.Process(target=_run, args=(program, inherited, directory, dict(values), network))
    process.start()
    return Forked(process)


def _input(given: bytes | None) -> int:
    if given is None:
        return os.open(os.devnull, os.O_RDONLY)
    reading, feeding = os.pipe()
    os.write(feeding, given)
    os.close(feeding)
    return reading


class _Descriptor:
    """Arrives in the other process as the number that it has there."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[object, ...]:
        return _inherited, (reduction.DupFd(self._number),)


def _inherited(descriptor: Any) -> int:
    number: int = descriptor.detach()
    return number


def _wrpmesh(words: Sequence[str]) -> None:
    sys.argv = ["wrpmesh", *words]
    cli.main()


def _wrpmed(options: Sequence[str]) -> None:
    sys.argv = ["wrpmed", *options]
    wrpmed_main()


def _end_with_tests() -> None:
    """The process ends with the one that it is forked from, and that one when the tests have ended in any way: it hears
    so from the last who lets go of a pipe, which each process would keep open that is forked from it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    alive: int = vars(vars(forkserver)["_forkserver"])["_forkserver_alive_fd"]
    os.close(alive)


def _run(
    program: Callable[[], None], standard: Sequence[int], directory: Path, values: dict[str, str], network: str
) -> None:
    _end_with_tests()
    os.setsid()
    if network:
        enter(network)
    os.chdir(directory)
    _main(standard, program, values)


def _run_on(terminal: str, words: Sequence[str], values: dict[str, str]) -> None:
    _end_with_tests()
    os.setsid()
    opened = os.open(terminal, os.O_RDWR)  # the first one that a session opens is the one that it is controlled by
    _main((opened, os.dup(opened), os.dup(opened)), partial(_wrpmesh, words), values)


def _main(standard: Sequence[int], program: Callable[[], None], values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)
    for number, inherited in enumerate(standard):
        os.dup2(inherited, number)
    for inherited in standard:
        os.close(inherited)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    program()


def enter(network: str) -> None:
    """From now on this thread is in the network namespace of that file."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(network, "rb") as space:
        assert libc.setns(space.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
