"""The supervisor of a process: it runs one node after the other at the same listening sockets.

Usually there is one. A node whose disk is full makes way for an :class:`~wrpme.daemon.disk_full.UnavailableNode` until
there is space, then comes back as after a start. One whose data directory is damaged, or that its hive has fenced, puts
the directory in quarantine and joins its hive again as another node. Connections that arrive between two nodes wait in
the sockets.
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
from msgspec.structs import replace

from wrpme import options
from wrpme.files import option_values
from wrpme.files.certificates import stamp
from wrpme.core.io import Exit, Memory, Process, ProcessStats, Settings, SettingsChanged
from wrpme.core.layout import VIEW_KEY
from wrpme.core.node import Node
from wrpme.core.stats.slot_counts import SlotCounts, known_counts
from wrpme.daemon import disk_full, hypervisor, resources, systemd
from wrpme.daemon.config import Config
from wrpme.daemon.disk_full import UnavailableNode
from wrpme.daemon.limits import CERTIFICATE_LOOK_SECONDS, DISK_CHECK_SECONDS, DISK_CHECK_SECONDS_MAX
from wrpme.daemon.log import Log
from wrpme.daemon.log_format import formatter
from wrpme.daemon.net.gate import Gate
from wrpme.daemon.net.listen import room
from wrpme.daemon.net.redis.client import Options
from wrpme.daemon.resources import Machine
from wrpme.daemon.runner import NodeLike, Runner
from wrpme.daemon.security.tls import REQUIRE, Tls
from wrpme.daemon.storage import identity, leveldb, quarantine, rejoin
from wrpme.daemon.storage.identity import Identity
from wrpme.daemon.storage.leveldb import LevelStore
from wrpme.daemon.storage.rejoin import RejoinFile, RejoinInfo
from wrpme.daemon.storage.store import MemoryStore
from wrpme.daemon.storage.writer import DirectDisk, Disk, ThreadDisk
from wrpme.daemon.systemd import Manager, Outlook
from wrpme.errors import DamagedError, DiskFullError, ShortageError, StorageError, UsageError
from wrpme.limits import CLOSE_SECONDS_MAX, FLAP_SECONDS_MAX
from wrpme.protocol.address import is_loopback

R = TypeVar("R")
Lack = Union[DiskFullError, ShortageError]
"""What a node waits for, while an unavailable one answers in its place."""


OPEN = (
    "this hive has no users: whoever reaches {} reads, writes and stops it; "
    "wrpmesh user_add adds the first one (docs/security.md, Users and roles)"
)


class Next(Enum):
    """What follows when a node has ended."""

    END = 0
    AT_ONCE = 1
    WITH_SPACE = 2


class Opened(Struct, frozen=True):
    """What a node begins with: its opened store and what was found there."""

    store: MemoryStore | LevelStore
    identity: Identity
    peers: tuple[str, ...]
    slot_counts: SlotCounts
    former: str = ""


class Supervisor:
    """Runs the nodes of one process, and tells the service manager how they are. ``reread`` makes the configuration
    anew, from a file that may have changed.

    Raises:
        UsageError: the files for TLS can't be used.
    """

    def __init__(
        self,
        config: Config,
        sockets: list[socket.socket],
        log: Log,
        manager: Manager | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        self._config = config
        self._memory = Memory.of(config.memory_max)
        self._reread = reread or (lambda: config)
        self._hung_up = asyncio.Event()
        self._sockets = sockets
        self._log = log
        self._tls = config.secured()
        if self._tls is not None:
            resources.no_core_dumps()
        self._told_open = False
        self._stamp: tuple[object, ...] = ()
        """Of the files of the certificate, as they were when they were read last."""
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
        """Runs nodes until one ends for good.

        Raises:
            StorageError: the data directory can't be used, and the process can do nothing about it.
        """
        self._tell_room()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        rereading = [loop.create_task(self._reread_when_asked())]
        if self._tls is not None:
            rereading.append(loop.create_task(self._reread_when_changed(self._tls)))
        self._manager.start(lambda: (False, f"opening the data directory {self._config.root}"))
        try:
            return await self._all()
        finally:
            for task in rereading:
                task.cancel()
            self._manager.stopping()
            self._manager.close()
            self._machine.close()

    async def _all(self) -> Exit:
        opened = await self._begin()
        self._machine.start()
        while isinstance(opened, Opened):
            if self._stopped.is_set():
                return Exit(0)
            end, again = await self._run_node(opened)
            if again is Next.END:
                return end
            opened = await self._begin() if again is Next.AT_ONCE else await self._stand_by(self._lack)
        return opened

    def _stop(self) -> None:
        self._stopped.set()
        self._manager.stopping()
        if self._runner is not None:
            self._runner.stop()

    def _tell_room(self) -> None:
        if self._room.clients < self._config.sessions:
            line = f"the system lets this process open files for {self._room.clients} clients only (ulimit -n)"
            self._log.say("warning", line)

    # --- the configuration ---------------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        """Handles SIGHUP."""
        self._log.reopen()
        if self._config.given["config"] or self._tls is not None:
            self._hung_up.set()

    async def _reread_when_asked(self) -> None:
        """Takes the configuration and the certificates anew after each SIGHUP; several that come meanwhile count as
        one."""
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            try:
                if self._config.given["config"]:
                    self._take(await self._in_thread(self._reread))
            except UsageError as error:
                self._log.say("error", f"the configuration stays as it is: {error.sentence}")
            except Exception as error:
                self._log.defect(error)
            if self._tls is not None:
                await self._reread_certificates(self._tls)

    async def _reread_when_changed(self, tls: Tls) -> None:
        """Takes certificates anew whose files have changed, and are not about to change any more: a key may come a
        little later than its certificate."""
        before = self._stamp = await self._in_thread(lambda: stamp(self._config.tls_files))
        while True:
            await asyncio.sleep(CERTIFICATE_LOOK_SECONDS)
            now = await self._in_thread(lambda: stamp(self._config.tls_files))
            if now == before and now != self._stamp:
                await self._reread_certificates(tls)
            before = now

    async def _reread_certificates(self, tls: Tls) -> None:
        files = self._config.tls_files
        self._stamp = await self._in_thread(lambda: stamp(files))
        try:
            await self._in_thread(lambda: tls.reload(files))
        except UsageError as error:
            self._log.say("error", f"the certificate stays the one that it was: {error.sentence}")
        except Exception as error:
            self._log.defect(error)
        else:
            left = f"{tls.seconds_left / 86_400:.1f} d"
            self._log.say("info", f"the certificate {files.certificate} was read again: it is valid for {left}")

    def _take(self, fresh: Config) -> None:
        """Applies what may change while a node runs, and says what has to wait."""
        former = self._config
        changed, waiting = former.compared(fresh)
        config = self._config = former.taking(fresh)
        says = [f"{name} is {option_values.text(new)} (was {option_values.text(old)})" for name, old, new in changed]
        if waiting:
            says.append(f"{', '.join(waiting)} {'waits' if len(waiting) == 1 else 'wait'} for a restart")
        self._log.set_level(min(former.log_level, config.log_level, key=options.LEVELS.index))
        self._log.show_as(formatter(config.log_format, str(config.advertise)))
        told = "; ".join(says) or "nothing in it has changed"
        self._log.say("warning" if waiting else "info", f"the configuration was read again: {told}")
        self._log.set_level(config.log_level)
        if config.sessions != former.sessions:
            self._room = room(config.sessions)
            self._tell_room()
        if self._runner is not None:
            given = SettingsChanged(config.grace_seconds, config.slow_seconds, config.bytes_max, config.as_json())
            self._runner.reconfigure(given, self._room.clients, self._room.sessions)

    # --- beginning -----------------------------------------------------------------------------------------------

    async def _begin(self) -> Opened | Exit:
        """Returns the opened store, or the end where a stop was asked for first."""
        try:
            return await self._unless_stopped(self._open) or Exit(0)
        except (DiskFullError, ShortageError) as error:
            return await self._stand_by(error)

    async def _unless_stopped(self, call: Callable[[], R]) -> R | None:
        """Calls in a thread, and returns the result, or None where a stop comes first: a disk that hangs must not keep
        a stopped process from ending."""
        working = asyncio.ensure_future(self._in_thread(call))
        stopped = asyncio.ensure_future(self._stopped.wait())
        either: set[asyncio.Future[Any]] = {working, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return working.result() if working.done() else None

    async def _in_thread(self, call: Callable[[], R]) -> R:
        """Calls what touches the disk: where that hangs, the loop goes on, and signals are heard."""
        return await asyncio.get_running_loop().run_in_executor(None, call)

    def _open(self) -> Opened:
        """Opens the store and takes a new incarnation, which is a real write. A damaged directory is put in quarantine
        first."""
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
        store = leveldb.open_store(config.root, cache_bytes=self._memory.cache)
        for line in filter(None, (store.repaired, store.closed_to_others)):
            self._log.say("warning", line)
        info = self._rejoin_info()
        try:
            has_view = store.get(VIEW_KEY) is not None
            peers = (*(() if has_view else self._others(info)), *(str(peer) for peer in config.peers))
            peers = tuple(dict.fromkeys(peers))
            if not has_view:
                self._check_that_nothing_was_lost(info, peers)
            elif store.get(identity.KEY) is None:
                raise leveldb.damaged(config.root, "the identity of the node is missing")
            next_identity = identity.next_life(store, os.urandom)
            slot_counts = known_counts(store, next_identity.lives)
            slot_counts.begin(next_identity.incarnation)
            store.write(slot_counts.operations(), sync=False)  # also of a node that writes nothing before it ends
            slot_counts.removed_bytes = store.excess_bytes(slot_counts.entries, slot_counts.bytes)
        except StorageError:
            store.close()
            raise
        return Opened(store, next_identity, peers, slot_counts, "" if has_view else info.former)

    def _check_that_nothing_was_lost(self, info: RejoinInfo, peers: tuple[str, ...]) -> None:
        """Refuses to found a hive, or to join one, in a directory that has lost what it held.

        Raises:
            DamagedError: it has.
        """
        if info.had_data:
            lost = f"its node was a member of hive {info.hive[:8]}, and what it held is gone"
            raise leveldb.damaged(self._config.root, lost)
        if info.former and not peers:
            raise leveldb.damaged(self._config.root, f"its file {rejoin.NAME} names no other node")

    def _rejoin_info(self) -> RejoinInfo:
        try:
            return rejoin.read(self._config.root) or RejoinInfo("", ())
        except OSError as error:
            raise leveldb.unusable(self._config.root, error) from None

    def _others(self, info: RejoinInfo) -> tuple[str, ...]:
        return tuple(other for other in info.others if other != str(self._config.advertise))

    # --- running -------------------------------------------------------------------------------------------------

    async def _run_node(self, opened: Opened) -> tuple[Exit, Next]:
        """Runs a node until it ends; returns how it ended, and whether and how another one follows."""
        config, log, store = self._config, self._log, opened.store
        log.say("info", f"the data directory is {config.root or 'memory only'}, start {opened.identity.starts}")
        rejoin_file = None if config.transient else RejoinFile(config.root, log.say)
        began = self._clock()
        end, at_rest, trouble = await self._until_finished(opened, rejoin_file)
        if rejoin_file is not None:
            at_rest = await rejoin_file.close(CLOSE_SECONDS_MAX) and at_rest
        if not at_rest:  # the disk's thread is still inside of the store
            return end, Next.END
        if trouble is None and not end.rejoin:
            await asyncio.wait({asyncio.ensure_future(self._in_thread(store.close))}, timeout=CLOSE_SECONDS_MAX)
            return end, Next.END
        await self._unless_stopped(store.close)
        if self._stopped.is_set():
            return end, Next.END
        if isinstance(trouble, DamagedError):
            damage = trouble
            await self._unless_stopped(lambda: self._replace_damaged(damage))
        elif trouble is None:
            await self._unless_stopped(lambda: self._replace_fenced(end, rejoin_file))
        else:
            self._lack = trouble
            short = self._clock() - began < FLAP_SECONDS_MAX
            self._pause = min(DISK_CHECK_SECONDS_MAX, 2 * self._pause) if short else DISK_CHECK_SECONDS
            return end, Next.WITH_SPACE
        return end, Next.AT_ONCE

    async def _until_finished(
        self, opened: Opened, rejoin_file: RejoinFile | None
    ) -> tuple[Exit, bool, Lack | DamagedError | None]:
        store = opened.store
        try:
            process = Process(self._measure, self._memory)
            node = Node(self._settings(opened), store, self._clock(), opened.slot_counts, process)
        except (DiskFullError, ShortageError, DamagedError) as error:
            return Exit(1, error.sentence), True, error

        def adopted() -> None:
            if rejoin_file is not None and node.view is not None:
                rejoin_file.note(rejoin.info_in(node.view, node.settings.id))
            self._manager.adopted()
            if node.view is not None and not self._told_open:
                self._told_open = True
                if not node.view.users and not is_loopback(node.settings.address):
                    self._log.say("warning", OPEN.format(node.settings.address))

        disk = DirectDisk(store) if isinstance(store, MemoryStore) else ThreadDisk(store)
        outlook = systemd.outlook(node)
        runner = self._make_runner(node, process, disk, adopted, outlook)
        gate = self._admit(runner, outlook)
        end = await runner.finished
        at_rest = await self._dismiss(runner, gate)
        return end, at_rest, runner.trouble

    def _measure(self) -> ProcessStats:
        stats, tls = self._machine.stats(), self._tls
        if tls is None:
            return stats
        return replace(stats, certificate_seconds=round(tls.seconds_left), troubles=tls.troubles)

    def _settings(self, opened: Opened) -> Settings:
        config = self._config
        return Settings(
            id=opened.identity.id,
            incarnation=opened.identity.incarnation,
            lives=opened.identity.lives,
            address=str(config.advertise),
            peers=opened.peers,
            # One that joins anew takes what its hive keeps by now: it was not started to ask for another number.
            replication=0 if opened.former else config.replication,
            grace_seconds=config.grace_seconds,
            slow_seconds=config.slow_seconds,
            bytes_max=config.bytes_max,
            new_hive=b"" if opened.peers else os.urandom(16),
            config=config.as_json(),
            former=opened.former,
            secured=config.tls_mode == REQUIRE,
        )

    def _make_runner(
        self, node: NodeLike, process: Process, disk: Disk, adopted: Callable[[], None], outlook: Outlook
    ) -> Runner:
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
            redis_options=Options(
                strict=self._config.redis_strict,
                sync=self._config.sync,
                transient=self._config.transient,
                port=self._config.address.port,
            ),
            outlook=outlook,
            tls=self._tls,
        )

    def _admit(self, runner: Runner, outlook: Outlook) -> Gate:
        """Starts the node and lets connections in."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._on_loop_trouble(runner, context))
        self._runner = runner
        runner.start()
        server = runner.server

        def often(level: str, line: str) -> None:
            server.throttle.say(runner.clock(), level, line)

        gate = Gate(self._sockets, server.accept, server.places, self._log.say, often, self._tls)
        gate.open()
        self._manager.follow(outlook)
        return gate

    async def _dismiss(self, runner: Runner, gate: Gate) -> bool:
        """Closes the node; returns whether its disk is at rest."""
        await gate.close()
        at_rest = await runner.close()
        self._runner = None
        return at_rest

    def _on_loop_trouble(self, runner: Runner, context: dict[str, Any]) -> None:
        """Handles what asyncio could give to nobody: trouble of the system is logged, anything else is a defect."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            line = f"{context.get('message', 'trouble in the loop')}{f' ({error})' if error else ''}"
            self._log.say("warning", line)
        else:
            runner.defect(error)

    # --- between two nodes ---------------------------------------------------------------------------------------

    async def _stand_by(self, lack: Lack) -> Opened | Exit:
        """Answers clients until what is lacking is there, or until a stop is asked for."""
        config = self._config
        address = str(config.advertise)
        sentence = await self._unless_stopped(lambda: disk_full.sentence(lack, address, config.root))
        if sentence is None:
            return Exit(0)
        self._log.say("error", sentence)
        node, disk = UnavailableNode(sentence, type(lack).code, config.tls_mode == REQUIRE), DirectDisk(MemoryStore())

        def outlook() -> tuple[bool, str]:
            return False, sentence

        runner = self._make_runner(node, Process(self._measure, self._memory), disk, lambda: None, outlook)
        opening = asyncio.ensure_future(self._open_when_it_can_be())
        gate = self._admit(runner, outlook)
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
            if await self._in_thread(lambda: resources.has_space(self._config.root)):
                try:
                    return await self._in_thread(self._open)
                except (DiskFullError, ShortageError):
                    continue  # what opening it takes was more than there is, or a quota is met

    def _replace_damaged(self, error: DamagedError) -> None:
        root = self._config.root
        info = self._rejoin_info()
        through = self._others(info) or tuple(str(peer) for peer in self._config.peers)
        if not through:
            raise DamagedError(
                f"{error.sentence}; nothing was changed there, as no file {rejoin.NAME} in it names other members "
                "of its hive and no --peer is given: put back a copy of it, or keep it aside and start the node with "
                "an empty one, with --peer if the hive has other nodes"
            )
        kept = quarantine.isolate(root, quarantine.DAMAGED, RejoinInfo(info.hive, through))
        self._log.say(
            "error",
            f"{error.sentence}; it was set aside as {kept}, and this node joins {_hive(info)} anew, as another node "
            f"with an empty directory, through {', '.join(through)}",
        )

    def _replace_fenced(self, end: Exit, rejoin_file: RejoinFile | None) -> None:
        self._fenced_to = end.rejoin
        told = end.sentence or "the hive has fenced this node"
        where = ", ".join(end.rejoin)
        if rejoin_file is None:
            self._log.say("warning", f"{told}; its data is given up, and it joins the hive as another node at {where}")
            return
        info = self._rejoin_info()
        kept = quarantine.isolate(self._config.root, quarantine.FORMER, RejoinInfo(info.hive, end.rejoin))
        line = f"{told}; its data was set aside as {kept}, and it joins the hive as another node at {where}"
        self._log.say("warning", line)


def _hive(info: RejoinInfo) -> str:
    return f"hive {info.hive[:8]}" if info.hive else "its hive"


def _clock() -> Callable[[], float]:
    """Returns a clock of the seconds since the machine started, its sleep included where the system counts that."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return time.monotonic
    return partial(time.clock_gettime, boottime)  # a third of what a function of Python takes
