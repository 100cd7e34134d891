"""Bounds of the shell and of a hive that it starts itself, the unit last in the name."""

from __future__ import annotations

from wrpme.limits import MIB

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
IMPORT_KEYS_MAX = 500
"""Keys of a Redis that are asked for at a time: a Redis does nothing else meanwhile."""
IMPORT_GROUP_BYTES_MAX = 4 * MIB
"""So much is read of a Redis before it is written, or one value that is larger."""
IMPORT_EXAMPLES_MAX = 3
"""So many keys that were left out a sentence names."""
IMPORT_WRITES_MAX = 5
"""An entry is written so often while nobody can say whether it was written: a node that dies is such a time."""
IMPORT_CONNECT_SECONDS_MAX = 5.0
IMPORT_SILENT_SECONDS_MAX = 60.0
"""A Redis that has given no answer for so long is given up; one value may be 64 MiB, over a slow line."""
BACKUP_WAITING_BYTES_MAX = 4 * MIB
"""So much of a backup waits to be written to its file."""
RESTORE_GROUP_ENTRIES_MAX = 1000
RESTORE_GROUP_BYTES_MAX = 4 * MIB
"""So many entries of a backup, or one that is larger, are written to the hive together,"""
RESTORE_GROUPS_AT_A_TIME = 4
"""and so many of these groups at a time."""
