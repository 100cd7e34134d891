"""Where things lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.paths import Base, Made, base_directory, checked


def test_the_usual_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere/home")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert base_directory("") == os.path.realpath("/var/lib/wrpme")
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert base_directory("") == "/nowhere/home/.local/share/wrpme"
    assert base_directory("~/x") == "/nowhere/home/x"
    assert base_directory("x/../y/") == "/nowhere/home/y"


@pytest.mark.parametrize("name", ["127.0.0.1-5909", "host.example-1", "__1-5909", "0.1.0+dirty", "0.1.0-5f3a09c2"])
def test_names(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "-r", "x" * 300, "a\n"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(AgentError):
        checked(name)


def test_what_is_there(tmp_path: Path) -> None:
    base = Base(str(tmp_path))
    assert base.node_names() == []
    assert base.releases() == []
    (tmp_path / "nodes" / "a-1").mkdir(parents=True)
    (tmp_path / "nodes" / "a file").mkdir()
    (tmp_path / "nodes" / "file").write_text("")
    (tmp_path / "versions" / "1").mkdir(parents=True)
    (tmp_path / "versions" / "2").mkdir()
    (tmp_path / "versions" / "2" / "complete").write_text("2\n")
    assert base.node_names() == ["a-1"]
    assert base.releases() == ["2"]


def test_the_service_of_a_node(tmp_path: Path) -> None:
    node = Base(str(tmp_path)).node("a-1")
    assert node.read_record() is None
    assert node.service == "process"
    Path(node.directory).mkdir(parents=True)
    for found, said in (("user", "user"), ("system", "system"), ("process", "process"), ("other", "process")):
        Path(node.record).write_text(f'{{"service": "{found}"}}')
        assert node.service == said


def test_what_was_made_is_remembered(tmp_path: Path) -> None:
    base = Base(str(tmp_path))
    assert base.read_made().directories == []
    base.write_made(Made(["/a", "/a/b"], linger=True))
    made = base.read_made()
    assert (made.directories, made.linger) == (["/a", "/a/b"], True)
