"""The data of a node's screen: what the timeline knows, and what only the node itself can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from wrpme import errors
from wrpme.client.client import Client
from wrpme.protocol.administration import SlowLog
from wrpme.protocol.view import NodeId
from wrpme.tui.node.graph import Points
from wrpme.tui.services import Services
from wrpme.tui.state.scene import EventShown, Mode, Scene


class Source(Protocol):
    """What the screen of a node asks for."""

    @property
    def plain(self) -> bool:
        """Whether there are no colours, or no UTF-8."""

    def scene(self) -> Scene:
        """Returns the state of the hive at the moment that is shown."""

    def series(self, node: NodeId, what: str) -> Points:
        """Returns one of :data:`BY_SERIES <wrpme.tui.state.figures.BY_SERIES>` up to the moment that is shown."""

    def events(self, address: str) -> Sequence[EventShown]:
        """Returns the events about the node at that address, or told by it, the oldest first."""

    async def config(self, address: str) -> dict[str, Any]:
        """Returns the configuration of the node at that address.

        Raises:
            WrpmeError: the node can't be asked now, or does not answer.
        """

    async def log(self, address: str) -> list[str]:
        """Returns the latest log lines of the node at that address, the oldest first.

        Raises:
            WrpmeError: the node can't be asked now, or does not answer.
        """

    async def slow(self, address: str) -> SlowLog:
        """Returns what took the node at that address long, the latest first.

        Raises:
            WrpmeError: the node can't be asked now, or does not answer.
        """


class HiveSource:
    """A :class:`Source` that reads the timeline, and asks the node itself where the moment shown is now."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def plain(self) -> bool:
        """See :class:`Source`."""
        return self._services.plain

    def scene(self) -> Scene:
        """See :class:`Source`."""
        return self._services.scene

    def series(self, node: NodeId, what: str) -> Points:
        """See :class:`Source`."""
        return self._services.timeline.series(node, what)

    def events(self, address: str) -> Sequence[EventShown]:
        """See :class:`Source`."""
        events = self._services.timeline.events()
        return [event for event in events if address in (event.node, event.teller, *event.others)]

    async def config(self, address: str) -> dict[str, Any]:
        """See :class:`Source`."""
        return await self._client().node_config(address)

    async def log(self, address: str) -> list[str]:
        """See :class:`Source`."""
        return await self._client().log_of(address)

    async def slow(self, address: str) -> SlowLog:
        """See :class:`Source`."""
        (found,) = await self._client().slow_log(address)
        if found.log is None:
            assert found.error is not None
            raise found.error
        return found.log

    def _client(self) -> Client:
        client = self._services.client
        if client is None or self._services.timeline.mode is not Mode.LIVE:
            raise errors.UsageError("only a node of now can be asked for this; 0 goes back to now")
        return client
