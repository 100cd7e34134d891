"""Addresses as operators write them: ``HOST:PORT``, where HOST is IPv4, ``[IPv6]`` or a name. Nothing is resolved here.

The text of an :class:`Address` is its one normal form (names in lower case, IPv6 shortened), so that two spellings of
one address are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from wrpme.errors import UsageError

DEFAULT = "127.0.0.1:5909"
PORT_MAX = 65_535
NAME_CHARACTERS_MAX = 253
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
NAMED_MAX = 4
"""So many addresses a sentence names; the others it counts, for a line must stay one that can be read."""
_UNSPECIFIED = ("0.0.0.0", "::")


class Address(NamedTuple):
    """``host`` has no brackets, ``port`` is 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def unspecified(self) -> bool:
        """Whether it stands for all addresses of the machine, and so can't be told to others."""
        return self.host in _UNSPECIFIED


def parse(text: str) -> Address:
    """The address that ``text`` names.

    Raises:
        UsageError: it is not HOST:PORT.
    """
    text = "".join(character if character.isprintable() else "?" for character in text)
    shown = f'"{without_password(text)[:80]}"'
    scheme, _, rest = text.partition("://")
    if rest:
        by_tls = ", and ask for TLS by --tls-ca FILE" if scheme.endswith("s") else ""
        raise UsageError(f"{shown} is no address: write HOST:PORT alone, without {scheme[:20]}://{by_tls}")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UsageError(f"{shown} is no address: an IPv6 address is written [ADDRESS]:PORT, such as [::1]:5909")
        return Address(_ipv6(host, shown), _port(rest[1:], shown, f"[{host}]"))
    if text.count(":") > 1:
        raise UsageError(f"{shown} is no address: an IPv6 address is written in brackets, such as [::1]:5909")
    host, _, port = text.partition(":")
    alone = port if not host else "" if port else host
    if alone.isascii() and alone.isdigit() and alone == f"{int(alone[:6])}" and 1 <= int(alone) <= PORT_MAX:
        raise UsageError(f"{shown} has no host: write it as HOST:PORT, such as 127.0.0.1:{alone}")
    if not host:
        raise UsageError(f"{shown} is no address: it is written HOST:PORT, such as {DEFAULT}")
    return Address(_ipv4_or_name(host, shown), _port(port, shown, host))


def without_password(text: str) -> str:
    """Returns what was meant as an address or a URL without who it says that somebody is: for a sentence, or a log."""
    who, at, place = text.rpartition("@")
    scheme, colon, _ = who.partition("://")
    return f"{scheme}{colon}...@{place}" if at and colon else f"...@{place}" if at else text


def _port(text: str, shown: str, host: str) -> int:
    if not text:
        raise UsageError(f"{shown} has no port: write it as {host}:5909")
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= PORT_MAX):
        raise UsageError(f'the port "{text[:20]}" in {shown} is not a number from 1 to {PORT_MAX}')
    return int(text)


def _ipv6(text: str, shown: str) -> str:
    from ipaddress import IPv6Address  # here: most addresses never need it, and a shell starts sooner without

    try:
        return str(IPv6Address(text))
    except ValueError:
        raise UsageError(f"{shown} is no address: what stands in the brackets is not IPv6") from None


def _ipv4_or_name(text: str, shown: str) -> str:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if labels[-1].isascii() and labels[-1].isdigit():  # no name ends in a number, so that this can be told
        if len(labels) != 4 or not all(_is_byte(label) for label in labels):
            raise UsageError(f'{shown} is no address: "{text[:80]}" is not IPv4, which is four numbers from 0 to 255')
        return name
    if len(name) > NAME_CHARACTERS_MAX or not all(_LABEL.match(label) for label in labels):
        raise UsageError(f'{shown} is no address: "{text[:80]}" is neither IPv4 nor the name of a machine')
    return name


def _is_byte(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255 and str(int(text)) == text


def listed(found: Iterable[str], joint: str = ", ") -> str:
    """Returns the addresses for a sentence: the first ``NAMED_MAX`` by name, the others as a number. ``joint`` stands
    between them where all are named."""
    names = list(found)
    if len(names) <= NAMED_MAX + 1:  # "and 1 more" is no shorter than its address
        return joint.join(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"


def is_number(host: str) -> bool:
    """Whether it is the number of a machine, which needs no looking up."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine reaches a port at that HOST:PORT. Of a name only ``localhost`` is known to be
    so."""
    host = parse(address).host
    return host == "localhost" or (is_number(host) and ip_address(host.partition("%")[0]).is_loopback)
