"""Passwords are looked at beside the loop, one at a time and few in a row; those found right lately cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from threading import Event

import pytest

from tests.user_parts import quickly_hashed
from wrpme.core.io import Verified, Verify
from wrpme.daemon.limits import PASSWORDS_REMEMBERED_MAX, PASSWORDS_WAITING_MAX
from wrpme.daemon.security import passwords
from wrpme.daemon.security.passwords import Passwords
from wrpme.protocol.access.users import Password

pytestmark = pytest.mark.asyncio

ANN = quickly_hashed("ann")


class Looked:
    """Counts what is looked at, and can hold it up."""

    def __init__(self) -> None:
        self.count = 0
        self.may_go_on = Event()
        self.may_go_on.set()

    def proven_by(self, password: str, known: tuple[Password, ...]) -> Password | None:
        self.may_go_on.wait(10.0)
        self.count += 1
        return next((kept for kept in known if quickly_hashed(password, kept.salt) == kept), None)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    found = Looked()
    monkeypatch.setattr(passwords, "proven_by", found.proven_by)
    yield found
    found.may_go_on.set()


class Told:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.outcomes: asyncio.Queue[Verified] = asyncio.Queue()
        self.passwords = Passwords(loop.call_soon_threadsafe, self.outcomes.put_nowait)

    async def after(self, password: str, name: str = "ann", kept: Password = ANN, slowed: bool = False) -> Verified:
        self.passwords.look_at(Verify(7, 1, name, password, (kept,), slowed))
        return await asyncio.wait_for(self.outcomes.get(), 10.0)


async def test_right_and_wrong(looked: Looked) -> None:
    told = Told()
    assert await told.after("ann") == Verified(7, 1, "ann", ANN.salt)
    assert await told.after("bob") == Verified(7, 1, "ann", b"")
    told.passwords.close()


async def test_what_was_right_lately_is_not_looked_at_again(looked: Looked) -> None:
    told = Told()
    for _ in range(3):
        assert (await told.after("ann")).salt == ANN.salt
    assert looked.count == 1
    assert (await told.after("ann", slowed=True)).salt == ANN.salt, "nobody is kept out by others who guess"
    assert await told.after("bob", slowed=True) == Verified(7, 1, "ann", b"", looked=False)
    assert looked.count == 1
    assert (await told.after("ann", name="eve")).salt == ANN.salt and looked.count == 2, "of that name alone"
    other = quickly_hashed("ann", b"another")
    assert (await told.after("ann", kept=other)).salt == other.salt and looked.count == 3, "and of that salt"
    told.passwords.close()


async def test_of_many_connections_at_once_the_first_is_looked_at(looked: Looked) -> None:
    """As all those of a program come back to a node that was started again."""
    told = Told()
    looked.may_go_on.clear()
    for name, password in (*[("ann", "ann")] * 9, ("ann", "bob"), ("ann", "ann"), ("eve", "ann")):
        told.passwords.look_at(Verify(7, 1, name, password, (ANN,), False))
    looked.may_go_on.set()
    salts = [(await asyncio.wait_for(told.outcomes.get(), 10.0)).salt for _ in range(12)]
    assert salts == [*[ANN.salt] * 9, b"", ANN.salt, ANN.salt]
    assert looked.count == 3, "that of ann, a wrong one, and that of eve"
    told.passwords.close()


async def test_no_more_wait_than_may(looked: Looked) -> None:
    told = Told()
    looked.may_go_on.clear()
    for _ in range(PASSWORDS_WAITING_MAX):
        told.passwords.look_at(Verify(7, 1, "ann", "bob", (ANN,)))
    assert await told.after("bob") == Verified(7, 1, "ann", b"", looked=False, busy=True)
    looked.may_go_on.set()
    for _ in range(PASSWORDS_WAITING_MAX):
        assert (await asyncio.wait_for(told.outcomes.get(), 10.0)).looked
    assert (await told.after("ann")).salt == ANN.salt
    told.passwords.close()


async def test_what_is_remembered_is_bounded_and_no_password(looked: Looked) -> None:
    told = Told()
    for number in range(PASSWORDS_REMEMBERED_MAX + 5):
        name = f"user{number}"
        await told.after(name, name, quickly_hashed(name))
    assert len(told.passwords._remembered) == PASSWORDS_REMEMBERED_MAX
    assert not any(b"user" in known for known in told.passwords._remembered)
    told.passwords.close()
