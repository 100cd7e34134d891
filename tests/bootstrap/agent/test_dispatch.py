"""The agent as a whole: its start, its requests, its end, and that it needs nothing but Python."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, Agent
from wrpme import errors
from wrpme.bootstrap import agent as package
from wrpme.bootstrap.agent import dispatch

SOURCES = sorted(Path(package.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_but_the_standard_library_is_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            own = name == package.__name__ or name.startswith(f"{package.__name__}.")
            assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


def test_words_of_errors_are_words_of_the_one_tree() -> None:
    known = {kind.word for kind in errors.BY_CODE.values()}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "AgentError" and len(node.args) > 1:
                assert ast.literal_eval(node.args[1]) in known, f"{path.name}:{node.lineno}"


def test_the_table_in_words_is_the_table() -> None:
    rows = str(package.__doc__).split("\n=")[2].splitlines()[1:]
    told = {row.split()[0]: row.split()[-1] for row in rows}
    assert told == {do: handler.__module__.rpartition(".")[2] for do, handler in dispatch.HANDLERS.items()}


@pytest.mark.parametrize("before", [None, []], ids=["forked", "as a remote one"])
def test_hello(tmp_path: Path, before: list[str] | None) -> None:
    with Agent(tmp_path, before) as agent:
        hello = agent.hello
    assert hello["hello"] == 1
    assert hello["python"] >= [3, 11]
    assert hello["machine"] == os.uname().machine
    assert hello["libc"] == list(os.confstr("CS_GNU_LIBC_VERSION").split(" "))  # type: ignore[union-attr]
    assert hello["uid"] == os.getuid()
    assert hello["home"] == str(tmp_path)
    assert hello["hostname"] == os.uname().nodename
    assert os.access(hello["executable"], os.X_OK)


def test_a_request_that_nobody_knows_is_refused_and_the_next_one_served(agent: Agent, base: Path) -> None:
    assert agent.refusal("dance") == ("internal", 'the agent knows no request "dance"; this is a defect of wrpme')
    assert agent.look(base)["exists"] is False


def test_a_request_that_lacks_something_is_a_defect_not_the_end(agent: Agent, base: Path) -> None:
    word, sentence = agent.refusal("look")
    assert word == "internal"
    assert sentence == "look failed (KeyError: 'directory'); this is a defect of wrpme"
    assert agent.look(base)["exists"] is False


def test_what_changes_something_needs_the_lock(agent: Agent) -> None:
    changing = set(dispatch.HANDLERS) - set(dispatch.WITHOUT_LOCK)
    assert len(changing) == 10
    for do in changing:
        assert agent.refusal(do) == ("internal", f"{do} without the lock; this is a defect of wrpme")


def test_no_directory_no_node(agent: Agent) -> None:
    assert agent.refusal("state", name=NODE)[0] == "internal"


def test_a_name_stays_in_its_directory(agent: Agent, base: Path) -> None:
    agent.look(base)
    assert agent.refusal("state", name="../x")[0] == "internal"


def test_beats_have_no_answer(agent: Agent, base: Path) -> None:
    agent.write(b'{"do":"beat"}\n' * 3)
    assert agent.look(base)["directory"] == str(base)


def test_the_end_of_its_input_is_its_end(tmp_path: Path) -> None:
    assert Agent(tmp_path, before=[]).close() == 0


def test_an_operation_is_ended_before_the_agent_ends(tmp_path: Path, base: Path) -> None:
    agent = Agent(tmp_path, before=[])
    agent.lock(base)
    record = {"service": "process"}
    agent.ask("configure", name=NODE, record=record, run="#!/bin/sh\n", unit=None)
    agent.close()
    assert json.loads((base / "nodes" / NODE / "record.json").read_text()) == record
    assert (base / "nodes" / NODE / "run").exists()
    assert not (base / "lock").exists()


def test_what_is_printed_does_not_come_between(tmp_path: Path) -> None:
    with Agent(tmp_path, before=[]) as agent:
        word, _ = agent.refusal("look", directory=3, nodes={})
        assert word == "internal"
        agent.close_input()
        assert "Traceback" in agent.stderr()


def test_started_and_ended_it_costs_little(tmp_path: Path) -> None:
    """What is slow to load, and that not every command needs, is not loaded at the start."""
    program = (
        "import sys; from wrpme.bootstrap.hosts import agent_client; import zlib; "
        "text = zlib.decompress(agent_client.payload()).decode(); print(text)"
    )
    text = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    slow = {"subprocess", "typing", "pathlib", "asyncio", "dataclasses"}
    late = f"import sys\nprint(sorted(set(sys.modules) & {slow}))"
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-B", "-c", f"{text}\n{late}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("[]")
