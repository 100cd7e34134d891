"""The tutorial about other machines, to the letter: each command of the page is given as an operator gives it, and what
it prints is what the page says, but for what differs from day to day.

With ``WRPME_TUTORIAL=write`` the page is written anew with what was printed.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import sys
import threading
from pathlib import Path

from tests.bootstrap.hives import PATIENCE_SECONDS, Operator
from tests.bootstrap.ssh_hosts import SshHosts
from tests.system.daemons import ROOT

PAGE = ROOT / "docs/machines-tutorial.md"
MARKS = "✓✗·"
VARYING = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"SHA256:\S+", "SHA256:*"),
    (r"\d+\.\d+\.\d+-[0-9a-f]{8}", "RELEASE"),
    (r"-?\d[\d,]*(\.\d+)? (s|KiB|MiB|B)\b", "N"),
    (r"Python +\d+\.\d+\.\d+", "Python N"),
    (r"glibc [\d.]+|x86_64|aarch64", "*"),
    (r"process \d+", "process N"),
    (r"(ahead of|behind) this", "beside this"),
    (r"\bas root, \S+", "as root, HOST"),
    (r"(up +[\d.]+ %).*", r"\1"),
    (r" +", " "),
)


def masked(line: str) -> str:
    for pattern, text in VARYING:
        line = re.sub(pattern, text, line)
    return line.rstrip()


def run(operator: Operator, command: str) -> list[str]:
    """What an operator sees at the end who answers yes: who is done in the order of the file, then the result."""
    ours, theirs = pty.openpty()
    words = shlex.split(command)
    assert words[0] == "wrpmesh"
    results, result = os.pipe()
    process = operator.start(words[1:], (theirs, result, theirs))
    os.close(theirs)
    os.close(result)
    os.write(ours, b"yes\n" * 3)
    seen = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                seen.extend(part)
        except OSError:  # its other end is closed
            pass

    reading = threading.Thread(target=read)
    reading.start()
    with open(results) as file:
        printed = file.read()
    code = process.wait(PATIENCE_SECONDS)
    reading.join()
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9]*[AJ]", "", seen.decode()).replace("\r", "\n")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert code == 0, f"{command}: {plain}{printed}"
    done = sorted(line for line in plain.split("\n") if line[:1] in MARKS and line)
    asked = re.findall(r"^.*type yes to destroy it for good:", plain, re.MULTILINE)
    return [line.rstrip() for line in [*asked, *done, *printed.splitlines()]]


def steps(text: str) -> list[tuple[str, str, list[str]]]:
    """The blocks of the page: a file, or a command with what it prints."""
    found: list[tuple[str, str, list[str]]] = []
    for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if kind == "toml":
            found.append(("file", body, []))
            continue
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append(("command", line[2:], []))
            else:
                found[-1][2].append(line)
    return found


def test_to_the_letter(tmp_path: Path) -> None:
    page = PAGE.read_text()
    printed: dict[int, list[str]] = {}
    with SshHosts(tmp_path / "hosts", 3) as hosts:
        hosts.trust_none()
        operator = Operator(hosts, tmp_path)
        bare = {number: hosts.files(number) for number in hosts.numbers}
        file = tmp_path / "hive.toml"
        told = steps(page)
        for at, (kind, text, _) in enumerate(told):
            if kind == "file":
                file.write_text(text + "\n" + (file.read_text() if file.exists() else ""))
            else:
                printed[at] = run(operator, text)
        assert {number: hosts.files(number) for number in hosts.numbers} == bare
        hosts.until_idle()
    if os.environ.get("WRPME_TUTORIAL") == "write":
        PAGE.write_text(_written(page, [printed[at] for at in sorted(printed)]))
        sys.exit("the page was written")
    for at, lines in printed.items():
        assert [masked(line) for line in lines] == [masked(line) for line in told[at][2]], told[at][1]


def _written(page: str, outputs: list[list[str]]) -> str:
    lines: list[str] = []
    block = ""
    for line in page.splitlines():
        if line.startswith("```"):
            block = "" if block else line
        if line.startswith("$ "):
            lines += [line, *outputs.pop(0)]
        elif block != "```" or line == "```":
            lines.append(line)
    return "\n".join(lines) + "\n"
