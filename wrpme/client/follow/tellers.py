"""Who wants to hear what nodes tell unasked of followed entries: by connection, as each node has numbers of its own."""

from __future__ import annotations

from typing import Protocol

from wrpme.client.connection import Connection
from wrpme.protocol.messages import Changes, Failed, Follow, FollowEnded, Following, Reply


class Listener(Protocol):
    """One who follows."""

    def following(self, connection: Connection, answer: Following | Failed) -> None:
        """Takes the answer to its Follow. Changes may come right behind it, so nothing lies between."""

    def told(self, connection: Connection, reply: Changes | FollowEnded) -> None:
        """Takes what is told on a channel."""

    def lost(self, connection: Connection) -> None:
        """Takes note that the connection has ended."""


class Tellers:
    """Of one client."""

    def __init__(self) -> None:
        self._asked: dict[tuple[Connection, int], Listener] = {}
        self._channels: dict[tuple[Connection, int], dict[Listener, None]] = {}

    def ask(self, connection: Connection, request: Follow, listener: Listener) -> None:
        """Sends the request; the listener hears the answer, and then what is told."""
        self._asked[connection, request.id] = listener
        connection.say(request)

    def forget(self, listener: Listener) -> list[tuple[Connection, int]]:
        """Nothing is told to the listener any more; returns the connections and channels by which it was."""
        self._asked = {key: one for key, one in self._asked.items() if one is not listener}
        left = [key for key, listeners in self._channels.items() if listener in listeners]
        for key in left:
            del self._channels[key][listener]
            if not self._channels[key]:
                del self._channels[key]
        return left

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Passes on what no request waits for."""
        if isinstance(reply, Changes | FollowEnded):
            for listener in tuple(self._channels.get((connection, reply.channel), ())):
                listener.told(connection, reply)
        elif isinstance(reply, Following | Failed):
            asked = self._asked.pop((connection, reply.id), None)
            if asked is not None:
                if isinstance(reply, Following):
                    self._channels.setdefault((connection, reply.channel), {})[asked] = None
                asked.following(connection, reply)

    def closed(self, connection: Connection) -> None:
        """Tells all that listen there."""
        listeners = dict.fromkeys(one for (at, _), one in self._asked.items() if at is connection)
        for at, number in list(self._channels):
            if at is connection:
                listeners.update(self._channels[at, number])
        for listener in listeners:
            listener.lost(connection)
