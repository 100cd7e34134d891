"""What is to be done: above all, who founds a hive, and when nobody does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.bootstrap.plan_parts import BARE, HIVE, RELEASE, bare, hello, look, record, running, stopped, topology
from wrpme.bootstrap.hosts.inventory import NodeFound
from wrpme.bootstrap.rollout.plan import Deed, Plan, Seen, make
from wrpme.bootstrap.topology.file import Host

HOSTS = topology().hosts
FIRST, SECOND, THIRD = HOSTS


def deeds(plan: Plan) -> list[Deed]:
    return [one.deed for host in plan.hosts for one in host.nodes]


def problems(plan: Plan) -> list[str]:
    return [problem for host in plan.hosts for problem in host.problems]


def peers(plan: Plan) -> list[tuple[str, ...]]:
    return [one.record.peers for host in plan.hosts for one in host.nodes]


# --- founding ----------------------------------------------------------------------------------------------------


def test_the_first_node_founds_where_all_is_bare() -> None:
    plan = make(HOSTS, {host: bare(host) for host in HOSTS}, None)
    assert deeds(plan) == [Deed.FOUND, Deed.JOIN, Deed.JOIN]
    assert peers(plan) == [
        (), ("10.0.0.1:5909", "10.0.0.3:5909"), ("10.0.0.1:5909", "10.0.0.2:5909"),
    ]  # fmt: skip
    assert [host.install for host in plan.hosts] == [(RELEASE,)] * 3
    assert not problems(plan) and not plan.empty


def test_one_broken_host_does_not_stop_the_others() -> None:
    plan = make(HOSTS, {host: bare(host) for host in (FIRST, SECOND)}, None)
    assert deeds(plan) == [Deed.FOUND, Deed.JOIN]
    assert not problems(plan)


@pytest.mark.parametrize("reached", [(SECOND, THIRD), (FIRST,)])
def test_nobody_founds_without_the_first_or_without_most(reached: tuple[Host, ...]) -> None:
    plan = make(HOSTS, {host: bare(host) for host in reached}, None)
    assert Deed.FOUND not in deeds(plan)
    assert len(problems(plan)) == len(reached)
    assert all("there is no hive yet" in problem for problem in problems(plan))


@pytest.mark.parametrize("how", [running, stopped])
def test_nobody_founds_where_somebody_was_in_a_hive(how: object) -> None:
    found: Seen = how(THIRD)  # type: ignore[operator]
    plan = make(HOSTS, {FIRST: bare(FIRST), SECOND: bare(SECOND), THIRD: found}, None)
    assert Deed.FOUND not in deeds(plan)
    assert deeds(plan)[:2] == [Deed.JOIN, Deed.JOIN]
    assert not problems(plan), "they wait for it"


def test_who_was_cut_off_while_it_waited_for_a_hive_stops_no_founding() -> None:
    waiting = NodeFound(record(SECOND, ("10.0.0.1:5909",)), True, 100, 42, port="ours")
    seen = {FIRST: bare(FIRST), SECOND: Seen(hello(), look(SECOND, waiting, (RELEASE,)), RELEASE), THIRD: bare(THIRD)}
    plan = make(HOSTS, seen, None)
    assert deeds(plan) == [Deed.FOUND, Deed.NOTHING, Deed.JOIN]


def test_a_founder_that_was_cut_off_founds_anew() -> None:
    begun = NodeFound(record(FIRST), True, 100, 42, port="ours")
    seen = {FIRST: Seen(hello(), look(FIRST, begun, (RELEASE,)), RELEASE), SECOND: bare(SECOND), THIRD: bare(THIRD)}
    assert deeds(make(HOSTS, seen, None)) == [Deed.FOUND, Deed.JOIN, Deed.JOIN]


def test_a_single_node_never_founds_without_leave() -> None:
    host = topology(1).hosts[0]
    plan = make([host], {host: bare(host)}, None, may_found=False)
    assert "--peer" in problems(plan)[0]
    plan = make([host], {host: bare(host)}, None, ("10.0.0.9:5909",), may_found=False)
    assert deeds(plan) == [Deed.JOIN] and peers(plan) == [("10.0.0.9:5909",)] and not problems(plan)


# --- what is there -----------------------------------------------------------------------------------------------


def test_nothing_is_to_do_where_all_runs() -> None:
    seen = {host: running(host, (HOSTS[(at + 1) % 3].nodes[0].address,)) for at, host in enumerate(HOSTS)}
    plan = make(HOSTS, seen, HIVE)
    assert plan.empty and deeds(plan) == [Deed.NOTHING] * 3
    assert not any(one.configure for host in plan.hosts for one in host.nodes)


def test_a_founder_is_told_its_peers_afterwards() -> None:
    seen = {FIRST: running(FIRST, ()), SECOND: bare(SECOND), THIRD: bare(THIRD)}
    plan = make(HOSTS, seen, HIVE)
    assert deeds(plan) == [Deed.NOTHING, Deed.JOIN, Deed.JOIN]
    (first,) = plan.hosts[0].nodes
    assert first.configure and first.record.peers == ("10.0.0.2:5909", "10.0.0.3:5909")


def test_peers_stay_as_they_are_while_one_of_them_holds() -> None:
    wider = topology(4).hosts
    seen = {host: running(host, ("10.0.0.2:5909", "10.0.0.1:5909")) for host in wider[:3]} | {wider[3]: bare(wider[3])}
    plan = make(wider, seen, HIVE)
    assert deeds(plan) == [Deed.NOTHING] * 3 + [Deed.JOIN]
    assert [host.empty for host in plan.hosts] == [True, True, True, False]


def test_what_stopped_starts_with_its_data() -> None:
    plan = make(HOSTS, {host: stopped(host, ("10.0.0.2:5909", "10.0.0.3:5909")) for host in HOSTS}, None)
    assert deeds(plan) == [Deed.START] * 3


def test_other_options_are_a_restart() -> None:
    changed = topology(3, "options = { grace = 30 }").hosts
    seen = {new: running(old, ("10.0.0.2:5909", "10.0.0.1:5909")) for old, new in zip(HOSTS, changed, strict=True)}
    plan = make(changed, seen, HIVE)
    assert deeds(plan) == [Deed.RESTART] * 3
    assert plan.hosts[0].nodes[0].record.arguments == ("--grace", "30")


def test_an_older_release_is_left_to_the_upgrade() -> None:
    seen = {host: running(host, ("10.0.0.2:5909", "10.0.0.1:5909"), "0.0.9-bbbbbbbb") for host in HOSTS}
    plan = make(HOSTS, seen, HIVE)
    assert plan.empty
    assert any("hive_upgrade" in note for note in plan.notes)


def test_a_release_that_is_not_whole_is_installed_again() -> None:
    found = NodeFound(record(FIRST), False, 0, None)
    plan = make(HOSTS, {FIRST: Seen(hello(), look(FIRST, found), RELEASE)}, HIVE)
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
    seen = Seen(hello(), look(FIRST, found, (), free_bytes, writable), RELEASE, "", 5_000_000)
    return make([FIRST], {FIRST: seen}, None)


def test_a_node_that_would_end_at_logout_is_not_started() -> None:
    seen = bare(FIRST)
    plan = make([FIRST], {FIRST: replace(seen, look=replace(seen.look, survives=False))}, None)
    assert "KillUserProcesses" in problems(plan)[0]
    kept = replace(seen, look=replace(seen.look, survives=False, service="user"))
    assert not problems(make([FIRST], {FIRST: kept}, None))
