"""Lines through the channel, its silence and its end."""

from __future__ import annotations

import os

import pytest

from tests.system.daemons import PATIENCE_SECONDS
from wrpme.bootstrap.agent import limits, session
from wrpme.bootstrap.agent.errors import ChannelClosedError
from wrpme.bootstrap.agent.session import Channel


def test_silence_ends_it() -> None:
    into, _keep = os.pipe()
    channel = Channel(into, _keep)
    channel._heard -= limits.SILENCE_SECONDS_MAX
    with pytest.raises(ChannelClosedError):
        channel.read()
    os.close(into)
    os.close(_keep)


def test_a_request_in_pieces_and_two_in_one() -> None:
    into, out = os.pipe()
    channel = Channel(into, -1)
    whole = b'{"do":"beat"}\n{"do":"one"}\n{"do":"two"}\n'
    for byte in whole:
        os.write(out, bytes([byte]))
        channel.pause(0.0)
    os.close(out)
    assert channel.read() == {"do": "one"}
    assert channel.read() == {"do": "two"}
    with pytest.raises(ChannelClosedError):
        channel.read()
    os.close(into)


def test_a_pause_ends_with_the_channel() -> None:
    into, out = os.pipe()
    channel = Channel(into, -1)
    os.close(out)
    with pytest.raises(ChannelClosedError):
        channel.pause(PATIENCE_SECONDS)
    os.close(into)


def test_an_endless_request_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LINE_BYTES_MAX", 1000)
    into, out = os.pipe()
    channel = Channel(into, -1)
    os.write(out, b"x" * 5000)
    with pytest.raises(ChannelClosedError):
        channel.read()
    os.close(into)
    os.close(out)
