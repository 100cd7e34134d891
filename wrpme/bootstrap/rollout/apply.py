"""Makes a plan from what is found on the hosts, and nodes that serve from the plan.

This process may be killed after any step: the same command, given again, goes on from what was done.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from wrpme import errors
from wrpme.bootstrap.bundle import build
from wrpme.bootstrap.credentials import store
from wrpme.bootstrap.credentials.store import Credentials
from wrpme.bootstrap.hosts import node_control
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.hosts.inventory import NodeFound, Record
from wrpme.bootstrap.hosts.probe import NodeAnswer, probe_node
from wrpme.bootstrap.limits import PEERS_TOLD_MAX
from wrpme.bootstrap.rollout import certificates, operator, stability
from wrpme.bootstrap.rollout.plan import Action, Hive, HostPlan, NodePlan, Plan, Seen, make
from wrpme.bootstrap.rollout.tls_plan import OFF, REQUIRE, Wanted
from wrpme.bootstrap.topology.file import Host, Managed, Node
from wrpme.errors import RemoteError, WrpmeError
from wrpme.files.hives import OPERATOR
from wrpme.limits import MIB
from wrpme.protocol.health import Condition


def lock_text(command: str) -> str:
    """Returns who is at work, for another operator who finds a host locked."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # in a container that knows no users
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, {command} (process {os.getpid()})"


