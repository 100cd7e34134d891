"""A line ends at a line feed: ``splitlines`` ends it at ten other characters, too, which contents and logs have."""

from __future__ import annotations

from pathlib import Path

import pytest

import wrpme
from wrpme.bootstrap.rollout.logs import lines_of
from wrpme.bootstrap.ssh import known_hosts
from wrpme.tui.node.rows import config_rows

ENDS = ("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c")


def test_the_product_cuts_no_text_with_splitlines() -> None:
    root = Path(wrpme.__file__).parent
    assert [str(path) for path in root.rglob("*.py") if ".splitlines(" in path.read_text("utf-8")] == []


@pytest.mark.parametrize("end", ENDS)
def test_lines_of_known_hosts_have_the_numbers_that_ssh_gives_them(tmp_path: Path, end: str) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFuoicExXBzdhiTLghlDF/9KOFMnyJogxyfJqjBVjJKG"
    file = tmp_path / "known_hosts"
    file.write_text(f"# a{end}comment\nother {key}\nhost {key}\n", "utf-8")
    found = [known for _, known in known_hosts._entries(file, "host")]
    assert [known.line for known in found] == [3]


@pytest.mark.parametrize("end", ENDS)
def test_a_line_of_a_log_and_a_value_of_a_configuration_are_one(end: str) -> None:
    line = f"2026-01-01 00:00:00.000 info a{end}b"
    assert [found.text for found in lines_of(line + "\n", 1, 0)] == [line]
    assert not list(lines_of("", 1, 0))
    assert len(config_rows({"name": f"a{end}b"}, 80)) == 3
