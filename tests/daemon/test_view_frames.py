"""What is told to every member is encoded once, and reads as it would without that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.samples import ENVELOPE_SAMPLES, PROPOSAL, VIEW
from wrpme.daemon.limits import VIEWS_ENCODED_MAX
from wrpme.daemon.net import view_frames
from wrpme.daemon.net.view_frames import ViewFrames
from wrpme.protocol import codec
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Body, Envelope, NextView, WholeView
from wrpme.protocol.view import NodeId


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies that were encoded by themselves."""
    seen: list[Any] = []
    honest: Callable[[Any], bytes] = codec.encode_body

    def encode_body(body: Any) -> bytes:
        seen.append(body)
        return honest(body)

    monkeypatch.setattr(codec, "encode_body", encode_body)
    return seen


def said(to: NodeId, body: Body) -> Envelope:
    return Envelope(b"h" * 16, 1, b"a" * 16, 1, to, 10, body)


def test_a_view_and_a_patch_are_encoded_once_for_all_members(encoded: list[Any]) -> None:
    frames = ViewFrames()
    for number in range(100):
        for body in (NextView(10, PROPOSAL), WholeView(VIEW)):
            envelope = said(b"%016d" % number, body)
            assert frames.frame(envelope) == encode(envelope), "nobody who reads it sees a difference"
    assert len(encoded) == 2


def test_every_message_reads_as_ever() -> None:
    frames = ViewFrames()
    for envelope in ENVELOPE_SAMPLES:
        assert frames.frame(envelope) == encode(envelope)


def test_an_equal_view_that_is_another_one_is_encoded_by_itself_and_few_are_kept(encoded: list[Any]) -> None:
    frames, views = ViewFrames(), [replace(VIEW, epoch=10 + number) for number in range(VIEWS_ENCODED_MAX + 1)]
    for view in (*views, views[-1], views[0]):
        envelope = said(b"b" * 16, WholeView(view))
        assert frames.frame(envelope) == encode(envelope)
    epochs = [view.epoch for view in views]
    assert [body.view.epoch for body in encoded] == [*epochs, 10], "the last ones are known, the first is not"


def test_few_bytes_are_kept(encoded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    views = [replace(VIEW, epoch=10 + number) for number in range(3)]
    size = len(codec.encode_body(WholeView(VIEW)))
    for room, known in ((2 * size, 4), (size - 1, 5)):
        monkeypatch.setattr(view_frames, "VIEWS_ENCODED_BYTES_MAX", room)
        encoded.clear()
        frames = ViewFrames()
        for view in (*views, views[2], views[1], views[0]):
            frames.frame(said(b"b" * 16, WholeView(view)))
        assert len(encoded) == known and frames._bytes <= max(room, size)
