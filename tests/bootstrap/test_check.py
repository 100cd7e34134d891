"""What hive_check says, in words; on real hosts it is in the tutorial."""

from __future__ import annotations

from tests.bootstrap.plan_parts import topology
from wrpme.bootstrap.check import Finding, check_text
from wrpme.errors import RemoteError

FIRST, SECOND, THIRD = topology().hosts


def test_host_by_host_in_the_order_of_the_file() -> None:
    well, ill = Finding(), Finding()
    well.rows += [("Python", "3.11.2"), ("10.0.0.1:5909", "its port is free")]
    ill.rows.append(("Python", "3.11.2"))
    ill.problems.append("its clock is 10.00 s behind this machine: set up NTP on it")
    broken = {THIRD: RemoteError("10.0.0.3: no route; look at the network")}
    assert check_text((FIRST, SECOND, THIRD), {SECOND: ill, FIRST: well}, dict(broken)).splitlines() == [
        "10.0.0.1: all is well",
        "  Python         3.11.2",
        "  10.0.0.1:5909  its port is free",
        "10.0.0.2: not as it should be",
        "  Python  3.11.2",
        "  ! its clock is 10.00 s behind this machine: set up NTP on it",
        "10.0.0.3: can't be used",
        "  ! 10.0.0.3: no route; look at the network",
    ]
