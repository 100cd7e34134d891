"""The tree of errors: words and codes are for scripts and for the wire, so they never change."""

from __future__ import annotations

import re

import pytest

from wrpme import errors
from wrpme.errors import BY_CODE, WrpmeError, from_wire

STABLE = {
    1: "error",
    2: "not_found",
    3: "already_exists",
    4: "mismatch",
    5: "unavailable",
    6: "unstable",
    7: "indeterminate",
    8: "timeout",
    9: "usage",
    10: "no_such_command",
    11: "too_large",
    12: "connection",
    13: "protocol",
    14: "storage",
    15: "busy",
    16: "start",
    17: "internal",
    18: "disk_full",
    19: "damaged",
    20: "differs",
    21: "remote",
    22: "host_key",
    23: "locked",
    24: "old_copy",
    25: "another_hive",
    26: "shortage",
    27: "number",
    28: "apart",
    29: "backup",
    30: "full",
    31: "unauthenticated",
    32: "denied",
}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WrpmeError)]


def test_codes_and_words_are_stable() -> None:
    assert {code: kind.word for code, kind in BY_CODE.items()} == STABLE


def test_codes_and_words_are_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len({kind.word for kind in KINDS}) == len(KINDS) == len(BY_CODE)


def test_a_class_says_what_it_means() -> None:
    for kind in KINDS:
        assert (kind.__doc__ and kind.__doc__ != WrpmeError.__doc__) or kind is WrpmeError, kind
        assert issubclass(kind, Exception)
        if kind is not WrpmeError:
            words = re.findall("[A-Z][a-z]+", kind.__name__.removesuffix("Error"))
            assert kind.word == "_".join(words).lower(), "the word follows from the name of the class"


def test_over_the_wire() -> None:
    for kind in KINDS:
        error = from_wire(kind.code, "the sentence")
        assert type(error) is kind
        assert error.sentence == "the sentence"
        assert str(error) == f"{kind.word}: the sentence"


@pytest.mark.parametrize("code", [0, 200, -1, 1 << 40])
def test_a_code_of_a_later_version_is_still_an_error(code: int) -> None:
    error = from_wire(code, "something new")
    assert type(error) is WrpmeError
    assert str(error) == "error: something new"


def test_what_may_be_sent_again_was_not_carried_out() -> None:
    assert all(kind.not_carried_out for kind in KINDS if kind.retry)


def test_nothing_is_said_of_what_nobody_knows() -> None:
    unknown = (errors.IndeterminateError, errors.TimeoutError, errors.ConnectionError, errors.InternalError)
    assert not any(kind.not_carried_out or kind.retry for kind in unknown)
