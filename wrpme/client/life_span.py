"""Life spans as callers give them, and as they are on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from wrpme import errors
from wrpme.client.limits import YEAR_2000_SECONDS
from wrpme.limits import EXPIRY_MILLISECONDS_MAX
from wrpme.protocol.messages import KEEP_EXPIRY

Span = timedelta | float
"""How long an entry lives: seconds, if it is a number."""
Time = datetime | float
"""A moment until which an entry lives: with a zone, or without one in local time; or seconds since 1970. 0 is for
ever."""


def life_span(expires: Time, ttl: Span | None, keep: bool = False) -> tuple[int, int]:
    """Returns a life span as it is on the wire: the expiry, and the ttl."""
    if (expires != 0) + (ttl is not None) + keep > 1:
        raise errors.UsageError("expires, ttl and keep_expiry exclude each other; give one of them")
    if keep:
        return 0, KEEP_EXPIRY
    if ttl is None:
        return milliseconds(expires, "ttl={0} (in wrpmesh --ttl {0})"), 0
    span = span_milliseconds(ttl, "the ttl")
    if not span:
        raise errors.UsageError("the ttl is 0, but should be above 0; leave it out for an entry that lives for ever")
    return 0, span


def span_milliseconds(span: Span, what: str) -> int:
    """Returns a span in milliseconds, at least 1, or 0; UsageError if it is none."""
    return to_milliseconds(span.total_seconds() if isinstance(span, timedelta) else span, what)


def milliseconds(moment: Time, meant: str) -> int:
    """Returns the moment as it is on the wire: milliseconds since 1970, at least 1, or 0 for ever. ``meant`` is how a
    number is given that is a span rather than a moment.

    Raises:
        UsageError: It is none, or a number before the year 2000: a span that was taken for a moment would remove the
            entry at once.
    """
    if isinstance(moment, datetime):
        try:
            seconds = moment.timestamp()
        except (OverflowError, ValueError, OSError):
            seconds = -1.0
        if seconds < 0:
            raise errors.UsageError(f"the time is {moment.isoformat()}, but should be from 1970 to 9999")
        return max(1, to_milliseconds(seconds, "the time"))
    number = to_milliseconds(moment, "the time")
    if 0 < number < 1000 * YEAR_2000_SECONDS:
        year = datetime.fromtimestamp(moment, UTC).year
        raise errors.UsageError(
            f"the time is {moment} seconds since 1970, which is in the year {year} and would remove the entry at "
            f"once; for so many seconds from now give {meant.format(moment)}"
        )
    return number


def to_milliseconds(seconds: float, what: str) -> int:
    """Returns a number of seconds in milliseconds, at least 1, or 0; UsageError if it is none. ``what`` it is, says the
    sentence."""
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= EXPIRY_MILLISECONDS_MAX / 1000:
        most = EXPIRY_MILLISECONDS_MAX // 1000
        raise errors.UsageError(f"{what} is {seconds}, but should be from 0 to {most} seconds")
    return max(1, round(seconds * 1000)) if seconds else 0
