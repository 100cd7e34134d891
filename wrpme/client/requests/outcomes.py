"""What the end of an attempt means for a request: the rules of what may be sent again, and of what nobody can know.

Only what was certainly not carried out is sent again: what a node refused as unstable, what had not left when a
connection ended, and what changes nothing. The connections on an event loop and those of a blocking client share these
rules. Nothing here waits or sends.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping

from wrpme import errors
from wrpme.limits import CONNECT_SECONDS_MAX, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from wrpme.protocol.messages import Failed, Reply, Request, is_read


HOW = "wrpmesh --user NAME; user= and password= of a program"
"""Where it is said who a client is."""


class Lost(errors.ConnectionError):
    """The connection ended before the reply, for that ``reason``; ``sent`` tells that the request may have reached
    the node."""

    def __init__(self, reason: errors.WrpmeError, sent: bool) -> None:
        super().__init__(reason.sentence)
        self.reason = reason
        self.sent = sent


class Unheard(errors.ConnectionError):
    """Neither a connection nor a refusal came back from an address: packets were lost, and another attempt may be
    answered."""


class Waiting(Unheard):
    """Somebody is there, and has had no time for this client yet, or said that another attempt may succeed."""

    def __init__(self, sentence: str, reason: errors.WrpmeError | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason


class Untrusted(errors.ConnectionError):
    """Somebody is there, but what the two sides want of TLS does not go together: another attempt would end as this
    one."""


def repeatable(request: Request, lost: Lost) -> Lost:
    """Returns the error if the request may be sent again after it.

    Raises:
        IndeterminateError: It may have been carried out.
    """
    if lost.sent and not is_read(request):
        raise errors.IndeterminateError(
            f"{lost.sentence} before the answer came; the change may or may not have been carried out, "
            "read it before you repeat it"
        ) from None
    return lost


def refused_all(reason: errors.WrpmeError, left: int) -> bool:
    """Returns whether a node that ended a connection for that reason has certainly carried out none of the requests
    that it has not answered; ``left`` is how many requests have ever left on that connection.

    A node that is too busy for a connection says so before it takes anything, or between two requests: only of a single
    one is it sure which. One that stops, or wants to know who the client is, says that it has answered all that it
    took."""
    answered_all = isinstance(reason, (errors.UnstableError, errors.UnauthenticatedError))
    return answered_all or (reason.not_carried_out and left == 1)


def late(address: str, request: Request, sent: bool) -> errors.WrpmeError:
    """Returns what is told of a request whose deadline has passed."""
    if not sent:
        return errors.TimeoutError(f"{address} took no more requests in the time given; nothing was sent")
    if is_read(request):
        return errors.TimeoutError(f"{address} did not answer in the time given")
    return errors.IndeterminateError(
        f"{address} did not answer in the time given; the change may or may not have been carried out, "
        "read it before you repeat it"
    )


def ended(address: str, error: BaseException | None) -> errors.ConnectionError:
    """Returns what is told of a connection that ended by itself, with that error of the system or none."""
    how = f" ({explain(error)})" if error is not None else ""
    return errors.ConnectionError(f"the connection to {address} ended{how}")


def error_in(reply: Reply, address: str) -> errors.WrpmeError:
    """Returns what a reply tells that is not of the kind that was asked for."""
    if isinstance(reply, Failed):
        how = f" ({HOW})" if reply.code == errors.UnauthenticatedError.code else ""
        return errors.from_wire(reply.code, reply.sentence + how, reply.operation)
    return errors.ProtocolError(f"{address} gave an answer of the wrong kind ({type(reply).__name__})")


def next_pause(pause: float) -> float:
    """Returns the longest wait, in seconds, before the attempt that follows the one before which it was ``pause``."""
    return min(RETRY_SECONDS_MAX, max(RETRY_SECONDS_MIN, 2 * pause))


def final(last: errors.WrpmeError) -> errors.WrpmeError:
    """Returns what is told when no time is left after that error."""
    if isinstance(last, Lost):
        return last.reason
    if isinstance(last, Waiting) and last.reason is not None:
        return last.reason
    return last if last.sentence else errors.TimeoutError("the hive did not become stable in the time given")


def nobody(failures: Mapping[str, Exception]) -> errors.WrpmeError:
    """Returns what is told where no address could be reached, each for its reason."""
    reasons = [error for error in failures.values() if isinstance(error, errors.WrpmeError)]
    if len(reasons) < len(failures):  # a defect: it must not pass for a node that is not there
        raise next(error for error in failures.values() if not isinstance(error, errors.WrpmeError))
    for error in reasons:  # one that answers, but not as it should, tells more
        if not isinstance(error, errors.ConnectionError) or isinstance(error, (Untrusted, Waiting)):
            return error
    shown = ", ".join(error.sentence for error in reasons[:5])
    more = f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return errors.ConnectionError(f"no daemon answers at {shown}{more}; start wrpmed there, or name another node")


def explain(error: BaseException) -> str:
    """Returns an error of the system in plain words."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS_MAX:g} s"
    if isinstance(error, socket.gaierror):
        return "the name can't be resolved"
    if isinstance(error, ssl.SSLError):
        return "cut off"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
