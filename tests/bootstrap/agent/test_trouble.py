"""What is told of a machine, and to whom things belong."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from wrpme.bootstrap.agent import trouble


def test_who_this_is() -> None:
    assert trouble.user() == pwd.getpwuid(os.getuid()).pw_name
    assert trouble.user_named(987_654) == "987654"


def test_the_nearest_that_exists(tmp_path: Path) -> None:
    assert trouble.existing(str(tmp_path / "a" / "b")) == str(tmp_path)
    assert trouble.existing("/") == "/"
    (tmp_path / "broken").symlink_to("nowhere")
    assert trouble.existing(str(tmp_path / "broken")) == str(tmp_path / "broken")


def test_free_bytes_are_those_of_the_disk_where_it_would_be(tmp_path: Path) -> None:
    assert trouble.free_bytes(str(tmp_path / "a" / "b")) > 0
    assert trouble.full("/proc/nowhere/at/all").startswith("the disk is full at /proc/nowhere/at/all (")


def test_a_sentence_without_a_path() -> None:
    assert trouble.of(OSError(5, "Input/output error")).sentence == "a file can't be used (Input/output error)"
