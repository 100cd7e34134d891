"""A machine with its disk and clock, and the process of a daemon on it: the real runner around a real node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import TYPE_CHECKING

from tests.sim.clock import Clock
from tests.sim.disk import Disk
from tests.sim.level2.loop import PROCESS
from wrpme.core.io import Process, Exit, Operation, Persist, Settings
from wrpme.core.node import Node
from wrpme.daemon.log import Log
from wrpme.daemon.runner import Runner
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.writer import Done

if TYPE_CHECKING:
    from tests.sim.level2.run import Run

PORT = 5909
SKEW_SECONDS = 0.3


class Story(Log):
    """A log that goes into the story of the run; a defect ends the run."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def say(self, level: str, line: str) -> None:
        self._machine.run.say(self._machine, line)
        if level == "error":
            self._machine.run.fail(f"{self._machine} says: {line}")

    def defect(self, error: BaseException) -> None:
        self._machine.run.fail(f"{self._machine}: {type(error).__name__}: {error}", error)


class SlowDisk:
    """A :class:`wrpme.daemon.storage.writer.Disk` that takes its time over a simulated disk."""

    def __init__(self, machine: Machine, loop: asyncio.AbstractEventLoop) -> None:
        self._machine = machine
        self._loop = loop

    def write(self, operations: list[Operation], sync: bool, done: Done) -> None:
        machine = self._machine
        machine.disk.begin(Persist(0, operations, sync))

        def written() -> None:
            machine.disk.finish()
            done(None)

        hung = max(0.0, machine.disk_hangs_until - self._loop.time())
        self._loop.call_later(hung + machine.run.disk_seconds(), written)

    def compact(self) -> None:
        """A dictionary has nothing to give back."""

    def close(self, seconds: float) -> bool:
        if self._machine.disk.under_way is not None:
            self._machine.disk.finish()
        return True


class Life:
    """One process."""

    def __init__(self) -> None:
        self.alive = True
        self.hangs = False
        self.held: list[tuple[Callable[[], None], Context]] = []
        self.runner: Runner | None = None
        self.node: Node | None = None


class Machine:
    """``life`` is the process that runs, if one does."""

    def __init__(self, run: Run, index: int, random: Random) -> None:
        self.run = run
        self.host = f"10.0.0.{index + 1}"
        self.address = f"{self.host}:{PORT}"
        self.clock = Clock(random.uniform(0, 1000), random.uniform(0.9757, 1.0243))
        self.disk = Disk(sync=True)
        self.identity = b""
        self.life: Life | None = None
        self.disk_hangs_until = 0.0
        self.wall_ahead = random.uniform(-SKEW_SECONDS, SKEW_SECONDS)
        """Seconds between its wall clock and the true time."""
        self._founder = index == 0

    def __repr__(self) -> str:
        return self.host

    def local(self) -> float:
        """What its clock shows."""
        return self.clock.local(self.run.loop.now)

    def start(self) -> None:
        """A new process over the same disk."""
        if self.life is not None:
            return
        self.run.net.dead_hosts.discard(self.host)
        life = self.life = Life()
        context = copy_context()
        context.run(PROCESS.set, life)
        self.run.loop.create_task(self._live(life), context=context)

    async def _live(self, life: Life) -> None:
        run = self.run
        lived = identity.next_life(self.disk, run.random.randbytes)
        self.identity = lived.id
        peers = tuple(machine.address for machine in run.machines if machine is not self)
        settings = Settings(
            id=lived.id,
            incarnation=lived.incarnation,
            lives=lived.lives,
            address=self.address,
            peers=() if self._founder else peers,
            # What it was founded with may be another number by now, and who joins asks for none then.
            replication=0 if run.replicator.is_used and not self._founder else run.replication,
            grace_seconds=run.grace_seconds,
            new_hive=run.random.randbytes(16) if self._founder else b"",
        )
        run.say(self, f"starts, life {lived.starts}")
        process = Process()
        node = life.node = Node(settings, self.disk.seen, self.local(), process=process)
        runner = life.runner = Runner(
            node=node,
            process=process,
            disk=SlowDisk(self, run.loop),
            log=Story(self),
            clock=self.local,
            wall=lambda: 1.7e9 + run.loop.now + self.wall_ahead,
            clients_max=1000,
        )
        runner.start()
        run.net.listeners[self.host] = (life, copy_context(), runner.server.accept)
        end: Exit = await runner.finished
        run.net.listeners.pop(self.host, None)
        if end.code or end.rejoin:
            run.fail(f"{self} exits: {end.sentence}")
        await runner.close()
        run.say(self, "has stopped")
        self._gone(life, silently=False)

    def stop(self) -> None:
        """A planned stop."""
        life = self.life
        if life is not None and life.runner is not None and not life.hangs:
            self.run.say(self, "is asked to stop")
            context = copy_context()
            context.run(PROCESS.set, life)
            self.run.loop.call_soon(life.runner.stop, context=context)

    def kill(self, power: bool = False) -> None:
        """The process ends without a word; with ``power`` the machine as well."""
        life = self.life
        if life is None:
            return
        self.run.say(self, "loses power" if power else "is killed")
        self.disk.crash(self.run.random.random() < 0.5)
        if power:
            self.disk.lose_power()
            self.run.net.dead_hosts.add(self.host)
        self._gone(life, silently=power)

    @property
    def wipeable(self) -> bool:
        """Whether an operator may give it an empty disk: who founded the hive would found another one."""
        return not self._founder

    def wipe(self) -> None:
        """Its disk is replaced by an empty one while no process runs."""
        assert self.life is None
        self.run.say(self, "has an empty disk")
        self.disk = Disk(sync=True)

    def _gone(self, life: Life, silently: bool) -> None:
        life.alive = False
        self.run.net.listeners.pop(self.host, None)
        self.run.net.process_ended(life, silently)
        if self.life is life:
            self.life = None

    def hang(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so many seconds."""
        life = self.life
        if life is None or life.hangs:
            return
        self.run.say(self, f"hangs for {seconds:.2f} s")
        life.hangs = True

        def go_on() -> None:
            life.hangs = False
            held, life.held = life.held, []
            for late, context in held:
                self.run.loop.call_soon(late, context=context)

        self.run.loop.call_later(seconds, go_on)
