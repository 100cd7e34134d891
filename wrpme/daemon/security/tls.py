"""TLS of a node: what it takes and dials connections with, until when its certificate is valid, and sentences about
handshakes that fail."""

from __future__ import annotations

import hmac
import ssl
import time
from importlib import import_module

from msgspec import Struct

from wrpme.errors import UsageError
from wrpme.options import TLS_MODES
from wrpme.protocol.address import Address
from wrpme.protocol.stats import CERTIFICATE_OF
from wrpme.files.certificates import TlsFiles, client_context, server_context

OFF, ALLOW, PREFER, REQUIRE = TLS_MODES
"""As ``--tls-mode`` has them: a hive is brought from one to the next node by node, and nodes of two that are beside
each other understand each other."""
_ONLY = "this node takes TLS only (--tls-mode require): "
TLS_ONLY = _ONLY + "give wrpmesh --tls-ca FILE, a program wrpmes:// or tls=, and another node --tls-mode prefer"
TLS_ONLY_OF_REDIS = _ONLY + "connect by rediss://, with the CA of the hive (redis-cli --tls --cacert FILE)"
TLS_ONLY_OF_HTTP = _ONLY + "ask by https://, with the CA of the hive (curl --cacert FILE)"
SPEAKS_TLS = "it speaks TLS, which this node does not take (--tls-mode off), or began to too late"
REFUSED = "it closed the connection when it saw the certificate of this node: its log says why"
"""In TLS 1.3 the side that dials is through with its handshake before the other one has looked at its certificate."""
SPEAKS_NO_TLS = "it speaks no TLS (--tls-mode off)"
WARNED_SHARE = 1 / 3
_CLIENT_HELLO = 0x16
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which :mod:`ssl` has no name for."""
_OF_ANOTHER_CA = (18, 19, 20, 21)
"""What X509_V_ERR_... of OpenSSL come to that: an issuer that is not there, or that is trusted by nobody."""
_STEPS_MAX = 10


class _Loaded(Struct, frozen=True):
    """What was made of the files; the times are seconds since 1970."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    valid_from: float
    valid_until: float
    certificate: bytes
    """In DER."""


class Tls:
    """What a node whose mode is not off secures its connections with. ``address`` is the one that others dial, whose
    host the certificate has to name."""

    def __init__(self, mode: str, files: TlsFiles, address: Address) -> None:
        """Reads the files.

        Raises:
            UsageError: they can't be used. A certificate that has only expired can, so that a node which starts with it
                takes a better one on SIGHUP; others refuse it until then. Or a package is lacking.
        """
        _check_that_certificates_can_be_read()
        self._address = address
        self.takes_plain = mode != REQUIRE
        self.dials = mode in (PREFER, REQUIRE)
        self._loaded = _load(files, address.host)

    def reload(self, files: TlsFiles) -> None:
        """Reads the files anew, for connections from now on.

        Raises:
            UsageError: they can't be used, and all stays as it is.
        """
        loaded = _load(files, self._address.host)
        if loaded.valid_until <= time.time():
            raise UsageError(f"the certificate {files.certificate} has expired")
        self._loaded = loaded

    @property
    def server(self) -> ssl.SSLContext:
        """What connections are taken with."""
        return self._loaded.server

    @property
    def client(self) -> ssl.SSLContext:
        """What other nodes are dialled with."""
        return self._loaded.client

    @property
    def seconds_left(self) -> float:
        """For how long the certificate is valid; below 0 once it has expired."""
        return self._loaded.valid_until - time.time()

    def is_own(self, secured: ssl.SSLObject) -> bool:
        """Returns whether the other side has shown the certificate of this very node."""
        shown = secured.getpeercert(True)
        return shown is not None and hmac.compare_digest(shown, self._loaded.certificate)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What an operator should look at: a certificate with less than a third of its life left."""
        left, loaded = self.seconds_left, self._loaded
        if left >= WARNED_SHARE * (loaded.valid_until - loaded.valid_from):
            return ()
        when = f"expires in {_span(left)}" if left > 0 else "has expired, and other nodes refuse it"
        return (f"{CERTIFICATE_OF}{self._address} {when}: hive_apply renews it, or put a new one in its place",)


def begins_tls(first: bytes) -> bool:
    """Returns whether a connection whose first byte this is speaks TLS."""
    return first[:1] == bytes([_CLIENT_HELLO])


def failed_handshake(error: BaseException) -> str:
    """Returns why a handshake failed, or what ended a connection that was secured, as words that follow "it"."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({_refusal(error)})"
    if isinstance(error, ssl.SSLError):
        if error.reason == "WRONG_VERSION_NUMBER":
            return SPEAKS_NO_TLS
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
            return f"it refuses the certificate of this node ({reason.partition('alert ')[2]})"
        return f"the TLS handshake failed ({reason})"
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "it ended the TLS handshake"
    return ""


def _check_that_certificates_can_be_read() -> None:
    """Looks for the package before the first node shows a certificate: see
    :mod:`wrpme.daemon.security.certificate`."""
    try:
        import_module("cryptography")
    except ImportError:
        lacks = "TLS of a node needs the package cryptography, which is not installed: pip install 'wrpme[tls]'"
        raise UsageError(lacks) from None


def _span(seconds: float) -> str:
    days, hours = seconds / 86_400, seconds / 3600
    return f"{days:.0f} d" if days >= 2 else f"{hours:.0f} h" if hours >= 1 else "less than an hour"


def _load(files: TlsFiles, host: str) -> _Loaded:
    server, client = server_context(files), client_context(files)
    for context in (server, client):
        context.verify_flags |= _NO_CHECK_TIME
    try:
        shown, certificate = _shake_hands(server, client, host)
    except ssl.SSLCertVerificationError as error:
        about = f"the certificate {files.certificate} can't be used by a node at {host}, with the CAs of {files.ca}"
        raise UsageError(f"{about}: {_refusal(error)}") from None
    except ssl.SSLError as error:
        raise UsageError(f"the certificate {files.certificate} can't be used ({str(error.reason).lower()})") from None
    for context in (server, client):
        context.verify_flags &= ~_NO_CHECK_TIME
    first, last = (float(ssl.cert_time_to_seconds(str(shown[name]))) for name in ("notBefore", "notAfter"))
    return _Loaded(server, client, first, last, certificate)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> tuple[dict[str, object], bytes]:
    """Lets the node speak with itself in memory: nothing else in :mod:`ssl` tells what is in a certificate, and what
    other nodes would say to this one is known before any of them is asked."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    dialling, waiting = sides[0], list(sides)
    for _ in range(_STEPS_MAX):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    shown, certificate = dialling.getpeercert(), dialling.getpeercert(True)
    assert shown and certificate and not waiting, "both sides of a handshake in memory have all that they wait for"
    return dict(shown), certificate


def _refusal(error: ssl.SSLCertVerificationError) -> str:
    """Returns what is wrong with a certificate, in the words of OpenSSL where those are plain."""
    told = error.verify_message.rstrip(".")
    told = told if told[:2].isupper() else told[:1].lower() + told[1:]
    return f"of another CA: {told}" if error.verify_code in _OF_ANOTHER_CA else told
