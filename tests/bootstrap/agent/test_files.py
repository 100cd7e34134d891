"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from wrpme.bootstrap.agent import errors, files
from wrpme.bootstrap.agent.errors import AgentError


def test_written_only_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.write(str(path), b"one") is True
    state = path.stat()
    assert files.write(str(path), b"one") is False
    assert path.stat() == state
    assert files.write(str(path), b"two") is True
    assert path.read_bytes() == b"two"
    assert files.write(str(path), b"two", 0o755) is True
    assert path.stat().st_mode & 0o777 == 0o755
    assert os.listdir(tmp_path) == ["file"]


def test_the_mode_does_not_hang_on_what_the_user_usually_gives(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write(str(tmp_path / "run"), b"", 0o755)
    finally:
        os.umask(before)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_half_of_a_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "file.new").write_bytes(b"half")
    files.write(str(tmp_path / "file"), b"whole")
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_in_the_place_of_what_is_begun_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "file.new").symlink_to(tmp_path / "precious")
    with pytest.raises(AgentError):
        files.write(str(tmp_path / "file"), b"x")
    assert (tmp_path / "precious").read_text() == "mine"
    assert files.write(str(tmp_path / "file"), b"x") is True


def test_the_same_object_is_the_same_bytes(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert files.write_json(path, {"b": 1, "a": [2]}) is True
    assert files.write_json(path, {"a": [2], "b": 1}) is False
    assert files.read_json(path) == {"a": [2], "b": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_what_is_no_object_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert files.read_json(str(tmp_path / "file")) is None
    assert files.read_json(str(tmp_path / "other")) is None


def test_a_full_disk_leaves_the_former_file(tmp_path: Path) -> None:
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        path = tmp_path / "file"
        files.write(str(path), b"former")
        with pytest.raises(AgentError) as caught:
            files.write(str(path), b"x" * 100_000)
        assert caught.value.word == "disk_full"
        assert caught.value.sentence == (
            f"the disk is full at {path} (0.1 MiB free); make room there and give the command again"
        )
        assert os.listdir(tmp_path) == ["file"]
        assert path.read_bytes() == b"former"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_directory_where_a_file_should_be_and_the_other_way_round(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(AgentError, match="directory is a directory where a file is needed; move it away"):
        files.write(str(tmp_path / "directory"), b"x")
    with pytest.raises(AgentError, match="file is a file where a directory is needed; move it away"):
        files.make_directory(str(tmp_path / "file"))
    with pytest.raises(AgentError, match="file is a file where a directory is needed; move it away"):
        files.write(str(tmp_path / "file" / "x" / "y"), b"x")
    files.make_directory(str(tmp_path / "directory"))


def test_removed_with_all_that_is_in_it_and_nothing_that_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("mine")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    (tree / "link").symlink_to(tmp_path / "kept")
    (tree / "a" / "broken").symlink_to("nowhere")
    files.remove_tree(str(tree))
    files.remove_tree(str(tree))
    assert not tree.exists()
    assert (tmp_path / "kept" / "file").read_text() == "mine"


def test_only_what_is_empty_is_removed_as_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    assert files.remove_empty(str(tmp_path / "empty")) is True
    assert files.remove_empty(str(tmp_path / "empty")) is True
    assert files.remove_empty(str(tmp_path / "full")) is False
    assert files.remove(str(tmp_path / "full" / "x")) is True
    assert files.remove(str(tmp_path / "full" / "x")) is False


def test_the_size_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 1000)
    (tmp_path / "two").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to("two")
    assert files.size_bytes(str(tmp_path)) == 1010 + len("two")
    assert files.size_bytes(str(tmp_path / "nowhere")) == 0


@pytest.mark.parametrize(
    ("number", "word", "sentence"),
    [
        (errno.ENOSPC, "disk_full", "the disk is full at /x/y"),
        (errno.EDQUOT, "disk_full", "the disk quota of user"),
        (errno.EROFS, "remote", "/x/y is on a read-only file system"),
        (errno.EACCES, "remote", f"user {errors.user()} may not use /x/y"),
        (errno.EIO, "remote", "/x/y can't be used (Input/output error)"),
    ],
)
def test_sentences(number: int, word: str, sentence: str) -> None:
    found = errors.from_os_error(OSError(number, os.strerror(number), "/x/y"))
    assert found.word == word
    assert found.sentence.startswith(sentence)
