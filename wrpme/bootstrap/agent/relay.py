"""Connections to nodes from a host of theirs: questions to the node there, and whether others can be reached."""

from __future__ import annotations

import base64
import errno
import os
import selectors
import socket
import threading
import time
from contextlib import suppress

from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import ANSWER_BYTES_MAX, CONNECTIONS_AT_ONCE_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.session import Session

PREFACE_BYTES = 8
HEADER_BYTES = 4
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which :mod:`ssl` has no name for."""
WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
}


def ask(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Sends ``frames`` (base64, the preface included) to the node ``name``, which is at ``address``.

    ``data`` of the answer is what came (base64) until there were ``count`` frames. A connection that ended before is no
    error if there was at least one.

    Raises:
        AgentError: nothing came within ``seconds`` (its word is ``connection`` or ``timeout``), or more than
            ``ANSWER_BYTES_MAX`` did (``too_large``).
    """
    host, port = request["address"]
    end = time.monotonic() + float(request["seconds"])
    got = bytearray()
    try:
        with _connected(session, str(request.get("name", "")), host, port, float(request["seconds"])) as connection:
            connection.settimeout(max(0.001, end - time.monotonic()))
            connection.sendall(base64.b64decode(request["frames"]))
            while not _has_frames(got, int(request["count"])):
                connection.settimeout(max(0.001, end - time.monotonic()))
                part = connection.recv(262_144)
                got += part
                if len(got) > ANSWER_BYTES_MAX:
                    raise AgentError(f"{host}:{port} answers with more than {ANSWER_BYTES_MAX} bytes", "too_large")
                if not part:
                    break
    except TimeoutError:
        raise AgentError(f"{host}:{port} does not answer within {request['seconds']:g} s", "timeout") from None
    except OSError as error:
        raise AgentError(f"{host}:{port} does not answer ({error.strerror or error})", "connection") from None
    if not _has_frames(got, 1 if request["count"] else 0):
        raise AgentError(f"{host}:{port} ended the connection without an answer", "connection")
    return {"data": base64.b64encode(got).decode()}


def _connected(session: Session, name: str, host: str, port: int, seconds: float) -> socket.socket:
    """Returns a connection to the node of that name (to any program, if it is empty); by TLS if the node was started so
    that it takes nothing else.

    As another node it shows the certificate of the node, and checks what it is shown; only the time is not looked at,
    because who asks may be about to replace a certificate that has expired.
    """
    node = session.base.node(name) if name else None
    record = (node.read_record() if node else None) or {}
    if node is None or record.get("tls") != "require":
        return socket.create_connection((host, port), seconds)
    import ssl

    told = str(record.get("advertise") or record["address"])
    context = ssl.create_default_context(cafile=node.trusted)
    context.verify_flags |= NO_CHECK_TIME
    context.load_cert_chain(node.certificate)
    plain = socket.create_connection((host, port), seconds)
    try:
        return context.wrap_socket(plain, server_hostname=told.rpartition(":")[0].strip("[]"))
    except BaseException:
        plain.close()
        raise


def _has_frames(got: bytearray, count: int) -> bool:
    start = PREFACE_BYTES
    for _ in range(count):
        if len(got) < start + HEADER_BYTES:
            return False
        start += HEADER_BYTES + int.from_bytes(got[start : start + HEADER_BYTES], "big")
    return len(got) >= start


def reach(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Tries to connect to each of ``addresses`` for ``seconds``.

    The answer has by "host:port" what became of it: open, refused, timeout, unreachable or unresolved.
    """
    end = time.monotonic() + float(request["seconds"])
    wanted = [(str(host), int(port)) for host, port in request["addresses"]]
    resolved = _resolve_all(wanted, end)
    found = {f"{host}:{port}": "unresolved" for host, port in wanted if (host, port) not in resolved}
    targets = list(resolved.items())
    for start in range(0, len(targets), CONNECTIONS_AT_ONCE_MAX):
        some = targets[start : start + CONNECTIONS_AT_ONCE_MAX]
        found |= _connect_all(some, max(end, time.monotonic() + 0.1))
    return found


def _resolve_all(wanted: list[tuple[str, int]], end: float) -> dict[tuple[str, int], tuple[int, Any]]:
    """Looks all names up, each in a thread, which is left behind when the time is over: a name server that does not
    answer may keep a call for minutes."""
    found: dict[tuple[str, int], tuple[int, Any]] = {}

    def resolve(host: str, port: int) -> None:
        with suppress(OSError, UnicodeError):
            family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            found[host, port] = (family, where)

    threads = [threading.Thread(target=resolve, args=pair, daemon=True) for pair in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _connect_all(targets: list[tuple[tuple[str, int], tuple[int, Any]]], end: float) -> dict[str, str]:
    found: dict[str, str] = {}
    with selectors.DefaultSelector() as selector:
        for (host, port), (family, where) in targets:
            name = f"{host}:{port}"
            try:
                probe = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError:
                found[name] = "unreachable"
                continue
            number = probe.connect_ex(where)
            if number in (0, errno.EINPROGRESS):
                selector.register(probe, selectors.EVENT_WRITE, name)
            else:
                found[name] = WORDS.get(number, "unreachable")
                probe.close()
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                made = key.fileobj
                assert isinstance(made, socket.socket)
                number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                found[key.data] = "open" if number == 0 else WORDS.get(number, "unreachable")
                selector.unregister(made)
                made.close()
        for key in list(selector.get_map().values()):
            found[key.data] = "timeout"
            os.close(key.fd)
    return found
