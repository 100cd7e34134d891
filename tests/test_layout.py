"""The house rules that a machine can see: sizes, circles of imports, and a test file for every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = sorted((ROOT / "wrpme").rglob("*.py"))
SOURCES = [*PRODUCT, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]
LINES_MAX = 800
FUNCTION_LINES_MAX = 70
TOP_FILES_MAX = 6
FOLDER_FILES_MAX = 17
ELSEWHERE = {
    "limits": "numbers only",
    "protocol/view": "test_messages.py",
    "protocol/identities": "test_messages.py",
    "bootstrap/ssh/failures": "test_connector.py",
    "shell/arguments": "test_cli.py",
    "shell/console": "test_cli.py",
    "shell/session": "test_cli.py",
    "tui/services": "a protocol, which test_app.py runs",
    "version": "test_imports.py",
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


def test_rooms_are_not_crowded() -> None:
    assert len(list((ROOT / "wrpme").glob("*.py"))) <= TOP_FILES_MAX
    for folder in {path.parent for path in PRODUCT}:
        assert len(list(folder.glob("*.py"))) <= FOLDER_FILES_MAX, f"{folder.relative_to(ROOT)} is more than one room"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions, and those for type checking alone, count: who reads one module of a circle has to read
    them all. A module is in a circle with those that it leads to and that lead back to it."""
    graph = grimp.build_graph("wrpme", exclude_type_checking_imports=False, cache_dir=None)
    circles = {
        frozenset(graph.find_upstream_modules(module) & graph.find_downstream_modules(module)) | {module}
        for module in graph.modules
    }
    assert not [sorted(circle) for circle in circles if len(circle) > 1]


def test_every_module_has_its_tests() -> None:
    """In the folder of its room: named like the module, or like the module and the folders that it stands in."""
    for path in PRODUCT:
        place = path.relative_to(ROOT / "wrpme").with_suffix("")
        if path.stem.startswith("_") or path.stem == "limits" or str(place) in ELSEWHERE:
            continue
        room = ROOT / "tests" / place.parts[0] if len(place.parts) > 1 else ROOT / "tests"
        names = {"_".join(place.parts[first:]) for first in range(len(place.parts))}
        found = {test.stem.removeprefix("test_") for test in room.rglob("test_*.py")}
        assert found & names, f"{path.relative_to(ROOT)} has no test file"


def test_nobody_sleeps_to_synchronise_or_swallows_errors() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
                assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), f"{path.name}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and "wrpme" in path.parts[-2:]:
                raise AssertionError(f"{path.name}:{node.lineno} sleeps")
