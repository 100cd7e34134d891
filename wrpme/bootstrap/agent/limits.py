"""Bounds of the agent, the unit last in the name. No other module of wrpme is sent to a host, so they stand here."""

SILENCE_SECONDS_MAX = 20.0
"""Whoever started the agent says something more often than that, or is gone."""
LINE_BYTES_MAX = 4 * 1024 * 1024
"""Of a request."""
LOOK_AGAIN_SECONDS = 0.02
"""How often it is looked whether what is waited for has happened."""
LOCK_SECONDS_MIN = 0.2
"""A lock is tried for at least so long: whoever only looks whether it is held holds it for a moment."""
COMMAND_SECONDS_MAX = 30.0
"""For systemctl and loginctl."""
ANSWER_SECONDS_MAX = 5.0
"""A service manager that has not answered by then is none to rely on."""
INSTALL_SECONDS_MAX = 600.0
KILL_SECONDS_MAX = 10.0
"""A process that was killed has gone by then, unless the disk hangs."""
EXEC_SECONDS_MAX = 2.0
"""A process that has begun to become another program has done so by then..."""
EXEC_AGE_SECONDS_MAX = 30.0
"""...if it is not older than this; an older one..."""
EXEC_SECONDS_OLD = 0.02
"""...has most likely wiped out its own command line."""
EXEC_LOOK_SECONDS = 0.001
OUT_BYTES_MAX = 1024 * 1024
"""Of what a daemon writes beside its log: beyond it the next start begins anew."""
TAIL_LINES = 20
TAIL_BYTES_MAX = 16 * 1024
"""What is told of a node that does not run."""
ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of what a node answers to ``ask``."""
LOG_BYTES_MAX = 16 * 1024 * 1024
"""Of one answer to ``log``."""
CONNECTIONS_AT_ONCE_MAX = 256
