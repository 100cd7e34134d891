"""Files through pipes, and the exit codes that scripts go by, with a real hive."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import forked
from tests.system.daemons import PATIENCE_SECONDS, Daemons, environment, finished, free_port, stable_hive, wrpmesh
from wrpme import BlockingClient
from wrpme.errors import IndeterminateError, NotFoundError
from wrpme.limits import CONTENT_BYTES_MAX

TREE_BYTES = 20 * 1024 * 1024
FILES = 10
SEED = 1


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("pipes"), 3) as daemons:
        yield daemons


def run(hive: Daemons, *arguments: str, given: bytes | None = None) -> tuple[int, bytes, str]:
    """Exit code, standard output, standard error; through the third node."""
    words = ("--daemon", hive.addresses[2], *arguments)
    if given is not None and len(given) > forked.GIVEN_BYTES_MAX:
        done = finished(wrpmesh(*words), given)
    else:
        done = forked.wrpmesh(*words, given=given)
    return done.returncode, done.stdout, done.stderr.decode()


def test_a_tree_goes_in_and_out(hive: Daemons, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    chance = random.Random(SEED)
    for number in range(FILES):
        (source / str(number)).write_bytes(chance.randbytes(TREE_BYTES // FILES))
    shell = " ".join(wrpmesh("--daemon", hive.addresses[0]))
    for line in (f"tar c -C {source} . | {shell} update tree -", f"{shell} get tree | tar x -C {target}"):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], env=environment(), capture_output=True, timeout=PATIENCE_SECONDS
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert digests(target) == digests(source)


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_single_commands(hive: Daemons) -> None:
    content = bytes(range(256))
    assert run(hive, "put", "bytes", "-", given=content) == (0, b"", "")
    assert run(hive, "get", "bytes") == (0, content, "")
    assert run(hive, "put", "bytes", "again")[:2] == (1, b"")
    code, output, line = run(hive, "get", "nothing")
    assert (code, output, line) == (1, b"", 'not_found: there is no entry "nothing"\n')
    assert run(hive, "cas", "bytes", "new", "wrong")[0] == 1
    assert run(hive, "put", "empty", "-", given=b"") == (0, b"", "")
    assert run(hive, "get", "empty") == (0, b"", "")
    assert run(hive, "get_remove", "empty") == (0, b"", "")
    for wrong in (
        ["put", "x\\y", "1"],
        ["put", "", "1"],
        ["foo"],
        ["get"],
        ["--timeout", "0", "get", "x"],
        ["--dämon"],
    ):
        code, output, line = run(hive, *wrong)
        assert (code, output, line.count("\n")) == (2, b"", 1), wrong
    assert run(hive, "wait_stable", "20") == (0, b"", "")
    assert run(hive, "stop_node", f"127.0.0.1:{free_port()}")[0] == 2


def test_lines(hive: Daemons) -> None:
    lines = b"put line/1 one two  three\nget line/1\nput line/2 2\nprefix_get line/\nremove line/2\nprefix_get line/\n"
    assert run(hive, given=lines) == (0, b"one two  three\nline/1\nline/2\nline/1\n", "")
    code, output, errors = run(hive, given=b"get nothing\nget line/1\nfoo\nexit\nget line/1\n")
    assert (code, output) == (1, b"one two  three\n")
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["not_found", "no_such_command"]


def test_the_largest_content(hive: Daemons) -> None:
    """In a file of its own size, and twice in one request."""
    content = bytes(CONTENT_BYTES_MAX)
    other = content[:-1] + b"1"
    done = run(hive, "--timeout", "60", "put", "largest", "-", given=content)
    while done[2].startswith("indeterminate: "):
        done = run(hive, "--timeout", "60", "update", "largest", "-", given=content)
    assert done == (0, b"", "")
    assert run(hive, "--timeout", "60", "get", "largest") == (0, content, "")
    with BlockingClient(hive.addresses[0], timeout=PATIENCE_SECONDS) as client:
        assert certainly(client, lambda: client.cas("largest", other, content), other) in (content, None)
        assert certainly(client, lambda: client.get_remove("largest"), None) in (other, None)


def certainly(client: BlockingClient, write: Callable[[], bytes], then: bytes | None) -> bytes | None:
    """What the write answers, which leaves ``then`` (None: no entry); None where it was carried out, and the answer was
    lost: on a machine that is far too busy, a node may be taken for dead while it copies so much."""
    while True:
        try:
            return write()
        except IndeterminateError:
            try:
                found: bytes | None = client.get("largest")
            except NotFoundError:
                found = None
            if found == then:
                return None
