"""Releases are whole or not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, Agent

WHOLE = """\
import os, sys
directory = sys.argv[1]
os.makedirs(directory + "/bin")
open(directory + "/bin/python", "w").close()
open(directory + "/complete", "w").close()
"""


def bundle(base: Path, program: str, release: str = "1") -> str:
    """Something that Python runs, as it does a zip."""
    path = base / f"incoming-{release}.zip"
    path.write_text(program)
    return str(path)


@pytest.fixture
def locked(agent: Agent, base: Path) -> Agent:
    agent.lock(base)
    return agent


def test_installed_once(locked: Agent, base: Path) -> None:
    assert locked.call("install", release="1", bundle=bundle(base, WHOLE)) == {"installed": True}
    assert locked.look(base)["releases"] == ["1"]
    assert sorted(path.name for path in base.iterdir()) == ["lock", "made.json", "versions"]
    assert sorted(path.name for path in (base / "versions").iterdir()) == ["1"]
    assert locked.call("install", release="1", bundle=bundle(base, "this is no Python")) == {"installed": False}
    assert sorted(path.name for path in base.iterdir()) == ["lock", "made.json", "versions"]


def test_what_was_begun_and_cut_off_is_made_anew(tmp_path: Path, base: Path) -> None:
    hangs = WHOLE.replace('open(directory + "/complete", "w").close()', "import signal; signal.pause()")
    first = Agent(tmp_path)
    first.lock(base)
    first.ask("install", release="1", bundle=bundle(base, hangs))
    while not (base / "versions" / "1" / "bin" / "python").exists():
        pass
    first.kill()
    first.close()
    subprocess.run(["pkill", "-KILL", "-f", f"{base}/incoming-1.zip"], check=True)
    (base / "incoming-old.zip.part").write_text("half")
    with Agent(tmp_path) as second:
        assert second.look(base)["releases"] == []
        second.lock(base)
        assert second.call("install", release="1", bundle=bundle(base, WHOLE)) == {"installed": True}
    assert sorted(path.name for path in (base / "versions").iterdir()) == ["1"]
    assert sorted(path.name for path in base.iterdir()) == ["made.json", "versions"]


@pytest.mark.parametrize(
    ("program", "word", "sentence"),
    [
        ("import sys; sys.exit('can\\'t install: it is Tuesday')", "remote", "can't install: it is Tuesday"),
        ("import sys; sys.exit(3)", "remote", "can't install into {base}/versions/1: no word, status 3"),
        ("pass", "remote", "can't install into {base}/versions/1: no word, status 0"),
        (
            "import sys; sys.exit('can\\'t install: No space left on device (/x); 9 MiB are needed, 1 MiB are free')",
            "disk_full",
            "can't install: No space left on device (/x); 9 MiB are needed, 1 MiB are free; make room there and give "
            "the command again",
        ),
    ],
)
def test_nothing_is_left_of_one_that_fails(locked: Agent, base: Path, program: str, word: str, sentence: str) -> None:
    half = 'import os, sys; os.makedirs(sys.argv[1] + "/half")\n'
    refused = locked.refusal("install", release="1", bundle=bundle(base, half + program))
    assert refused == (word, sentence.format(base=base))
    assert list((base / "versions").iterdir()) == []
    assert not list(base.glob("incoming*"))


def test_what_somebody_else_put_there_is_left_alone(locked: Agent, base: Path) -> None:
    (base / "versions" / "1").mkdir(parents=True)
    (base / "versions" / "1" / "mine").write_text("")
    refused = locked.refusal("install", release="1", bundle=bundle(base, WHOLE))
    assert refused == ("remote", f"{base}/versions/1 is there, but was not made by wrpme; move it away")
    assert (base / "versions" / "1" / "mine").exists()


def test_prune_keeps_what_is_needed(locked: Agent, base: Path) -> None:
    for release in ("1", "2", "3", "4"):
        locked.call("install", release=release, bundle=bundle(base, WHOLE, release))
    (base / "versions" / "5.begun").write_text("")
    (base / "versions" / "5").mkdir()
    (base / "versions" / "mine").mkdir()
    locked.configure(base, release="2")
    assert locked.call("prune", keep=["4"]) == {"removed": ["1", "3", "5"], "used": ["2"]}
    assert sorted(path.name for path in (base / "versions").iterdir()) == ["2", "4", "mine"]
    assert locked.call("prune", keep=["4"]) == {"removed": [], "used": ["2"]}


def test_prune_keeps_what_runs(locked: Agent, base: Path) -> None:
    locked.call("install", release="1", bundle=bundle(base, WHOLE))
    python = base / "versions" / "1" / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python3")
    node = base / "nodes" / NODE
    run = f"#!/bin/sh\nexec {python} -c 'import signal; signal.pause()' wrpme.daemon -r {node}/data\n"
    run = run.replace("#!/bin/sh\n", f"#!/bin/sh\necho $$ > {node}/pid\n")
    locked.call("configure", name=NODE, record={"service": "process", "release": "2"}, run=run, unit=None)
    locked.call("start", name=NODE)
    while locked.look(base)["nodes"][NODE]["release_running"] != "1":
        pass
    assert locked.call("prune", keep=["2"]) == {"removed": [], "used": ["1"]}
