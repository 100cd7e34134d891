"""Files that can't be read: one sentence each, and nobody waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wrpme.daemon.config import parse
from wrpme.errors import UsageError
from wrpme.files.file_text import read
from wrpme.limits import OPTION_FILE_BYTES_MAX


def refused(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    return caught.value.sentence


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for path, sentence in (
        ("pipe", "pipe is no regular file; name a file of TOML"),
        (".", "the file . can't be read (Is a directory); see that it is there, and readable"),
        ("none", "the file none can't be read (No such file or directory); see that it is there, and readable"),
    ):
        assert refused(path) == sentence
        for arguments, environment in ((["--config", path], {}), ([], {"WRPME_CONFIG": path})):
            with pytest.raises(UsageError) as caught:
                parse(arguments, environment)
            assert caught.value.sentence == sentence


def test_one_that_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert read(str(tmp_path / "none" / "x"), may_miss=True) is None
    assert read(str(tmp_path / "file" / "x"), may_miss=True) is None
    assert read(str(tmp_path / "file"), may_miss=True) == "x"
    with pytest.raises(UsageError, match="Is a directory"):
        read(str(tmp_path), may_miss=True)


def test_what_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.toml").write_bytes(b"# a\n# \xff\n")
    assert refused("w.toml") == "w.toml, line 2: this is not UTF-8; save the file as UTF-8"
    Path("w.toml").write_bytes(b"#" * OPTION_FILE_BYTES_MAX)
    assert len(read("w.toml")) == OPTION_FILE_BYTES_MAX
    Path("w.toml").write_bytes(b"#" * (OPTION_FILE_BYTES_MAX + 1))
    assert refused("w.toml") == "the file w.toml has more than 1048576 bytes; it is no file of options"


def test_one_that_opens_no_file_leaves_none_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        refused(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
