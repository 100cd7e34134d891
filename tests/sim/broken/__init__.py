"""Rules of the design, each broken on purpose by putting another function in the place of one of the product's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Broken = tuple[Any, str, Callable[..., Any]]
"""A module or class, the name of the function in it, and what stands there instead."""
