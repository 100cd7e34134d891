"""The key and the certificate of a node on this machine.

The key is made here, by the Python of an installed release, and stays: what leaves is a signing request, and what comes
back is a certificate. Both are then in one file, so that a rename replaces them together: a node that starts at any
moment finds a key and a certificate that fit. Until then the key waits in ``next.key``, and the pair in ``next.pem``.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from wrpme.bootstrap.agent import errors, files, processes
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import COMMAND_SECONDS_MAX
from wrpme.bootstrap.agent.node import DIRECTORY_MODE
from wrpme.bootstrap.agent.paths import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.session import Session

MAKER = "wrpme.daemon.security.signing_request"
"""The module of a release that makes a key and prints a signing request for it."""
KEY_MODE = 0o600


def make_key(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Makes a new key for the node; ``request`` of the answer is a signing request for it, in PEM.

    The key that the node has stays until a certificate for the new one takes its place.

    Raises:
        AgentError: the release can't make keys, or the key can't be written.
    """
    import subprocess

    base = session.base
    node, release = base.node(request["name"]), checked(request["release"])
    files.make_directory(base.nodes)
    files.make_directory(node.directory, DIRECTORY_MODE)
    files.make_directory(node.tls, DIRECTORY_MODE)
    python = f"{base.versions}/{release}/bin/python"
    try:
        done = subprocess.run(
            [python, "-I", "-B", "-m", MAKER, node.next_key], stdin=subprocess.DEVNULL, capture_output=True,
            cwd="/", timeout=COMMAND_SECONDS_MAX, umask=0o077, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AgentError(f"making a key took longer than {COMMAND_SECONDS_MAX:g} s; see its disk") from None
    except OSError as error:
        raise errors.from_os_error(error, python) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise AgentError(f"no key could be made at {node.next_key}: {said or f'status {done.returncode}'}")
    return {"request": done.stdout.decode("ascii", "replace")}


def certify(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Puts what the node trusts (``trusted``, certificates of CAs in PEM) into its place, and ``certificate``, if it is
    not empty, beside the key that was made for it; with ``now`` the pair becomes what the node shows.

    Raises:
        AgentError: the certificate is not of that key, or something can't be written.
    """
    node = session.base.node(request["name"])
    # What is trusted comes first: who reads the certificate has read, or will read, whom to trust with it.
    files.write(node.trusted, request["trusted"].encode())
    if certificate := str(request["certificate"]):
        key = files.read(node.next_key)
        if key is None:
            raise AgentError(f"there is no key {node.next_key} any more; give the command again")
        files.write(node.next, key + certificate.encode(), KEY_MODE)
        _check_fits(node.next)
        files.remove(node.next_key)
    if request["now"] and os.path.exists(node.next):
        try:
            os.rename(node.next, node.certificate)
            files.sync_directory(node.tls)
        except OSError as error:
            raise errors.from_os_error(error, node.certificate) from None
    return {}


def _check_fits(path: str) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    except ssl.SSLError as error:
        files.remove(path)
        raise AgentError(f"the certificate is not of the key that was made ({error.reason}); try again") from None


def reread(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Lets a node that serves read its certificate again (SIGHUP).

    Raises:
        AgentError: it is another user's process.
    """
    node = session.base.node(request["name"])
    found = processes.running(session, [node]).get(node.name, [])
    processes.hang_up(session.channel, node, [one for one in found if one.release])
    return {}


def shown(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Begins TLS with the node at ``address``; ``certificate`` of the answer is what it shows, in PEM.

    With ``as_next`` the pair that waits is shown to it, which it takes only if it trusts the CA of that. Where it is
    refused, or the node speaks no TLS, the answer has no certificate.

    Raises:
        AgentError: the node does not answer within ``seconds``.
    """
    import ssl

    node = session.base.node(request["name"])
    host, port = request["address"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # In TLS 1.3 the handshake ends for this side before the other one has looked at what is shown to it.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        if request["as_next"]:
            context.load_cert_chain(node.next)
        with (
            socket.create_connection((host, port), float(request["seconds"])) as plain,
            context.wrap_socket(plain) as secured,
        ):
            found = secured.getpeercert(binary_form=True)
            with suppress(OSError):
                secured.unwrap()
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return {"certificate": ""}
    except TimeoutError:
        raise AgentError(f"{host}:{port} does not answer within {request['seconds']:g} s", "timeout") from None
    except OSError as error:
        raise AgentError(f"{host}:{port} does not answer ({error.strerror or error})", "connection") from None
    return {"certificate": ssl.DER_cert_to_PEM_cert(found or b"")}


def public(pair: str) -> str:
    """Returns the certificates of a file that also has a key."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    parts = [part.partition(end)[0] for part in pair.split(begin)[1:]]
    return "".join(f"{begin}{part}{end}\n" for part in parts)
