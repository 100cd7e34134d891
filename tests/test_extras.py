"""Without the extras of the distribution the daemon and line mode work, and who asks for more is told one command."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from wrpme import TlsFiles, cli, errors
from wrpme.daemon.security.tls import Tls
from wrpme.protocol.address import Address
from wrpme.shell.commands import COMMANDS
from wrpme.shell.console import Console
from wrpme.shell.session import lacking

PACKAGES = {
    "tui": {"textual", "rich"},
    "web": {"aiohttp", "textual_serve"},
    "ssh": {"asyncssh", "cryptography", "packaging"},
    "tls": {"cryptography"},
    "redis": {"redis"},
}
"""What each extra brings."""
OURS = "wrpme.tui", "wrpme.bootstrap", "wrpme.shell.imports.redis_import"
"""What of wrpme uses it."""


class NotInstalled:
    """Finds none of these packages, as where they are not installed."""

    def __init__(self, packages: set[str]) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


class Without:
    """Makes this process one where some extras are not installed: what they bring, and what of wrpme uses it, is loaded
    anew, until :meth:`restore`."""

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}
        self._finder = NotInstalled(set())

    def __call__(self, *extras: str) -> None:
        packages = {package for extra in extras for package in PACKAGES[extra]}
        anew = (*packages, *OURS)
        for name in [name for name in sys.modules if any(name == one or name.startswith(f"{one}.") for one in anew)]:
            self._modules[name] = sys.modules.pop(name)
        self._finder = NotInstalled(packages)
        sys.meta_path.insert(0, self._finder)

    def restore(self) -> None:
        """Brings back what was loaded before."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for name in [name for name in sys.modules if name.startswith(OURS)]:
            del sys.modules[name]
        sys.modules.update(self._modules)
        for name, module in self._modules.items():
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], last, module)


@pytest.fixture
def without() -> Iterator[Without]:
    made = Without()
    yield made
    made.restore()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console()
    console.terminal = True
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return console


def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """Runs ``wrpmesh`` in this process: its exit code, and what it wrote to standard output and error."""
    monkeypatch.setattr(sys, "argv", ["wrpmesh", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert isinstance(code, int)
    return code, *capfd.readouterr()


@pytest.mark.parametrize("arguments", [["--tui"], ["--hive", "3", "--tui"], ["--tui", "--replay", "no-such-file"]])
def test_the_dashboard_without_its_extra(arguments: list[str], without: Without, terminal: Console) -> None:
    without("tui")
    with pytest.raises(errors.UsageError) as refused:
        cli.run(arguments, terminal)
    said = "the dashboard needs the package textual, which is not installed: pip install 'wrpme[tui]'"
    assert refused.value.sentence == said


@pytest.mark.parametrize("arguments", [["--web"], ["--hive", "3", "--web", "127.0.0.1:1"]])
def test_the_dashboard_in_a_browser_without_its_extra(
    arguments: list[str], without: Without, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("web")
    needed = "the package textual_serve, which is not installed: pip install 'wrpme[web]'"
    line = f"usage: the dashboard in a browser needs {needed}\n"
    assert run(capfd, monkeypatch, *arguments) == (2, "", line)


@pytest.mark.parametrize("name", [spec.name for spec in COMMANDS if spec.remote])
def test_commands_about_other_machines_without_their_extra(
    name: str, without: Without, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("ssh")
    line = f"usage: {name} needs the package asyncssh, which is not installed: pip install 'wrpme[ssh]'\n"
    assert run(capfd, monkeypatch, name, "hive.toml") == (2, "", line)


def test_an_import_without_its_extra(
    without: Without, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("redis")
    line = "usage: hive_import needs the package redis, which is not installed: pip install 'wrpme[redis]'\n"
    assert run(capfd, monkeypatch, "hive_import", "redis://127.0.0.1:1") == (2, "", line)


def test_tls_of_a_node_without_its_extra(without: Without) -> None:
    without("tls")
    with pytest.raises(errors.UsageError) as refused:
        Tls("require", TlsFiles(), Address("127.0.0.1", 5909))
    said = "TLS of a node needs the package cryptography, which is not installed: pip install 'wrpme[tls]'"
    assert refused.value.sentence == said


def test_the_daemon_and_line_mode_need_no_extra() -> None:
    gone = {package for packages in PACKAGES.values() for package in packages}
    needed = "wrpme.cli, wrpme.shell.local_hive, wrpme.shell.prompt, wrpme.daemon.main, wrpme.client.blocking"
    code = f"import sys; sys.modules.update(dict.fromkeys({gone})); import {needed}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_dashboard_needs_no_ssh_and_no_browser(without: Without) -> None:
    without("ssh", "web")
    assert importlib.import_module("wrpme.tui.launch").serve


def test_a_part_of_wrpme_that_is_not_on_this_machine(terminal: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wrpme.tui.launch", None)
    with pytest.raises(errors.UsageError, match="the dashboard needs the whole of wrpme"):
        cli.run(["--tui"], terminal)


def test_a_missing_part_of_a_package_is_named_by_the_package() -> None:
    assert lacking(ImportError(name="textual.app"), "wrpme[tui]").startswith("the package textual, ")
    assert lacking(ImportError(name="prompt_toolkit")).endswith("pip install 'prompt_toolkit'")


def test_the_extras_bring_what_is_needed() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

    def names(lines: list[str]) -> set[str]:
        return {Requirement(line).name.replace("-", "_") for line in lines}

    extras = project["optional-dependencies"]
    for extra, packages in PACKAGES.items():
        assert names(extras[extra]) - {"wrpme"} == packages
        assert not packages & names(project["dependencies"])
    assert Requirement(extras["web"][0]).extras == {"tui"}
    assert Requirement(extras["all"][0]).extras == PACKAGES.keys()
