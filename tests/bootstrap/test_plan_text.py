"""A plan as an operator reads it."""

from __future__ import annotations

from tests.bootstrap.plan_parts import HIVE, bare, running, topology
from wrpme.bootstrap.rollout.plan import make
from wrpme.bootstrap.rollout.plan_text import plan_text
from wrpme.errors import RemoteError

HOSTS = topology().hosts
FIRST, SECOND, THIRD = HOSTS


def test_host_by_host() -> None:
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


def test_nothing_to_do() -> None:
    told = ("10.0.0.1:5909", "10.0.0.2:5909")
    plan = make(HOSTS, {host: running(host, told) for host in HOSTS}, HIVE)
    lines = plan_text(plan, HOSTS, {}).splitlines()
    assert lines[1] == "  = 10.0.0.1:5909 runs"
    assert lines[-1] == "nothing to do: all nodes are as the file says"


def test_what_is_changed_and_what_stands_in_the_way() -> None:
    changed = topology(3, "options = { grace = 30 }").hosts
    plan = make(changed, {changed[0]: running(FIRST), changed[1]: bare(SECOND)}, None)
    text = plan_text(plan, changed[:2], {})
    assert "  ~ 10.0.0.1:5909 restarts with other options: --grace 30" in text
    other = topology(3, "options = { replication = 3 }").hosts
    text = plan_text(make(other, {other[0]: bare(other[0])}, HIVE), other[:1], {})
    assert "  ! the file asks for replication 3" in text
    assert "send" not in text, "nothing is done there"
