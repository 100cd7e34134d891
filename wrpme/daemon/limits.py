"""Bounds of the process wrpmed, the unit last in the name.

Those that a client, the core or another room shares with it are in :mod:`wrpme.limits`.
"""

from __future__ import annotations

from wrpme.limits import KIB, LEASE_SECONDS, MIB

# --- connections -----------------------------------------------------------------------------------------------------
SESSION_REQUESTS_MAX = 1024
"""When so many requests of one connection wait for an answer, the node pauses reading from it."""
SESSION_OUTBOX_BYTES_MAX = 1 * MIB
"""When a connection has not taken so much of its answers yet, the node pauses reading from it."""
MANY_TURN_BYTES = 4 * KIB
"""Each request of a message with many counts like so many bytes of the work of a turn: some hundreds make one."""
SLOW_READER_SECONDS_MAX = 30.0
"""A connection that has more than ``SESSION_OUTBOX_BYTES_MAX`` to take, and takes nothing for so long, is closed."""
PARTIAL_FRAME_SECONDS_MAX = 30.0
"""A frame that makes no progress for so long closes its connection."""
SESSION_SWEEP_SECONDS = PARTIAL_FRAME_SECONDS_MAX / 6
"""The node looks so often for connections that are to be closed."""
SESSIONS_REFUSED_MAX = 64
"""Beyond the bound of all connections, so many more are still told why they are not served."""
WIRE_WRITE_BYTES = 128 * KIB
"""The system is given so much at a time: where the other side reads as fast as it is sent to, the system keeps the
sender for as long as there is something."""
WIRE_TURN_BYTES = 256 * KIB
"""In one turn of the loop so much is read from one connection, and so much is sent over it: with several that carry
large contents a turn takes a few milliseconds, and a small request that is passed on has to wait for some of them."""
LINGER_SECONDS = 1.0
"""After the last word to a connection the node throws away for so long what still arrives: else the system would answer
it with a reset, which may overtake that word."""
UNACKNOWLEDGED_SECONDS_MAX = 1.5 * LEASE_SECONDS
"""A connection on which the other machine takes nothing for so long has ended: after a cut that is healed, the system
itself would wait for minutes before it sends again."""
KEEPALIVE_SECONDS = 30
"""The system probes a connection that was idle for so long."""
BACKLOG_CONNECTIONS = 1024
"""So many connections wait in a listening socket; the system may allow fewer."""
ACCEPTS_PER_TURN_MAX = 64
"""One turn of the loop lets so many connections in."""
ACCEPT_RETRY_SECONDS = 0.5
"""Where the system has no file for a connection, the node accepts none for so long."""
CERTIFICATE_LOOK_SECONDS = 10.0
"""So often the node looks whether the files of its certificate have changed."""
HANDSHAKES_MAX = 1024
"""So many connections are in their handshake of TLS; for a further one that which is in it for longest is closed."""
FIRST_BYTE_SECONDS_MAX = 5.0
"""What has said nothing for so long where both TLS and plain connections are taken counts as plain; where only TLS is
taken, it is closed."""
HANDSHAKE_SECONDS_MAX = 5.0
"""A handshake of TLS takes so long at most,"""
FAREWELL_SECONDS_MAX = 2.0
"""and so long its end, in which each side says that nothing follows."""

# --- links to other nodes --------------------------------------------------------------------------------------------
VIEWS_ENCODED_MAX = 64
VIEWS_ENCODED_BYTES_MAX = 4 * MIB
"""A node keeps so many of the views and patches that it told last as bytes: each is told to all members, and those of
the last minute to each that returns. A view of ``MEMBERS_MAX`` nodes has 1.3 MiB, and all patches that a node has
together have no more."""
LINK_IDLE_SECONDS = 60.0
"""A link over which nothing was sent for so long is closed."""
NAME_SECONDS = 5.0
"""The node uses the numbers of a host for so long before it looks up its name again, beside the use of them."""

