"""SCAN and RANDOMKEY: the keys in the order of the ring. No socket here, and nothing is kept between two calls: a
cursor is a place on the ring, which means the same at every node."""

from __future__ import annotations

import re

from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.commands.keys import matcher
from wrpme.daemon.net.redis.commands.numbers import integer
from wrpme.daemon.net.redis.replies import SYNTAX, Refusal, array, bulk
from wrpme.limits import PAGE_ALIASES_MAX
from wrpme.protocol.messages import RingScan
from wrpme.protocol.ring import CURSOR_BITS

Args = list[bytes]

COUNT_USUAL = 10
SCAN_PAGES_MAX = 32
"""Arcs that one SCAN asks at most: in a hive with few keys most have none."""
RANDOM_KEYS = 16
"""RANDOMKEY takes one of so many that follow on each other."""


def scan(client: Client, args: Args) -> Plan:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]."""
    if not re.fullmatch(rb"\d{1,20}", args[1]):
        raise Refusal("ERR invalid cursor")
    pattern, count, kind = b"*", COUNT_USUAL, b"string"
    for at in range(2, len(args), 2):
        option, value = args[at].upper(), args[at + 1 : at + 2]
        if option == b"COUNT" and value:
            count = integer(value[0])
            if count < 1:
                raise Refusal(SYNTAX)
        elif option == b"MATCH" and value:
            pattern = value[0]
        elif option == b"TYPE" and value:
            kind = value[0].lower()
        else:
            raise Refusal(SYNTAX)
    return _scanned(int(args[1]), pattern, min(count, PAGE_ALIASES_MAX), kind == b"string")


def _scanned(cursor: int, pattern: bytes, count: int, wanted: bool) -> Steps:
    matches = matcher(pattern)
    found: list[bytes] = []
    pages = seen = 0
    while cursor >> CURSOR_BITS == 0:  # a cursor that nobody was given is behind everything
        page = yield RingScan(0, cursor, count - seen)
        found += [bulk(alias) for alias in page.aliases if wanted and matches(alias)]
        cursor = int.from_bytes(page.last, "big")
        pages, seen = pages + 1, seen + len(page.aliases)
        if seen >= count or pages == SCAN_PAGES_MAX:
            break
    cursor = 0 if cursor >> CURSOR_BITS else cursor
    return b"*2\r\n" + bulk(b"%d" % cursor) + array(found)


def randomkey(client: Client, args: Args) -> Plan:
    """RANDOMKEY."""
    return _any(client)


def _any(client: Client) -> Steps:
    begun = cursor = client.chance(1 << CURSOR_BITS)
    turned = False
    while not turned or cursor < begun:
        page = yield RingScan(0, cursor, RANDOM_KEYS)
        if page.aliases:
            return bulk(page.aliases[client.chance(len(page.aliases))])
        cursor = int.from_bytes(page.last, "big")
        if not page.more:
            if turned:
                break
            cursor, turned = 0, True
    return client.nil
