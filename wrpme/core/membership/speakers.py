"""Who may say what as a node: whether the certificate of a connection fits what comes in on it.

The one thing that a certificate tells is which hosts its holder is. A node is known at an address in each of its lives,
so a message under its id counts from a certificate that names the host there. A life that is not known yet may claim an
address of its own certificate's host, which the node then finds by dialling, see
:mod:`wrpme.core.membership.whereabouts`: so a node whose address has changed is let in, and nobody is who has but a
certificate of another host.

===================================  ================================================================================
who says it                          what is asked of the certificate
===================================  ==================================================================================
a life known at an address           that it names the host of that address; else the connection is refused
another life, of where it is         that it names the host which is claimed; else the connection is refused
another life, of what others heed    that it names the host of some node that is known. A node that has no view yet
(views, requests to voters,          hears one also from a node that is in it, at a host that the certificate names
refusals)
another life, of anything else       nothing: it has no weight
===================================  ================================================================================"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from wrpme.core.context import NodeContext
from wrpme.protocol import view_index
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.messages import Envelope, NextView, Report, WholeView
from wrpme.protocol.view import Back, Join

Names = Callable[[str], bool]
"""Whether a certificate names the host of that address."""
_HEEDED = (NextView, Report, Refused)


class Objection(Struct, frozen=True):
    """Why a message is not heard; ``closes``: nor is anything else on that connection."""

    sentence: str
    closes: bool


def objection(context: NodeContext, envelope: Envelope, names: Names) -> Objection | None:
    """Returns what speaks against a message from a connection whose certificate is the one of ``names``; None where
    nothing does."""
    body = envelope.body
    known = _address_in_life(context, envelope)
    if known:
        return None if names(known) else _wrong(known)
    if isinstance(body, Where | Here):
        return None if names(body.address) else _wrong(body.address)
    if isinstance(body, Report) and all(
        isinstance(change, Join | Back) and change.node == envelope.source for change in body.changes
    ):
        foreign = (change.address for change in body.changes if not names(change.address))  # type: ignore[union-attr]
        wrong = next(foreign, None)
        return None if wrong is None else _wrong(wrong)
    if isinstance(body, WholeView):
        if context.view is None and (member := view_index.member(body.view, envelope.source)) is not None:
            return None if names(member.address) else _wrong(member.address)
        return _of_stranger(context, names, "a view")
    return _of_stranger(context, names, "a request") if isinstance(body, _HEEDED) else None


def _address_in_life(context: NodeContext, envelope: Envelope) -> str:
    """Returns where the sender is in the life that it speaks from; empty where that is not known."""
    source, life = envelope.source, envelope.incarnation
    if source == context.me:
        return context.settings.address if life == context.settings.incarnation else ""
    member = context.members.get(source)
    if member is None or life != max(member.incarnation, context.proven.get(source, (0, ""))[0]):
        return ""
    return context.routes.get(source, "")


def _of_stranger(context: NodeContext, names: Names, what: str) -> Objection | None:
    if any(names(address) for address in (*context.routes.values(), *context.settings.peers)):
        return None
    return Objection(f"{what} was not heard: its certificate names no node that is known here", False)


def _wrong(address: str) -> Objection:
    return Objection(
        f"the certificate does not name the host of {address}, the address of the node that speaks: give each node "
        "one for its own --advertise",
        True,
    )
