"""Many requests at once: one message to each owner, in flight together, and each request by itself.

What the owner of a message refused for certain (another node owns the entry by now, or its content had no room among
the others) is asked again alone; nothing that may have been carried out is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from wrpme import errors
from wrpme.client.batches.calls import Call, R, Result
from wrpme.client.dispatcher import Dispatcher
from wrpme.limits import MANY_BYTES_MAX, MANY_REQUESTS_MAX
from wrpme.protocol import view_index
from wrpme.protocol.messages import EntryRequest, Many, Results, is_read
from wrpme.protocol.ring import arc_at, position_of
from wrpme.protocol.view import Member


class _Message(NamedTuple):
    owner: Member
    places: list[int]


async def outcomes(dispatcher: Dispatcher, calls: Sequence[Call[R]]) -> list[R | errors.WrpmeError]:
    """Returns what each call gives, in their order, or the error that it got; the timeout is for all of them."""
    deadline = dispatcher.deadline()
    if dispatcher.view is None and len(calls) > 1:
        await dispatcher.fresh_view(deadline)
    found: dict[int, R | errors.WrpmeError] = {}
    messages, alone = _grouped(dispatcher, calls)

    async def one(place: int) -> None:
        call = calls[place]
        request = replace(call.request, id=dispatcher.next_id())
        position = dispatcher.routes.position_of(request.alias)
        try:
            reply = await dispatcher.ask(request, call.kind, position=position, deadline=deadline)
        except errors.WrpmeError as error:
            found[place] = error
        else:
            found[place] = call.result(reply)

    async def together(message: _Message) -> None:
        refused: list[int] = []
        request = Many(dispatcher.next_id(), message.owner.id, tuple(calls[at].request for at in message.places))
        address = message.owner.address
        try:
            reply = await dispatcher.ask(request, Results, address=address, deadline=deadline, until_stable=False)
            told = [calls[at].outcome(part) for at, part in zip(message.places, reply.replies, strict=True)]
        except errors.WrpmeError as error:
            told = [error] * len(message.places)
            if error.not_carried_out:  # by the owner that this client knows of; there may be another one by now
                await asyncio.gather(*map(one, message.places))
                return
        for place, outcome in zip(message.places, told, strict=True):
            is_harmless = isinstance(outcome, errors.IndeterminateError) and is_read(calls[place].request)
            if is_harmless or (isinstance(outcome, errors.WrpmeError) and outcome.retry):
                refused.append(place)
            else:
                found[place] = outcome
        await asyncio.gather(*map(one, refused))

    await asyncio.gather(*map(together, messages), *map(one, alone))
    return [found[place] for place in range(len(calls))]


def _grouped(dispatcher: Dispatcher, calls: Sequence[Call[Result]]) -> tuple[list[_Message], list[int]]:
    """The messages, and the calls that go alone: those that are large, and those whose owner is not known."""
    view = dispatcher.view
    open_messages: dict[bytes, tuple[_Message, int]] = {}
    messages: list[_Message] = []
    alone: list[int] = []
    for place, call in enumerate(calls):
        size = size_of(call.request)
        arc = view.arcs[arc_at(view, position_of(view, call.request.alias))] if view is not None else None
        owner = view_index.owner(view, arc) if view is not None and arc is not None else None
        if view is None or owner is None or size > MANY_BYTES_MAX // 4:
            alone.append(place)
            continue
        message, filled = open_messages.get(owner, (None, 0))
        if message is None or len(message.places) >= MANY_REQUESTS_MAX or filled + size > MANY_BYTES_MAX:
            member = view_index.member(view, owner)
            assert member is not None, "who owns an arc is a member"
            message, filled = _Message(member, []), 0
            messages.append(message)
        message.places.append(place)
        open_messages[owner] = message, filled + size
    return messages, alone


def size_of(request: EntryRequest) -> int:
    """About how many bytes a request has on the wire."""
    return len(request.alias) + len(getattr(request, "content", b"")) + len(getattr(request, "comparand", b""))
