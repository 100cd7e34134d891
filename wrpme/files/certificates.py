"""Certificates: what is read from files for TLS, by nodes and by clients, and what is wrong with it."""

from __future__ import annotations

import os
import ssl

from msgspec import Struct

from wrpme.errors import UsageError


class TlsFiles(Struct, frozen=True):
    """The names of files in PEM: those of the CAs that are trusted, of an own certificate with all between it and its
    CA, and of its key. Empty where there is none; a certificate and its key go together."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


def stamp(files: TlsFiles) -> tuple[object, ...]:
    """Returns what differs once one of the files is another, or was written to."""
    found: list[object] = []
    for path in (files.ca, files.certificate, files.key):
        try:
            seen = os.stat(path)
            found.append((seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_size))
        except OSError as error:
            found.append(error.errno)
    return tuple(found)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Returns what a connection is opened with: the other side has to have a certificate of such a CA (without one
    named, of those that the system trusts) that names the host which is dialled.

    Raises:
        UsageError: a file can't be used; the sentence says which, and why.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca:
        _trust(context, files.ca)
    else:
        context.load_default_certs()
    if files.certificate:
        _show(context, files)
    return context


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Returns what connections are taken with. Who shows a certificate has to have one of such a CA; who shows none is
    let in, and :func:`ssl.SSLObject.getpeercert` is None.

    Raises:
        UsageError: a file can't be used; the sentence says which, and why.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    _show(context, files)
    if files.ca:
        _trust(context, files.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _trust(context: ssl.SSLContext, path: str) -> None:
    _see(path, "of CAs")
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UsageError(f"{path} has no certificates of CAs in PEM ({_reason(error)})") from None


def _show(context: ssl.SSLContext, files: TlsFiles) -> None:
    if not files.certificate or not files.key:
        lacks, has = ("key", "certificate") if files.certificate else ("certificate", "key")
        raise UsageError(f"a {has} takes a {lacks} beside it")
    _see(files.certificate, "of a certificate")
    _see(files.key, "of a key")
    try:
        # A key that is locked with a passphrase is refused, rather than asked for on a terminal that nobody sees.
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        both = f"the certificate {files.certificate} and the key {files.key}"
        raise UsageError(f"{both} can't be used together ({_reason(error)})") from None


def _see(path: str, what: str) -> None:
    """Whether a file can be read, which OpenSSL tells in no sentence."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)):
            pass
    except OSError as error:
        raise UsageError(f"the file {what} {path} can't be read ({error.strerror})") from None


def _no_passphrase() -> str:
    raise ValueError("the key is locked with a passphrase, which nobody can give to a node")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is another certificate's"
        return (error.reason or error.strerror or str(error)).replace("_", " ").lower()
    return str(error)
