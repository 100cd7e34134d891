"""The connections that speak HTTP: how many there are, and which one goes where there are too many."""

from __future__ import annotations

from wrpme.daemon.limits import HTTP_CONNECTIONS_MAX
from wrpme.daemon.net.server import Server, Session


class Connections:
    """Those of one node."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sessions: dict[Session, None] = {}
        """Who has asked nothing for longest comes first."""

    def asked(self, session: Session) -> None:
        """A connection begins, or asks something: it is the last one to go."""
        self._sessions.pop(session, None)
        self._sessions[session] = None
        strangers = self._server.strangers
        if session in strangers:
            del strangers[session]
            strangers[session] = None
        if len(self._sessions) > HTTP_CONNECTIONS_MAX:
            oldest = next(iter(self._sessions))
            del self._sessions[oldest]
            line = f"closed the HTTP connection that had asked nothing for longest, as {HTTP_CONNECTIONS_MAX} are open"
            self._server.throttle.say(self._server.host.clock(), "info", line)
            oldest.abort()

    def gone(self, session: Session) -> None:
        """A connection has ended."""
        self._sessions.pop(session, None)
