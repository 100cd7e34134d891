"""What the documents quote: command lines and commands are such as the programs take, sentences such as they say."""

from __future__ import annotations

import builtins
import ast
import re
from itertools import pairwise

import pytest

from tests.test_docs import DOCS, PAGES, ROOT
from wrpme import errors, options
from wrpme.daemon import config
from wrpme.errors import BY_CODE, WrpmeError
from wrpme.shell.arguments import parse_options
from wrpme.shell.parsing import parse

WORDS = {kind.word for kind in BY_CODE.values()}
BEFORE_A_COLON = WORDS | {"stable", "stabilizing", "degraded", "unavailable", "wrpmed"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("text", [page.read_text("utf-8") for page in PAGES], ids=[p.name for p in PAGES])


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of that language."""
    return [inside for kind, inside in _FENCE.findall(text) if kind == language]


def sentences() -> list[str]:
    """Every text in the product, with a zero byte in place of each value."""
    found = []
    for path in (ROOT / "wrpme").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "\0" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@each_page
def test_what_is_typed_at_the_prompt_is_a_command(text: str) -> None:
    """A mistake on purpose is followed by its error."""
    lines = "\n".join(blocks(text)).splitlines()
    for line, following in pairwise([*lines, ""]):
        if line.startswith("> "):
            try:
                parse(line[2:])
            except WrpmeError as error:
                assert following == str(error)


@each_page
def test_command_lines_are_accepted(text: str) -> None:
    indented = re.findall(r"^ {4}\S.*$", _FENCE.sub("", text), re.MULTILINE)
    lines = "\n".join([*(line.partition(" # ")[0] for line in indented), *blocks(text)])
    named = next((block for block in blocks(text, "toml") if "[hive." in block), None)
    for program, rest in re.findall(r"(?:^|[$|]) *(wrpmed|wrpmesh)((?: +[^\s|&;<>#]+)*)", lines, re.MULTILINE):
        words = [word.strip("'\"") for word in rest.split()]
        if any(re.search(r"[\[A-Z]{2}|^N$|\.\.\.", word) for word in words):
            continue  # a pattern, not a command line
        if program == "wrpmesh":
            parse_options(words, read=lambda _: named)
        elif "--config" in words:
            options.parse(options.WRPMED, words)  # the file is that of the reader
        elif not {"-h", "--help", "--version"} & set(words):
            config.parse(words)


@each_page
def test_errors_in_transcripts_exist(text: str) -> None:
    for word in re.findall(r"^([a-z_]+): ", "\n".join(blocks(text)), re.MULTILINE):
        assert word in BEFORE_A_COLON


@each_page
def test_error_classes_exist(text: str) -> None:
    others = re.findall(r"^from redis\S* import (\w+)$", text, re.MULTILINE)
    for name in re.findall(r"\b([A-Z]\w+Error)\b", text):
        assert hasattr(errors, name) or hasattr(builtins, name) or name in others, name


@each_page
def test_python_compiles(text: str) -> None:
    for block in blocks(text, "python"):
        compile(block, "the document", "exec")


def test_sentences_of_the_daemon_are_those_that_it_says() -> None:
    said = sentences()
    rows = [line.split(" | ")[0] for line in (DOCS / "troubleshooting.md").read_text("utf-8").splitlines()]
    quoted = re.findall("`([^`]+)`", " ".join(row for row in rows if row.startswith("| `")))
    assert quoted
    for quote in quoted:
        for piece in re.split(r"\.\.\.|: |\S*\d\S*|\b[A-Z]+(?::PORT)?\b|[()]", quote):
            assert any(piece.strip() in sentence for sentence in said), f"nobody says {piece!r} of {quote!r}"