class Applying:
    """One application of a topology.

    ``peers`` are nodes of the hive that are not in the file. Without ``may_found`` nodes only join.
    """

    def __init__(self, fleet: Fleet, hosts: Sequence[Host], peers: Sequence[str] = (), may_found: bool = True) -> None:
        self._fleet = fleet
        self._hosts = hosts
        self._peers = tuple(peers)
        self._may_found = may_found
        self._seen: dict[Host, Seen] = {}
        self._founder: HostSession | None = None
        self._credentials: Credentials | None = None
        self._modes: dict[Node, str] = {}
        self._users: tuple[str, ...] | None = ()
        self.hive: Hive | None = None

    # --- looking -------------------------------------------------------------------------------------------------

    async def survey(self, lock: str = "") -> Plan:
        """Connects to all hosts, takes their locks if ``lock`` has a text for other operators, and makes the plan."""

        async def inspect(session: HostSession) -> None:
            await session.open(self._fleet.connector)
            if lock:
                await session.take_lock(lock)
            await session.take_inventory()
            self._seen[session.host] = await self._see(session)
            for node in session.host.nodes:
                if session.inventory.nodes[node.name].pid is not None:
                    self._meet(await probe_node(session.agent, node.address, node.name))

        await self._fleet.each(inspect)
        if self._may_found and any(one.record and one.record.tls == REQUIRE for one in self._found()):
            told = await operator.users(self._fleet)
            self._users = None if told is None else tuple(user.name for user in told)
        wanted = self._wanted()
        return make(self._hosts, self._seen, self.hive, self._peers, self._may_found, self._fleet.broken, wanted)

    def _found(self) -> list[NodeFound]:
        return [one for session in self._fleet.sound for one in session.inventory.nodes.values()]

    def _wanted(self) -> Wanted:
        """Returns how TLS is to be, and finds out what this machine has of the hive's CA."""
        sound = self._fleet.sound
        found = self._found()
        records = [one.record for one in found if one.record is not None]
        if not self._may_found:
            return Wanted(mode=next((one.tls for one in records if one.tls), OFF))
        managed = self._hosts[0].tls
        told = certificates.told_addresses(self._hosts)
        used = certificates.authorities_in_use(sound)
        mine = self._credentials = store.find(told, used)
        return Wanted(
            mode=managed.mode if managed else OFF,
            modes=tuple((one.record and one.record.tls) or OFF for one in found if one.pid is not None),
            authority=mine.issuer.id if mine else "",
            trusted=mine.trusted if mine else "",
            lost=certificates.lost(mine, used),
            now=time.time(),
            changing=mine is not None and mine.changing,
            adds_operator=managed is not None and managed.adds_operator,
            users=self._users,
            has_password=mine is not None and mine.has_operator,
            place=mine.shown if mine else store.place(told),
        )

    async def _see(self, session: HostSession) -> Seen:
        try:
            bundle = await bundle_for(session)
        except WrpmeError as error:
            return Seen(session.hello, session.inventory, "", error.sentence.removeprefix(f"{session.name}: "))
        missing = ""
        if bundle.release not in session.inventory.releases:
            missing = await why_not_sent(session)
        return Seen(session.hello, session.inventory, bundle.release, missing, bundle.size_bytes)

    def _meet(self, answer: NodeAnswer) -> None:
        view = answer.view
        if view is not None and self.hive is None:
            members = tuple(member.address for member in view.members)
            self.hive = Hive(view.hive.hex(), view.replication, members)

    # --- doing ---------------------------------------------------------------------------------------------------

    async def carry_out(self, plan: Plan) -> Condition | None:
        """Carries the plan out; returns the condition of the hive at the end, or None if no host is left to tell."""
        plans = {one.host: one for one in plan.hosts}
        for session in self._fleet.sessions:
            if session.host in plans and any(one.action is Action.FOUND for one in plans[session.host].nodes):
                self._founder = session

        due = [one for host in plan.hosts if not host.problems for one in host.nodes if one.certificate]
        if due and self._credentials is None:
            self._credentials = store.create(certificates.told_addresses(self._hosts), time.time())

        elif self._credentials is None and self._may_found and (one := certificates.agreed(self._fleet.sound)):
            self._credentials = store.adopt(certificates.told_addresses(self._hosts), one)

        managed = self._hosts[0].tls if self._may_found else None
        if self._credentials is not None and managed is not None and managed.users and self._users == ():
            # Already now: programs say who they are before the hive asks them.
            self._credentials.operator_password()

        async def begin(session: HostSession) -> None:
            await self._begin(session, plans[session.host])

        async def await_ready(session: HostSession) -> None:
            await self._await_ready(session, plans[session.host])

        # All nodes are started before any is waited for: those that the hive needs to serve may be on hosts whose turn
        # comes only when others are done.
        await self._fleet.each(begin)
        await self._fleet.each(await_ready)
        if plan.operator.startswith("-") and self._credentials is not None and not self._fleet.broken:
            await operator.remove(self._fleet, self._credentials)
            self._fleet.reporter.say(f"the user {OPERATOR} is removed: the hive has no users any more")
        await self._restart_all(plans)
        condition = await self._settle()
        if managed is not None and managed.adds_operator and set(self._modes.values()) == {REQUIRE}:
            await self._add_operator()
        if plan.held and not self._fleet.broken:
            raise RemoteError(plan.held)
        return condition

    async def _add_operator(self) -> None:
        mine = self._credentials
        if mine is not None and not self._fleet.broken and await operator.add(self._fleet, mine):
            self._fleet.reporter.say(f"the hive has the admin {OPERATOR}, whose password is in {mine.shown}")

    async def _restart_all(self, plans: Mapping[Host, HostPlan]) -> None:
        """Restarts what has other options, and takes the steps of TLS, each with all nodes before the next one."""
        nodes = [one for session in self._fleet.sound for one in plans[session.host].nodes]
        self._modes = {one.node: one.mode for one in nodes}
        self._tell()
        longest = max((one.steps for one in nodes), key=len, default=())
        if longest and self._fleet.broken:
            away = next(iter(self._fleet.broken)).name
            for session in self._fleet.sound:
                if any(one.steps for one in plans[session.host].nodes):
                    rest = f"TLS and options stay as they are, as {away} can't be used"
                    session.fail(RemoteError(f"{session.name}: {rest}"))
            longest = ()
        for number, step in enumerate(longest or ("",)):
            halted = ""
            if step == OFF:
                self._tell(secured=False)
            for session in self._fleet.sound:
                due = [
                    one
                    for one in plans[session.host].nodes
                    if step in one.steps or (number == 0 and one.action is Action.RESTART)
                ]
                if due and (halted or (step and self._fleet.broken)):
                    who = halted or next(iter(self._fleet.broken)).name
                    rest = f"{who} was not restarted well, so the rest is left as it is"
                    session.fail(RemoteError(f"{session.name}: {rest}"))
                elif due:
                    await self._fleet.each(partial(self._restart, due, step), [session])
                    halted = session.name if session.error else ""
            self._tell()
        for session in self._fleet.sound:
            if any(one.restarts for one in plans[session.host].nodes):
                session.finish(_restarted(plans[session.host]))

    def _tell(self, secured: bool = True) -> None:
        """Notes for clients on this machine which nodes the hive has, and whether all of them take TLS now."""
        if self._credentials is not None and not self._fleet.broken:
            secured = secured and bool(self._modes) and OFF not in self._modes.values()
            members = self.hive.members if self.hive else ()
            self._credentials.tell([*certificates.told_addresses(self._hosts), *members], secured)

    async def _begin(self, session: HostSession, plan: HostPlan) -> None:
        if plan.problems:
            raise RemoteError(f"{session.name}: {'; '.join(plan.problems)}")
        for release in plan.install:
            await install(session, release)
        for one in plan.nodes:
            if one.certificate or one.trusts:
                await self._certify(session, one)
        for one in plan.nodes:
            if one.configure and (one.starts or not one.restarts):
                session.step(f"configuring {one.node.address}")
                await node_control.configure(session, one.node, one.record)
        for one in plan.nodes:
            if one.action is Action.FOUND and one.found.pid is not None:
                await node_control.stop(session, one.node)
            if one.starts:
                await node_control.start(session, one.node)
        session.step("waiting for the other hosts")

    async def _certify(self, session: HostSession, one: NodePlan) -> None:
        mine, managed = self._credentials, session.host.tls or Managed()
        assert mine is not None, "without a CA nothing is due"
        certificate = ""
        if one.certificate:
            certificate = await certificates.certify(
                session, one.node, one.maker, mine.issuer, mine.trusted, managed.days
            )
        runs = not one.starts and one.mode != OFF
        await certificates.activate(session, one.node, mine.trusted, certificate, runs)

    async def _await_ready(self, session: HostSession, plan: HostPlan) -> None:
        for one in plan.nodes:
            if one.action is not Action.RESTART:
                await self._ready(session, one)
        if any(one.restarts for one in plan.nodes):
            session.step("waiting for its turn to restart")
        else:
            session.finish(_outcome(plan), "same" if plan.empty else "good")

    async def _ready(self, session: HostSession, one: NodePlan) -> None:
        hive = self.hive.id if self.hive else ""
        self._meet(await node_control.until_ready(session, one.node, hive, self._why_hopeless))
        others = [node.told for host in self._hosts for node in host.nodes if node is not one.node]
        if one.action is Action.FOUND and others:
            # From now on its record names the others: if its data is lost and it starts again, it has to join them.
            # Without peers it would found a second hive.
            record = replace(one.record, peers=tuple([*self._peers, *others][:PEERS_TOLD_MAX]))
            await node_control.configure(session, one.node, record)

    def _why_hopeless(self) -> str:
        founder = self._founder
        if founder is None or founder.error is None:
            return ""
        return f"{founder.name} was to found it and failed; repair that, and give the command again"

    async def _restart(self, due: Sequence[NodePlan], step: str, session: HostSession) -> None:
        for one in due:
            mode = step if step in one.steps else one.mode
            record = replace(one.record, tls="" if mode == OFF else mode)
            await restart(session, one.node, record, self._fleet.sound, self.hive.id if self.hive else "")
            self._modes[one.node] = mode
            if step in one.steps:
                self._fleet.reporter.say(f"{one.node.address} runs with TLS {mode}")
        session.step("waiting for the other hosts")

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


