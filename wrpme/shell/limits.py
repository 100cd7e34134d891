"""Bounds of the shell and of a hive that it starts itself, the unit last in the name."""

from __future__ import annotations

HISTORY_LINES_MAX = 1000
HISTORY_LINE_CHARACTERS_MAX = 4096
"""A longer line is not kept: it is a content rather than a command."""
PORTS_TRIED_MAX = 1000
LOCAL_START_SECONDS_MAX = 60.0
LOCAL_ASK_SECONDS = 0.05
"""How often a starting hive is looked at."""
