"""The file that leads a node back to its hive when its database can't."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wrpme.core.membership import transitions as views
from wrpme.daemon.storage import rejoin
from wrpme.daemon.storage.rejoin import RejoinFile, RejoinInfo
from wrpme.protocol.view import Join

INFO = RejoinInfo("ab" * 16, ("127.0.0.1:5910", "[::1]:5911", "node3:5912"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rejoin.write(str(tmp_path), INFO)
    assert rejoin.read(str(tmp_path)) == INFO
    alone = RejoinInfo(INFO.hive, ())
    rejoin.write(str(tmp_path), alone)
    assert rejoin.read(str(tmp_path)) == alone
    assert os.listdir(tmp_path) == ["hive"]


def test_one_that_was_set_aside_says_so_until_it_is_a_member(tmp_path: Path) -> None:
    anew = RejoinInfo(INFO.hive, INFO.others, "/data/other\udcff name.damaged-1")
    rejoin.write(str(tmp_path), anew)
    assert rejoin.read(str(tmp_path)) == anew
    assert (anew.had_data, INFO.had_data, RejoinInfo("", ()).had_data) == (False, True, False)


def test_the_file_is_for_people_too(tmp_path: Path) -> None:
    rejoin.write(str(tmp_path), INFO)
    assert (tmp_path / "hive").read_text() == f"hive {INFO.hive}\n127.0.0.1:5910\n[::1]:5911\nnode3:5912\n"


def test_a_failed_writing_leaves_the_former_file(tmp_path: Path) -> None:
    rejoin.write(str(tmp_path), INFO)
    (tmp_path / "hive.new").mkdir()
    with pytest.raises(OSError):
        rejoin.write(str(tmp_path), RejoinInfo("cd" * 16, ()))
    assert rejoin.read(str(tmp_path)) == INFO


def test_the_directory_itself_may_be_missing(tmp_path: Path) -> None:
    assert rejoin.read(str(tmp_path / "none")) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"letter\n", b"\xff\xfe", b"hive xyz\n127.0.0.1:1\n"])
def test_another_file_of_that_name_is_none_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hive").write_bytes(content)
    assert rejoin.read(str(tmp_path)) is None


def test_a_line_that_is_no_address_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "hive").write_text("hive ab\n127.0.0.1:5910\n\nnonsense\n127.0.0.1:5911")
    assert rejoin.read(str(tmp_path)) == RejoinInfo("ab", ("127.0.0.1:5910", "127.0.0.1:5911"))


def test_the_others_are_all_members_at_other_addresses() -> None:
    view = views.found(b"h" * 16, b"a" * 16, 1, "127.0.0.1:1", 1)
    assert rejoin.info_in(view, b"a" * 16) == RejoinInfo((b"h" * 16).hex(), ())
    for node, port in ((b"c", 3), (b"b", 2), (b"d", 1)):
        following = views.apply(view, (Join(node * 16, 1, f"127.0.0.1:{port}"),))
        view = following or view
    others = rejoin.info_in(view, b"a" * 16).others
    assert others == ("127.0.0.1:2", "127.0.0.1:3"), "a dead node that was here before leads nowhere"
    assert rejoin.info_in(view, b"b" * 16).others == ("127.0.0.1:1", "127.0.0.1:3")


@pytest.mark.asyncio
async def test_the_keeper_writes_the_last_that_was_noted(tmp_path: Path) -> None:
    said: list[str] = []

    rejoin_file = RejoinFile(str(tmp_path), lambda level, line: said.append(line))
    for count in range(20):
        rejoin_file.note(RejoinInfo("ab", tuple(f"h:{port}" for port in range(1, count + 1))))
    rejoin_file.note(INFO)
    assert await rejoin_file.close(20.0)
    rejoin_file = RejoinFile(str(tmp_path), lambda level, line: said.append(line))
    (tmp_path / "hive").unlink()
    rejoin_file.note(INFO)
    assert await rejoin_file.close(20.0)
    assert not (tmp_path / "hive").exists(), "what the file says already is not written again"
    assert said == []


@pytest.mark.asyncio
async def test_the_keeper_says_what_it_can_not_write(tmp_path: Path) -> None:
    said: list[str] = []

    rejoin_file = RejoinFile(str(tmp_path / "gone"), lambda level, line: said.append(f"{level} {line}"))
    rejoin_file.note(INFO)
    assert await rejoin_file.close(20.0)
    (line,) = said
    assert line.startswith("warning") and "can't be brought up to date (No such file" in line