async def bundle_for(session: HostSession) -> build.Bundle:
    """Returns the bundle that this wrpmesh would install on that host.

    Raises:
        WrpmeError: there is none for it; the sentence begins with the name of the host.
    """
    try:
        target = replace(build.target_of(session.hello), makes_keys=session.host.tls is not None)
        return await build.bundle(target, session.step)
    except WrpmeError as error:
        raise type(error)(f"{session.name}: {error.sentence}") from None


async def why_not_sent(session: HostSession) -> str:
    """Returns why no file can be sent to that host; empty if one can."""
    try:
        await session.agent.check_sending()
    except RemoteError as error:
        return error.sentence.removeprefix(f"{session.name}: ")
    return ""


async def install(session: HostSession, release: str) -> None:
    """Sends the bundle of that release to the host and installs it there.

    Raises:
        WrpmeError: it can't be sent or installed, or this wrpmesh has another release.
    """
    bundle = await bundle_for(session)
    if bundle.release != release:
        raise RemoteError(f"{session.name}: release {release} is not there any more; hive_upgrade brings another one")
    size = bundle.size_bytes / MIB
    path = f"{session.inventory.directory}/incoming-{release}.zip"

    def report(sent: int) -> None:
        session.step(f"sending wrpme {release}: {sent / MIB:.1f} of {size:.1f} MiB")

    report(0)
    await session.agent.send(bundle.path, path, report)
    session.step(f"installing wrpme {release}")
    await session.agent.call("install", release=release, bundle=path)


