"""What keeps nodes running here: systemd, if it is there and this user may use it, or nothing."""

from __future__ import annotations

import os

from wrpme.bootstrap.agent import errors, files
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import ANSWER_SECONDS_MAX, COMMAND_SECONDS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wrpme.bootstrap.agent.paths import Base, Node

SYSTEMD = "/run/systemd/system"
SYSTEM_UNITS = "/etc/systemd/system"
LINGER = "/var/lib/systemd/linger"
ANSWERS = ("initializing", "starting", "running", "degraded", "maintenance", "stopping")
PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "NRestarts",
    "ExecMainPID",
    "ExecMainStartTimestampMonotonic",
    "UnitFileState",
    "NeedDaemonReload",
)
KILL_USER_PROCESSES = (
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "KillUserProcesses",
)
LINGER_ACTION = "org.freedesktop.login1.set-self-linger"


class Ways:
    """What keeps nodes running here. ``service`` is system, user or process; ``reason`` says why, as part of a
    sentence.

    ``linger`` says whether services of this user outlive the user's last session, and ``survives`` whether processes
    do.
    """

    def __init__(self, service: str, reason: str, linger: bool = False, survives: bool = True) -> None:
        self.service = service
        self.reason = reason
        self.linger = linger
        self.survives = survives


def run(words: Sequence[str], seconds: float = COMMAND_SECONDS_MAX) -> tuple[int, str]:
    """Runs a command; returns its exit status and all that it wrote.

    The status is -1 if there is no such command, or if it was ended after ``seconds``.
    """
    import subprocess

    environment = dict(os.environ, LC_ALL="C.UTF-8", SYSTEMD_PAGER="", SYSTEMD_COLORS="0")
    environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds, env=environment, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return -1, f"there is no command {words[0]}"
    except subprocess.TimeoutExpired:
        return -1, f"it did not answer within {seconds:g} s"
    except OSError as error:
        return -1, error.strerror or str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def detect() -> Ways:
    """Finds out what can keep nodes running here, and changes nothing."""
    linger = os.path.exists(f"{LINGER}/{errors.user()}")
    if not os.path.isdir(SYSTEMD):
        return Ways("process", "this machine has no systemd")
    if os.getuid() == 0:
        said = run(["systemctl", "is-system-running"], ANSWER_SECONDS_MAX)[1]
        if said in ANSWERS:
            return Ways("system", "systemd answers, and this user is root", linger)
        return Ways("process", f"systemd does not answer ({said or 'nothing'})", linger)
    said = run(["systemctl", "--user", "is-system-running"], ANSWER_SECONDS_MAX)[1]
    if said not in ANSWERS:
        return Ways("process", f"systemd has no manager for user {errors.user()} ({_short(said)})", linger, _survives())
    if linger:
        return Ways("user", f"systemd keeps the services of user {errors.user()} running without a session", linger)
    if run(["pkcheck", "--action-id", LINGER_ACTION, "--process", str(os.getpid())], ANSWER_SECONDS_MAX)[0] == 0:
        return Ways("user", f"systemd answers, and user {errors.user()} may turn lingering on", linger)
    return Ways(
        "process",
        f"systemd would end the services of user {errors.user()} with its last session; to change that, as root: "
        f"loginctl enable-linger {errors.user()}",
        linger,
        _survives(),
    )


def _survives() -> bool:
    """Returns whether processes of this user go on after the user's last session; true if that can't be found out."""
    return "true" not in run(["busctl", "get-property", *KILL_USER_PROCESSES], ANSWER_SECONDS_MAX)[1]


def _short(said: str) -> str:
    return (said.split("\n")[0] or "it said nothing")[:200]


def unit_path(node: Node, service: str) -> str:
    """Returns the path of the unit of a node."""
    return f"{SYSTEM_UNITS if service == 'system' else user_units()}/{node.unit}"


