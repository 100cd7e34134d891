"""Completions: as the tables are, and as real shells take them, on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.deploy.generated import COMPLETIONS, ROOT, generated
from tests.deploy.shape import PROGRAMS
from wrpme.daemon.data import main as data
from wrpme.options import WRPMED
from wrpme.shell.commands import COMMANDS

SILENCE_SECONDS = 30
"""Nothing takes so long: then the shell has not understood."""


def test_the_files_are_those_of_the_tables() -> None:
    for path, text in generated().items():
        assert (ROOT / path).read_text("utf-8") == text, (
            f"{path} is of another day: python -m tests.deploy makes it anew"
        )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("completions")
    (made / "nightly backup.wrpme").write_text("")
    (made / "data").mkdir()
    return made


class Shell:
    """A shell on a terminal. The programs print the words that they are called with."""

    def __init__(self, command: list[str], directory: Path, begin: list[str]) -> None:
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=end, stdout=end, stderr=end, cwd=directory, start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "", "HISTFILE": "", "INPUTRC": "/dev/null"},
        )  # fmt: skip
        os.close(end)
        for line in begin:
            self.send(f"{line}\n")
        for program in PROGRAMS:
            self.send(f"{program.name}() {{ printf '%s|' ':''words' \"$@\"; echo ':''end'; }}\n")

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def words(self, typed: str) -> list[str]:
        """The words that the program gets when this is typed, with tabs, and Return."""
        self.send(f"{typed}\n")
        seen = ""
        while ":end" not in seen:
            ready, _, _ = select.select([self.terminal], [], [], SILENCE_SECONDS)
            assert ready, seen
            seen += os.read(self.terminal, 65536).decode()
        return seen.partition(":words|")[2].partition("|:end")[0].split("|")


def started(command: list[str], directory: Path, begin: list[str]) -> Iterator[Shell]:
    shell = Shell(command, directory, begin)
    yield shell
    os.close(shell.terminal)
    shell.process.kill()
    shell.process.wait()


@pytest.fixture(scope="module")
def bash(directory: Path) -> Iterator[Shell]:
    begin = [f". {ROOT / COMPLETIONS / 'bash' / program.name}" for program in PROGRAMS]
    yield from started(["bash", "--norc", "--noprofile", "-i"], directory, begin)


@pytest.fixture(scope="module")
def zsh(directory: Path) -> Iterator[Shell]:
    begin = [f"fpath=({ROOT / COMPLETIONS / 'zsh'} $fpath)", "autoload -U compinit && compinit -u -D"]
    yield from started([programs.program("zsh"), "-f", "-i"], directory, begin)


typed_words = pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("wrpmesh hive_bac\t", ["hive_backup"]),
        (
            "wrpmesh --daemon 127.0.0.1:5909 hive_bac\t nigh\t",
            ["--daemon", "127.0.0.1:5909", "hive_backup", "nightly backup.wrpme"],
        ),
        ("wrpmesh --da\t h:1 get get_r\t", ["--daemon", "h:1", "get", "get_r"]),
        ("wrpmesh put --t\t 5 a --e\t", ["put", "--ttl", "5", "a", "--e"]),
        ("wrpmesh help cas_\t", ["help", "cas_version"]),
        ("wrpmesh node_start h --log-level w\t", ["node_start", "h", "--log-level", "warning"]),
        ("wrpmed --root d\t --log-level=w\t", ["--root", "data/", "--log-level=warning"]),
        ("wrpmed --log-fo\t j\t", ["--log-format", "json"]),
        ("wrpmed d\t", ["d"]),
        ("wrpme-data ch\t d\t", ["check", "data/"]),
        ("wrpme-data dump d\t nigh\t", ["dump", "data/", "nightly backup.wrpme"]),
    ],
)


@typed_words
def test_bash(bash: Shell, typed: str, words: list[str]) -> None:
    assert bash.words(typed) == words


@typed_words
def test_zsh(zsh: Shell, typed: str, words: list[str]) -> None:
    assert [word.rstrip("/") for word in zsh.words(typed)] == [word.rstrip("/") for word in words]


def listed(program: str, line: str) -> list[str]:
    """All that bash offers at the end of a line."""
    file = ROOT / COMPLETIONS / "bash" / program
    script = '. "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _${3/-/_} "$3"; printf "%s\\n" "${COMPREPLY[@]}"'
    found = subprocess.run(["bash", "-c", script, "-", file, line, program], capture_output=True, text=True, check=True)
    assert not found.stderr
    return found.stdout.split()


def test_bash_offers_all_commands_and_options() -> None:
    assert listed("wrpmesh", "wrpmesh ") == [spec.name for spec in COMMANDS]
    assert listed("wrpme-data", "wrpme-data ") == list(data.COMMANDS)
    assert listed("wrpmed", "wrpmed --root x -") == [each for option in WRPMED.all for each in option.spellings]


def test_fish(directory: Path) -> None:
    fish = programs.program("fish")
    sources = "; ".join(f"source {ROOT / COMPLETIONS / 'fish' / program.name}.fish" for program in PROGRAMS)
    asked = {
        "wrpmesh --daemon h:1 hive_b": ["hive_backup"],
        "wrpmesh hive_backup nigh": ["nightly backup.wrpme"],
        "wrpmesh put --tt": ["--ttl"],
        "wrpmesh get --tt": [],
        "wrpmesh help cas_": ["cas_version"],
        "wrpmed --log-level w": ["warning"],
        "wrpmed --root d": ["data/"],
        "wrpme-data ch": ["check"],
        "wrpme-data check ": ["data/"],
        "wrpme-data dump data/ nigh": ["nightly backup.wrpme"],
    }
    script = "; ".join(f"complete -C '{line}'; echo :end" for line in asked)
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory / "data"), "TERM": "dumb"}
    found = subprocess.run(
        [fish, "--no-config", "-c", f"{sources}; {script}"],
        capture_output=True, text=True, cwd=directory, env=environment,
    )  # fmt: skip
    assert not found.stderr
    answers = [part.strip("\n").splitlines() for part in found.stdout.split(":end\n")[:-1]]
    assert [[line.partition("\t")[0] for line in answer] for answer in answers] == list(asked.values())
