"""Bounds of the work on other machines, the unit last in the name.

The agent has its own in :mod:`wrpme.bootstrap.agent.limits`, because this file is not sent to the hosts.
"""

from __future__ import annotations

from wrpme.limits import KIB, MIB

# --- nodes on other machines -----------------------------------------------------------------------------------------
HOSTS_AT_ONCE_MAX = 16
"""So many hosts are worked on at the same time."""
LOCK_SECONDS = 8.0
"""How long a command waits for another operator's lock. One whose connection broke has lost it by then."""
PEERS_TOLD_MAX = 8
"""A new node is told the addresses of so many others; it learns of all when it has reached one."""
BUNDLE_ROOM_FACTOR = 6
"""A host needs free space for the bundle and for what is installed from it: so many times the bundle's size."""
RELEASE_FILES_MAX = 1000
"""A release has fewer files and directories, and its nodes a few more."""
ASK_NODE_SECONDS = 3.0
"""A node that has not answered a question by then does not answer."""
READY_LOOK_SECONDS = 0.05
"""The pause between two questions whether a node that was started serves."""
READY_SECONDS_MAX = 60.0
"""A node serves within this time after its start; with much data it reads its log first."""
LOOK_AGAIN_SECONDS = 0.5
"""The pause between two looks whether a node that does not serve yet still runs."""
NODE_STOP_SECONDS = 60.0
"""How long a planned stop may take before the node is killed."""
STABILITY_LOOK_SECONDS = 0.2
"""The pause between two looks whether the hive is stable."""
DEGRADED_SECONDS_MAX = 60.0
"""How long a hive may be degraded or unavailable before a rolling change halts; a restart takes seconds."""
STABILIZING_SECONDS_MAX = 3600.0
"""How long it may be stabilizing."""
LOG_READ_LINES = 1000
"""So many lines of each log are shown where --since is not given."""
LOG_SINCE_LINES_MAX = 100_000
"""So many lines of each log are read where it is."""
LOG_READ_BYTES_MAX = 16 * MIB
LOG_FOLLOW_SECONDS = 0.5
"""The pause between two readings of logs that are followed."""
REACH_SECONDS = 2.0
"""How long a host tries to connect to the nodes of the others."""
CLOCK_AHEAD_SECONDS_MAX = 2.0
"""A larger difference between the clocks of a host and of this machine is a problem."""

# --- the agent on another machine, and files that are sent to it -----------------------------------------------------
AGENT_START_SECONDS_MAX = 30.0
"""How long the agent may take until it says hello, and SFTP until it answers."""
AGENT_CALL_SECONDS_MAX = 60.0
"""How long a request may take, beyond the ``seconds`` that it asks for itself."""
AGENT_INSTALL_SECONDS_MAX = 660.0
AGENT_END_SECONDS_MAX = 5.0
"""How long an agent may take to end, and its exit status to arrive."""
AGENT_BEAT_SECONDS = 5.0
"""The agent ends when it has heard nothing for four times as long."""
AGENT_NOISE_BYTES_MAX = 64 * KIB
"""So much may login scripts write before the hello, and so much of its stderr is kept."""
AGENT_ANSWER_BYTES_MAX = 64 * MIB
SEND_SILENT_SECONDS_MAX = 30.0
"""The sending of a file is given up when nothing of it has arrived for so long."""

# --- what is sent to hosts -------------------------------------------------------------------------------------------
FETCH_SECONDS_MAX = 180
"""How long one wheel may take to arrive from the package index."""
FETCH_CONNECT_SECONDS = 10
"""An index that is silent for so long can't be reached."""
CACHE_LEFT_SECONDS = 3600.0
"""What somebody wrote to the cache or used within this time is not removed from it."""
BUNDLES_CACHED_MAX = 16
WHEELS_CACHED_MAX = 64

# --- certificates ----------------------------------------------------------------------------------------------------
AUTHORITY_DAYS = 3650
"""How long the CA of a hive is valid."""
CERTIFICATE_DAYS = 90
"""How long the certificate of a node is, unless the topology file says otherwise,"""
CERTIFICATE_DAYS_MAX = 825
"""and how long at most."""
CERTIFICATE_RENEWED_SHARE = 1 / 3
"""A certificate with less of its life left is renewed; its node begins to warn then."""
CLOCK_SLACK_SECONDS = 3600.0
"""A certificate is valid so long before it was made: not all clocks are the same."""
REREAD_SECONDS_MAX = 40.0
"""A node has read new certificates by then. It looks at them every 10 s even if no signal reaches it."""
USER_SECONDS_MAX = 30.0
"""How long a hive may take to decide about a user,"""
USER_LOOK_SECONDS = 0.1
"""and the pause between two looks whether it has."""
REREAD_LOOK_SECONDS = 0.1
"""The pause between two looks whether it has."""

# --- SSH -------------------------------------------------------------------------------------------------------------
SSH_CONNECT_SECONDS_MAX = 10.0
"""How long a machine may take to accept the connection; ConnectTimeout of ~/.ssh/config may say less."""
SSH_LOGIN_SECONDS_MAX = 30.0
"""How long the login may take after that; a key in hardware waits for a finger."""
SSH_HANDSHAKES_MAX = 8
"""So many logins go on at one SSH server at a time: at 10, sshd begins to refuse connections (MaxStartups)."""
SSH_KEEPALIVE_SECONDS = 9.0
SSH_KEEPALIVES_MAX = 2
"""So many keepalives may stay unanswered. When the next one is due, after 27 s, the connection has ended."""
SSH_CLOSE_SECONDS_MAX = 2.0
SSH_AGENT_SECONDS_MAX = 5.0
SSH_TURNED_AWAY_MAX = 3
"""So often a login is tried again if the server ends the connection before it,"""
SSH_TURNED_AWAY_SECONDS = 0.3
"""each time after so long."""
SSH_ATTEMPTS_MAX = 8
"""A login begins anew after an answer about a host key, and with another type of host key; at most so often."""

# --- the topology file -----------------------------------------------------------------------------------------------
TOPOLOGY_BYTES_MAX = MIB
TOPOLOGY_VALUE_CHARACTERS_MAX = 1024
NODE_NAME_CHARACTERS_MAX = 200
"""A node's name is part of the names of files and of a unit."""

# --- units of systemd ------------------------------------------------------------------------------------------------
WATCHDOG_SECONDS = 60
"""systemd restarts a node whose event loop has hung for so long."""
UNIT_ABORT_SECONDS = 10
"""How long such a node may take to end before it is killed."""
UNIT_RESTART_SECONDS = 3
"""The pause before systemd restarts a node that failed."""
UNIT_STARTS_MAX = 100
UNIT_STARTS_SECONDS = 600
"""After so many starts in that time, which are five minutes of failing at once, a node stays down: one that comes and
goes for ever would make its hive move data for ever."""
