"""Where connections that speak HTTP are taken over.

What answers them is loaded with the first one, in a thread, as a node that nobody asks by HTTP needs none of it.
"""

from __future__ import annotations

import asyncio

from wrpme.daemon.net.http.connections import Connections
from wrpme.daemon.net.http.told import Source
from wrpme.daemon.net.server import Server, Session, Successor
from wrpme.errors import UnavailableError


class Door:
    """Takes over connections of ``server``, and answers them from ``source``."""

    def __init__(self, server: Server, source: Source) -> None:
        self._server = server
        self._source = source
        self._make: Successor | None = None
        self._loading: asyncio.Future[Successor] | None = None
        self._waiting: list[Session] = []
        self._lacks = ""
        """Why nothing can be answered."""

    def admit(self, session: Session) -> None:
        """Gives a connection to a session that speaks HTTP, as soon as that is loaded."""
        if self._lacks:
            session.refuse(
                UnavailableError(self._lacks), f"HTTP/1.1 501 Not Implemented\r\n\r\n{self._lacks}\n".encode()
            )
        elif self._make is not None:
            session.hand_over(self._make(session.number, self._server))
        elif session not in self._waiting:
            session.hold()
            self._waiting.append(session)
            if self._loading is None:
                self._loading = asyncio.get_running_loop().run_in_executor(None, self._load)
                self._loading.add_done_callback(self._loaded)

    def _load(self) -> Successor:
        from wrpme.daemon.net.http.pages import Pages
        from wrpme.daemon.net.http.session import HttpSession

        connections, pages = Connections(self._server), Pages(self._source)
        return lambda number, server: HttpSession(number, server, connections, pages)

    def _loaded(self, loading: asyncio.Future[Successor]) -> None:
        error = loading.exception()
        if isinstance(error, ImportError):
            self._lacks = (
                f"this node can't answer HTTP, as its installation is not complete ({error}); install wrpme anew"
            )
        elif error is not None:
            self._server.host.defect(error)
            return
        else:
            self._make = loading.result()
        waiting, self._waiting = self._waiting, []
        for session in waiting:
            if not session.ended and session.transport is not None and not session.transport.is_closing():
                self.admit(session)
