"""Transactions: what the operations on entries of one position do together, decided in one step.

All or nothing, at one moment, visible to nobody before it is acknowledged. That holds through every change of owner,
because at every node the writes of a transaction come together or not at all:

- they are applied in one call, so they are one part of one batch of the disk, and are queued one after the other;
- they are one item of the stream, see :class:`wrpme.core.replication.sender.Sender`: a holder has taken all of them or
  none, and so the mark of its copy never lies within a transaction;
- their entries have one position, so no division of an arc puts them into two suffixes, and of a suffix all of them are
  void or none, as that is a matter of the position and of the version of the arc;
- a suffix that is handed over in parts counts once the last part is there, see
  :class:`wrpme.core.replication.takeover.Suffixes`;
- a new owner puts what the suffixes held on its disk in one batch, and sends the writes of one position in one item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from wrpme.core.layout import REMOVED, Version, expiry_in, removal, value_of, version_bytes
from wrpme.core.replication.operations import Now, Write, decide, is_versioned
from wrpme.core.stats.slot_counts import user_bytes_of
from wrpme.errors import TooLargeError
from wrpme.limits import TRANSACTION_BYTES_MAX
from wrpme.protocol.messages import Content, Done, EntryReply, EntryRequest, Failed


class Planned(NamedTuple):
    """A write: the entry gets ``value``, or a removal; ``held`` is what it was before, None if there was none."""

    key: bytes
    value: bytes
    held: bytes | None
    by_clock: bool = False
    """Its time had come."""


class Plan(NamedTuple):
    """What a transaction does. Where an operation failed it does nothing; ``expired`` are entries whose time had come,
    which whoever asked was told are gone."""

    writes: list[Planned]
    replies: list[EntryReply]
    answer_bytes: int
    failure: Failed | None
    expired: list[tuple[bytes, bytes]]
    by_clock: bool = False
    """Whether the time of an entry had come."""

    @property
    def grows(self) -> bool:
        """Whether there is more data afterwards than before."""
        return (
            sum(
                user_bytes_of(write.key, len(write.value)) * (expiry_in(write.value) != REMOVED)
                - (user_bytes_of(write.key, len(write.held)) if write.held is not None else 0)
                for write in self.writes
            )
            > 0
        )


def plan(
    requests: Sequence[EntryRequest],
    keys: Sequence[bytes],
    current: Callable[[bytes], bytes | None],
    version: Callable[[int], Version],
    now: Now,
) -> Plan:
    """Decides one operation after the other, each of which sees what those before it do. ``current`` gives the value of
    an entry as the latest write left it, ``version`` that of the transaction's nth write, counted from 1."""
    made = Plan([], [], 0, None, [])
    writes, answer_bytes, written_bytes = made.writes, 0, 0
    present: dict[bytes, bytes | None] = {}
    for index, (request, key) in enumerate(zip(requests, keys, strict=True)):
        is_first = key not in present
        held = current(key) if is_first else present[key]
        if held is not None and 0 < expiry_in(held) <= now.early:
            made = made._replace(by_clock=True)
            if is_first:
                made.expired.append((key, held))
            writes.append(Planned(key, removal(version(len(writes) + 1)), held, by_clock=True))
            held = None
        present[key] = held
        outcome = decide(request, held, now)
        reply = outcome.reply if type(outcome) is Write else outcome
        if type(reply) is Failed:
            return made._replace(failure=_aborted(reply, index, len(requests)))
        if type(outcome) is Write:
            at = version(len(writes) + 1)
            value = removal(at) if outcome.content is None else value_of(at, outcome.expiry, outcome.content)
            writes.append(Planned(key, value, held))
            present[key] = None if expiry_in(value) == REMOVED else value
            written_bytes += len(key) + len(value)
            if is_versioned(request):
                reply = Done(request.id, version_bytes(at))
        answer_bytes += len(reply.content) if type(reply) is Content else 0
        if max(written_bytes, answer_bytes) > TRANSACTION_BYTES_MAX:
            error = TooLargeError(f"a transaction writes and answers at most {TRANSACTION_BYTES_MAX} bytes (8 MiB)")
            return made._replace(failure=_aborted(Failed(0, error.code, error.sentence), index, len(requests)))
        made.replies.append(reply)  # type: ignore[arg-type]
    return made._replace(answer_bytes=answer_bytes)


def _aborted(reply: Failed, index: int, count: int) -> Failed:
    changed = "" if "nothing was changed" in reply.sentence else "; nothing was changed"
    sentence = f"operation {index + 1} of {count}: {reply.sentence}{changed}"
    return Failed(reply.id, reply.code, sentence, index)
