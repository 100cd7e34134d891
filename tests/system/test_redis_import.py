"""hive_import from a real redis-server into a hive of three."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.system import forked, redis_server
from tests.system.daemons import Daemons, environment, free_port, stable_hive
from tests.system.redis_server import RedisServer
from wrpme import Client
from wrpme.shell.limits import IMPORT_KEYS_MAX

KEYS = 3 * IMPORT_KEYS_MAX
MANY = 20_000


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    redis_server.needed()
    with stable_hive(tmp_path_factory.mktemp("import"), 3) as daemons:
        yield daemons


def imported(hive: Daemons, *words: str) -> tuple[int, str, list[str]]:
    """The exit code, what was printed, and what was said."""
    told = ("--daemon", hive.addresses[0], "hive_import", *words)
    done = forked.wrpmesh(*told, directory=hive.directory, values=environment())
    return done.returncode, done.stdout.decode().strip(), done.stderr.decode().splitlines()


def filled(server: RedisServer, keys: int = KEYS) -> Any:
    client = redis.Redis(host="127.0.0.1", port=server.port)
    client.mset({f"key:{number}": f"value {number}" for number in range(keys)})
    return client


def test_all_of_a_redis_comes_over_and_again(hive: Daemons, tmp_path: Path) -> None:
    large = bytes(range(256)) * (8 << 12)  # 8 MiB: more than is read of small ones at a time

    async def found() -> tuple[int, list[bytes | None], list[Any]]:
        async with Client(hive.addresses) as client:
            contents = await client.get_many(["key:7", b"\xff \r\n", "short"])
            assert await client.get("large") == large
            return await client.count(), contents, [await client.get_expiry(key) for key in ("key:7", "lives")]

    with RedisServer(tmp_path) as server, filled(server) as there:
        there.mset({b"\xff \r\n": b"\0", "large": large})
        there.set("lives", "1", ex=1000)
        there.set("short", "1", px=1)
        there.rpush("a list", 1)
        url = f"redis://127.0.0.1:{server.port}"
        code, out, said = imported(hive, url)
        assert code == 1 and out.startswith(f"{KEYS + 3:,} entries written")
        assert said[1:] == ['1 key of type list left out, as a hive has strings only: "a list"']
        count, contents, (never, end) = asyncio.run(found())
        assert count == KEYS + 3 and contents == [b"value 7", b"\0", None] and never is None
        assert abs(end.timestamp() - there.expiretime("lives")) < 30
        there.set("key:7", "another", ex=1000)
        there.delete("a list", "lives")
        assert imported(hive, url)[:2] == (0, f"{KEYS + 2:,} entries written")
        count, contents, (end, _) = asyncio.run(found())
        assert count == KEYS + 3, "what is gone there stays here"
        assert contents[0] == b"another" and end is not None


def test_a_redis_that_dies_in_the_middle(hive: Daemons, tmp_path: Path) -> None:
    """It is killed when the second page of very many has been asked for."""
    with RedisServer(tmp_path) as server, filled(server, MANY) as there, ThreadPoolExecutor(1) as executor:
        with there.monitor() as monitor:
            running = executor.submit(imported, hive, f"redis://127.0.0.1:{server.port}")
            scans = (said for said in monitor.listen() if said["command"].startswith("SCAN"))
            assert next(scans) and next(scans)
            server.kill()
        code, out, said = running.result()
    assert (code, out, len(said)) == (1, "", 2)
    assert said[1].startswith(f"connection: the connection to the Redis at 127.0.0.1:{server.port} broke; ")
    assert said[1].endswith(" entries had been written, and hive_import begins anew when it is given again")


def test_whom_a_redis_refuses_and_what_is_none(hive: Daemons, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with redis.Redis(host="127.0.0.1", port=server.port) as there:
            there.set("a", 1)
            there.acl_setuser("reader", enabled=True, passwords="+s@cret", categories=["+@read"], keys="*")
            there.config_set("requirepass", "secret")
        place = f"127.0.0.1:{server.port}"
        for user, reason in (("", "Authentication required"), (":wrong@", "invalid username-password pair or user is")):
            code, out, (said,) = imported(hive, f"redis://{user}{place}")
            assert (code, out) == (2, "") and said.startswith("usage: ") and "wrong" not in said.partition("(")[0]
            assert said.startswith(f"usage: the Redis at {place} refuses this user or password ({reason}")
        assert imported(hive, f"redis://:secret@{place}")[0] == 0
        assert imported(hive, f"redis://reader:s%40cret@{place}")[:2] == (0, "1 entry written")
        code, _, (said,) = imported(hive, f"redis://:secret@{place}/99")
        assert code == 2 and said.endswith("refuses what hive_import asks (DB index is out of range)")
    port = free_port()
    code, _, (said,) = imported(hive, f"redis://127.0.0.1:{port}")
    assert code == 1
    assert said == f"connection: no Redis answers at 127.0.0.1:{port} (connection refused); look at host and port"


def test_a_hive_does_not_import_itself(hive: Daemons) -> None:
    url = f"redis://{hive.addresses[1]}"
    code, out, said = imported(hive, url)
    assert (code, out) == (2, "")
    assert said == [f"usage: {hive.addresses[1]} is a node of this very hive; hive_import reads another one"]
