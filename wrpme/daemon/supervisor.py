"""The lives of a process: one node after the other at the same listening sockets.

Usually there is one. A node whose disk is full makes way for a bystander until there is space, then comes back as after
a start; one whose data directory is damaged, or that its hive has fenced, sets the directory aside and joins its hive
again as another node. Connections that arrive between two lives wait in the sockets.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, TypeVar, Union

from msgspec import Struct

from wrpme.core.io import Process, Exit, Settings
from wrpme.core.layout import VIEW_KEY
from wrpme.core.node import Node
from wrpme.core.slot_counts import SlotCounts, counts_of
from wrpme.daemon import disk_full, hypervisor, systemd
from wrpme.daemon.config import Config
from wrpme.daemon.disk_full import Bystander
from wrpme.daemon.limits import DISK_CHECK_SECONDS, DISK_CHECK_SECONDS_MAX
from wrpme.daemon.log import Log
from wrpme.daemon.net.gate import Gate
from wrpme.daemon.net.listen import room
from wrpme.daemon.resources import Machine
from wrpme.daemon.runner import NodeLike, Runner
from wrpme.daemon.storage import identity, leveldb, quarantine, rejoin
from wrpme.daemon.storage.identity import Identity
from wrpme.daemon.storage.leveldb import LevelStore
from wrpme.daemon.storage.rejoin import Home, Keeper
from wrpme.daemon.storage.store import MemoryStore
from wrpme.daemon.storage.writer import DirectDisk, Disk, ThreadDisk
from wrpme.daemon.systemd import Manager, Outlook
from wrpme.errors import DamagedError, DiskFullError, ShortageError, StorageError
from wrpme.limits import CLOSE_SECONDS_MAX, FLAP_SECONDS_MAX

R = TypeVar("R")
Lack = Union[DiskFullError, ShortageError]
"""What a node waits for, in place of which a bystander answers."""


class Next(Enum):
    """What follows a life."""

    END = 0
    AT_ONCE = 1
    WITH_SPACE = 2


class Opened(Struct, frozen=True):
    """What a life begins with."""

    store: MemoryStore | LevelStore
    life: Identity
    peers: tuple[str, ...]
    tally: SlotCounts
    former: str = ""


class Lives:
    """All lives of one process; ``manager`` is told of them."""

    def __init__(self, config: Config, sockets: list[socket.socket], log: Log, manager: Manager | None = None) -> None:
        self._config = config
        self._sockets = sockets
        self._log = log
        self._clock = _clock()
        self._room = room(config.sessions)
        self._disrupted = hypervisor.disruptions()
        self._machine = Machine("" if config.transient else config.root)
        self._manager = manager or Manager()
        self._runner: Runner | None = None
        self._stopped = asyncio.Event()
        self._fenced_to: tuple[str, ...] = ()
        self._pause = DISK_CHECK_SECONDS
        self._lack: Lack = DiskFullError("")

    async def run(self) -> Exit:
        """From the first life to the end of the last.

        Raises:
            StorageError: the data directory can't be used, and the process can do nothing about it.
        """
        if self._room.clients < self._config.sessions:
            line = f"the system lets this process open files for {self._room.clients} clients only (ulimit -n)"
            self._log.say("warning", line)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._log.reopen)
        self._manager.start(lambda: (False, f"opening the data directory {self._config.root}"))
        try:
            return await self._all()
        finally:
            self._manager.stopping()
            self._manager.close()
            self._machine.close()

    async def _all(self) -> Exit:
        opened = await self._begin()
        self._machine.start()
        while isinstance(opened, Opened):
            if self._stopped.is_set():
                return Exit(0)
            end, again = await self._live(opened)
            if again is Next.END:
                return end
            opened = await self._begin() if again is Next.AT_ONCE else await self._stand_by(self._lack)
        return opened

    def _stop(self) -> None:
        self._stopped.set()
        self._manager.stopping()
        if self._runner is not None:
            self._runner.stop()

    # --- beginning -----------------------------------------------------------------------------------------------

    async def _begin(self) -> Opened | Exit:
        """The opened store, unless a stop was asked for first."""
        try:
            return await self._unless_stopped(self._open) or Exit(0)
        except (DiskFullError, ShortageError) as error:
            return await self._stand_by(error)

    async def _unless_stopped(self, call: Callable[[], R]) -> R | None:
        """What the call gives, in a thread: a disk that hangs must not keep a stopped process from ending."""
        working = asyncio.ensure_future(self._in_thread(call))
        stopped = asyncio.ensure_future(self._stopped.wait())
        either: set[asyncio.Future[Any]] = {working, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return working.result() if working.done() else None

    async def _in_thread(self, call: Callable[[], R]) -> R:
        """Whatever touches the disk: where that hangs, the loop goes on, and signals are heard."""
        return await asyncio.get_running_loop().run_in_executor(None, call)

    def _open(self) -> Opened:
        """Opens the store and takes a new incarnation, which is a real write; what is damaged is set aside first."""
        config = self._config
        if config.transient:
            store = MemoryStore()
            peers = self._fenced_to or tuple(str(peer) for peer in config.peers)
            return Opened(store, identity.next_life(store, os.urandom), peers, SlotCounts())
        try:
            quarantine.finish(config.root)
            try:
                return self._entered()
            except DamagedError as error:
                self._replace_damaged(error)
                return self._entered()
        except OSError as error:
            raise leveldb.unusable(config.root, error) from None

    def _entered(self) -> Opened:
        config = self._config
        store = leveldb.open_store(config.root)
        if store.repaired:
            self._log.say("warning", store.repaired)
        home = self._home()
        try:
            has_view = store.get(VIEW_KEY) is not None
            peers = (*(() if has_view else self._others(home)), *(str(peer) for peer in config.peers))
            peers = tuple(dict.fromkeys(peers))
            if not has_view:
                self._check_that_nothing_was_lost(home, peers)
            elif store.get(identity.KEY) is None:
                raise leveldb.damaged(config.root, "the identity of the node is missing")
            life = identity.next_life(store, os.urandom)
            tally = counts_of(store)
            tally.removed_bytes = store.excess_bytes(tally.bytes)
        except StorageError:
            store.close()
            raise
        return Opened(store, life, peers, tally, "" if has_view else home.former)

    def _check_that_nothing_was_lost(self, home: Home, peers: tuple[str, ...]) -> None:
        """Nobody founds a hive, or joins one, in a directory that has lost what it held."""
        if home.had_data:
            lost = f"its node was a member of hive {home.hive[:8]}, and what it held is gone"
            raise leveldb.damaged(self._config.root, lost)
        if home.former and not peers:
            raise leveldb.damaged(self._config.root, f"its file {rejoin.NAME} names no other node")

    def _home(self) -> Home:
        try:
            return rejoin.read(self._config.root) or Home("", ())
        except OSError as error:
            raise leveldb.unusable(self._config.root, error) from None

    def _others(self, home: Home) -> tuple[str, ...]:
        return tuple(other for other in home.others if other != str(self._config.advertise))

    # --- lives ---------------------------------------------------------------------------------------------------

    async def _live(self, opened: Opened) -> tuple[Exit, Next]:
        """One life of the node; how it ended, and whether and how another one follows."""
        config, log, store = self._config, self._log, opened.store
        log.say("info", f"the data directory is {config.root or 'memory only'}, start {opened.life.starts}")
        keeper = None if config.transient else Keeper(config.root, log.say)
        began = self._clock()
        end, at_rest, trouble = await self._node_runs(opened, keeper)
        if keeper is not None:
            at_rest = await keeper.close(CLOSE_SECONDS_MAX) and at_rest
        if not at_rest:  # the disk's thread is still inside of the store
            return end, Next.END
        if trouble is None and not end.aside:
            await asyncio.wait({asyncio.ensure_future(self._in_thread(store.close))}, timeout=CLOSE_SECONDS_MAX)
            return end, Next.END
        await self._unless_stopped(store.close)
        if self._stopped.is_set():
            return end, Next.END
        if isinstance(trouble, DamagedError):
            damage = trouble
            await self._unless_stopped(lambda: self._replace_damaged(damage))
        elif trouble is None:
            await self._unless_stopped(lambda: self._replace_fenced(end, keeper))
        else:
            self._lack = trouble
            short = self._clock() - began < FLAP_SECONDS_MAX
            self._pause = min(DISK_CHECK_SECONDS_MAX, 2 * self._pause) if short else DISK_CHECK_SECONDS
            return end, Next.WITH_SPACE
        return end, Next.AT_ONCE

    async def _node_runs(
        self, opened: Opened, keeper: Keeper | None
    ) -> tuple[Exit, bool, Lack | DamagedError | None]:
        store = opened.store
        try:
            process = Process(self._machine.stats)
            node = Node(self._settings(opened), store, self._clock(), opened.tally, process)
        except (DiskFullError, ShortageError, DamagedError) as error:
            return Exit(1, error.sentence), True, error

        def adopted() -> None:
            if keeper is not None and node.view is not None:
                keeper.note(rejoin.home_in(node.view, node.settings.id))
            self._manager.adopted()

        disk = DirectDisk(store) if isinstance(store, MemoryStore) else ThreadDisk(store)
        runner = self._make_runner(node, process, disk, adopted)
        gate = self._admit(runner, systemd.outlook(node))
        end = await runner.finished
        at_rest = await self._dismiss(runner, gate)
        return end, at_rest, runner.trouble

    def _settings(self, opened: Opened) -> Settings:
        config = self._config
        return Settings(
            id=opened.life.id,
            incarnation=opened.life.incarnation,
            lives=opened.life.lives,
            address=str(config.advertise),
            peers=opened.peers,
            replication=config.replication,
            grace_seconds=config.grace_seconds,
            new_hive=b"" if opened.peers else os.urandom(16),
            config=config.as_json(),
            former=opened.former,
        )

    def _make_runner(self, node: NodeLike, process: Process, disk: Disk, adopted: Callable[[], None]) -> Runner:
        return Runner(
            node=node,
            disk=disk,
            log=self._log,
            clock=self._clock,
            wall=time.time,
            clients_max=self._room.clients,
            sessions_max=self._room.sessions,
            sync=self._config.sync,
            adopted=adopted,
            process=process,
            disrupted=self._disrupted,
        )

    def _admit(self, runner: Runner, outlook: Outlook) -> Gate:
        """Starts it and lets connections in."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._on_loop_trouble(runner, context))
        self._runner = runner
        runner.start()
        gate = Gate(self._sockets, runner.server.accept, runner.server.places, self._log.say)
        gate.open()
        self._manager.follow(outlook)
        return gate

    async def _dismiss(self, runner: Runner, gate: Gate) -> bool:
        """Ends it; whether its disk is at rest."""
        await gate.close()
        at_rest = await runner.close()
        self._runner = None
        return at_rest

    def _on_loop_trouble(self, runner: Runner, context: dict[str, Any]) -> None:
        """What asyncio could not give to anybody: trouble of the system is said, anything else is a defect."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            line = f"{context.get('message', 'trouble in the loop')}{f' ({error})' if error else ''}"
            self._log.say("warning", line)
        else:
            runner.defect(error)

    # --- between lives -------------------------------------------------------------------------------------------

    async def _stand_by(self, lack: Lack) -> Opened | Exit:
        """Answers clients until there is what is lacking, or until a stop is asked for."""
        config = self._config
        address = str(config.advertise)
        sentence = await self._unless_stopped(lambda: disk_full.sentence(lack, address, config.root))
        if sentence is None:
            return Exit(0)
        self._log.say("error", sentence)
        runner = self._make_runner(
            Bystander(sentence, type(lack).code), Process(self._machine.stats), DirectDisk(MemoryStore()), lambda: None
        )
        opening = asyncio.ensure_future(self._open_when_it_can_be())
        gate = self._admit(runner, lambda: (False, sentence))
        try:
            either: set[asyncio.Future[Any]] = {opening, runner.finished}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if runner.finished.done():
                return runner.finished.result()
            opened = opening.result()
        finally:
            opening.cancel()
            await self._dismiss(runner, gate)
        again = "has space again" if isinstance(lack, DiskFullError) else "can be used again"
        self._log.say("info", f"the disk of the data directory {config.root} {again}; the node returns")
        return opened

    async def _open_when_it_can_be(self) -> Opened:
        while True:
            await asyncio.sleep(self._pause)
            if await self._in_thread(lambda: disk_full.has_space(self._config.root)):
                try:
                    return await self._in_thread(self._open)
                except (DiskFullError, ShortageError):
                    continue  # what opening it takes was more than there is, or a quota is met

    def _replace_damaged(self, error: DamagedError) -> None:
        root = self._config.root
        home = self._home()
        through = self._others(home) or tuple(str(peer) for peer in self._config.peers)
        if not through:
            raise DamagedError(
                f"{error.sentence}; nothing was changed there, as no file {rejoin.NAME} in it names other members "
                "of its hive and no --peer is given: put back a copy of it, or keep it aside and start the node with "
                "an empty one, with --peer if the hive has other nodes"
            )
        kept = quarantine.set_aside(root, quarantine.DAMAGED, Home(home.hive, through))
        self._log.say(
            "error",
            f"{error.sentence}; it was set aside as {kept}, and this node joins {_hive(home)} anew, as another node "
            f"with an empty directory, through {', '.join(through)}",
        )

    def _replace_fenced(self, end: Exit, keeper: Keeper | None) -> None:
        self._fenced_to = end.aside
        told = end.sentence or "the hive has fenced this node"
        where = ", ".join(end.aside)
        if keeper is None:
            self._log.say("warning", f"{told}; its data is given up, and it joins the hive as another node at {where}")
            return
        home = self._home()
        kept = quarantine.set_aside(self._config.root, quarantine.FORMER, Home(home.hive, end.aside))
        line = f"{told}; its data was set aside as {kept}, and it joins the hive as another node at {where}"
        self._log.say("warning", line)


def _hive(home: Home) -> str:
    return f"hive {home.hive[:8]}" if home.hive else "its hive"


def _clock() -> Callable[[], float]:
    """Seconds since the machine started, its sleep included where the system counts that."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return time.monotonic
    return partial(time.clock_gettime, boottime)  # a third of what a function of Python takes
