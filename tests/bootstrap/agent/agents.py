"""The agent as a process of this machine, without SSH: forked, or with the command and the sources of a remote one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from tests.system import forked
from tests.system.daemons import PATIENCE_SECONDS
from tests.system.forked import Forked
from wrpme.bootstrap.agent import dispatch
from wrpme.bootstrap.hosts import agent_client

PORT = 5950 + 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""It and the next one are those of this worker: others may run such tests now."""
NODE = f"127.0.0.1-{PORT}"
FAKE_DAEMON = """\
#!/bin/sh
echo $$ > {node}/pid
exec {python} -B -c '{program}' wrpme.daemon -r {node}/data
"""
"""A ``run`` whose process looks like wrpmed."""
WAITS = "import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"


class RefusedError(Exception):
    """What the agent answered instead."""

    def __init__(self, word: str, sentence: str) -> None:
        super().__init__(f"{word}: {sentence}")
        self.word = word
        self.sentence = sentence


class Agent:
    """One agent; its environment is ``home`` and what every machine has. It is forked from a process that has loaded
    it, unless it is said what comes before its command: then it is one of ``pythons``, and begins as a remote one."""

    def __init__(
        self,
        home: Path,
        before: Sequence[str] | None = None,
        pythons: Sequence[str] = ("/usr/bin/python3", sys.executable),
    ) -> None:
        (into, self._into), (self.output, out), (errors, error) = os.pipe(), os.pipe(), os.pipe()
        self._errors = os.fdopen(errors)
        self._buffer = b""
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self._process: Forked | subprocess.Popen[bytes]
        if before is None:
            self._process = forked.begin(dispatch.serve, (into, out, error), home, environment)
        else:
            words = [*before, "sh", "-c", agent_client.FIND, "wrpme", agent_client.LOAD, *pythons]
            self._process = subprocess.Popen(words, stdin=into, stdout=out, stderr=error, env=environment, cwd=home)
            self.write(agent_client.first_input())
        for descriptor in (into, out, error):
            os.close(descriptor)
        self.line()
        self.hello = json.loads(self.line())

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, content: bytes) -> None:
        """To its stdin."""
        while content:
            content = content[os.write(self._into, content) :]

    def line(self) -> str:
        """The next that it says."""
        end = monotonic() + PATIENCE_SECONDS
        while b"\n" not in self._buffer:
            assert select.select([self.output], [], [], end - monotonic())[0], "the agent says nothing"
            part = os.read(self.output, 1 << 20)
            assert part, f"the agent has ended: {self.stderr()}"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def stderr(self) -> str:
        """What it wrote there; it must have ended."""
        return self._errors.read()

    def ask(self, do: str, **arguments: Any) -> None:
        """A request whose answer is left for ``answer``."""
        self.write(json.dumps({"do": do, **arguments}).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """The next one.

        Raises:
            RefusedError: it is an error.
        """
        answer = json.loads(self.line())
        if "error" in answer:
            raise RefusedError(answer["error"]["word"], answer["error"]["sentence"])
        found: dict[str, Any] = answer["ok"]
        return found

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """A request and its answer."""
        self.ask(do, **arguments)
        return self.answer()

    def refusal(self, do: str, **arguments: Any) -> tuple[str, str]:
        """The word and the sentence with which a request is refused."""
        try:
            answer = self.call(do, **arguments)
        except RefusedError as error:
            return error.word, error.sentence
        raise AssertionError(f"{do} was not refused: {answer}")

    def lock(self, base: Path, seconds: float = 0.0) -> dict[str, Any]:
        """Takes the lock of that directory."""
        return self.call("lock", directory=str(base), text="jane@desk, hive_apply", seconds=seconds)

    def look(self, base: Path, *nodes: tuple[str, int]) -> dict[str, Any]:
        """The machine; nodes are addresses, the usual one if none is given."""
        wanted = {f"{host}-{port}": {"address": [host, port]} for host, port in nodes or [("127.0.0.1", PORT)]}
        return self.call("look", directory=str(base), nodes=wanted)

    def configure(self, base: Path, name: str = NODE, program: str = WAITS, release: str = "1") -> dict[str, Any]:
        """A node whose process looks like wrpmed and runs that program."""
        node = base / "nodes" / name
        run = FAKE_DAEMON.format(node=node, python=sys.executable, program=program)
        record = {"address": f"127.0.0.1:{PORT}", "service": "process", "release": release}
        return self.call("configure", name=name, record=record, run=run, unit=None)

    def close_input(self) -> int:
        """Nobody asks for anything any more; the agent's exit code."""
        if self._into >= 0:
            os.close(self._into)
            self._into = -1
        return self._process.wait(PATIENCE_SECONDS)

    def close(self) -> int:
        """The end of its input, and its own; its exit code."""
        code = self.close_input()
        if not self._errors.closed:
            self._errors.close()
            os.close(self.output)
        return code

    def kill(self) -> None:
        """kill -9 of the agent itself, not of the shell around it."""
        if isinstance(self._process, Forked):
            self._process.kill()
        else:
            subprocess.run(["pkill", "-KILL", "-P", str(self._process.pid)], check=True)
        self._process.wait(PATIENCE_SECONDS)


def wait_for(path: Path) -> str:
    """What is in that file, once something is."""
    end = monotonic() + PATIENCE_SECONDS
    while not path.exists() or not path.read_text():
        assert monotonic() < end, f"{path} is never written"
        sleep(0.002)
    return path.read_text()


def files_in(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Each file there, with its content, mode and time of change."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            state = path.stat()
            found[str(path.relative_to(directory))] = (path.read_bytes(), state.st_mode, state.st_mtime_ns)
    return found
