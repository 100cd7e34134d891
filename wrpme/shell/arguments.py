"""The command line of wrpmesh: its options, and the words of COMMAND. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from wrpme import errors
from wrpme.version import VERSION
from wrpme.limits import LOCAL_NODES_MAX, TIMEOUT_SECONDS, TIMEOUT_SECONDS_MAX
from wrpme.protocol import address as addresses
from wrpme.shell.commands import nearest

DAEMON = addresses.DEFAULT
USAGE = f"""\
wrpmesh [--daemon HOST:PORT]... [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --tui [--daemon HOST:PORT]... [--record FILE]
wrpmesh --tui --replay FILE
wrpmesh --hive N [--tui] [COMMAND [ARGUMENT...]]

The shell of a wrpme hive. Without COMMAND: interactive, or one command a line from standard input.

  --daemon HOST:PORT  a node of the hive, {DAEMON} if not given; several may be, the first that answers serves
  --timeout SECONDS   how long a command may take, its retries included; {TIMEOUT_SECONDS:g} if not given
  --hive N            start a hive of N nodes in ./hive first, and stop it at the end
  --tui               open the dashboard: the shell beside a live picture of the hive
  --record FILE       keep all that the dashboard sees in FILE, a new one, for --replay
  --replay FILE       show what was recorded there (or printed by wrpmesh watch)
  --version           print the version
  -h, --help          print this

wrpmesh help lists the commands."""


_WITH_VALUE = ("--daemon", "--timeout", "--hive", "--record", "--replay")


class Options(Struct, frozen=True):
    """What the command line said. ``answer`` is all there is to do where it is given."""

    daemons: tuple[str, ...] = (DAEMON,)
    timeout: float = TIMEOUT_SECONDS
    hive: int = 0
    tui: bool = False
    record: str = ""
    replay: str = ""
    words: tuple[str, ...] = ()
    answer: str = ""


def parse_options(arguments: Sequence[str]) -> Options:
    """The options before COMMAND, and its words.

    Raises:
        UsageError
    """
    daemons: list[str] = []
    given: dict[str, Any] = {}
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        option, equals, value = arguments[at].partition("=")
        at += 1
        if option == "--" and not equals:
            break
        if option in ("-h", "--help", "--version"):
            return Options(answer=f"wrpme {VERSION}" if option == "--version" else USAGE)
        if option == "--tui" and not equals:
            given["tui"] = True
            continue
        if option not in _WITH_VALUE:
            near = nearest(option, (*_WITH_VALUE, "--tui", "--version", "--help"))
            hint = f"did you mean {near}?" if near else "wrpmesh --help lists them"
            raise errors.UsageError(f"there is no option {option}; {hint}")
        if not equals:
            if at == len(arguments):
                raise errors.UsageError(f"{option} needs a value; wrpmesh --help tells which")
            value = arguments[at]
            at += 1
        if option == "--daemon":
            addresses.parse(value)
            daemons.append(value)
        elif option == "--timeout":
            given["timeout"] = _number(option, value, 0.001, TIMEOUT_SECONDS_MAX, "seconds")
        elif option == "--hive":
            given["hive"] = int(_number(option, value, 1, LOCAL_NODES_MAX, "nodes"))
        else:
            given[option[2:]] = value
    options = Options(tuple(daemons) or (DAEMON,), words=tuple(arguments[at:]), **given)
    _check_together(options, bool(daemons))
    return options


def _check_together(options: Options, daemons: bool) -> None:
    if daemons and options.hive:
        raise errors.UsageError("--hive starts a hive of its own: it can't be given together with --daemon")
    if (options.record or options.replay) and not options.tui:
        name = "--record" if options.record else "--replay"
        raise errors.UsageError(f"{name} is for the dashboard: it needs --tui")
    if options.tui and options.words:
        raise errors.UsageError("--tui opens the dashboard, which takes no COMMAND; type it there")
    if options.replay and (daemons or options.hive or options.record):
        raise errors.UsageError("--replay shows what is past: it can't be given with --daemon, --hive or --record")


def _number(option: str, value: str, low: float, high: float, unit: str) -> float:
    try:
        number = float(value)
        if low <= number <= high and (unit != "nodes" or number.is_integer()):
            return number
    except ValueError:
        pass
    raise errors.UsageError(f'{option} is "{value}", but should be a number of {unit} from {low:g} to {high:g}')
