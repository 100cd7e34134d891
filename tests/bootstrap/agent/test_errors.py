"""What is told of a machine, and to whom things belong."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from wrpme.bootstrap.agent import errors


def test_who_this_is() -> None:
    assert errors.user() == pwd.getpwuid(os.getuid()).pw_name
    assert errors.user_named(987_654) == "987654"


def test_the_nearest_that_exists(tmp_path: Path) -> None:
    assert errors.existing(str(tmp_path / "a" / "b")) == str(tmp_path)
    assert errors.existing("/") == "/"
    (tmp_path / "broken").symlink_to("nowhere")
    assert errors.existing(str(tmp_path / "broken")) == str(tmp_path / "broken")


def test_free_bytes_are_those_of_the_disk_where_it_would_be(tmp_path: Path) -> None:
    assert errors.free_bytes(str(tmp_path / "a" / "b")) > 0
    assert errors.full("/proc/nowhere/at/all").startswith("the disk is full at /proc/nowhere/at/all (")


def test_a_sentence_without_a_path() -> None:
    found = errors.from_os_error(OSError(5, "Input/output error"))
    assert found.sentence == "a file can't be used (Input/output error)"
