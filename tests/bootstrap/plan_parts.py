"""Hosts as they may be found, for tests of plans."""

from __future__ import annotations

from wrpme.bootstrap.hosts.inventory import Hello, HostInventory, NodeFound, Record
from wrpme.bootstrap.rollout.plan import Hive, Seen
from wrpme.bootstrap.topology.file import Host, Topology, parse

RELEASE = "0.1.0-aaaaaaaa"
HIVE = Hive("ab" * 16, 2, ("10.0.0.1:5909", "10.0.0.2:5909", "10.0.0.3:5909"))
BARE = NodeFound(None, False, 0, None)


def topology(count: int = 3, *lines: str) -> Topology:
    text: list[str] = []
    for number in range(1, count + 1):
        text += ["[[node]]", f'host = "10.0.0.{number}"', f'address = "10.0.0.{number}:5909"', *lines]
    return parse("\n".join(text), "hive.toml")


def hello() -> Hello:
    return Hello((3, 11, 2), "/usr/bin/python3", "x86_64", ("glibc", "2.36"), "root", 0, "/root", "host")


def inventory(
    host: Host, found: NodeFound = BARE, releases: tuple[str, ...] = (), free_bytes: int = 1 << 34, writable: str = ""
) -> HostInventory:
    return HostInventory(
        directory="/var/lib/wrpme",
        exists=bool(releases),
        writable=writable,
        free_bytes=free_bytes,
        clock=0.0,
        utc_offset_seconds=0,
        service="process",
        service_reason="there is no systemd",
        releases=releases,
        nodes={node.name: found for node in host.nodes},
    )


def bare(host: Host) -> Seen:
    return Seen(hello(), inventory(host), RELEASE, "", 5_000_000)


def record(host: Host, peers: tuple[str, ...] = (), release: str = RELEASE) -> Record:
    node = host.nodes[0]
    return Record(node.address, node.advertise, node.arguments, peers, release, "process")


def running(host: Host, peers: tuple[str, ...] = ("10.0.0.9:5909",), release: str = RELEASE) -> Seen:
    found = NodeFound(record(host, peers, release), True, 100, 42, port="ours", hive=HIVE.id)
    return Seen(hello(), inventory(host, found, (release,)), RELEASE, "", 5_000_000)


def stopped(host: Host, peers: tuple[str, ...] = (), hive: str = HIVE.id) -> Seen:
    found = NodeFound(record(host, peers), True, 100, None, hive=hive)
    return Seen(hello(), inventory(host, found, (RELEASE,)), RELEASE, "", 5_000_000)
