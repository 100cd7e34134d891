"""A system that gives a node few files, or none for a while: it serves on, or leaves service and returns."""

from __future__ import annotations

import os
import resource
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.daemons import PATIENCE_SECONDS, Daemons, until
from wrpme import Client, WrpmeError
from wrpme.errors import ShortageError
from wrpme.limits import MIB

pytestmark = pytest.mark.asyncio

FILES = 256


def few() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def log_of(hive: Daemons, index: int = 0) -> str:
    return (hive.directory / f"{index}.log").read_text()


async def test_silent_connections_leave_the_disk_its_files(tmp_path: Path) -> None:
    """Far more than the system lets the node have; meanwhile LevelDB begins a log and a table, and a node joins."""

    with Daemons(tmp_path, 2, "--replication", "2") as hive:
        hive.start(0, prepare=few)
        host, _, port = hive.addresses[0].rpartition(":")
        await hive.until_stable(1)
        with ExitStack() as silent:
            for _ in range(2 * FILES):
                silent.enter_context(socket.create_connection((host, int(port))))
            async with Client(hive.addresses[:1], timeout=PATIENCE_SECONDS) as client:
                for number in range(24):
                    await client.put(f"entry-{number}", bytes(MIB))
                hive.start(1)
                await hive.until_stable(2)
                assert await client.get("entry-0") == bytes(MIB)
                await client.put("last", b"content")
        hive.check_alive()
        assert "had said nothing yet" in log_of(hive)
        hive.terminate(0, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system changes the limit of a process that runs")
async def test_a_node_that_gets_no_file_for_its_disk_returns(tmp_path: Path) -> None:
    with Daemons(tmp_path, 1, "--replication", "1") as hive:
        hive.start(0)
        await hive.until_stable(1)
        acknowledged: dict[str, bytes] = {}
        process = hive.processes[0].pid
        soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
        async with Client(hive.addresses, timeout=5.0) as client:
            await client.put("before", b"content")
            resource.prlimit(process, resource.RLIMIT_NOFILE, (4, hard))
            for number in range(64):
                content = os.urandom(MIB)
                try:
                    await client.put(f"entry-{number}", content)
                except WrpmeError:
                    break
                acknowledged[f"entry-{number}"] = content
            else:
                raise AssertionError("it needed no file")

            async def says_why() -> bool:
                return "as many open files as it may" in log_of(hive)

            await until("it says what it lacks", says_why)
            hive.check_alive()
            resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))

            async def back() -> bool:
                return await client.get("before") == b"content"

            await until("the node is back", back)
            for alias, content in acknowledged.items():
                assert await client.get(alias) == content, alias
            await client.put("after", b"works")
        hive.check_alive()
        assert "can be used again; the node returns" in log_of(hive)
        assert ShortageError.word not in log_of(hive), "words are for clients"
        hive.terminate(0)
