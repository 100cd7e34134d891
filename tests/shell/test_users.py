"""The commands about users: what they ask of the client, what they print, and what is asked before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.shell.test_execute import Recorder
from wrpme import errors
from wrpme.client.access.user_admin import HiveUser, WhoIs
from wrpme.shell.access.users import let_in
from wrpme.shell.execute import carry_out, question
from wrpme.shell.history import LineFile
from wrpme.shell.parsing import parse, parse_words

pytestmark = pytest.mark.asyncio
ANN, BOB = HiveUser("ann", "admin", (), 1, 7), HiveUser("bob", "read", ("a/", "b c", "\udcff"), 2, 12)


class Hive(Recorder):
    """A client of a hive with these users, as one of them."""

    def __init__(self, *users: HiveUser, me: str = "ann") -> None:
        super().__init__()
        self._users = users
        self._me = next((user for user in users if user.name == me), None)

    async def users(self) -> tuple[HiveUser, ...]:
        return self._users

    async def whoami(self) -> WhoIs:
        me = self._me
        return WhoIs(me.name, me.role, me.prefixes, False) if me else WhoIs("", "", (), not self._users)


async def told(client: Recorder, line: str, password: str = "") -> str | None:
    command = parse(line)
    assert command is not None
    return (await carry_out(client, command, password=password)).text  # type: ignore[arg-type]


async def test_they_are_calls() -> None:
    hive = Hive(ANN, BOB)
    assert await told(hive, r'user_add --role write --prefix a/ --prefix "b\xff" eve', "secret") is None
    assert await told(hive, "user_add eve --role read", "secret") is None
    assert await told(hive, "user_password --keep bob", "secret") is None
    assert await told(hive, "user_password bob", "secret") is None
    assert await told(hive, "user_remove bob") is await told(hive, "user_remove --all") is None
    assert hive.calls == [
        ("add_user", "eve", "write", "secret", (b"a/", b"b\xff")), ("add_user", "eve", "read", "secret", ()),
        ("set_password", "bob", "secret", True), ("set_password", "bob", "secret", False), ("remove_user", "bob"),
        ("remove_users",),
    ]  # fmt: skip


async def test_the_first_one_is_told_of() -> None:
    said = await told(Hive(), "user_add --role admin ann", "secret")
    assert said is not None and said.startswith("ann is the first user: from now on every connection says who it is.")
    assert said.endswith("others begin with wrpmesh --user NAME")


async def test_the_list() -> None:
    assert await told(Hive(ANN, BOB), "user_list") == (
        "USER  ROLE   PASSWORDS  SINCE VIEW  ENTRIES\n"
        "ann   admin  1          7           all\n"
        r'bob   read   2          12          a/ "b c" "\xff"'
    )
    lines = await told(Hive(ANN, BOB), "user_list --json")
    assert lines is not None and [json.loads(line) for line in lines.splitlines()] == [
        {"user": "ann", "role": "admin", "prefixes": [], "passwords": 1, "since_view": 7},
        {"user": "bob", "role": "read", "prefixes": ["a/", '"b c"', '"\\xff"'], "passwords": 2, "since_view": 12},
    ]
    none = await told(Hive(), "user_list")
    assert none is not None and none.startswith("the hive has no users: whoever reaches a port of it reads, writes")
    assert await told(Hive(), "user_list --json") is None


async def test_who_somebody_is() -> None:
    assert await told(Hive(ANN, BOB), "whoami") == "ann, admin"
    assert await told(Hive(ANN, BOB, me="bob"), "whoami") == r'bob, read, entries under a/ "b c" "\xff"'
    assert (await told(Hive(), "whoami") or "").startswith("nobody: the hive has no users")
    assert (await told(Hive(ANN, me=""), "whoami") or "").endswith("begin with wrpmesh --user NAME")
    assert json.loads(await told(Hive(ANN), "whoami --json") or "") == {
        "user": "ann", "role": "admin", "prefixes": [], "open": False
    }  # fmt: skip


async def test_only_the_last_one_is_a_question() -> None:
    async def asked(line: str, *users: HiveUser) -> str:
        command = parse(line)
        assert command is not None
        return await question(Hive(*users), command)  # type: ignore[arg-type]

    assert await asked("user_remove ann", ANN) == (
        "ann is the last user: after that whoever reaches a port of the hive reads, writes and stops it; type yes to "
        "open it to everybody: "
    )
    assert (await asked("user_remove --all", ANN, BOB)).startswith(
        "all users go at once (2): after that whoever reaches"
    )
    assert await asked("user_remove --all --yes", ANN) == await asked("user_remove --all") == ""
    assert await asked("user_remove bob", ANN, BOB) == await asked("user_remove bob", ANN) == ""
    assert await asked("user_remove --yes ann", ANN) == ""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("user_add ann", "user_add needs --role; it is written: user_add --role ROLE"),
        ("user_add --role root ann", '--role is "root", but should be one of read, write, admin'),
        ("user_add --role read", "user_add needs NAME"),
        ("user_add --role read -- -ann", "the name of a user has 1 to 64"),
        ("user_add --role read ann secret", '"secret" is too much for user_add'),
        ("user_add --role read --password secret ann", "did you mean --password-file?"),
        ('user_add --role read --prefix "" ann', "--prefix"),
        ("user_password --keep --keep ann", "--keep is given twice"),
        ("user_list ann", "is too much for user_list"),
        ("user_remove", "user_remove takes a NAME, or --all in its place; it is written: user_remove"),
        ("user_remove --all ann", "user_remove takes a NAME, or --all in its place"),
    ],
)
async def test_what_is_written_wrongly(line: str, why: str) -> None:
    for read in (parse, lambda text: parse_words(text.replace('""', "").split(" "))):
        with pytest.raises(errors.UsageError, match=why):
            read(line)


async def test_a_line_that_may_have_a_password_is_in_no_history() -> None:
    for line in (
        "user_add --role read ann secret", "user_password ann secret", "user_password --password secret ann",
        "user_password --password=secret ann", "user_add ann --pass secret",
    ):  # fmt: skip
        assert not LineFile.keeps(line)
    for line in ("user_add --role read --password-file f ann", "user_password ann", "user_remove ann", "get secret"):
        assert LineFile.keeps(line)


async def test_who_is_not_let_in_hears_it_before_the_first_command() -> None:
    class Refusing(Recorder):
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self._error = error

        def __getattr__(self, name: str) -> Any:
            raise self._error

    with pytest.raises(errors.UnauthenticatedError):
        await let_in(Refusing(errors.UnauthenticatedError("no")))  # type: ignore[arg-type]
    await let_in(Hive())  # type: ignore[arg-type]
    await let_in(Hive(ANN))  # type: ignore[arg-type]
    with pytest.raises(errors.UnauthenticatedError, match="you have not said who you are; begin with --user NAME"):
        await let_in(Hive(ANN, me=""))  # type: ignore[arg-type]
    for other in (errors.ConnectionError("nobody"), errors.ProtocolError("an old one"), TimeoutError()):
        await let_in(Refusing(other))  # type: ignore[arg-type]
