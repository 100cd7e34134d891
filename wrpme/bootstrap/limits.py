"""Bounds of the work on other machines, the unit last in the name.

The agent has its own in :mod:`wrpme.bootstrap.agent.limits`, because this file is not sent to the hosts.
"""

from __future__ import annotations

from wrpme.limits import KIB, MIB

# --- nodes on other machines -----------------------------------------------------------------------------------------
HOSTS_AT_ONCE_MAX = 16
"""Worked on at the same time."""
LOCK_SECONDS = 8.0
"""How long another operator is waited for; one whose connection broke is gone by then."""
PEERS_TOLD_MAX = 8
"""Addresses of others that a new node is told; it hears of all when it has reached one."""
BUNDLE_ROOM_FACTOR = 6
"""What is sent, and what becomes of it when it is installed, in sizes of the bundle."""
ASK_NODE_SECONDS = 3.0
READY_LOOK_SECONDS = 0.05
READY_SECONDS_MAX = 60.0
"""From its start until a node serves; a node with much data reads its log first."""
LOOK_AGAIN_SECONDS = 0.5
"""How often it is looked whether a node that does not answer still runs."""
NODE_STOP_SECONDS = 60.0
"""For a planned stop."""
STABILITY_LOOK_SECONDS = 0.2
DEGRADED_SECONDS_MAX = 60.0
"""How long a hive may be degraded or unavailable before a rolling change halts; a restart takes seconds."""
STABILIZING_SECONDS_MAX = 3600.0
"""How long it may be stabilizing."""
LOG_READ_LINES = 1000
"""Of each log, where nobody says since when."""
LOG_SINCE_LINES_MAX = 100_000
LOG_READ_BYTES_MAX = 16 * MIB
LOG_FOLLOW_SECONDS = 0.5
REACH_SECONDS = 2.0
CLOCK_AHEAD_SECONDS_MAX = 2.0
"""Between a host and this machine, before an operator is told."""

# --- the agent on another machine, and files that are sent to it -----------------------------------------------------
AGENT_START_SECONDS_MAX = 30.0
"""Until it says hello; also until SFTP answers."""
AGENT_CALL_SECONDS_MAX = 60.0
"""For a request, beyond the time that it is to take itself."""
AGENT_INSTALL_SECONDS_MAX = 660.0
AGENT_END_SECONDS_MAX = 5.0
"""For the status of one that has ended, and for one to end."""
AGENT_BEAT_SECONDS = 5.0
"""It ends when it hears nothing for four times as long."""
AGENT_NOISE_BYTES_MAX = 64 * KIB
"""What login scripts write before it, and what is kept of its stderr."""
AGENT_ANSWER_BYTES_MAX = 64 * MIB
SEND_SILENT_SECONDS_MAX = 30.0
"""A file of which nothing arrives for so long is given up."""

# --- what is sent to hosts -------------------------------------------------------------------------------------------
FETCH_SECONDS_MAX = 180
"""For one wheel from the package index."""
FETCH_CONNECT_SECONDS = 10
"""An index that says nothing for so long can't be reached."""
CACHE_LEFT_SECONDS = 3600.0
"""Nothing in the cache that somebody wrote or used after that time is removed."""
BUNDLES_CACHED_MAX = 16
WHEELS_CACHED_MAX = 64

# --- SSH -------------------------------------------------------------------------------------------------------------
SSH_CONNECT_SECONDS_MAX = 10.0
"""Until a machine takes the connection; ConnectTimeout of ~/.ssh/config may say less."""
SSH_LOGIN_SECONDS_MAX = 30.0
"""From the connection to the end of the login; a key in hardware waits for a finger."""
SSH_HANDSHAKES_MAX = 8
"""With one SSH server at a time: sshd begins to turn connections away at 10 (MaxStartups)."""
SSH_KEEPALIVE_SECONDS = 9.0
SSH_KEEPALIVES_MAX = 2
"""So many may stay unanswered: with the next one due, after 27 s, the connection has ended."""
SSH_CLOSE_SECONDS_MAX = 2.0
SSH_AGENT_SECONDS_MAX = 5.0
SSH_TURNED_AWAY_MAX = 3
"""So often a server that ends connections before the login is tried again,"""
SSH_TURNED_AWAY_SECONDS = 0.3
"""after so long."""
SSH_ATTEMPTS_MAX = 8
"""Of one login: after an answer about a host key, and with another type of host key, it begins again."""

# --- the topology file -----------------------------------------------------------------------------------------------
TOPOLOGY_BYTES_MAX = MIB
TOPOLOGY_VALUE_CHARACTERS_MAX = 1024
NODE_NAME_CHARACTERS_MAX = 200
"""It is part of the names of files and of a unit."""

# --- units of systemd ------------------------------------------------------------------------------------------------
WATCHDOG_SECONDS = 60
"""A node whose loop hangs for so long is started again."""
UNIT_ABORT_SECONDS = 10
"""For a node that hangs to end."""
UNIT_RESTART_SECONDS = 3
"""Before a node that failed is started again."""
UNIT_STARTS_MAX = 100
UNIT_STARTS_SECONDS = 600
"""After so many starts in that time, five minutes of failing at once, it stays down: a node that comes and goes for
ever would make its hive move data for ever."""
