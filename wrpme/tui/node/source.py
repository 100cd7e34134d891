"""What the screen of one node asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wrpme import errors
from wrpme.protocol.view import NodeId
from wrpme.tui.state.scene import EventShown, Mode, Scene

if TYPE_CHECKING:
    from wrpme.client.client import Client
    from wrpme.tui.app import Dashboard


class HiveSource:
    """Answers from the timeline, and from the node itself where it is asked about now."""

    def __init__(self, app: Dashboard) -> None:
        self._app = app

    @property
    def plain(self) -> bool:
        """See :class:`wrpme.tui.app.Dashboard`."""
        return self._app.plain

    def scene(self) -> Scene:
        """What is shown."""
        return self._app.scene

    def series(self, node: NodeId, what: str) -> Sequence[tuple[float, float | None]]:
        """The figures of a node up to the moment that is shown."""
        return self._app.timeline.series(node, what)

    def events(self, address: str) -> Sequence[EventShown]:
        """What happened to the node at that address, or was told by it."""
        return [event for event in self._app.timeline.events() if address in (event.node, event.teller)]

    async def config(self, address: str) -> dict[str, Any]:
        """Its configuration."""
        return await self._client().node_config(address)

    async def log(self, address: str) -> list[str]:
        """Its latest log lines."""
        return await self._client().log_of(address)

    def _client(self) -> Client:
        client = self._app.client
        if client is None or self._app.timeline.mode is not Mode.LIVE:
            raise errors.UsageError("only a node of now can be asked for this; 0 goes back to now")
        return client