def user_units() -> str:
    """Returns the directory of the units of this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{home}/systemd/user"


def systemctl(service: str, *words: str, seconds: float = COMMAND_SECONDS_MAX) -> str:
    """Runs systemctl for the manager of the system or of this user; returns what it wrote.

    Raises:
        AgentError: the manager refuses.
    """
    command = ["systemctl", *(["--user"] if service == "user" else []), *words]
    status, said = run(command, seconds)
    if status != 0:
        raise AgentError(f"{' '.join(command)} failed: {_short(said)}; see journalctl, repair that, and try again")
    return said


def states(nodes: Iterable[Node], service: str) -> dict[str, dict[str, str]]:
    """Returns the ``PROPERTIES`` of the units of these nodes by the node's name.

    Raises:
        AgentError: the manager does not answer.
    """
    units = {node.unit: node.name for node in nodes}
    if not units:
        return {}
    said = systemctl(service, "show", f"--property={','.join(PROPERTIES)}", "--", *units, seconds=ANSWER_SECONDS_MAX)
    found: dict[str, dict[str, str]] = {}
    for block in said.split("\n\n"):
        told = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        if told.get("Id") in units:
            found[units[told["Id"]]] = told
    return found


def last_words(node: Node, service: str, unit: dict[str, str], lines: int) -> str:
    """Returns the last lines that the daemon of that node wrote outside of its log since its last start; empty if they
    can't be read."""
    import time

    begun_microseconds = int(unit.get("ExecMainStartTimestampMonotonic") or 0)
    if not begun_microseconds:
        return ""
    ago = time.clock_gettime(time.CLOCK_MONOTONIC) - begun_microseconds / 1e6
    run(["journalctl", "--sync"], ANSWER_SECONDS_MAX)  # only root may; without it the last lines may be missing
    command = ["journalctl", *(["--user"] if service == "user" else []), "--quiet", "--no-pager", "--output=cat"]
    # By the time and not by the invocation, which the journal may not know of a process that ended at once.
    command += [f"--since=@{int(time.time() - ago)}", f"--lines={lines}", "--identifier=wrpmed"]
    # It may not know the unit of such a process either, so its number is tried too.
    for which in (f"--unit={node.unit}", f"_PID={unit.get('ExecMainPID', '0')}"):
        status, said = run([*command, which], ANSWER_SECONDS_MAX)
        if status == 0 and said:
            return said
    return ""


def install(base: Base, node: Node, service: str, text: str) -> bool:
    """Makes the unit be there, known to the manager and enabled; returns whether anything had to be done.

    Raises:
        AgentError: there is a unit of that name that is not this node's, or the manager refuses.
    """
    path = unit_path(node, service)
    there = files.read(path)
    if there is not None and node.run.encode() not in there:
        raise AgentError(f"{path} is there already, and not of {base.directory}; move it away, or give another port")
    if service == "user":
        _enable_linger(base)
        _make_user_units(base)
    changed = files.write(path, text.encode())
    told = states([node], service).get(node.name, {})
    if changed or told.get("NeedDaemonReload") == "yes" or told.get("LoadState") == "not-found":
        systemctl(service, "daemon-reload")
    if told.get("UnitFileState") != "enabled":
        systemctl(service, "enable", node.unit)
        changed = True
    return changed


def uninstall(node: Node, service: str) -> bool:
    """Removes the unit of that node; returns whether there was one.

    Raises:
        AgentError: the manager refuses.
    """
    path = unit_path(node, service)
    there = files.read(path)
    if there is None or node.run.encode() not in there:
        return False
    systemctl(service, "disable", node.unit)
    files.remove(path)
    systemctl(service, "daemon-reload")
    run(["systemctl", *(["--user"] if service == "user" else []), "reset-failed", node.unit])
    return True


def _make_user_units(base: Base) -> None:
    missing = [user_units()]
    while not os.path.isdir(parent := os.path.dirname(missing[0])):
        missing.insert(0, parent)
    missing = [path for path in missing if not os.path.isdir(path)]
    if missing:
        made = base.read_made()
        made.directories += [path for path in missing if path not in made.directories]
        base.write_made(made)  # comes first: an agent that is killed here leaves no directory that nobody removes
        for path in missing:
            files.make_directory(path)


def _enable_linger(base: Base) -> None:
    if os.path.exists(f"{LINGER}/{errors.user()}"):
        return
    made = base.read_made()
    made.linger = True
    base.write_made(made)
    status, said = run(["loginctl", "--no-ask-password", "enable-linger", errors.user()])
    if status != 0:
        raise AgentError(
            f"lingering can't be turned on for user {errors.user()} ({_short(said)}); as root: loginctl enable-linger "
            f"{errors.user()}"
        )


def disable_linger() -> None:
    """Turns lingering off, which ``install`` turned on, unless another node of this user needs it.

    Raises:
        AgentError: the manager refuses.
    """
    try:
        others = [name for name in os.listdir(user_units()) if name.startswith("wrpme-")]
    except OSError:
        others = []
    if others or not os.path.exists(f"{LINGER}/{errors.user()}"):
        return
    status, said = run(["loginctl", "--no-ask-password", "disable-linger", errors.user()])
    if status != 0:
        raise AgentError(f"lingering of user {errors.user()} can't be turned off ({_short(said)})")
