"""The bounds of the dashboard, the unit last in the name."""

from __future__ import annotations

from wrpme.limits import KIB, MIB

STALE_SECONDS = 1.6
"""Figures come every half second: three were missed."""
GRAPH_SECONDS = 300.0
"""What the graphs of a node span."""
GRAPH_HOLD_SECONDS = 3.0
"""How long a value that was told is drawn when none follows."""
RATE_SECONDS = 2.0
"""Rates and quantiles are over about so long."""
COLOURS_USUAL = 16
"""So many nodes get a colour of their own before one of a node that has left is given again."""
MOVES_DRAWN_MAX = 8
"""Copies that run through the ring as comets: those that have most to go."""
WAY_SECONDS = 6.0
"""How long the way of a request is shown."""
RING_FRAME_SECONDS = 0.125
"""Between two phases of what moves on the ring."""
EVENTS_SHOWN_MAX = 10_000
HISTORY_SECONDS_MAX = 1800.0
HISTORY_BYTES_MAX = 32 * MIB
"""Of what is remembered; with a large hive its moments are further apart."""
MOMENT_SECONDS_MIN = 0.1
"""What happens closer together than this is one moment of the history."""
RECORD_FRAME_BYTES_MAX = 64 * MIB
"""A frame of a record, or a line of JSON: far more than the view of the largest hive takes."""
RECORD_ITEMS_MAX = 65_536
"""An array or a map in a frame has at most so many items; the view of the largest hive has 16,000 arcs."""
RECORD_READ_BYTES = 256 * KIB
"""So much of a record is read at a time."""
PANE_LINES_MAX = 5000
"""Of answers in the shell's pane."""
PANE_LINES_WAITING_MAX = 100
"""Commands that wait for the one that runs."""
PANE_ANSWER_BYTES_MAX = 64 * KIB
"""Of one content so much is shown."""
STRIPS_CACHED_MAX = 4096
TERMINAL_CLOSE_SECONDS_MAX = 0.5
"""At the end: how long a terminal may take what was drawn last."""
BEAT_SECONDS = 0.25
"""How often the dashboard looks what has changed; views and events are shown as they come."""
TIME_STEP_SECONDS = 5.0
"""One key press back or forward in time."""
