"""What an operator does to the hive, with real daemons and the real shell: who asked is in the log of each node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, finished, until, wrpmesh
from wrpme import Client


@pytest.mark.asyncio
async def test_the_log_has_the_address_of_whoever_asked(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--replication", "1", "--audit-log", "audit.log") as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        two, three = daemons.addresses[1:]
        async with Client(daemons.addresses, timeout=15.0) as client:
            for number in range(60):
                await client.put(f"entry/{number}", b"1")
            await client.remove_all()
            await client.leave(three)
            for number in range(60):
                await client.put(f"entry/{number}", b"1")
        daemons.kill(0)  # the senior of two: the other one sees no quorum

        def log(index: int) -> str:
            return (tmp_path / f"{index}.log").read_text()

        asked = r"asked by 127\.0\.0\.1:\d+"
        for index in range(3):
            assert re.search(rf"WARN  remove_all: every entry .*; {asked}\n", log(index))
        assert re.search(rf"WARN  leave: this node moves its data away .*; {asked}\n", log(2))

        recover = [*wrpmesh("--daemon", two), "recover", "--force"]
        refused = finished(recover, given=b"no\n")
        assert refused.returncode == 2 and b"it takes the word yes" in refused.stderr
        assert "generation 2" not in log(1)

        async def recovered() -> bytes | None:
            """It refuses for as long as the dead one may only be out of sight."""
            done = finished(recover, given=b"yes\n")
            return done.stdout if not done.returncode else None

        told = await until("it recovers", recovered)
        assert re.search(rb"by what lies on the rest of the ring, about \d+ entries are given up", told)
        assert re.search(rf"WARN  an operator says that the missing voters are dead: .*; {asked}\n", log(1))
        audit = (tmp_path / "audit.log").read_text()
        assert all(len(re.findall(rf"AUDIT remove_all {one}, asked by .*: done\n", audit)) for one in daemons.addresses)
        assert re.search(rf"AUDIT leave {three}, {asked}: done\n", audit)
        assert re.search(rf"AUDIT recover, {asked}: done\n", audit)
        assert not any("AUDIT" in log(index) for index in range(3)), "it has a file of its own"
