"""Bounds and defaults that several rooms share, the unit last in the name; each room has its own beside its code.

A bound here is a promise about memory, time or size: nothing in a hive grows without one of these.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# --- entries -----------------------------------------------------------------------------------------------------
ALIAS_BYTES_MAX = 4096
CONTENT_BYTES_MAX = 64 * MIB
TRANSACTION_REQUESTS_MAX = 1000
TRANSACTION_BYTES_MAX = 8 * MIB
"""Of the requests of one transaction, and of what it writes and of what it answers: it is never divided."""
MANY_REQUESTS_MAX = 250
MANY_BYTES_MAX = MIB
"""Of one message with requests that are carried out each by itself, and of the contents in its answer: a few
milliseconds of the node's loop."""
NUMBER_MIN, NUMBER_MAX = -(1 << 63), (1 << 63) - 1
"""A counter has 64 bits."""
EXPIRY_MILLISECONDS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999, counted from 1970."""

# --- frames and connections --------------------------------------------------------------------------------------
FRAME_BYTES_MAX = 2 * CONTENT_BYTES_MAX + MIB
"""``cas`` carries two contents. What may be larger travels in parts of at most ``STREAM_BYTES_USUAL`` and one entry."""
SESSIONS_MAX = 10_000
LARGE_BYTES = 256 * KIB
"""A larger message is made into a frame, and read from one, in a turn of its own."""
TURN_BYTES = MIB
"""Of such work so much is done in one turn of the loop; also what one connection sends in one."""
CONNECT_SECONDS_MAX = 2.0
"""For each step of a connection: until the other machine takes it, and until the other process answers. The system
sends again after 1 s what was lost; an attempt begins anew soon after."""
LOOKUP_SECONDS_MAX = 5.0
"""For the name of a host that was never found before."""
LINK_RETRY_SECONDS_MIN = 0.05
LINK_RETRY_SECONDS_MAX = 0.2
"""Well below ``SILENCE_SECONDS``: a node that is taken back must be heard before it is missed again."""

# --- the hive ----------------------------------------------------------------------------------------------------
LEASE_SECONDS = 2.0
"""L of the design: how long an acknowledged heartbeat lets an owner serve."""
LATE_SECONDS = LEASE_SECONDS / 4
"""A turn that comes later than this makes a node doubt itself rather than others."""
FLAP_SECONDS_MAX = 60.0
SLOTS = 65_536
"""Boundaries of arcs are multiples of 1/SLOTS of the ring; entries are counted by slot."""
REPLICATION_USUAL = 2
REPLICATION_MAX = 5
GRACE_SECONDS = 60.0
GRACE_SECONDS_MAX = 31_536_000.0
"""A year."""
SLOW_SECONDS = 0.1
MEMORY_MAX_MIN = 1024 * MIB
"""What ``--memory-max`` may be at least: the largest contents still pass."""
BYTES_MAX_MIN = 1 << 20
"""What ``--bytes-max`` may be at least."""
SLOW_SECONDS_MAX = 3600.0
MEMBERS_MAX = 1000

# --- requests ----------------------------------------------------------------------------------------------------
PAGE_ALIASES_MAX = 1000
"""Of one answer to a prefix scan."""
TIMEOUT_SECONDS = 10.0
RETRY_SECONDS_MIN = 0.01
RETRY_SECONDS_MAX = 0.25

# --- the daemon --------------------------------------------------------------------------------------------------
STOP_SECONDS_MAX = 5.0
"""A planned stop that finds no quorum gives up waiting after so long."""

# --- the shell -------------------------------------------------------------------------------------------------------
TIMEOUT_SECONDS_MAX = 86_400.0
LOCAL_NODES_MAX = 64
"""Of a hive that the shell starts itself."""

# --- connections and disk of the daemon ------------------------------------------------------------------------------
SESSIONS_OPTION_MAX = 1_000_000
WALL_CLOCK_SECONDS = 1.0
CLOSE_SECONDS_MAX = 1.0
"""At the end: how long answers may take to leave, and the last batch to reach the disk."""
NODE_SESSIONS_MAX = 2 * MEMBERS_MAX
"""Two connections of each other node. What a connection is, its first message tells: until then it is not counted as
a client, and a node's never is, so that clients can't shut nodes out."""
FILES_RESERVED = 2 * MEMBERS_MAX + 200
"""For links to all other nodes, the data directory and the log: so many the connections that others open leave, or half
of what the system allows where that is less."""
WRITE_BUFFER_BYTES = 16 * MIB
"""What gathers in memory (and in the log that a start reads again) before it becomes a table."""
DISK_FREE_BYTES_MIN = 2 * WRITE_BUFFER_BYTES
"""A node that left service as its disk was full tries to come back when so much is free: the log that is read again
becomes a table, and the next one must have room too."""
OPTION_FILE_BYTES_MAX = 1 * MIB
"""A larger file is no file of options."""
