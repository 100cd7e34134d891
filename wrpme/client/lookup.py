"""The addresses of a host by its name."""

from __future__ import annotations

import asyncio
import socket
import threading

from wrpme.limits import LOOKUP_SECONDS_MAX
from wrpme.protocol.address import is_number


async def look_up(name: str) -> list[str]:
    """Returns the addresses that the system finds for the name of a host; a number is its own.

    The thread that asks is no reason for an interpreter to live on, as one of an executor is: a name server that is
    gone can keep it for minutes.

    Raises:
        OSError: The name has none.
        TimeoutError: Nobody answered within ``LOOKUP_SECONDS_MAX``.
    """
    if is_number(name):
        return [name]
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str] | OSError] = loop.create_future()

    def settle(outcome: list[str] | OSError) -> None:
        if not answer.done():
            answer.set_result(outcome)

    def ask() -> None:
        outcome: list[str] | OSError
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            outcome = list(dict.fromkeys(str(where[0]) for *_, where in found))
        except OSError as error:
            outcome = error
        except UnicodeError:  # a name that can't be one
            outcome = socket.gaierror(socket.EAI_NONAME, "no such name")
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            return  # the loop has ended meanwhile

    threading.Thread(target=ask, name="wrpme-lookup", daemon=True).start()
    async with asyncio.timeout(LOOKUP_SECONDS_MAX):
        outcome = await answer
    if isinstance(outcome, OSError):
        raise outcome
    return outcome
