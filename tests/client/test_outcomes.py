"""What the end of an attempt means for a request."""

from __future__ import annotations

from ssl import SSLEOFError

import pytest

from wrpme import errors
from wrpme.client.requests import outcomes
from wrpme.client.requests.outcomes import Lost
from wrpme.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from wrpme.protocol.identities import GetHive
from wrpme.protocol.administration import StopNode
from wrpme.protocol.messages import Done, Failed, Number

ENDED = errors.ConnectionError("the connection to n1 ended")
READ, WRITE = GetHive(1), StopNode(1, b"a" * 16)


def test_what_may_be_sent_again() -> None:
    for request, sent in ((READ, True), (READ, False), (WRITE, False)):
        lost = Lost(ENDED, sent)
        assert outcomes.repeatable(request, lost) is lost
    with pytest.raises(errors.IndeterminateError, match="the connection to n1 ended before the answer came"):
        outcomes.repeatable(WRITE, Lost(ENDED, sent=True))


def test_a_node_that_ends_a_connection_with_a_reason() -> None:
    busy, stopping = errors.BusyError("too many"), errors.UnstableError("it stops")
    assert outcomes.refused_all(busy, 1) and not outcomes.refused_all(busy, 2)
    assert outcomes.refused_all(stopping, 2)
    assert not outcomes.refused_all(ENDED, 1)


def test_what_is_told_at_the_deadline() -> None:
    told = [outcomes.late("n1", request, sent) for request, sent in ((WRITE, False), (READ, True), (WRITE, True))]
    assert [error.word for error in told] == ["timeout", "timeout", "indeterminate"]
    assert outcomes.final(Lost(ENDED, sent=False)) is ENDED
    assert outcomes.final(errors.UnstableError("")).word == "timeout"


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [0.0]
    while pauses[-1] < RETRY_SECONDS_MAX:
        pauses.append(outcomes.next_pause(pauses[-1]))
    assert pauses[1] == RETRY_SECONDS_MIN and pauses[2] == 2 * pauses[1]
    assert outcomes.next_pause(RETRY_SECONDS_MAX) == RETRY_SECONDS_MAX


def test_ends_of_connections() -> None:
    told = [
        outcomes.ended("n1", error).sentence for error in (None, ConnectionResetError(104, "x"), SSLEOFError(8, "x"))
    ]
    begin = "the connection to n1 ended"
    assert told == [begin, f"{begin} (connection reset by peer)", f"{begin} (cut off)"]


def test_an_answer_of_another_kind() -> None:
    assert outcomes.error_in(Failed(1, errors.MismatchError.code, "differs"), "n1").word == "mismatch"
    assert "wrong kind (Number)" in outcomes.error_in(Number(1, 1), "n1").sentence
    assert outcomes.error_in(Done(1), "n1").word == "protocol"