async def restart(session: HostSession, node: Node, record: Record, fellows: list[HostSession], hive: str) -> None:
    """Restarts a node as ``record`` says: stops it once the hive is stable, and returns when the hive is stable again.

    A node that does not run is started at once, as the hive may not become stable without it. ``fellows`` are the
    hosts that are asked for the condition of the hive.

    Raises:
        WrpmeError: the hive is not stable, or the node does not come back.
    """
    if await node_control.runs(session, node):  # the inventory may be an hour old when its turn comes
        await stability.until_stable(fellows, session.step, hive)
        await node_control.stop(session, node)
    # Only now: as long as the node runs, its record says how it was started. A record that was ahead of the process
    # would hide from the next command that a restart is due.
    await node_control.configure(session, node, record)
    await node_control.start(session, node)
    await node_control.until_ready(session, node, hive)
    await stability.until_stable(fellows, session.step, hive)


def _outcome(plan: HostPlan) -> str:
    if plan.empty:
        return f"{_names([one.node for one in plan.nodes])}: nothing to do"
    words = {Action.FOUND: "founded the hive", Action.JOIN: "joined the hive", Action.START: "came back to the hive"}
    said = [f"{one.node.address} {words[one.action]}" for one in plan.nodes if one.action in words]
    told = [one.node for one in plan.nodes if one.action is Action.NOTHING and one.configure]
    said += [f"{_names(told)} told its peers"] * bool(told)
    renewed = [one.node for one in plan.nodes if one.action is Action.NOTHING and one.certificate]
    said += [f"{_names(renewed)}: new key and certificate"] * bool(renewed)
    trusting = [one.node for one in plan.nodes if one.action is Action.NOTHING and one.trusts and not one.certificate]
    return "; ".join([*said, *[f"{_names(trusting)} told whom to trust"] * bool(trusting)]) or "installed"


def _restarted(plan: HostPlan) -> str:
    said: list[str] = []
    if changed := [one.node for one in plan.nodes if one.action is Action.RESTART]:
        said.append(f"{_names(changed)} restarted with other options")
    for mode in dict.fromkeys(one.steps[-1] for one in plan.nodes if one.steps):
        named = _names([one.node for one in plan.nodes if one.steps[-1:] == (mode,)])
        said.append(f"{named}: TLS {mode}" if mode != OFF else f"{named}: no TLS any more")
    return "; ".join(said)


def _names(found: Sequence[Node]) -> str:
    return ", ".join(node.address for node in found)
