"""Small bounds: what in a real hive takes thousands of entries and megabytes happens here with a handful.

Comparisons have many ranges, streams and suffixes come in parts, scans in pages, sweeps stop before their end; and the
ring is cut into few arcs, so that the same ones are written and moved again and again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from wrpme import limits as shared
from wrpme.core import limits as of_core
from wrpme.protocol import ring

PLACES = (shared, of_core, ring)

SMALL = {
    "STRETCHES_FIRST": 2,
    "GIVERS_MAX": 2,
    "ARCS_PER_MEMBER_MAX": 3,
    "COPY_RANGE_ENTRIES_MAX": 3,
    "COPY_WINDOW_RANGES": 2,
    "STREAM_BYTES_USUAL": 150,
    "WIPE_ENTRIES_MAX": 3,
    "EXPIRE_ENTRIES_MAX": 4,
    "EXPIRE_HINTS_MAX": 5,
    "REMOVE_ENTRIES_MAX": 3,
    "REMOVED_ENTRIES_AT_REST_MAX": 6,
    "PAGE_ALIASES_MAX": 4,
    "PAGE_ENTRIES_SCANNED_MAX": 7,
}


def check(names: Iterable[str]) -> None:
    """Raises KeyError where one of them is no bound of the product any more."""
    for name in names:
        if not any(hasattr(place, name) for place in PLACES):
            raise KeyError(f"there is no bound {name} any more")


@contextmanager
def small(on: bool, other: Mapping[str, float] = MappingProxyType({})) -> Iterator[None]:
    """Within, the core has these bounds wherever it knows them by name, or the ``other`` ones; not ``on``: its own."""
    bounds = SMALL | dict(other) if on else {}
    check(bounds)
    changed: list[tuple[Any, str, object]] = []
    try:
        for name, value in bounds.items():
            for place, module in list(sys.modules.items()):
                if place.startswith("wrpme.") and hasattr(module, name):
                    changed.append((module, name, getattr(module, name)))
                    setattr(module, name, value)
        yield
    finally:
        for module, name, before in changed:
            setattr(module, name, before)
