"""Questions to nodes through a relay; the relay here answers with the bytes of a node."""

from __future__ import annotations

import base64

import msgspec
import pytest

from wrpme import errors
from wrpme.bootstrap.hosts.probe import probe_hive, probe_node, target
from wrpme.core.membership import transitions
from wrpme.protocol.codec import PREFACE, encode
from wrpme.protocol.messages import Failed, GetStatus, GetView, Text, ViewIs
from wrpme.protocol.stats import NodeStats

ME = b"n" * 16
ADDRESS = "10.0.0.1:5909"
NAME = "10.0.0.1-5909"
VIEW = transitions.found(b"h" * 16, ME, 1, ADDRESS, 2)
FIGURES = NodeStats(ADDRESS, 1, "up", "0.1.0", 1.0, 1.0, 3, 30, True)


class Relay:
    """Answers in the place of an agent."""

    def __init__(self, *answers: msgspec.Struct, raw: bytes = b"", error: errors.WrpmeError | None = None) -> None:
        self.asked: list[bytes] = []
        self._data = raw or PREFACE + b"".join(encode(answer) for answer in answers)
        self._error = error

    async def call(self, do: str, **arguments: object) -> dict[str, object]:
        assert do == "ask"
        self.asked.append(base64.b64decode(str(arguments["frames"])))
        if self._error is not None:
            raise self._error
        return {"data": base64.b64encode(self._data).decode()}


@pytest.mark.asyncio
async def test_a_member_tells_its_view_and_figures() -> None:
    relay = Relay(ViewIs(1, ME, VIEW), Text(2, msgspec.json.encode(FIGURES).decode()))
    answer = await probe_node(relay, ADDRESS, NAME)
    assert (answer.node, answer.view, answer.stats, answer.why) == (ME, VIEW, FIGURES, "")
    assert relay.asked == [PREFACE + encode(GetView(1)) + encode(GetStatus(2, b""))]


@pytest.mark.asyncio
async def test_a_node_without_a_hive_says_so() -> None:
    relay = Relay(Failed(1, 6, "it waits for a hive"), Text(2, msgspec.json.encode(FIGURES).decode()))
    answer = await probe_node(relay, ADDRESS, NAME)
    assert answer.view is None
    assert answer.why == "it waits for a hive"


@pytest.mark.asyncio
async def test_a_port_that_does_not_answer_is_no_error_of_the_machine() -> None:
    answer = await probe_node(Relay(error=errors.ConnectionError("connection refused")), ADDRESS, NAME)
    assert answer.why == "connection refused"
    with pytest.raises(errors.RemoteError):
        await probe_node(Relay(error=errors.RemoteError("the connection ended")), ADDRESS, NAME)


@pytest.mark.asyncio
async def test_a_foreign_program_is_told() -> None:
    answer = await probe_node(Relay(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"), ADDRESS, NAME)
    assert "no wrpme node" in answer.why


@pytest.mark.asyncio
async def test_the_whole_hive_through_one_node() -> None:
    status = await probe_hive(Both(), ADDRESS, NAME)
    assert status.view == VIEW
    assert [node.stats for node in status.nodes] == [FIGURES]


class Both:
    """First the view, then the figures."""

    def __init__(self) -> None:
        self._relays = [Relay(ViewIs(1, ME, VIEW)), Relay(Text(0, msgspec.json.encode(FIGURES).decode()))]

    async def call(self, do: str, **arguments: object) -> dict[str, object]:
        return await self._relays.pop(0).call(do, **arguments)


def test_where_a_node_is_reached_on_its_own_machine() -> None:
    assert target("10.0.0.1:5909") == ("10.0.0.1", 5909)
    assert target("0.0.0.0:5909") == ("127.0.0.1", 5909)
    assert target("[::]:5909") == ("::1", 5909)


@pytest.mark.asyncio
async def test_figures_of_another_version_are_no_defect() -> None:
    relay = Relay(ViewIs(1, ME, VIEW), Text(2, '{"address": 3}'))
    assert "this version does not understand" in (await probe_node(relay, ADDRESS, NAME)).why