# --- HTTP ------------------------------------------------------------------------------------------------------------
HTTP_CONNECTIONS_MAX = 64
"""There are so many connections of HTTP; a further one takes the place of that which has asked nothing for longest, so
that those that are opened only to be held keep out neither who collects figures nor clients."""
HTTP_HEADER_BYTES_MAX = 16 * KIB
"""The first line of a request and its headers have so many bytes."""
HTTP_REQUESTS_MAX = 10_000
"""One connection asks so often; then it is closed, as HTTP allows, and whoever asks connects anew."""
HTTP_TURN_REQUESTS_MAX = 8
"""So many requests of one connection are answered in a turn of the loop: each takes a tenth of a millisecond."""
HTTP_IDLE_SECONDS = 150.0
"""A connection that asks nothing for so long is closed; figures are collected each minute, or more often."""
FIGURES_SECONDS = 1.0
"""Figures are made anew after so long at the earliest, however often they are asked for: it takes milliseconds."""

# --- channels of Redis clients ---------------------------------------------------------------------------------------
CHANNEL_BYTES_MAX = 4 * KIB
"""The name of a channel, or a pattern, has so many bytes."""
MESSAGE_BYTES_MAX = 1 * MIB
"""A message that is published has so many bytes: it is copied several times, and nothing else may wait for that."""
SUBSCRIPTIONS_MAX = 100_000
"""One connection has so many subscriptions,"""
SUBSCRIPTIONS_BYTES_MAX = 256 * MIB
"""and all those of a node take so much, with ``SUBSCRIPTION_BYTES`` for each beside the name."""
SUBSCRIPTION_BYTES = 512
PATTERNS_MAX = 10_000
"""So many different patterns are subscribed to at one node: each is tried for a channel that is new."""
MATCHES_KEPT_MAX = 10_000
"""Of so many channels it is remembered which patterns match."""
SUBSCRIBER_BEHIND_BYTES_MAX = 32 * MIB
"""A subscriber that has not taken so much is closed, as in Redis."""
PUSHES_MAX = 4096
"""In one turn of the loop so many messages are put before subscribers; publishers, and other nodes, wait."""
SUBSCRIBERS_TOLD_MAX = 256
"""In one turn of the loop so many connections of subscribers are written to, at most about ``TURN_BYTES`` in all."""
HEARD_BYTES_MAX = 32 * MIB
"""Of what other nodes published so much waits to be put before subscribers; what is beyond it is dropped."""
PUBLISHED_BYTES_MAX = 1 * MIB
"""When so much waits to be told to the other nodes, further publishers wait."""
PUBLISHED_BATCH_BYTES = 128 * KIB
"""What one message to the other nodes usually carries."""
PUBLISHED_TO_SECONDS = 0.0001
"""After a batch has been told, the next one gathers for so long for each node that was told: in a hive of three that is
nothing, in one of a thousand 0.1 s, of which telling takes a tenth."""
LINK_PUBLISHED_BYTES_MAX = 32 * MIB
"""Of what was published so much waits for one other node; what is beyond it is dropped."""

# --- watchers --------------------------------------------------------------------------------------------------------
WATCHERS_MAX = 64
"""One node has so many watchers; further ones are refused as busy."""
WATCH_BEHIND_BYTES_MAX = 256 * KIB
"""A watcher that has not taken so much yet is told nothing more until it has."""
WATCH_EVENTS_MAX = 1000
"""So many events are kept for a watcher that is behind; the oldest beyond it are counted as missed."""

# --- followers of entries --------------------------------------------------------------------------------------------
FOLLOW_BEHIND_BYTES_MAX = 64 * KIB
"""A follower that has not taken so much yet is told no changes any more, but that it was behind: it asks again when it
has read that. 10,000 of them hold 640 MiB at most, mostly the same bytes."""
FOLLOWERS_TOLD_MAX = 256
"""So many followers are told of a change in one turn of the loop, each with a call of the system; the others follow."""

