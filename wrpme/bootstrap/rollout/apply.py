"""From hosts to a plan, and from a plan to nodes that serve. Every step can be the last one of this process: what it
leaves behind is finished when the command is given again."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from wrpme import errors
from wrpme.bootstrap.bundle import build
from wrpme.bootstrap.hosts import node_control, probe
from wrpme.bootstrap.hosts.fleet import Fleet, Machine
from wrpme.bootstrap.hosts.inventory import Record
from wrpme.bootstrap.limits import PEERS_TOLD_MAX
from wrpme.bootstrap.rollout import stability
from wrpme.bootstrap.rollout.plan import Deed, Hive, HostPlan, NodePlan, Plan, Seen, make
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import RemoteError, WrpmeError
from wrpme.limits import MIB
from wrpme.protocol.health import Condition


def lock_text(verb: str) -> str:
    """What another operator is told who finds the machine locked."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # in a container that knows no users
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, {verb} (process {os.getpid()})"


class Applying:
    """One application of a topology. ``peers`` are nodes of the hive beside those of the file; without ``may_found``
    nodes only join."""

    def __init__(self, fleet: Fleet, hosts: Sequence[Host], peers: Sequence[str] = (), may_found: bool = True) -> None:
        self._fleet = fleet
        self._hosts = hosts
        self._peers = tuple(peers)
        self._may_found = may_found
        self._seen: dict[Host, Seen] = {}
        self._founder: Machine | None = None
        self.hive: Hive | None = None

    # --- looking -------------------------------------------------------------------------------------------------

    async def survey(self, lock: str = "") -> Plan:
        """Connects to all hosts, takes their locks if ``lock`` says for what, and makes the plan."""

        async def look(machine: Machine) -> None:
            await machine.open(self._fleet.connector)
            if lock:
                await machine.take_lock(lock)
            await machine.look_around()
            self._seen[machine.host] = await self._see(machine)
            for node in machine.host.nodes:
                if machine.look.nodes[node.name].pid is not None:
                    self._meet(await probe.hear(machine.remote, node.address))

        await self._fleet.each(look)
        return make(self._hosts, self._seen, self.hive, self._peers, self._may_found)

    async def _see(self, machine: Machine) -> Seen:
        try:
            bundle = await bundle_for(machine)
        except WrpmeError as error:
            return Seen(machine.hello, machine.look, "", error.sentence.removeprefix(f"{machine.name}: "))
        return Seen(machine.hello, machine.look, bundle.release, "", bundle.size_bytes)

    def _meet(self, heard: probe.Heard) -> None:
        view = heard.view
        if view is not None and self.hive is None:
            members = tuple(member.address for member in view.members)
            self.hive = Hive(view.hive.hex(), view.replication, members)

    # --- doing ---------------------------------------------------------------------------------------------------

    async def carry_out(self, plan: Plan) -> Condition | None:
        """Does what the plan says; how the hive is at the end, None if nobody can tell."""
        plans = {one.host: one for one in plan.hosts}
        for machine in self._fleet.machines:
            if machine.host in plans and any(one.deed is Deed.FOUND for one in plans[machine.host].nodes):
                self._founder = machine

        async def begin(machine: Machine) -> None:
            await self._begin(machine, plans[machine.host])

        async def await_ready(machine: Machine) -> None:
            await self._await_ready(machine, plans[machine.host])

        # All are started before any is waited for: the ones that a hive needs to serve may be on hosts whose turn comes
        # only when others are done.
        await self._fleet.each(begin)
        await self._fleet.each(await_ready)
        halted = ""
        for machine in self._fleet.sound:
            changed = [one for one in plans[machine.host].nodes if one.deed is Deed.RESTART]
            if changed and halted:
                rest = f"{halted} was not restarted well, so the rest is left as it is"
                machine.fail(RemoteError(f"{machine.name}: {rest}"))
            elif changed:
                await self._fleet.each(partial(self._restart, changed), [machine])
                halted = machine.name if machine.error else ""
        return await self._settle()

    async def _begin(self, machine: Machine, plan: HostPlan) -> None:
        if plan.problems:
            raise RemoteError(f"{machine.name}: {'; '.join(plan.problems)}")
        for release in plan.install:
            await install(machine, release)
        for one in plan.nodes:
            if one.configure and one.deed is not Deed.RESTART:
                machine.step(f"configuring {one.node.address}")
                await node_control.configure(machine, one.node, one.record)
        for one in plan.nodes:
            if one.deed is Deed.FOUND and one.found.pid is not None:
                await node_control.stop(machine, one.node)
            if one.deed in (Deed.FOUND, Deed.JOIN, Deed.START):
                await node_control.start(machine, one.node)
        machine.step("waiting for the other hosts")

    async def _await_ready(self, machine: Machine, plan: HostPlan) -> None:
        for one in plan.nodes:
            if one.deed is not Deed.RESTART:
                await self._ready(machine, one)
        if any(one.deed is Deed.RESTART for one in plan.nodes):
            machine.step("waiting for its turn to restart")
        else:
            machine.finish(_outcome(plan), "same" if plan.empty else "good")

    async def _ready(self, machine: Machine, one: NodePlan) -> None:
        hive = self.hive.id if self.hive else ""
        self._meet(await node_control.until_ready(machine, one.node, hive, self._why_hopeless))
        others = [node.told for host in self._hosts for node in host.nodes if node is not one.node]
        if one.deed is Deed.FOUND and others:
            # Not before: started again on an empty directory, it must join the others and never found a second hive.
            record = replace(one.record, peers=tuple([*self._peers, *others][:PEERS_TOLD_MAX]))
            await node_control.configure(machine, one.node, record)

    def _why_hopeless(self) -> str:
        founder = self._founder
        if founder is None or founder.error is None:
            return ""
        return f"{founder.name} was to found it and failed; repair that, and give the command again"

    async def _restart(self, changed: Sequence[NodePlan], machine: Machine) -> None:
        for one in changed:
            await restart(machine, one.node, one.record, self._fleet.sound, self.hive.id if self.hive else "")
        machine.finish(f"{_names([one.node for one in changed])} restarted with other options")

    async def _settle(self) -> Condition | None:
        sound = self._fleet.sound
        if not sound:
            return None
        hive = self.hive.id if self.hive else ""
        if self._fleet.broken:
            return await stability.condition(sound, hive)
        try:
            return await stability.whole_hive(self._fleet, hive)
        except WrpmeError as error:
            raise errors.TimeoutError(f"all nodes serve, but {error.sentence}") from None


