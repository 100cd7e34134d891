"""Bounds of the agent, the unit last in the name. No other module of wrpme is sent to a host, so they stand here."""

SILENCE_SECONDS_MAX = 20.0
"""The client sends a beat more often than that. If it is silent for so long, nobody is there."""
LINE_BYTES_MAX = 4 * 1024 * 1024
"""A longer request ends the agent."""
LOOK_AGAIN_SECONDS = 0.02
"""The pause between two looks whether what is waited for has happened."""
LOCK_SECONDS_MIN = 0.2
"""A lock is tried for at least so long, as an agent that only looks whether somebody has it takes it for a moment."""
COMMAND_SECONDS_MAX = 30.0
"""How long systemctl and loginctl may take."""
ANSWER_SECONDS_MAX = 5.0
"""A service manager that has not answered by then can't be relied on."""
INSTALL_SECONDS_MAX = 600.0
KILL_SECONDS_MAX = 10.0
"""A process that was killed has ended by then, unless its disk hangs."""
EXEC_SECONDS_MAX = 2.0
"""A process that is becoming another program (exec) has its command line by then..."""
EXEC_AGE_SECONDS_MAX = 30.0
"""...if it is not older than this. An older one..."""
EXEC_SECONDS_OLD = 0.02
"""...has most likely erased its own command line, and is waited for only so long."""
EXEC_LOOK_SECONDS = 0.001
OUT_BYTES_MAX = 1024 * 1024
"""What a daemon writes outside of its log is erased at the next start if it is more."""
TAIL_LINES = 20
TAIL_BYTES_MAX = 16 * 1024
"""So much of what a node wrote last is answered if it does not run."""
ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""A node that answers more to ``ask`` is refused."""
LOG_BYTES_MAX = 16 * 1024 * 1024
"""So many bytes of a log are in one answer at most."""
CONNECTIONS_AT_ONCE_MAX = 256