# --- the process -----------------------------------------------------------------------------------------------------
CLOCK_JUMP_SECONDS = LEASE_SECONDS / 40
"""So much may pass unseen by this node's clock within a second: over a lease that is less than what a promise outlasts
it by, 5 % of drift taken off."""
SWITCH_SECONDS = 0.0002
"""The loop may keep the disk's thread from telling that a batch is written for so long."""
DRAIN_SECONDS = 0.1
"""After a planned stop clients get so long to hear of it, while whatever they still ask is declined."""
STARTS_MAX = (1 << 31) - 1
"""A data directory is started so often at most, so that an incarnation fits into 63 bits."""
MANAGER_LOOK_SECONDS = 1.0
"""The node looks so often whether systemd is to be told something new."""
WATCHDOG_PINGS = 3
"""The node tells systemd so often that its loop runs, in the time after which systemd takes it for hung."""

# --- the disk --------------------------------------------------------------------------------------------------------
TABLE_BYTES = 8 * MIB
"""LevelDB's tables have so many bytes: with its usual 2 MiB it would sync four times as often, and could not keep open
those of more than 2 GB."""
PACE_LOOK_BYTES = 256 * KIB
"""The tables of level 0 are counted whenever so much was written."""
PACE_TABLES_MIN = 4
"""While no more tables of level 0 wait to be merged, writes are as fast as they come;"""
PACE_TABLES_USUAL = 5
"""with each one above these they are slower. From 8 on LevelDB waits 1 ms for each batch, and at 12 it stops."""
PACE_BYTES_PER_SECOND_MIN = MIB // 2
"""they go on as fast as this,"""
PACE_SECONDS_MAX = LEASE_SECONDS / 4
"""and a batch waits so long at most: half of what makes a node doubt its disk."""
ENTRY_BYTES = 80
"""An entry takes about so much in the tables beside its alias and content: its version, its place, and the index, which
has the alias once more."""
SLICE_BYTES = 8 * MIB
"""Where much was removed, a compaction writes so much anew at a time."""
SLICES_MAX = 4096
"""A compaction divides the data into so many slices at most."""
COMPACTION_PAUSES = 4
"""Before all slices are gone through again, the node waits for so many times as long as that took."""
DISK_CHECK_SECONDS = 1.0
"""While its disk is full, the node looks so often whether it may come back,"""
DISK_CHECK_SECONDS_MAX = 10.0
"""and after pauses that double up to this where the disk was full again soon after it came back."""
DISK_LOOK_SECONDS = 5.0
"""The node looks so often at the size of its data directory and at the free space."""

# --- the log ---------------------------------------------------------------------------------------------------------
LOG_LINE_CHARACTERS_MAX = 2000
"""A longer line of the log is cut."""
LOG_TRACEBACK_LINES_MAX = 100
"""A traceback shows so many of its last lines."""
LOG_LINES_KEPT = 200
"""A node keeps so many of its last lines in memory: what ``GetLog`` answers."""
LOG_WAITING_BYTES_MAX = 1 * MIB
"""While stderr, or the log file, takes nothing, so much waits for it; further lines are lost, and counted."""
LOG_RETRY_SECONDS = 1.0
"""A descriptor that would block is tried again after so long at most."""
LOG_CLOSE_SECONDS_MAX = 0.5
"""At the end of the process the last lines may take so long."""
THROTTLE_LINES_MAX = 10
"""Of lines that others cause, so many are logged..."""
THROTTLE_SECONDS = 10.0
"""...within so long; the rest is counted."""

COMPUTED_HERE_MEMBERS_MAX = 8
"""The next view of a larger hive is computed beside the loop: each node that joins takes 4 to 6 ms there."""
WATCH_SECONDS = 0.5
"""How often a watcher is told figures."""
PASSWORDS_WAITING_MAX = 64
"""So many passwords wait to be looked at; each takes some 40 ms of a core."""
PASSWORDS_REMEMBERED_MAX = 1024
DISMISS_SECONDS_MAX = 5.0
"""A connection whose user is gone ends when its last request is answered, or after so long."""
