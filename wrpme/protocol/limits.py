"""Bounds of what all programs share, the unit last in the name; the others are in :mod:`wrpme.limits`."""

from __future__ import annotations

STRETCHES_FIRST = 8
"""The first node has the ring in so many arcs: wide enough that later nodes can take from them."""
