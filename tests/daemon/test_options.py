"""What tunes a node: each option at its bounds and beyond."""

from __future__ import annotations

import pytest

from wrpme import options
from wrpme.errors import UsageError


def test_an_option_takes_a_value_or_is_a_flag() -> None:
    assert set(options.NAMES) == {*options.RULES, *options.FLAGS}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("log-level", "warning", "warning"),
        ("replication", "1", 1),
        ("replication", "5", 5),
        ("grace", "0", 0.0),
        ("grace", "1.5", 1.5),
        ("grace", "31536000", 31_536_000.0),
        ("sessions", "1", 1),
        ("sessions", "1000000", 1_000_000),
    ],
)
def test_values(name: str, text: str, value: object) -> None:
    assert options.value(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("log-level", "loud", "it is one of debug, info, warning, error"),
        ("replication", "0", "it is a number of copies from 1 to 5"),
        ("replication", "6", "it is a number of copies from 1 to 5"),
        ("replication", "02", "it is a number of copies from 1 to 5"),
        ("replication", "٣", "it is a number of copies from 1 to 5"),
        ("grace", "nan", "it is a number of seconds from 0 to 31536000"),
        ("grace", "31536001", "it is a number of seconds from 0 to 31536000"),
        ("grace", "0" * 41, "it is a number of seconds from 0 to 31536000"),
        ("sessions", "0", "it is a number from 1 to 1000000"),
        ("sessions", "9" * 5000, "it is a number from 1 to 1000000"),
    ],
)
def test_wrong_values(name: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.value(name, text)
    assert caught.value.sentence == sentence
