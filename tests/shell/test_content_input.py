"""Standard input is a content only where - asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.shell.test_cli import REPLY_SECONDS_MAX, wrpmesh
from tests.stub_node import Entries, StubNode
from wrpme import errors
from wrpme.shell.commands import Command, spec_of
from wrpme.shell.parsing import parse, parse_words


def test_a_dash_lacks_its_content() -> None:
    assert parse_words(["update", "x", "-"]) == Command("update", alias=b"x") and Command("update").lacks_content
    assert parse_words(["put", "x", ""]) == Command("put", alias=b"x", content=b"")
    assert parse_words(["put", "x", "-", "-"]) == Command("put", alias=b"x", content=b"- -")
    assert parse_words(["put", "x", "--"]) == Command("put", alias=b"x", content=b"--")
    assert parse_words(["get_update", "x", "-"]).content == b"-"
    assert parse("put x -") == Command("put", alias=b"x", content=b"-"), "on a line it is a content"


@pytest.mark.parametrize("name", ["put", "update"])
def test_no_content_and_no_dash_is_wrong_usage_that_says_so(name: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_words([name, "x"])
    assert caught.value.sentence == (
        f"{name} needs CONTENT; - in its place reads it from standard input; it is written: {spec_of(name).syntax}"
    )
    with pytest.raises(errors.UsageError) as caught:
        parse(f"{name} x")
    assert caught.value.sentence == f"{name} needs CONTENT; it is written: {spec_of(name).syntax}"


def test_an_empty_variable_in_a_loop_takes_no_line_away(node: StubNode, entries: Entries) -> None:
    program = f"{sys.executable} -m wrpme.cli --daemon {node.address}"
    script = f"printf 'a\\nb\\nc\\n' | while read k; do {program} update $k $V; echo $?; done"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=REPLY_SECONDS_MAX, check=True)
    assert done.stdout == b"2\n2\n2\n" and not entries.contents
    assert done.stderr.count(b"usage: update needs CONTENT; - ") == 3


def test_a_dash_reads_to_the_end(node: StubNode, entries: Entries) -> None:
    assert wrpmesh("--daemon", node.address, "update", "x", "-", given=b"a\n\xff\0b").returncode == 0
    assert wrpmesh("--daemon", node.address, "put", "y", "-", given=b"").returncode == 0
    assert wrpmesh("--daemon", node.address, "put", "z", "-", given=b"-").returncode == 0
    assert entries.contents == {"x": b"a\n\xff\0b", "y": b"", "z": b"-"}
