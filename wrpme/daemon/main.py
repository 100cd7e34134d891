"""The process ``wrpmed``: reads the command line, opens what the node needs, runs it, and ends with 0, 1 or 2."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from wrpme import __version__
from wrpme.daemon import config as configs
from wrpme.daemon import identity, leveldb
from wrpme.daemon.config import Config
from wrpme.daemon.disk import DirectDisk, ThreadDisk
from wrpme.daemon.listen import check_peers, listen, room_for_clients
from wrpme.daemon.log import Log, bridge, stderr_is_terminal
from wrpme.daemon.runner import Runner
from wrpme.effects import Exit, Settings
from wrpme.errors import UsageError, WrpmeError
from wrpme.node import Node
from wrpme.store import MemoryStore, Store


def main() -> None:
    """The command ``wrpmed``. Ends without waiting for threads: all that is ours is closed by then, and a disk or a
    name server that hangs must not keep a stopped node from ending."""
    code = run(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs a node until it ends; gives the exit code. Everything that goes wrong is one sentence on stderr."""
    log = Log()
    try:
        config = configs.parse(arguments)
        log = _open_log(config)
        end = _serve(config, log)
    except UsageError as error:
        log.fatal(error.sentence)
        return 2
    except WrpmeError as error:
        log.fatal(error.sentence)
        return 1
    except Exception as error:
        log.defect(error)
        log.fatal(f"a defect of wrpme itself ({type(error).__name__}: {error})")
        return 1
    if end.code:
        log.fatal(end.sentence or "the node stops")
    else:
        log.say("info", end.sentence or "stopped")
    return end.code


def _open_log(config: Config) -> Log:
    console = config.log_console
    if console is None:
        console = not config.log_file and stderr_is_terminal()
    log = Log(config.log_file, console, config.log_level)
    bridge(log)
    return log


def _serve(config: Config, log: Log) -> Exit:
    log.say("info", f"wrpmed {__version__} starts at {config.address}")
    sockets = listen(config.address)
    check_peers(config.peers, sockets)
    store: Store = MemoryStore() if config.transient else leveldb.open_store(config.root)
    settings = _settings(config, store)
    log.say("info", f"the data directory is {config.root or 'memory only'}, start {settings.incarnation >> 32}")
    loop = _new_loop()
    end, at_rest = loop.run_until_complete(_run_node(config, settings, store, sockets, log))
    if at_rest:  # else the disk's thread is still inside of it
        store.close()
    loop.close()
    return end


def _settings(config: Config, store: Store) -> Settings:
    life = identity.next_life(store, os.urandom)
    return Settings(
        id=life.id,
        incarnation=life.incarnation,
        address=str(config.advertise),
        peers=tuple(str(peer) for peer in config.peers),
        replication=config.replication,
        grace_seconds=config.grace_seconds,
        new_hive=b"" if config.peers else os.urandom(16),
        config=config.as_json(),
    )


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _run_node(
    config: Config, settings: Settings, store: Store, sockets: list[socket.socket], log: Log
) -> tuple[Exit, bool]:
    """Runs the node; how it ended, and whether the store is at rest."""
    loop = asyncio.get_running_loop()
    clients_max = room_for_clients(config.sessions)
    if clients_max < config.sessions:
        log.say("warning", f"the system lets this process open files for {clients_max} clients only (ulimit -n)")
    clock = _clock()
    runner = Runner(
        node=Node(settings, store, clock()),
        disk=DirectDisk(store) if config.transient else ThreadDisk(store),
        log=log,
        clock=clock,
        wall=time.time,
        clients_max=clients_max,
        sync=config.sync,
    )
    loop.set_exception_handler(lambda _, context: _on_loop_trouble(runner, log, context))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.stop)
    loop.add_signal_handler(signal.SIGHUP, log.reopen)
    runner.start()
    servers = [await loop.create_server(runner.server.accept, sock=made, backlog=1024) for made in sockets]
    end = await runner.finished
    for server in servers:
        server.close()
    return end, await runner.close()


def _on_loop_trouble(runner: Runner, log: Log, context: dict[str, Any]) -> None:
    """What asyncio could not give to anybody: trouble of the system is said, anything else is a defect."""
    error = context.get("exception")
    if error is None or isinstance(error, OSError):
        log.say("warning", f"{context.get('message', 'trouble in the loop')}{f' ({error})' if error else ''}")
    else:
        runner.defect(error)


def _clock() -> Callable[[], float]:
    """Seconds since the machine started, its sleep included where the system counts that."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return time.monotonic
    read, which = time.clock_gettime, boottime
    return lambda: read(which)
