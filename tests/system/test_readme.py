"""The transcript of the README, to the letter, on three machines in namespaces of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.system.daemons import ROOT, wrpmesh
from tests.system.netns import Namespaces
from tests.system.terminal import Session
from tests.system.test_tutorial import Machines
from tests.system.test_tutorial import network as network

README = (ROOT / "README.md").read_text("utf-8")
DAEMONS = [
    "wrpmed -a 192.168.1.1:5909 -l wrpmed.log",
    "wrpmed -a 192.168.1.2:5909 --peer=192.168.1.1:5909 -l wrpmed.log",
    "wrpmed -a 192.168.1.3:5909 --peer=192.168.1.1:5909 -l wrpmed.log",
]
SHELL = """\
$ wrpmesh --daemon=192.168.1.2:5909
> put entry thisismyentry
> get entry
thisismyentry
> exit
"""


@pytest.mark.asyncio
async def test_the_transcript(network: Namespaces, tmp_path: Path) -> None:
    assert SHELL in README and all(line in README for line in DAEMONS)
    arguments = {number: line.split()[1:] for number, line in enumerate(DAEMONS, 1)}
    with Machines(network, tmp_path, arguments) as machines:
        for number in arguments:
            machines.start(number)
        await machines.until_serving()
        for host, typed in (("192.168.1.2", ["put entry thisismyentry", "get entry"]), ("192.168.1.3", ["get entry"])):
            command = [*network.inside("1"), *wrpmesh(f"--daemon={host}:5909")]
            with Session(command, tmp_path) as session:
                for line in typed:
                    expected = [f"> {line}", *(["thisismyentry"] if line == "get entry" else [])]
                    assert session.enter(line) == expected
                assert session.leave() == 0
        machines.stop_all()
    assert re.search(r"serving at 192\.168\.1\.1:5909", (tmp_path / "wrpmed.log").read_text())
