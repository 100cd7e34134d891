"""The bounds of the dashboard, the unit last in the name."""

from __future__ import annotations

from wrpme.limits import KIB, MIB

STALE_SECONDS = 1.6
"""Figures that are older are stale: they come every half second, so three were missed."""
GRAPH_SECONDS = 300.0
"""The graphs of a node span so long."""
GRAPH_HOLD_SECONDS = 3.0
"""A value is drawn for so long when none follows."""
RATE_SECONDS = 2.0
"""Rates and quantiles are computed over about so long."""
COLOURS_USUAL = 16
"""So many nodes get a colour of their own before one of a node that has left is given again."""
MOVES_DRAWN_MAX = 8
"""So many copies run through the ring as comets: those that have most to go."""
SAID_SECONDS = 4.0
"""What was done is said in the last line for so long."""
COPY_BYTES_MAX = 48 * KIB
"""So much is handed to the clipboard: it becomes 64 KiB on the way, and more is refused by terminals, most of them
silently."""
WAY_SECONDS = 6.0
"""The way of a request is shown for so long."""
RING_FRAME_SECONDS = 0.125
"""What moves on the ring is drawn so often."""
EVENTS_SHOWN_MAX = 10_000
"""So many events are kept."""
HISTORY_SECONDS_MAX = 1800.0
"""The past is kept for so long, except in a replay, which has all of its record."""
HISTORY_BYTES_MAX = 32 * MIB
"""The past takes so much memory; with a large hive its moments are further apart."""
ALIKE_SECONDS = 5.0
"""That a node is missed, or heard again, is one event, however many nodes tell it within this time."""
MOMENT_SECONDS_MIN = 0.1
"""What happens within this time is one moment of the history."""
RECORD_FRAME_BYTES_MAX = 64 * MIB
"""A frame of a record, or a line of JSON: far more than the view of the largest hive takes."""
RECORD_ITEMS_MAX = 65_536
"""An array or a map in a frame has at most so many items; the view of the largest hive has 16,000 arcs."""
RECORD_READ_BYTES = 256 * KIB
"""So much of a record is read at a time."""
PANE_LINES_MAX = 5000
"""So many lines of output are kept in the pane of the shell."""
PANE_LINES_WAITING_MAX = 100
"""So many commands may wait for the one that runs."""
PANE_ANSWER_BYTES_MAX = 64 * KIB
"""So much of a content is printed."""
PANE_LINE_BYTES_MAX = 4 * KIB
"""So much of a content is printed that is one of several."""
PANE_ENTRIES_MAX = 1000
"""So many entries of a scan are printed."""
STRIPS_CACHED_MAX = 4096
"""A list keeps so many lines ready to be drawn."""
TERMINAL_CLOSE_SECONDS_MAX = 0.5
"""At the end a terminal has so long to take what was drawn last."""
KEYS_READ_BYTES_MAX = 4 * KIB
"""So much of what is typed or pasted is read at a time."""
KEYS_WAIT_SECONDS = 0.1
"""How soon the thread that reads keys notices that it is to end, and that an Escape stands alone."""
BEAT_SECONDS = 0.25
"""Figures and ages are drawn so often; views and events as they come."""
TIME_STEP_SECONDS = 5.0
"""A key press goes so far back or forward in time."""
TABS_MAX = 16
"""So many tabs of browsers have a dashboard at a time: each is a process with some 60 MiB."""
TAB_CELLS_MAX = 1000
"""The terminal of a tab has at most so many columns, and so many rows."""
TAB_READ_BYTES_MAX = 64 * KIB
"""So much of what a dashboard draws is sent to its tab at a time."""
TAB_KEYS_BYTES_MAX = 4 * MIB
"""So much of what is typed or pasted in a tab waits for a dashboard that takes nothing; more is dropped."""
TAB_SILENCE_SECONDS = 15.0
"""A browser is asked for a sign so often, and is gone when none comes within half of that."""
TAB_CLOSE_SECONDS_MAX = 3.0
"""At the end a dashboard has so long before it is killed."""
IGNORED_BYTES_MAX = 1000
"""So many bytes that are no UTF-8 are counted until the operator is told that they were ignored."""
IGNORED_BYTES_SHOWN_MAX = 8
