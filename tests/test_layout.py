"""The house rules that a machine can see: sizes, floors, and a test file for every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = sorted((ROOT / "wrpme").rglob("*.py"))
SOURCES = [*PRODUCT, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]
LINES_MAX = 800
FUNCTION_LINES_MAX = 70
WORLD = {
    "asyncio", "socket", "selectors", "time", "random", "secrets", "os", "threading", "logging", "uuid", "uvloop",
    "textual",
}  # fmt: skip
PURE = [
    "errors", "limits", "picture", "messages", "codec", "address", "ring", "arcs", "placement", "index", "draft",
    "view", "consensus", "beacon", "effects",
    "entries", "tally", "marks", "returns", "salvage", "reminders", "sweep", "clocks", "order", "ground",
    "stream", "operations", "copying", "replica", "table", "router", "life", "council", "status", "pace", "own_disk",
    "health", "activation", "contents", "spread", "admin", "verify",
    "node", "commands", "completion", "happening", "latency", "chronicle", "figures", "topology", "sightings",
    "backlog", "options", "bootstrap/topology_file", "bootstrap/topology_values", "bootstrap/toml_lines",
    "bootstrap/words", "bootstrap/units", "bootstrap/targets", "bootstrap/slimming",
    "tui/scene", "tui/facts", "tui/places", "tui/rates", "tui/words", "tui/events", "tui/derive", "tui/model",
    "tui/history", "tui/timeline", "tui/geometry", "tui/bands", "tui/letters", "tui/labels", "tui/middle",
    "tui/bigword", "tui/wires", "tui/palette", "tui/painting", "tui/columns", "tui/texts", "tui/keys", "tui/hints",
    "tui/actions", "tui/graph", "tui/node_rows",
]  # fmt: skip
ELSEWHERE = {
    "limits": "numbers only",
    "picture": "test_messages.py",
    "identities": "test_messages.py",
    "ssh_failures": "test_connect.py",
    "bounds": "numbers only",
    "__init__": "test_imports.py",
    "__main__": "test_main.py",
}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX, f"{path.name} has more than one purpose"
    for function in functions(ast.parse(text)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= FUNCTION_LINES_MAX, f"{path.name}: {function.name} has {lines} lines"


@pytest.mark.parametrize("module", PURE)
def test_pure_floors_know_nothing_of_the_world(module: str) -> None:
    for node in ast.walk(ast.parse((ROOT / "wrpme" / f"{module}.py").read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & WORLD, f"{module} line {getattr(node, 'lineno', 0)}"


def test_every_module_has_its_tests() -> None:
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    for path in PRODUCT:
        assert path.stem not in ELSEWHERE or f"test_{path.stem}.py" not in tests, f"{path.stem} is listed as elsewhere"
        if path.stem not in ELSEWHERE and not path.stem.startswith("_"):
            assert f"test_{path.stem}.py" in tests, f"{path.relative_to(ROOT)} has no test file"


def test_nobody_sleeps_to_synchronise_or_swallows_errors() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
                assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), f"{path.name}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and "wrpme" in path.parts[-2:]:
                raise AssertionError(f"{path.name}:{node.lineno} sleeps")
