"""New certificates at once, and another CA: in two steps, gone on with where they were cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.secured_hosts import MANAGED, SecuredHosts, secured
from tests.bootstrap.stub_hosts import NAMES, Asked
from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.rollout import certificates, stability
from wrpme.errors import RemoteError, TimeoutError, UsageError, WrpmeError

pytestmark = pytest.mark.asyncio
TWO = NAMES[1]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SecuredHosts:
    return SecuredHosts(monkeypatch, tmp_path)


async def test_a_node_that_reads_no_certificate_is_named(hosts: SecuredHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    await secured(hosts)
    monkeypatch.setattr(certificates, "REREAD_SECONDS_MAX", 0.2)
    hosts.deaf.add(TWO)
    with pytest.raises(TimeoutError, match=r"10\.0\.0\.2:5909 still shows another certificate"):
        await hosts.run("hive_rotate")


async def test_without_the_key_of_the_ca(hosts: SecuredHosts, tmp_path: Path) -> None:
    await secured(hosts)
    former = hosts.state["issuer"]
    hosts.credentials.rename(tmp_path / "elsewhere")
    assert f"no certificate can be renewed from here: the key of its CA ({former})" in await hosts.run("hive_plan")
    with pytest.raises(RemoteError, match="or go over to a new CA"):
        await hosts.run("hive_rotate")
    hosts.file_with(MANAGED + "days = 30\n")
    await hosts.run("hive_rotate", "--ca")
    assert hosts.understand() and hosts.state["trusted"][0] == former
    await hosts.run("hive_rotate", "--ca", "--yes")
    assert hosts.understand() and former not in hosts.state["trusted"]
    assert "expires in 30 d" in await hosts.run("hive_plan")


async def test_rotated_at_once(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED)
    with pytest.raises(RemoteError, match="hive_rotate failed on 2 of 2 hosts"):
        await hosts.run("hive_rotate")
    assert "10.0.0.2: bad: 10.0.0.2:5909 has no certificate of hive_apply yet; that comes first" in hosts.reporter.lines
    await hosts.run("hive_apply")
    hosts.modes.clear()
    before = dict(hosts.shown_by)
    assert "all 2 nodes have new keys and certificates, valid for 90 days" in await hosts.run("hive_rotate")
    assert all(hosts.shown_by[name] != before[name] for name in NAMES) and hosts.understand() and not hosts.modes
    hosts.write()
    with pytest.raises(UsageError, match=r"no .tls. managed = true"):
        await hosts.run("hive_rotate")


async def test_a_new_ca_in_two_steps(hosts: SecuredHosts) -> None:
    await secured(hosts)
    old, before = hosts.state["issuer"], dict(hosts.shown_by)
    told = await hosts.run("hive_rotate", "--ca")
    assert "step 1 of 2 is done" in told
    assert hosts.shown_by == before, "clients have not heard of the new one yet"
    assert len(authority.read_all((hosts.credentials / "ca.pem").read_text())) == 2
    assert "hive_rotate --ca goes on with it" in await hosts.run("hive_plan")
    hosts.reporter = Asked("no")
    with pytest.raises(UsageError, match="nothing was changed"):
        await hosts.run("hive_rotate", "--ca")
    hosts.reporter = Asked("yes")
    assert "step 2 of 2 is done" in await hosts.run("hive_rotate", "--ca")
    assert hosts.understand() and hosts.state["issuer"] != old
    assert {len(authority.read_all(one)) for one in hosts.trusted_by.values()} == {1}
    assert not list(hosts.credentials.glob(f"{old}.*")), "and its key is gone"
    assert "nothing to do" in await hosts.run("hive_plan")


@pytest.mark.parametrize("cut", ["make_key", "certify", "reread", "shown"])
async def test_a_change_of_the_ca_that_was_cut_off_goes_on(hosts: SecuredHosts, cut: str) -> None:
    await secured(hosts)
    for done in ("step 1 of 2", "step 2 of 2"):
        hosts.refuse.add(f"{TWO} {cut}")
        with pytest.raises(WrpmeError, match=f"no {cut} today"):
            await hosts.run("hive_rotate", "--ca", "--yes")
        assert hosts.understand()
        hosts.refuse.clear()
        assert done in await hosts.run("hive_rotate", "--ca", "--yes")
        assert hosts.understand()
    assert len(hosts.state["trusted"]) == 1


async def test_no_new_ca_while_a_member_is_not_in_the_file(
    hosts: SecuredHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await secured(hosts)

    async def nobody(*_: object) -> str:
        return "no node answers"

    monkeypatch.setattr(stability, "status", nobody)
    with pytest.raises(RemoteError, match="the nodes of the hive are not known"):
        await hosts.run("hive_rotate", "--ca")
    assert len(hosts.state["trusted"]) == 1
