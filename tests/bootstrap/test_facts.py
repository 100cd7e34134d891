"""Answers of agents, checked."""

from __future__ import annotations

import pytest

from wrpme.bootstrap.facts import Record, read
from wrpme.errors import RemoteError

RECORD = {"address": "10.0.0.1:5909", "arguments": ["--grace", "30"], "peers": [], "release": "0.1.0-aaaaaaaa"}


def test_what_a_later_version_wrote_is_passed_over() -> None:
    record = read(Record, {**RECORD, "colour": "blue"}, "host")
    assert (record.address, record.arguments) == ("10.0.0.1:5909", ("--grace", "30"))


@pytest.mark.parametrize("answer", [{}, {**RECORD, "address": 3}, {**RECORD, "peers": "none"}, None, []])
def test_what_makes_no_sense_names_the_host(answer: object) -> None:
    with pytest.raises(RemoteError, match="host: its answer makes no sense"):
        read(Record, answer, "host")
