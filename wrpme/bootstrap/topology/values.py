"""The values of a topology file, each made canonical or refused. Pure.

The sentence of a refusal continues one that begins with the name of the key: ``is 70000, but should be ...``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from wrpme import options
from wrpme.files import option_values
from wrpme.bootstrap.limits import CERTIFICATE_DAYS_MAX, TOPOLOGY_VALUE_CHARACTERS_MAX
from wrpme.errors import UsageError
from wrpme.protocol import address as addresses
from wrpme.files.toml_text import shown

TLS_TARGETS = ("prefer", "require")
MODES = ("strict", "pin", "ask", "accept-new")
_HOST = re.compile(r"(?![-.])[^\s:@/\\,;\"'`*?!#%&|<>(){}\[\]$]+")
_USER = re.compile(r"(?!-)[^\s:/\\,;\"'`*?!#%&|<>(){}\[\]$]+")
_UNSAFE = frozenset("\"'`\\$%!:")
"""Characters that a path may not have: they mean something to a shell, to systemd, or within PATH."""


def read(key: str, given: object) -> Any:
    """Returns the canonical value of a key of [defaults] or a [[node]].

    Raises:
        UsageError: the value is of a wrong kind, or out of range.
    """
    return _READERS[key](given)


def option(name: str, given: object) -> tuple[str, ...]:
    """Returns the words of wrpmed's command line for an option of [options].

    Raises:
        UsageError: the value is of a wrong kind, or out of range.
    """
    option = options.TUNING[name]
    value = options.from_toml(option, given)
    if option.value is None:
        return (option.written,) if value else ()
    return (option.written, option_values.text(value))


def tls(key: str, given: object) -> Any:
    """Returns the value of a key of [tls].

    Raises:
        UsageError: the value is of a wrong kind, or out of range.
    """
    match key:
        case "managed" | "users" if isinstance(given, bool):
            return given
        case "managed" | "users":
            raise _wrong(given, "should be true or false")
        case "mode" if given in TLS_TARGETS:
            return given
        case "mode":
            raise _wrong(given, 'should be "require", or "prefer" while there are clients without TLS')
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= CERTIFICATE_DAYS_MAX:
        raise _wrong(given, f"should be how long a certificate is valid, from 1 to {CERTIFICATE_DAYS_MAX} days")
    return given


def login(text: str) -> tuple[str, str, int]:
    """Returns user, host and port of ``[USER@]HOST[:PORT]``; the user is empty and the port 0 if they are not given.

    Raises:
        UsageError: the text has another form.
    """
    user, at, rest = text.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise UsageError(f"{shown(text)} is no login: before the @ stands the name of a user, as in root@web1")
    port = ""
    if rest.startswith("["):
        host, _, after = rest[1:].partition("]")
        host, colon, port = f"[{host}]", after[:1], after[1:]
        if colon not in ("", ":"):
            raise UsageError(f"{shown(text)} is no login: an IPv6 address with a port is written [ADDRESS]:PORT")
    elif rest.count(":") == 1:
        host, colon, port = rest.partition(":")
    else:
        host, colon = rest, ""
    name = _name(host)
    if not name or "/" in text:
        raise UsageError(f"{shown(text)} is no login: it is written [USER@]HOST[:PORT], as in root@web1:22")
    if colon and not _is_port(port):
        raise UsageError(f"the port {shown(port)} in {shown(text)} is not a number from 1 to {addresses.PORT_MAX}")
    return user, name, int(port) if colon else 0


def _wrong(given: object, should: str) -> UsageError:
    return UsageError(f"is {shown(given)}, but {should}")


def _text(given: object, should: str) -> str:
    if not isinstance(given, str) or not given:
        raise _wrong(given, should)
    if len(given) > TOPOLOGY_VALUE_CHARACTERS_MAX:
        raise UsageError(f"has {len(given)} characters, but should have at most {TOPOLOGY_VALUE_CHARACTERS_MAX}")
    return given


def _name(text: str) -> str:
    """Returns the name of a host without the brackets of IPv6; empty if it can be none."""
    if ":" not in text:
        return text if len(text) <= addresses.NAME_CHARACTERS_MAX and _HOST.fullmatch(text) else ""
    try:
        return str(IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text))
    except ValueError:
        return ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= addresses.PORT_MAX


def _host(given: object) -> str:
    text = _text(given, 'should be the name or address of a machine, such as "web1"')
    if name := _name(text):
        return name
    try:
        user, host, port = login(text)
    except UsageError:
        raise _wrong(text, "should be the name of a host of ~/.ssh/config, a DNS name or an address") from None
    apart = [f'user = "{user}"'] * bool(user) + [f"port = {port}"] * bool(port)
    raise _wrong(text, f'should be the machine alone: write host = "{host}", {", ".join(apart)}')


def _user(given: object) -> str:
    text = _text(given, 'should be the name of a user there, such as "root"')
    if not _USER.fullmatch(text):
        raise _wrong(text, 'should be the name of a user there, such as "root"')
    return text


def _port(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= addresses.PORT_MAX:
        raise _wrong(given, f"should be the port of the SSH server, a number from 1 to {addresses.PORT_MAX}")
    return given


def _jump(given: object) -> str:
    text = _text(given, 'should be the way to the machine, such as "user@gateway:22", or "none"')
    if text == "none":
        return text
    hops = []
    for hop in text.split(","):
        try:
            user, host, port = login(hop.strip())
        except UsageError as error:
            raise UsageError(f"is {shown(text)}, but {error.sentence}") from None
        host = f"[{host}]" if ":" in host else host
        hops.append((f"{user}@" if user else "") + host + (f":{port}" if port else ""))
    return ",".join(hops)


def _mode(given: object) -> str:
    if given not in MODES:
        hint = "; a fingerprint is the key host_key of a node" if str(given).startswith("SHA256:") else ""
        raise _wrong(given, f"should be one of {', '.join(MODES)}{hint}")
    return str(given)


def _pins(given: object) -> tuple[str, ...]:
    should = 'should be a fingerprint such as "SHA256:" and 43 characters, or a list of them'
    found = given if isinstance(given, list) else [given]
    if not found:
        raise UsageError(f"is an empty list, but {should}")
    return tuple(dict.fromkeys(_fingerprint(one, should) for one in found))


def _fingerprint(given: object, should: str) -> str:
    text = _text(given, should)
    kind, colon, rest = text.partition(":")
    try:
        digest = base64.b64decode(rest.rstrip("=") + "=", validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if kind != "SHA256" or not colon or len(digest) != 32:
        raise UsageError(
            f"is {shown(text)}, but {should}; on the machine itself, "
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints it"
        )
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _directory(given: object) -> str:
    text = _path(given, 'should be an absolute path on the machine, such as "/srv/wrpme", or "~/wrpme"', ("/", "~/"))
    if text in ("/", "~"):
        raise _wrong(given, 'should be a directory of wrpme alone, such as "/srv/wrpme"')
    return text


def _python(given: object) -> str:
    return _path(given, 'should be the absolute path of a Python on the machine, such as "/usr/bin/python3"', ("/",))


def _path(given: object, should: str, begins: tuple[str, ...]) -> str:
    text = _text(given, should)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not text.startswith(begins) or ".." in parts:
        raise _wrong(text, should)
    if not text.isprintable() or _UNSAFE.intersection(text):
        raise _wrong(text, f"can't have control characters or any of {' '.join(sorted(_UNSAFE))} in it")
    return ("/" if text.startswith("/") else "") + "/".join(parts)


def _address(given: object) -> str:
    text = _text(given, f'should be HOST:PORT, such as "{addresses.DEFAULT}"')
    try:
        return str(addresses.parse(text))
    except UsageError as error:
        raise UsageError(f"is wrong: {error.sentence}") from None


_READERS: dict[str, Callable[[object], Any]] = {
    "host": _host,
    "address": _address,
    "advertise": _address,
    "user": _user,
    "port": _port,
    "jump": _jump,
    "host_keys": _mode,
    "host_key": _pins,
    "directory": _directory,
    "python": _python,
}
