"""Questions to nodes, which the agent on their own machine asks: their ports need not be reachable from here."""

from __future__ import annotations

import base64
from typing import Protocol

import msgspec
from msgspec import Struct

from wrpme import errors
from wrpme.bootstrap.limits import ASK_NODE_SECONDS
from wrpme.protocol import address as addresses
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.access.messages import AddUser, GetUsers, RemoveUser, Users
from wrpme.protocol.access.users import User
from wrpme.protocol.messages import Done, Failed, GetStatus, GetView, Reply, Request, Text, ViewIs
from wrpme.protocol.stats import NodeStats, HiveStatus, NodeStatus
from wrpme.protocol.view import NOBODY, State, View


class Relay(Protocol):
    """The way of a question to a node; see :class:`wrpme.bootstrap.hosts.agent_client.AgentClient`."""

    async def call(self, do: str, **arguments: object) -> dict[str, object]:
        """Returns the agent's answer to one request."""


class NodeAnswer(Struct, frozen=True):
    """What a node says of itself. ``view`` and ``stats`` are None where it is in no hive (yet), or does not answer;
    ``why`` says which."""

    node: bytes = NOBODY
    view: View | None = None
    stats: NodeStats | None = None
    why: str = ""


def target(address: str) -> tuple[str, int]:
    """Returns the host and port at which a node is reached from its own machine."""
    parsed = addresses.parse(address)
    if parsed.unspecified:
        return ("::1" if ":" in parsed.host else "127.0.0.1"), parsed.port
    return parsed.host, parsed.port


async def probe_node(relay: Relay, address: str, name: str) -> NodeAnswer:
    """Returns what the node at that address says; ``name`` is that of its directory. That it
    can't be asked is no error: ``why`` says the reason.

    Raises:
        RemoteError: the connection to the machine ended.
    """
    try:
        return _node_answer(await _ask(relay, address, name, [GetView(1), GetStatus(2, NOBODY)]), address)
    except errors.RemoteError:
        raise
    except errors.WrpmeError as error:
        return NodeAnswer(why=error.sentence)


def _node_answer(replies: list[Reply], address: str) -> NodeAnswer:
    found = NodeAnswer()
    for reply in replies:
        if isinstance(reply, ViewIs):
            found = msgspec.structs.replace(found, node=reply.node, view=reply.view)
        elif isinstance(reply, Text):
            found = msgspec.structs.replace(found, stats=_stats(reply, address))
        elif isinstance(reply, Failed) and not found.why:
            found = msgspec.structs.replace(found, why=reply.sentence)
    return found


async def probe_hive(relay: Relay, address: str, name: str) -> HiveStatus:
    """Returns the hive as the node at that address sees it: its view, and the figures of each member. ``name`` is that
    of the node's directory.

    Raises:
        RemoteError: the connection to the machine ended.
        WrpmeError: the node does not answer, or is in no hive.
    """
    (answer,) = await _ask(relay, address, name, [GetView(1)])
    if not isinstance(answer, ViewIs):
        raise errors.UnavailableError(answer.sentence if isinstance(answer, Failed) else f"{address} makes no sense")
    members = answer.view.members
    asked = [GetStatus(number, member.id) for number, member in enumerate(members) if member.state is not State.DOWN]
    told = {reply.id: reply for reply in await _ask(relay, address, name, [*asked])}
    nodes: list[NodeStatus] = []
    for number, member in enumerate(members):
        reply = told.get(number)
        if isinstance(reply, Text):
            nodes.append(NodeStatus(member, _stats(reply, member.address), None))
        else:
            why = reply.sentence if isinstance(reply, Failed) else f"{member.address} does not answer"
            nodes.append(NodeStatus(member, None, errors.UnavailableError(why)))
    return HiveStatus(answer.view, tuple(nodes))


async def users_at(relay: Relay, address: str, name: str) -> tuple[User, ...]:
    """Returns the users of the hive as the node at that address has them; none where it has no hive yet.

    Raises:
        WrpmeError: the node does not answer, or may not tell.
    """
    (answer,) = await _ask(relay, address, name, [GetUsers(1)]) or (None,)
    if not isinstance(answer, Users):
        raise errors.RemoteError(answer.sentence if isinstance(answer, Failed) else f"{address} tells no users")
    return answer.users


async def tell_node(relay: Relay, address: str, name: str, request: AddUser | RemoveUser) -> None:
    """Asks the node at that address for a change of the users.

    Raises:
        WrpmeError: the node does not answer, or refuses.
    """
    (answer,) = await _ask(relay, address, name, [request]) or (None,)
    if not isinstance(answer, Done):
        raise errors.RemoteError(answer.sentence if isinstance(answer, Failed) else f"{address} makes no sense")


def _stats(reply: Text, address: str) -> NodeStats:
    try:
        return msgspec.json.decode(reply.text, type=NodeStats)
    except msgspec.MsgspecError as error:
        raise errors.ProtocolError(
            f"{address} tells figures that this version does not understand ({error}); use the wrpmesh of its release"
        ) from None


async def _ask(relay: Relay, address: str, name: str, requests: list[Request]) -> list[Reply]:
    frames = PREFACE + b"".join(encode(request) for request in requests)
    answer = await relay.call(
        "ask",
        name=name,
        address=target(address),
        frames=base64.b64encode(frames).decode(),
        count=len(requests),
        seconds=ASK_NODE_SECONDS,
    )
    decoder: Decoder[Reply] = Decoder(Reply)
    try:
        return decoder.feed(base64.b64decode(str(answer["data"])))
    except (errors.ProtocolError, errors.TooLargeError):
        raise errors.ProtocolError(f"what listens at {address} is no wrpme node") from None
