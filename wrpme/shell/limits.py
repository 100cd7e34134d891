"""Bounds of the shell and of a hive that it starts itself, the unit last in the name."""

from __future__ import annotations

HISTORY_LINES_MAX = 1000
HISTORY_LINE_CHARACTERS_MAX = 4096
"""A longer line is not kept: it is a content rather than a command."""
PORTS_TRIED_MAX = 1000
LOCAL_START_SECONDS_MAX = 60.0
LOCAL_ASK_SECONDS = 0.05
"""How often a starting hive is looked at."""
OUTPUT_PIECE_BYTES = 64 * 1024
"""So much of a result is written at a time into a pipe or file, and escaped at a time for a terminal."""
TERMINAL_PIECE_BYTES = 4096
"""So much is written at a time to a terminal: what it has not taken after Ctrl-C is no more than this."""
OUTPUT_END_SECONDS_MAX = 1.0
"""A program that was told to end waits so long for a reader that takes nothing."""
PASTE_PAUSE_SECONDS = 0.1
"""What follows a line within this time was pasted with it rather than typed, on a terminal that does not say so."""
SCAN_LINES_MAX = 250
"""So many entries of a scan are printed at a time."""
