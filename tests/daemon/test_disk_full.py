"""What a node whose disk is full still says."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import pytest

from tests.daemon_parts import envelope
from wrpme.core.io import (
    Input, Exit, LinkDown, Received, ReplyTo, Requested, SessionClosed, StopAsked, HostRequest, TurnEnded, Woken,
)  # fmt: skip
from wrpme.daemon import disk_full, resources
from wrpme.daemon.disk_full import UnavailableNode
from wrpme.errors import DiskFullError, ShortageError
from wrpme.limits import DISK_FREE_BYTES_MIN
from wrpme.protocol.administration import StopNode
from wrpme.protocol.messages import AskView, Heartbeat, Failed, Get, GetLog, GetStatus, GetView, Put, Request, Watch


@pytest.mark.parametrize(
    "request_",
    [Get(7, b"a"), Put(7, b"a", b"b"), GetView(7, True), GetStatus(7, b""), StopNode(7, b"n" * 16), Watch(7, True)],
    ids=lambda request: type(request).__name__,
)
def test_every_request_is_answered_at_once(request_: Request) -> None:
    node = UnavailableNode("the disk is full")
    answer = [ReplyTo(3, Failed(7, DiskFullError.code, "the disk is full"))]
    assert node.request(3, request_, 0.0) == answer
    assert node.handle(Requested(3, request_), 0.0) == answer


def test_what_else_may_be_lacking() -> None:
    sentence = disk_full.sentence(ShortageError("no open file is left"), "127.0.0.1:1", "/data")
    assert sentence.startswith("no open file is left; until then the node 127.0.0.1:1 serves nothing")
    answer = UnavailableNode(sentence, ShortageError.code).request(3, Get(7, b"a"), 0.0)
    assert answer == [ReplyTo(3, Failed(7, ShortageError.code, sentence))]


def test_the_log_may_still_be_read() -> None:
    node = UnavailableNode("the disk is full")
    assert node.request(3, GetLog(7), 0.0) == [HostRequest(3, GetLog(7))]
    assert (node.stats(0.0), list(node.events), node.view_for(1)) == ("", [], None)


def test_it_takes_part_in_nothing() -> None:
    node = UnavailableNode("the disk is full")
    assert node.start(0.0) == []
    heartbeat = Received(1, envelope(Heartbeat(1.0)))
    heard: list[Input] = [heartbeat, Received(1, envelope(AskView())), LinkDown("h:1", "gone")]
    for event in (*heard, SessionClosed(1), Woken(), TurnEnded()):
        assert node.handle(event, 1.0) == []
    assert node.wake_at == inf


def test_a_stop_ends_it() -> None:
    assert UnavailableNode("the disk is full").handle(StopAsked(), 0.0) == [Exit(0)]


def space(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    found = os.statvfs("/")
    fields = list(found)
    fields[1], fields[4] = 1024, blocks
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))


def test_when_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = str(tmp_path / "not" / "yet")
    space(monkeypatch, DISK_FREE_BYTES_MIN // 1024)
    assert resources.has_space(below)
    space(monkeypatch, DISK_FREE_BYTES_MIN // 1024 - 1)
    assert not resources.has_space(below)
    sentence = disk_full.sentence(DiskFullError("full"), "127.0.0.1:1", below)
    assert below in sentence and "127.0.0.1:1" in sentence
    assert "(32.0 MiB free)" in sentence
    assert "free at least 32 MiB" in sentence


def test_a_system_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "statvfs", refused)
    assert resources.has_space(str(tmp_path))
    assert "is full, so" in disk_full.sentence(DiskFullError("full"), "127.0.0.1:1", str(tmp_path))


def test_the_log_is_for_who_shows_the_certificate_where_there_may_be_users() -> None:
    node = UnavailableNode("the disk is full", secured=True)
    assert node.request(3, GetLog(1), 0.0) == [ReplyTo(3, Failed(1, DiskFullError.code, "the disk is full"))]
    node.sessions.certified(4)
    assert node.request(4, GetLog(2), 0.0) == [HostRequest(4, GetLog(2))]
    node.handle(SessionClosed(4), 0.0)
    assert node.request(4, GetLog(3), 0.0) != [HostRequest(4, GetLog(3))]
