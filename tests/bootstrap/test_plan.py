"""What is to be done: above all, who founds a hive, and when nobody does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.bootstrap.plan_parts import BARE, HIVE, RELEASE, bare, hello, inventory, record, running, stopped, topology
from wrpme.bootstrap.hosts.inventory import NodeFound
from wrpme.bootstrap.rollout.plan import Action, Plan, Seen, make, plan_text
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import RemoteError

HOSTS = topology().hosts
FIRST, SECOND, THIRD = HOSTS


def actions(plan: Plan) -> list[Action]:
    return [one.action for host in plan.hosts for one in host.nodes]


def problems(plan: Plan) -> list[str]:
    return [problem for host in plan.hosts for problem in host.problems]


def peers(plan: Plan) -> list[tuple[str, ...]]:
    return [one.record.peers for host in plan.hosts for one in host.nodes]


# --- founding ----------------------------------------------------------------------------------------------------


def test_the_first_node_founds_where_all_is_bare() -> None:
    plan = make(HOSTS, {host: bare(host) for host in HOSTS}, None)
    assert actions(plan) == [Action.FOUND, Action.JOIN, Action.JOIN]
    assert peers(plan) == [
        (), ("10.0.0.1:5909", "10.0.0.3:5909"), ("10.0.0.1:5909", "10.0.0.2:5909"),
    ]  # fmt: skip
    assert [host.install for host in plan.hosts] == [(RELEASE,)] * 3
    assert not problems(plan) and not plan.empty


def test_one_broken_host_does_not_stop_the_others() -> None:
    plan = make(HOSTS, {host: bare(host) for host in (FIRST, SECOND)}, None)
    assert actions(plan) == [Action.FOUND, Action.JOIN]
    assert not problems(plan)


@pytest.mark.parametrize("reached", [(SECOND, THIRD), (FIRST,)])
def test_nobody_founds_without_the_first_or_without_most(reached: tuple[Host, ...]) -> None:
    plan = make(HOSTS, {host: bare(host) for host in reached}, None)
    assert Action.FOUND not in actions(plan)
    assert len(problems(plan)) == len(reached)
    assert all("there is no hive yet" in problem for problem in problems(plan))


@pytest.mark.parametrize("how", [running, stopped])
def test_nobody_founds_where_somebody_was_in_a_hive(how: object) -> None:
    found: Seen = how(THIRD)  # type: ignore[operator]
    plan = make(HOSTS, {FIRST: bare(FIRST), SECOND: bare(SECOND), THIRD: found}, None)
    assert Action.FOUND not in actions(plan)
    assert actions(plan)[:2] == [Action.JOIN, Action.JOIN]
    assert not problems(plan), "they wait for it"


def test_who_was_cut_off_while_it_waited_for_a_hive_stops_no_founding() -> None:
    waiting = NodeFound(record(SECOND, ("10.0.0.1:5909",)), True, 100, 42, port="ours")
    second = Seen(hello(), inventory(SECOND, waiting, (RELEASE,)), RELEASE)
    seen = {FIRST: bare(FIRST), SECOND: second, THIRD: bare(THIRD)}
    plan = make(HOSTS, seen, None)
    assert actions(plan) == [Action.FOUND, Action.NOTHING, Action.JOIN]


def test_a_founder_that_was_cut_off_founds_anew() -> None:
    begun = NodeFound(record(FIRST), True, 100, 42, port="ours")
    first = Seen(hello(), inventory(FIRST, begun, (RELEASE,)), RELEASE)
    seen = {FIRST: first, SECOND: bare(SECOND), THIRD: bare(THIRD)}
    assert actions(make(HOSTS, seen, None)) == [Action.FOUND, Action.JOIN, Action.JOIN]


def test_a_single_node_never_founds_without_leave() -> None:
    host = topology(1).hosts[0]
    plan = make([host], {host: bare(host)}, None, may_found=False)
    assert "--peer" in problems(plan)[0]
    plan = make([host], {host: bare(host)}, None, ("10.0.0.9:5909",), may_found=False)
    assert actions(plan) == [Action.JOIN] and peers(plan) == [("10.0.0.9:5909",)] and not problems(plan)


# --- what is there -----------------------------------------------------------------------------------------------


def test_nothing_is_to_do_where_all_runs() -> None:
    seen = {host: running(host, (HOSTS[(at + 1) % 3].nodes[0].address,)) for at, host in enumerate(HOSTS)}
    plan = make(HOSTS, seen, HIVE)
    assert plan.empty and actions(plan) == [Action.NOTHING] * 3
    assert not any(one.configure for host in plan.hosts for one in host.nodes)


def test_a_founder_is_told_its_peers_afterwards() -> None:
    seen = {FIRST: running(FIRST, ()), SECOND: bare(SECOND), THIRD: bare(THIRD)}
    plan = make(HOSTS, seen, HIVE)
    assert actions(plan) == [Action.NOTHING, Action.JOIN, Action.JOIN]
    (first,) = plan.hosts[0].nodes
    assert first.configure and first.record.peers == ("10.0.0.2:5909", "10.0.0.3:5909")


def test_peers_stay_as_they_are_while_one_of_them_holds() -> None:
    wider = topology(4).hosts
    seen = {host: running(host, ("10.0.0.2:5909", "10.0.0.1:5909")) for host in wider[:3]} | {wider[3]: bare(wider[3])}
    plan = make(wider, seen, HIVE)
    assert actions(plan) == [Action.NOTHING] * 3 + [Action.JOIN]
    assert [host.empty for host in plan.hosts] == [True, True, True, False]


def test_what_stopped_starts_with_its_data() -> None:
    plan = make(HOSTS, {host: stopped(host, ("10.0.0.2:5909", "10.0.0.3:5909")) for host in HOSTS}, None)
    assert actions(plan) == [Action.START] * 3


def test_other_options_are_a_restart() -> None:
    changed = topology(3, "options = { grace = 30 }").hosts
    seen = {new: running(old, ("10.0.0.2:5909", "10.0.0.1:5909")) for old, new in zip(HOSTS, changed, strict=True)}
    plan = make(changed, seen, HIVE)
    assert actions(plan) == [Action.RESTART] * 3
    assert plan.hosts[0].nodes[0].record.arguments == ("--grace", "30")


def test_an_older_release_is_left_to_the_upgrade() -> None:
    seen = {host: running(host, ("10.0.0.2:5909", "10.0.0.1:5909"), "0.0.9-bbbbbbbb") for host in HOSTS}
    plan = make(HOSTS, seen, HIVE)
    assert plan.empty
    assert any("hive_upgrade" in note for note in plan.notes)


def test_a_release_that_is_not_whole_is_installed_again() -> None:
    found = NodeFound(record(FIRST), False, 0, None)
    plan = make(HOSTS, {FIRST: Seen(hello(), inventory(FIRST, found), RELEASE)}, HIVE)
    assert plan.hosts[0].install == (RELEASE,)


# --- what stands in the way --------------------------------------------------------------------------------------


def test_a_node_of_another_hive_is_not_touched() -> None:
    seen = {FIRST: running(FIRST), SECOND: stopped(SECOND, hive="cd" * 16), THIRD: bare(THIRD)}
    plan = make(HOSTS, seen, HIVE)
    assert plan.hosts[0].problems == ()
    assert "another hive (cdcdcdcd)" in plan.hosts[1].problems[0]


def test_problems_name_what_to_do() -> None:
    taken = replace(BARE, port="taken", holder="nginx (pid 12)")
    assert "taken by nginx (pid 12); end" in problems(_one(taken))[0]
    assert "no address of this machine" in problems(_one(replace(BARE, address_local=False)))[0]
    (full,) = problems(_one(BARE, free_bytes=1 << 20))
    assert "1 MiB free" in full and "make room" in full
    assert problems(_one(BARE, writable="user ops may not write in /var/lib")) == ["user ops may not write in /var/lib"]


def test_copies_are_fixed_by_the_hive() -> None:
    hosts = topology(3, "options = { replication = 3 }").hosts
    plan = make(hosts, {hosts[0]: running(hosts[0]), hosts[1]: bare(hosts[1])}, HIVE)
    assert plan.hosts[0].problems == ()
    assert "keeps 2 copies" in plan.hosts[1].problems[0]


def test_members_that_the_file_lacks_are_told() -> None:
    plan = make(HOSTS[:2], {host: running(host) for host in HOSTS[:2]}, HIVE)
    assert any("10.0.0.3:5909" in note for note in plan.notes)


def _one(found: NodeFound, free_bytes: int = 1 << 34, writable: str = "") -> Plan:
    seen = Seen(hello(), inventory(FIRST, found, (), free_bytes, writable), RELEASE, "", 5_000_000)
    return make([FIRST], {FIRST: seen}, None)


def test_a_node_that_would_end_at_logout_is_not_started() -> None:
    seen = bare(FIRST)
    plan = make([FIRST], {FIRST: replace(seen, inventory=replace(seen.inventory, survives=False))}, None)
    assert "KillUserProcesses" in problems(plan)[0]
    kept = replace(seen, inventory=replace(seen.inventory, survives=False, service="user"))
    assert not problems(make([FIRST], {FIRST: kept}, None))


# --- in words ----------------------------------------------------------------------------------------------------


def test_the_text_goes_host_by_host() -> None:
    plan = make(HOSTS, {FIRST: bare(FIRST), SECOND: bare(SECOND)}, None)
    broken = {THIRD: RemoteError("10.0.0.3: no route to it; look at the network")}
    assert plan_text(plan, HOSTS, broken).splitlines() == [
        "10.0.0.1: root, Python 3.11.2, x86_64, glibc 2.36",
        "  + send wrpme 0.1.0-aaaaaaaa (4.8 MiB) to /var/lib/wrpme",
        "  + 10.0.0.1:5909 founds the hive; kept by setsid and a pid file",
        "10.0.0.2: root, Python 3.11.2, x86_64, glibc 2.36",
        "  + send wrpme 0.1.0-aaaaaaaa (4.8 MiB) to /var/lib/wrpme",
        "  + 10.0.0.2:5909 joins the hive; kept by setsid and a pid file",
        "10.0.0.3: can't be used",
        "  ! 10.0.0.3: no route to it; look at the network",
        "nodes without systemd do not start again by themselves after a reboot: hive_start does it",
        "2 nodes to start, 1 host that can't be used as things are",
    ]


def test_the_text_where_nothing_is_to_be_done() -> None:
    told = ("10.0.0.1:5909", "10.0.0.2:5909")
    plan = make(HOSTS, {host: running(host, told) for host in HOSTS}, HIVE)
    lines = plan_text(plan, HOSTS, {}).splitlines()
    assert lines[1] == "  = 10.0.0.1:5909 runs"
    assert lines[-1] == "nothing to do: all nodes are as the file says"


def test_the_text_says_what_is_changed_and_what_stands_in_the_way() -> None:
    changed = topology(3, "options = { grace = 30 }").hosts
    plan = make(changed, {changed[0]: running(FIRST), changed[1]: bare(SECOND)}, None)
    text = plan_text(plan, changed[:2], {})
    assert "  ~ 10.0.0.1:5909 restarts with other options: --grace 30" in text
    other = topology(3, "options = { replication = 3 }").hosts
    text = plan_text(make(other, {other[0]: bare(other[0])}, HIVE), other[:1], {})
    assert "  ! the file asks for replication 3" in text
    assert "send" not in text, "nothing is done there"
