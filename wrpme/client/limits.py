"""Bounds of the client library, the unit last in the name.

Those that a daemon, the shell or another room shares with it are in :mod:`wrpme.limits`.
"""

from __future__ import annotations

from wrpme.limits import KIB, MEMBERS_MAX, STOP_SECONDS_MAX

# --- requests --------------------------------------------------------------------------------------------------------
CLIENT_REQUESTS_MAX = 65_536
"""One client has so many requests in flight; further ones wait."""
COMPARE_SECONDS_MAX = 2.0
"""A client that was given several addresses waits at most so long until each has answered, or can't be reached."""
STATUS_SECONDS = 3.0
"""A node that has not told its figures, or what it has on its disk, after so long counts as silent."""
VIEW_SECONDS = 0.5
"""A client that waits for the hive to be stable asks for the view so often, as a notice may get lost."""
PROGRESS_SECONDS = 0.2
"""While a node leaves or is forgotten, the client asks so often how far that is."""
THREAD_SECONDS = 0.5
"""A caller that waits for the thread of a blocking client looks so often whether it still runs."""
DIRECT_CONNECTIONS_MAX = 16
"""A blocking client keeps so many connections to each node for its threads; the requests of more threads at a time
share the one of its loop."""
DIRECT_RETRY_SECONDS = 1.0
"""Where none could be made to a node, it is tried again after so long."""

# --- entries ---------------------------------------------------------------------------------------------------------
YEAR_2000_SECONDS = 946_684_800
"""A number below this is no moment until which an entry lives: a span was meant."""

# --- connections -----------------------------------------------------------------------------------------------------
NEXT_SECONDS = 0.3
"""An address that has not answered after so long is not waited for alone: the next one is tried beside it."""
CLIENT_WRITE_BYTES = 256 * KIB
"""Frames are joined up to this size before they are written; what the system does not take waits unencoded."""
CLIENT_SWEEP_SECONDS = 0.01
"""Deadlines that lie closer together than this are looked at together."""
PING_SECONDS = 1.5
"""A node that owes an answer and has said nothing for so long is asked for something that every live one answers at
once..."""
SILENT_SECONDS_MAX = 4.5
"""...and is given up if nothing has come by then: it hangs, or the network does, and no other sign may ever come."""
REFUSED_SECONDS_MIN = 1.0
"""A node that does not take the user and the password of a client is not asked again for so long,"""
REFUSED_SECONDS_MAX = 30.0
"""then after pauses that double up to this: it answers who guesses ever more slowly, and his neighbours with him."""
WAITING_SECONDS = 0.25
"""A node that has had no time for a password, or may have the user in a moment, is asked again after so long."""
RETIRED_SECONDS_MAX = STOP_SECONDS_MAX
"""The connection to a node that is down is kept for so long: a node that stops as planned has answered by then what it
had taken."""

# --- following -------------------------------------------------------------------------------------------------------
FOLLOW_CONFIRM_SECONDS = 10.0
"""A follower asks each owner so often whether it still serves: one that was cut off from the others does not."""
FOLLOW_RETRY_SECONDS_MIN = 0.05
"""After a change of owner or a lost connection a follower asks anew after so long, and a little by chance,"""
FOLLOW_RETRY_SECONDS_MAX = 5.0
"""then after pauses that double up to this."""
FOLLOWED_MAX = 1000
"""Changes that a blocking client takes from its other thread at a time."""

# --- watching --------------------------------------------------------------------------------------------------------
WATCH_SILENT_SECONDS = 2.0
"""A watcher takes a node for gone that has told nothing for so long."""
WATCH_LATE_SECONDS = 1.0
"""Where a node has a later view than the node that tells of the hive, the watcher turns to it after so long."""
WATCH_THROUGH_SECONDS = 1.0
"""A watcher asks so often, through another node, for the figures of a node that it can't reach."""
WATCH_LOOK_SECONDS = 0.1
"""A watcher looks at its deadlines so often."""
WATCH_RETRY_SECONDS_MIN = 0.2
"""After the first failure to reach a node, a watcher tries again after so long,"""
WATCH_RETRY_SECONDS_MAX = 2.0
"""then after pauses that double up to this."""
WATCH_ADDRESSES_MAX = 2 * MEMBERS_MAX
"""A watcher remembers so many addresses for the case that all nodes are gone."""
WATCH_RECORDS_MAX = 5000
"""So many watch records wait to be read; beyond it figures are left out first, then the oldest events."""

SCANNED_MAX = 100
"""Entries of a scan that a blocking client takes from its other thread at a time, with contents of 64 KiB mostly."""
BACKUP_ARCS_AT_A_TIME = 4
"""A backup reads so many arcs at a time. A page of each waits in memory."""
CLOSE_SECONDS = 1.0
"""A node is told for so long that a snapshot is not needed any more; else it finds out."""
SLOW_SHOWN = 256
"""Slow requests that are asked of each node: all that one keeps."""
