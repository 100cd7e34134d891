"""TLS of a client: with what its connections are opened, and what is told where a node is not trusted."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TypeAlias
from weakref import WeakKeyDictionary

from msgspec import Struct

from wrpme import errors
from wrpme.client.requests.outcomes import Untrusted
from wrpme.files.certificates import TlsFiles, client_context, stamp
from wrpme.protocol import address as addresses

Tls: TypeAlias = TlsFiles | ssl.SSLContext | bool | None
"""Files, a context, or True for the CAs that the system trusts; None and False are for no TLS."""

HOW = "--tls-ca of wrpmesh, wrpmes:// or tls= of a program"
"""Where the CA of nodes is named."""
_OFF = f"give that node a certificate (--tls-mode allow), or leave TLS out here ({HOW})"
_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAME = (62, 64)
_OTHER_CA = (2, 18, 19, 20, 21)
"""Numbers of OpenSSL (X509_V_ERR_...), for which the module ssl has no names."""
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE", "HTTP_REQUEST")
_CUT_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_ALERT = b"\x15\x03"
"""By which an answer begins of who expected TLS."""


class _Read(Struct):
    """What was made of files later than the first context; they looked like ``stamp`` when they were read last."""

    files: TlsFiles
    stamp: tuple[object, ...]
    context: ssl.SSLContext | None = None


_read: WeakKeyDictionary[ssl.SSLContext, _Read] = WeakKeyDictionary()
"""By the first context that was made of these files."""


def context_of(tls: Tls) -> ssl.SSLContext | None:
    """Returns what connections are opened with; None where they are plain.

    Raises:
        UsageError: It is nothing of that kind, or a file can't be used.
    """
    if tls is None or tls is False:
        return None
    if isinstance(tls, ssl.SSLContext):
        if tls.protocol is ssl.PROTOCOL_TLS_SERVER:
            raise errors.UsageError("the context given for TLS is one of servers; make one with PROTOCOL_TLS_CLIENT")
        return tls
    if tls is True:
        return client_context(TlsFiles())
    if isinstance(tls, TlsFiles):
        seen, made = stamp(tls), client_context(tls)
        _read[made] = _Read(tls, seen)
        return made
    raise errors.UsageError(f"tls is {tls!r}, but should be TlsFiles, an ssl.SSLContext, or True")


def newest(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Returns what a connection is opened with now. Files that have changed are read again, so that a program which
    runs for months goes on when its hive gets another CA; while they can't be used, what was read before serves."""
    read = _read.get(context) if context is not None else None
    if read is None:
        return context
    if (seen := stamp(read.files)) != read.stamp:
        with suppress(errors.UsageError):
            read.context, read.stamp = client_context(read.files), seen
    return read.context or context


def wants_tls(address: str, first: bytes) -> errors.WrpmeError | None:
    """Returns what is told of a node that answers a plain connection so, if that is the answer of one that expects
    TLS."""
    return Untrusted(f"{address} wants TLS; name the CA of its certificate ({HOW})") if first[:2] == _ALERT else None


def ended_at_once(address: str, has_tls: bool) -> errors.ConnectionError:
    """Returns what is told of a connection that ended before an answer came, without a word. A client has shown its
    certificate, if it has one, before it hears whether that is trusted."""
    if has_tls:
        told = "as if it wanted another certificate of this client, or one at all; its log says why"
        return Untrusted(f"{address} ended the connection when TLS had begun, {told}")
    return errors.ConnectionError(
        f"{address} (it ended the connection at once, as one does that wants TLS or is ending)"
    )


def failure(address: str, error: Exception, begins: bool = False) -> errors.ConnectionError | None:
    """Returns what is told of a connection with TLS that ended with that error, as TLS began or later. None: the error
    is one that a connection without TLS may have, too."""
    if begins and isinstance(error, _CUT_OFF):
        return Untrusted(f"{address} ended the connection as TLS began, as if it spoke none; {_OFF}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(_distrust(address, error))
    if not isinstance(error, ssl.SSLError) or isinstance(error, _CUT_OFF):
        return None
    reason = error.reason or error.strerror or str(error)
    words = reason.replace("_", " ").lower()
    if reason in _PLAIN:
        return Untrusted(f"{address} speaks no TLS; {_OFF}")
    if reason.endswith("CERTIFICATE_REQUIRED"):
        return Untrusted(f"{address} takes only clients that show a certificate; give one, and its key, beside the CA")
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        told = words.rpartition("alert ")[2]
        return Untrusted(f"{address} refuses the certificate of this client ({told}); give one that its node trusts")
    return Untrusted(f"{address} and this client agree on no TLS ({words}); look at the versions of both")


def _distrust(address: str, error: ssl.SSLCertVerificationError) -> str:
    told, host = error.verify_message.rstrip("."), addresses.parse(address).host
    if error.verify_code == _EXPIRED:
        return f"the certificate of {address} has expired; give its node a new one"
    if error.verify_code == _NOT_YET_VALID:
        return f"the certificate of {address} is not valid yet; compare the clocks of both machines"
    if error.verify_code in _OTHER_NAME:
        return f"the certificate of {address} does not name {host}; dial a name that it has, or give its node another"
    if error.verify_code in _OTHER_CA:
        return f"the certificate of {address} is of no CA that this client trusts ({told}); name its CA ({HOW})"
    return f"the certificate of {address} can't be trusted ({told}); give its node another one"
