"""The first admin of a hive with managed TLS: when he comes, who knows his password, and when he goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap.secured_hosts import MANAGED, SecuredHosts, secured
from tests.bootstrap.stub_hosts import NAMES
from wrpme.errors import RemoteError
from wrpme.files import hives
from wrpme.protocol.access.users import Role, User, proven_by
from wrpme.protocol.messages import Failed

pytestmark = pytest.mark.asyncio
ONE, TWO = NAMES
NODES = ["10.0.0.1:5909"]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SecuredHosts:
    return SecuredHosts(monkeypatch, tmp_path)


async def test_a_new_hive_has_him_at_once(hosts: SecuredHosts) -> None:
    hosts.file_with(MANAGED)
    planned = await hosts.run("hive_plan")
    assert "\n+ the hive gets the admin operator" in planned and "refused from then on" not in planned
    await hosts.run("hive_apply")
    (user,) = hosts.users
    assert (user.name, user.role, user.prefixes) == ("operator", Role.ADMIN, ())
    known = hives.known_of(NODES)
    assert known.user == "operator"
    file = Path(known.password_file)
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert len(password) >= 32 and proven_by(password, user.passwords)
    assert not any(password in line for line in (*hosts.reporter.lines, *hosts.shown))
    assert hosts.actions[-1] == f"{ONE} add operator", "when all else is done"
    hosts.actions.clear()
    await hosts.run("hive_apply")
    assert not any("operator" in action for action in hosts.actions)
    assert "nothing to do" in await hosts.run("hive_plan")


async def test_programs_can_give_his_password_before_they_have_to(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED + 'mode = "prefer"\n')
    assert "the admin" not in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    before = Path(hives.known_of(NODES).password_file).read_text()
    assert not hosts.users
    hosts.file_with(MANAGED)
    assert "they can give them already now" in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert Path(hives.known_of(NODES).password_file).read_text() == before
    assert proven_by(before.strip(), hosts.users[0].passwords)


async def test_a_hive_that_shall_have_none(hosts: SecuredHosts) -> None:
    hosts.file_with(MANAGED + "users = false\n")
    assert "the admin" not in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert not hosts.users and hives.known_of(NODES).user == ""
    hosts.file_with(MANAGED)
    assert "refused from then on" in await hosts.run("hive_plan")


async def test_a_hive_that_has_users_gets_no_other(hosts: SecuredHosts) -> None:
    hosts.file_with(MANAGED + "users = false\n")
    await hosts.run("hive_apply")
    hosts.users = (User("root", Role.ADMIN),)
    hosts.file_with(MANAGED)
    assert "nothing to do" in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert [user.name for user in hosts.users] == ["root"] and hives.known_of(NODES).user == ""


async def test_he_goes_before_the_first_step_back(hosts: SecuredHosts) -> None:
    await secured(hosts)
    hosts.file_with(MANAGED + 'mode = "prefer"\n')
    assert "\n- the user operator is removed first" in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert not hosts.users
    done = [action for action in hosts.actions if "stop" in action or "operator" in action]
    assert done[0] == f"{ONE} remove operator" and len(done) == 3
    hosts.write()
    await hosts.run("hive_apply")
    assert hives.known_of(NODES) == hives.Known()
    assert not (hosts.credentials / hives.PASSWORD).exists()


async def test_other_users_hold_the_way_back(hosts: SecuredHosts) -> None:
    await secured(hosts)
    hosts.users = (*hosts.users, User("shop", Role.WRITE))
    hosts.write()
    assert "! TLS stays as it is, as the hive has the users shop, whose passwords" in await hosts.run("hive_plan")
    with pytest.raises(RemoteError, match=r"remove them first \(user_remove\)"):
        await hosts.run("hive_apply")
    assert len(hosts.users) == 2 and not hosts.modes


async def test_no_way_back_while_nobody_tells_of_users(hosts: SecuredHosts) -> None:
    await secured(hosts)
    hosts.write()
    silent = hosts.users_answer
    hosts.users_answer = lambda number: Failed(number, 6, "it is not known")
    assert "! TLS stays as it is, as no node tells whether the hive has users" in await hosts.run("hive_plan")
    hosts.users_answer = silent
    await hosts.run("hive_stop")
    hosts.modes.clear()
    await hosts.run("hive_apply")
    assert [mode for _, mode in hosts.modes] == ["require"] * 2 and len(hosts.users) == 1
    await hosts.run("hive_apply")
    assert not hosts.users and [mode for _, mode in hosts.modes[-2:]] == [""] * 2


async def test_a_password_that_is_lost_is_not_replaced(hosts: SecuredHosts) -> None:
    await secured(hosts)
    (hosts.credentials / hives.PASSWORD).unlink()
    assert "his password is not on this machine" in await hosts.run("hive_plan")
    await hosts.run("hive_apply")
    assert not (hosts.credentials / hives.PASSWORD).exists() and len(hosts.users) == 1
    hosts.write()
    with pytest.raises(RemoteError, match="where the last password is lost"):
        await hosts.run("hive_apply")
    assert len(hosts.users) == 1 and not hosts.modes


async def test_a_hive_that_is_gone_has_no_password(hosts: SecuredHosts) -> None:
    await secured(hosts)
    await hosts.run("hive_destroy", "--yes")
    assert not (hosts.credentials / hives.PASSWORD).exists()


async def test_cut_off_before_he_was_added(hosts: SecuredHosts) -> None:
    hosts.configured()
    hosts.file_with(MANAGED)
    hosts.refuse.add(f"{TWO} start")
    with pytest.raises(RemoteError, match="hive_apply failed on 2 of 2 hosts"):
        await hosts.run("hive_apply")
    assert not hosts.users
    before = (hosts.credentials / hives.PASSWORD).read_text()
    hosts.refuse.clear()
    await hosts.run("hive_apply")
    assert proven_by(before.strip(), hosts.users[0].passwords)
