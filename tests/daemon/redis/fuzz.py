"""Anything at the Redis door: ``python -m tests.daemon.redis.fuzz -max_total_time=600``, with the package atheris.

Commands and mere bytes, cut in two, come to a session whose node does what it is asked, at once or later, or fails:
nothing is raised, each command has its answer, and nothing is left of the connection.
"""

import asyncio
import sys
from math import inf
from typing import cast
from unittest.mock import Mock

from tests.daemon_parts import Daemon
from tests.sim.level2.loop import VirtualLoop
from wrpme import errors
from wrpme.core.io import Effect, Input, ReplyTo
from wrpme.daemon.net.redis.commands.multi import Entries
from wrpme.daemon.net.redis.commands.table import ENTRIES
from wrpme.protocol.messages import Failed, Reply, Request, Results, Transaction

WORDS = [*b"a {t}b {t}c 1 -1 x 99999999999999999999 100 NX XX GET EX IFEQ *".split(), b"", b"x" * 5000]
FAILURES = errors.UnavailableError.code, errors.UnstableError.code, errors.IndeterminateError.code


async def connected(data: bytes) -> None:
    drawn, daemon, entries, waiting = iter(data), Daemon(), Entries(0), list[Effect]()

    def asked(session: int, request: Request) -> list[Effect]:
        how, reply = next(drawn, 255), cast(Reply, Results(request.id, ()))  # of a transaction
        if how < 64 or not (hasattr(request, "alias") or isinstance(request, Transaction)):
            reply = Failed(request.id, FAILURES[how % len(FAILURES)], "by chance")
        elif not isinstance(request, Transaction):
            reply = entries._ask(request)
        waiting.append(ReplyTo(session, reply))
        return [waiting.pop(how % len(waiting))] if how > 128 else []

    def turned(_: Input) -> list[Effect]:
        said = [waiting.pop() for _ in list(waiting)] if next(drawn, 255) > 32 else []
        daemon.node.wake_at = daemon.runner.clock() + 0.1 if waiting else inf
        return said

    daemon.node.on_request, daemon.node.on_input = asked, turned
    server, transport = daemon.runner.server, Mock(is_closing=lambda: False, get_write_buffer_size=lambda: 0)
    accepted, process = server.accept(), daemon.runner.process
    accepted.connection_made(transport)
    accepted.data_received(b"PING\r\n")
    session = transport.set_protocol.call_args.args[0]
    while (kind := next(drawn, -1)) >= 0:
        size = kind if kind < 32 else kind % 4  # mere bytes, or a command
        said = bytes(byte for byte, _ in zip(drawn, range(size), strict=False))
        if kind >= 32:
            words = [ENTRIES[kind % len(ENTRIES)].name.encode(), *(WORDS[at % len(WORDS)] for at in said)]
            said = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        session.data_received(said[: len(said) // 2])
        session.data_received(said[len(said) // 2 :])
        await asyncio.sleep(0)
    await asyncio.sleep(60)
    assert session.ended or not session._pipeline.waits_for_answers
    session.connection_lost(None)
    assert not (server.sessions or server.partial_bytes or process.sessions or process.answers_bytes)
    assert not any("Traceback" in line for line in daemon.log.lines), daemon.log.lines


def once(data: bytes) -> None:
    VirtualLoop().run_until_complete(connected(data))


if __name__ == "__main__":
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    for name in [name for name in sys.modules if name.startswith(("wrpme", "tests"))]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["wrpme.daemon.net"]):
        from tests.daemon.redis import fuzz
    atheris.Setup(sys.argv, fuzz.once)
    atheris.Fuzz()
