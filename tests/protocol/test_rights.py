"""The table of rights is whole: what is missing in it, nobody could be let at or kept from."""

from __future__ import annotations

from tests import rights_table
from tests.samples import REQUEST_SAMPLES, REQUESTS
from wrpme.daemon.net.redis.commands.table import ENTRIES
from wrpme.protocol.access import rights
from wrpme.protocol.access.messages import USER_REQUESTS, Authenticate
from wrpme.protocol.access.users import Role, User
from wrpme.protocol.messages import Get, Many, PrefixScan, Put, Traced, Transaction, Update, is_read


def test_every_request_is_in_it_and_nothing_else() -> None:
    assert {*rights.REQUESTS, Many, Transaction, Traced} == set(REQUESTS)
    assert set(rights.REQUESTS) >= rights.WHOLE and set(USER_REQUESTS) <= set(rights.REQUESTS)


def test_every_command_of_redis_is_in_it_and_nothing_else() -> None:
    assert set(rights.REDIS) == {entry.name for entry in ENTRIES}
    parts = {f"{entry.name}|{word.decode().lower()}" for entry in ENTRIES for word in entry.subcommands}
    assert set(rights.REDIS_PARTS) <= parts and set(rights.REDIS) >= rights.REDIS_WHOLE


def test_who_may_only_read_changes_nothing() -> None:
    for request in REQUEST_SAMPLES:
        if rights.role_of(request) <= Role.READ and not isinstance(request, Authenticate):
            assert is_read(request), request
    for entry in ENTRIES:
        if "write" in entry.flags:
            assert rights.REDIS[entry.name] >= Role.WRITE, entry.name


def test_many_need_what_the_hardest_of_them_needs() -> None:
    reads, writes = (Get(0, b"a"),), (Get(0, b"a"), Put(0, b"b", b""))
    for kind in (lambda parts: Many(1, b"", parts), lambda parts: Transaction(1, parts)):
        assert rights.role_of(kind(reads)) is Role.READ and rights.role_of(kind(writes)) is Role.WRITE
        assert rights.role_of(Traced(1, "id", kind(writes))) is Role.WRITE
        assert list(rights.aliases_of(Traced(1, "id", kind(writes)))) == [b"a", b"b"]
    assert list(rights.aliases_of(PrefixScan(1, b"", 1, b"pre"))) == [b"pre"]


def test_prefixes() -> None:
    bound, free = User("a", Role.READ, (b"x:", b"y:")), User("b", Role.READ)
    assert rights.beyond(bound, [b"x:1", b"y:"]) is None and rights.beyond(bound, [b"x:1", b"x"]) == b"x"
    assert rights.beyond(free, [b"", b"z"]) is None
    assert rights.role_of(Update(1, b"x", b"")) is Role.WRITE


def test_the_document_has_the_table() -> None:
    assert not rights_table.missing(), "python -m tests.rights_table writes it"
