"""Which protocol a connection speaks: told by the first bytes that came in on it. No socket here.

This is the one place where they are told apart; a protocol that the port learns is entered here.
"""

from __future__ import annotations

import re
from enum import Enum

from wrpme.protocol.codec import FORMER_REFUSAL, PREFACE

LINE_BYTES_MAX = 8192
"""So much of a first line is looked at."""
_HIVES = (PREFACE[:4], FORMER_REFUSAL[:4])
"""No command of Redis begins so."""
_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH")
_HTTP = re.compile(rb"(%b) \S+ HTTP/" % b"|".join(_METHODS))


class Spoken(Enum):
    """What a connection may speak."""

    HIVE = 1
    """That of hives, of this release or another."""
    REDIS = 2
    """An array, an inline command, which is a word that begins with a letter or an empty line, or a piece of an array
    that came apart, which is answered in the words of Redis."""
    HTTP = 3
    FOREIGN = 4


def spoken(first: bytes) -> Spoken | None:
    """Returns what these first bytes begin; None where more are needed to tell."""
    if first.startswith(_HIVES):
        return Spoken.HIVE
    if any(word.startswith(first) for word in _HIVES):
        return None
    if first[:1] in (b"*", b"$", b"\r", b"\n"):
        return Spoken.REDIS
    if not first[:1].isalpha():
        return Spoken.FOREIGN
    line, newline, _ = first[:LINE_BYTES_MAX].partition(b"\n")
    if _HTTP.match(line):
        return Spoken.HTTP
    if newline or len(first) >= LINE_BYTES_MAX:
        return Spoken.REDIS
    word, blank, _ = line.partition(b" ")
    may_be_http = word in _METHODS if blank else any(method.startswith(word) for method in _METHODS)
    return None if may_be_http else Spoken.REDIS