async def bundle_for(machine: Machine) -> build.Bundle:
    """What this wrpmesh would install there.

    Raises:
        WrpmeError: it can't be had; names the host.
    """
    try:
        return await build.bundle(build.target_of(machine.hello), machine.step)
    except WrpmeError as error:
        raise type(error)(f"{machine.name}: {error.sentence}") from None


async def install(machine: Machine, release: str) -> None:
    """Sends what the machine lacks and installs it there."""
    bundle = await bundle_for(machine)
    if bundle.release != release:
        raise RemoteError(f"{machine.name}: release {release} is not there any more; hive_upgrade brings another one")
    size = bundle.size_bytes / MIB
    path = f"{machine.look.directory}/incoming-{release}.zip"

    def progress(sent: int) -> None:
        machine.step(f"sending wrpme {release}: {sent / MIB:.1f} of {size:.1f} MiB")

    progress(0)
    await machine.remote.send(bundle.path, path, progress)
    machine.step(f"installing wrpme {release}")
    await machine.remote.call("install", release=release, bundle=path)


async def restart(machine: Machine, node: Node, record: Record, fellows: list[Machine], hive: str) -> None:
    """A planned stop and a start as ``record`` says, while the hive is stable, until it is so again. One that does not
    run is started, without waiting for what can only come with it.

    Raises:
        WrpmeError: the hive is not stable, or the node does not come back.
    """
    if await node_control.runs(machine, node):  # what was seen at first may be an hour old when its turn comes
        await stability.until_stable(fellows, machine.step, hive)
        await node_control.stop(machine, node)
    # Not before: what is configured must never differ from what runs, or nobody would see that a restart is due.
    await node_control.configure(machine, node, record)
    await node_control.start(machine, node)
    await node_control.until_ready(machine, node, hive)
    await stability.until_stable(fellows, machine.step, hive)


def _outcome(plan: HostPlan) -> str:
    if plan.empty:
        return f"{_names([one.node for one in plan.nodes])}: nothing to do"
    words = {Deed.FOUND: "founded the hive", Deed.JOIN: "joined the hive", Deed.START: "came back to the hive"}
    said = [f"{one.node.address} {words[one.deed]}" for one in plan.nodes if one.deed in words]
    told = [one.node for one in plan.nodes if one.deed is Deed.NOTHING and one.configure]
    return "; ".join([*said, *([f"{_names(told)} told its peers"] if told else [])]) or "installed"


def _names(found: Sequence[Node]) -> str:
    return ", ".join(node.address for node in found)

