"""TLS that hive_apply manages: from none to require and back, renewed, rotated, gone on with where it was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bootstrap.fleet_parts import answers, figures, hive
from tests.bootstrap.secured_hosts import MANAGED, SecuredHosts, secured
from tests.bootstrap.stub_hosts import BOTH, NAMES
from wrpme.bootstrap.credentials import authority
from wrpme.errors import RemoteError, UsageError
from wrpme.files import hives

pytestmark = pytest.mark.asyncio
ONE, TWO = NAMES


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SecuredHosts:
    return SecuredHosts(monkeypatch, tmp_path)


def steps(*modes: str) -> list[tuple[str, str]]:
    return [(name, mode) for mode in modes for name in NAMES]


async def test_a_new_hive_has_tls_before_its_nodes_start(hosts: SecuredHosts) -> None:
    hosts.file_with(MANAGED)
    planned = await hosts.run("hive_plan")
    assert "10.0.0.1:5909 gets a key and a certificate: it has none" in planned
    assert "10.0.0.1:5909 founds the hive with TLS require" in planned
    assert f"a CA for the hive is made in {hives.directory()}/10.0.0.1-5909" in planned
    assert not Path(hives.directory()).exists(), "a plan makes nothing"
    await hosts.run("hive_apply")
    assert hosts.modes == steps("require")
    of_one = [one.split()[1] for one in hosts.actions if one.startswith(ONE)]
    assert of_one[1:6] == ["make_key", "certify", "certify", "configure", "start"]
    assert hosts.understand()
    found = authority.read(hosts.found[TWO].certificate)
    assert found is not None and found.names == {"10.0.0.2", "host"}
    assert hosts.credentials.name == "10.0.0.1-5909"
    assert hosts.credentials.stat().st_mode & 0o777 == 0o700
    (key,) = hosts.credentials.glob("*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert hives.ca_of(["10.0.0.2:5909"]) == str(hosts.credentials / "ca.pem")
    assert hives.ca_of(["10.0.0.3:5909"]) == ""
    planned = await hosts.run("hive_plan")
    assert "runs with TLS require, its certificate expires in 90 d" in planned and "nothing to do" in planned


async def test_a_hive_without_gets_there_in_steps_and_back(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED + 'mode = "prefer"\n')
    planned = await hosts.run("hive_plan")
    assert "10.0.0.1:5909 goes to TLS allow, then prefer, with a restart for each" in planned
    assert "2 nodes to restart" in planned
    told = await hosts.run("hive_apply")
    assert hosts.modes == steps("allow", "prefer")
    assert "10.0.0.2: good: 10.0.0.2:5909: TLS prefer" in told
    assert hosts.state["secured"]
    hosts.modes.clear()
    hosts.file_with(MANAGED)
    assert 'mode = "prefer" in [tls]' in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert hosts.modes == steps("require")
    hosts.modes.clear()
    hosts.write()
    assert "goes to TLS prefer, then allow, then off" in await hosts.run("hive_plan")
    assert "10.0.0.2:5909: no TLS any more" in await hosts.run("hive_apply")
    assert hosts.modes == steps("prefer", "allow", "")
    assert not hosts.state["secured"] and hives.ca_of(["10.0.0.1:5909"]) == ""
    assert "nothing to do" in await hosts.run("hive_plan")


async def test_other_options_come_with_the_first_step(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED, "options = { grace = 30 }")
    await hosts.run("hive_apply")
    assert hosts.modes == steps("allow", "prefer", "require")
    assert hosts.records[ONE].arguments == ("--grace", "30")


async def test_a_step_that_fails_is_the_last_one_until_the_next_run(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED)
    hosts.refuse.add(f"{TWO} start")
    with pytest.raises(RemoteError, match="hive_apply failed on 2 of 2 hosts"):
        await hosts.run("hive_apply")
    assert "10.0.0.1: bad: 10.0.0.2 was not restarted well, so the rest is left as it is" in hosts.reporter.lines
    assert hosts.modes == [(ONE, "allow")]
    assert not hosts.state["secured"]
    hosts.refuse.clear()
    hosts.modes.clear()
    await hosts.run("hive_apply")
    assert hosts.modes == [(TWO, "prefer"), (ONE, "prefer"), *steps("require")], "one that is down begins a step ahead"


async def test_it_goes_on_between_two_steps(hosts: SecuredHosts) -> None:
    await secured(hosts)
    for name, mode in ((ONE, "prefer"), (TWO, "allow")):
        record = hosts.found[name].record
        assert record is not None
        hosts.found[name] = replace(hosts.found[name], record=replace(record, tls=mode))
    await hosts.run("hive_apply")
    assert hosts.modes == [(TWO, "prefer"), *steps("require")]


async def test_nothing_is_stepped_to_while_a_node_is_not_seen(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED)
    hosts.refuse.add(f"{TWO} connect")
    with pytest.raises(RemoteError, match="no connect today"):
        await hosts.run("hive_apply")
    assert not hosts.modes
    with pytest.raises(RemoteError, match="no connect today"):
        await hosts.run("hive_plan")
    assert "\n! TLS stays as it is, as nothing is known of 10.0.0.2: its steps take all nodes" in hosts.shown[0]


async def test_a_hive_that_is_stopped_begins_with_what_it_had_while_a_node_is_not_seen(hosts: SecuredHosts) -> None:
    hosts.configured(run=False)
    hosts.file_with(MANAGED)
    hosts.refuse.add(f"{TWO} connect")
    with pytest.raises(RemoteError, match="no connect today"):
        await hosts.run("hive_plan")
    assert "+ 10.0.0.1:5909 starts again; kept by" in hosts.shown[0], "the other one may run, and take no TLS"


async def test_nothing_is_stepped_to_beside_a_stranger(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED)
    first = hive().members[0]
    stranger = replace(first, id=b"3" * 16, address="10.0.0.3:5909")
    wider = replace(hive(), members=(*hive().members, stranger))
    hosts.answer = lambda me: answers(wider, {**BOTH, stranger.id: replace(figures(0), address="10.0.0.3:5909")}, me)
    with pytest.raises(RemoteError, match=r"the hive has also 10\.0\.0\.3:5909, not in this file"):
        await hosts.run("hive_apply")
    assert not hosts.modes


async def test_a_certificate_is_renewed_without_a_restart(hosts: SecuredHosts) -> None:
    await secured(hosts)
    hosts.age(ONE, 59)
    assert "nothing to do" in await hosts.run("hive_plan"), "more than a third is left"
    hosts.age(ONE, 61)
    old = hosts.shown_by[ONE]
    planned = await hosts.run("hive_plan")
    assert "10.0.0.1:5909 gets a key and a certificate: the present one expires in 29 d" in planned
    assert "1 node to get a certificate, 1 to leave as they are" in planned
    with pytest.raises(RemoteError, match="hive_check found problems"):
        await hosts.run("hive_check")
    assert "! the certificate of 10.0.0.1:5909 expires in 29 d; hive_apply renews it" in hosts.shown[0]
    assert "its certificate expires in 90 d" in hosts.shown[0]
    told = await hosts.run("hive_apply")
    assert "10.0.0.1: good: 10.0.0.1:5909: new key and certificate" in told
    assert not hosts.modes and hosts.shown_by[ONE] != old and hosts.understand()
    assert "expires in 90 d" in await hosts.run("hive_plan")


async def test_another_operator_learns_of_the_ca_and_not_of_its_key(
    hosts: SecuredHosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await secured(hosts)
    mine = (hosts.credentials / "ca.pem").read_text()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    assert hives.ca_of(["10.0.0.1:5909"]) == ""
    await hosts.run("hive_apply")
    assert Path(hives.ca_of(["10.0.0.1:5909"])).read_text() == mine
    assert not list(hosts.credentials.glob("*.key"))
    assert "no certificate can be renewed from here" in await hosts.run("hive_plan")


async def test_a_certificate_that_is_due_and_no_ca_for_it(hosts: SecuredHosts, tmp_path: Path) -> None:
    await secured(hosts)
    hosts.age(ONE, 80)
    hosts.credentials.rename(tmp_path / "elsewhere")
    with pytest.raises(RemoteError, match=r"needs a certificate .* expires in 10 d\), and the key of its CA"):
        await hosts.run("hive_apply")
    assert not hosts.modes


async def test_a_node_without_a_certificate_is_not_added(hosts: SecuredHosts) -> None:
    await secured(hosts)
    with pytest.raises(UsageError, match=r"write 10\.0\.0\.1:5910 into the topology file of the hive"):
        await hosts.run("node_start", ONE, "-a", "10.0.0.1:5910")
    assert not hosts.actions


async def test_a_hive_that_is_destroyed_leaves_the_ca(hosts: SecuredHosts) -> None:
    await secured(hosts)
    whole = hosts.file.read_text()
    hosts.file.write_text(whole[whole.index('[[node]]\nhost = "10.0.0.2"') :])
    await hosts.run("hive_destroy", "--yes")
    assert hives.ca_of(["10.0.0.2:5909"]) == "" != hives.ca_of(["10.0.0.1:5909"]), "one node alone"
    hosts.file.write_text(whole)
    await hosts.run("hive_destroy", "--yes")
    assert hives.ca_of(["10.0.0.1:5909"]) == ""
    assert list(hosts.credentials.glob("*.key"))
