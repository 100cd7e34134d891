"""The process ``wrpmed``: reads the command line, opens what the node needs, runs it, and ends with 0, 1 or 2."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from wrpme.core.io import Exit
from wrpme.daemon import config as configs
from wrpme.daemon.config import Config
from wrpme.daemon.limits import SWITCH_SECONDS
from wrpme.daemon.log import Log, say_where_it_crashed, stderr_is_terminal
from wrpme.daemon.log_format import formatter
from wrpme.daemon.net.listen import listen, other_peers
from wrpme.daemon.supervisor import Supervisor
from wrpme.daemon.systemd import Manager, manager
from wrpme.errors import UsageError, WrpmeError
from wrpme.version import VERSION


def main() -> None:
    """The command ``wrpmed``. Ends without waiting for threads: all that is ours is closed by then, and a disk or a
    name server that hangs must not keep a stopped node from ending."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is handled: one that comes so early would end the node
    sys.setswitchinterval(SWITCH_SECONDS)
    say_where_it_crashed()
    os._exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs a node until it ends; gives the exit code. Everything that goes wrong is one sentence on stderr."""
    log = Log()
    try:
        starter = manager(os.environ)
        environment = dict(os.environ)
        config = configs.parse(arguments, environment)
        log = _open_log(config)
        end = _serve(config, log, starter, lambda: configs.parse(arguments, environment))
    except UsageError as error:
        end = Exit(2, error.sentence)
    except WrpmeError as error:
        end = Exit(1, error.sentence)
    except Exception as error:
        log.defect(error)
        end = Exit(1, f"a defect of wrpme itself ({type(error).__name__}: {error})")
    if end.code:
        log.fatal(end.sentence or "the node stops")
    else:
        log.say("info", end.sentence or "stopped")
    log.close()
    return end.code


def _open_log(config: Config) -> Log:
    console = config.log_console
    if console is None:
        console = not config.log_file and stderr_is_terminal()
    shown = formatter(config.log_format, str(config.advertise))
    log = Log(config.log_file, console, config.log_level, shown, config.audit_log)
    log.take_over()
    return log


def _serve(config: Config, log: Log, starter: Manager, reread: Callable[[], Config]) -> Exit:
    log.say("info", f"wrpmed {VERSION} starts at {config.address}")
    for variable in config.strays:
        log.say("warning", configs.stray(variable))
    sockets = listen(config.address)
    peers = other_peers(config.peers, sockets)
    if config.peers and not peers:
        raise configs.only_itself(config.peers[0])
    config = replace(config, peers=peers)

    async def supervised() -> Exit:
        return await Supervisor(config, sockets, log, starter, reread).run()

    return _new_loop().run_until_complete(supervised())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
