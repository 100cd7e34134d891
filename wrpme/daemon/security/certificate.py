"""What is in the certificate that the other side of a connection has shown: the hosts that it names, and whether it is
good for servers, as that of a node is, or for clients alone. :mod:`ssl` checks both of the side that it dials, and
tells neither of one that dials."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

from wrpme.core.membership.speakers import Names, Objection
from wrpme.errors import ProtocolError, UsageError
from wrpme.protocol import address as addresses
from wrpme.protocol.messages import Envelope

NO_CERTIFICATE = (
    "messages of nodes are taken only from a connection whose certificate is of the hive's CA: give the node "
    "--tls-cert, --tls-key and --tls-ca, and --tls-mode prefer"
)
NOT_OF_A_NODE = (
    "messages of nodes are taken only from a certificate that is good for servers as well as for clients (extended key "
    "usage), and that of this connection is a client's"
)
NAMED_MAX = 64
M = TypeVar("M")


class Certificate:
    """What the other side has shown: a certificate of a CA that is trusted, or none."""

    def __init__(self, secured: ssl.SSLObject) -> None:
        shown = secured.getpeercert() or {}
        self.shown = bool(shown)
        named = [(str(pair[0]), str(pair[1])) for pair in shown.get("subjectAltName", ())]
        self._hosts = [name.lower() for kind, name in named if kind == "DNS"]
        self._numbers = [number for kind, name in named if kind == "IP Address" and (number := _number(name))]
        self.serves = good_for_servers(secured.getpeercert(True) or b"")

    def names(self, host: str) -> bool:
        """Returns whether it names the host, by the rules that hold for who is dialled: a star is all of the first
        label, and stands in no number."""
        number = _number(host)
        if number is not None:
            return number in self._numbers
        asked = _ascii(host)
        return any(asked == name or _is_starred(name, asked) for name in self._hosts)


class Speaker:
    """What may be heard of nodes on one connection; ``objection`` is the node's, and what it does not heed is told to
    ``ignored``."""

    def __init__(
        self,
        secured: ssl.SSLObject,
        objection: Callable[[Envelope, Names], Objection | None],
        ignored: Callable[[str], None],
    ) -> None:
        self._secured = secured
        self._objection = objection
        self._ignored = ignored
        self._certificate: Certificate | None = None
        self._named: dict[str, bool] = {}
        """Addresses that were asked for, and whether the certificate names their hosts."""

    def heard(self, messages: Sequence[M]) -> list[M]:
        """Returns those that count, in order.

        Raises:
            ProtocolError: nothing on this connection does.
        """
        return [one for one in messages if not isinstance(one, Envelope) or self._hears(one)]

    def _hears(self, envelope: Envelope) -> bool:
        if self._certificate is None:
            self._certificate = Certificate(self._secured)
        if not self._certificate.shown:
            raise ProtocolError(NO_CERTIFICATE)
        if not self._certificate.serves:
            raise ProtocolError(NOT_OF_A_NODE)
        found = self._objection(envelope, self._names)
        if found is None:
            return True
        if found.closes:
            raise ProtocolError(found.sentence)
        self._ignored(found.sentence)
        return False

    def _names(self, address: str) -> bool:
        assert self._certificate is not None
        named = self._named.get(address)
        if named is None:
            if len(self._named) >= NAMED_MAX:
                self._named.clear()
            try:
                named = self._certificate.names(addresses.parse(address).host)
            except UsageError:
                named = False
            self._named[address] = named
        return named


def good_for_servers(der: bytes) -> bool:
    """Returns whether a certificate may be a server's: one that does not say what it is good for may."""
    from cryptography import x509  # here: a node that speaks to no other by TLS does without
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        usages = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return True
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion):
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usages.value


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip())
    except ValueError:
        return None


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        return host.lower()


def _is_starred(name: str, asked: str) -> bool:
    first, _, rest = asked.partition(".")
    return bool(first) and name.startswith("*.") and "." in rest and name[2:] == rest
