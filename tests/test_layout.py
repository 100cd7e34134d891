"""The house rules that a machine can see: sizes, circles of imports, and a test file for every module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp

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
    "protocol/administration": "test_messages.py",
    "protocol/access/messages": "test_messages.py",
    "daemon/net/redis/commands/access": "system/test_rights.py",
    "core/stats/slow_requests": "test_slow_writes.py",
    "core/stats/audit": "test_admin.py",
    "core/stats/traces": "test_slow_writes.py",
    "client/requests/request_ids": "test_slow_log.py, in the shell",
    "files/option_values": "test_options.py",
    "client/backup": "system/test_backup.py, and in the simulation",
    "shell/backups/save": "system/test_backup.py",
    "shell/backups/restore": "system/test_backup.py",
    "shell/backups/text": "system/test_backup.py",
    "bootstrap/ssh/failures": "test_connector.py",
    "daemon/net/redis/client": "test_pipeline.py",
    "client/batches/arguments": "test_client.py",
    "client/batches/batch": "test_many.py",
    "client/batches/calls": "test_client.py, and in batches test_many.py",
    "shell/arguments": "test_cli.py",
    "shell/console": "test_cli.py",
    "shell/session": "test_cli.py",
    "tui/services": "a protocol, which test_app.py runs",
    "version": "test_imports.py",
}


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, and the handlers of errors: no expression is looked into."""
    found: list[ast.AST] = [tree]
    while found:
        node = found.pop()
        yield node
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            inner = getattr(node, name, ())
            found += inner if isinstance(inner, list) else ()


def faults(path: Path) -> Iterator[str]:
    """What a file has against the rules."""
    text = path.read_text()
    if len(text.splitlines()) > LINES_MAX:
        yield "it has more than one purpose"
    if path in PRODUCT and re.search(r"\btime\.sleep\(|\bfrom time import .*\bsleep\b", text):
        yield "it sleeps to synchronise"
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines"
        elif isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
            if len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                yield f"line {node.lineno} swallows errors"


def test_no_file_is_large_or_sleeps_or_swallows_errors() -> None:
    found = [f"{path.relative_to(ROOT)}: {fault}" for path in SOURCES for fault in faults(path)]
    assert not found, "\n".join(found)


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
