"""The settings for a login: those of the topology, then what ~/.ssh/config and the system's ssh_config say of it."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_certificate_algs, get_public_key_algs

from wrpme.bootstrap.ssh import config_file
from wrpme.bootstrap.ssh.config_file import Given, Name
from wrpme.bootstrap.ssh.known_hosts import PORT
from wrpme.errors import RemoteError

SYSTEM = Path("/etc/ssh/ssh_config")
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
STRICT_MODES = {"yes": "strict", "ask": "ask", "accept-new": "accept-new"}
"""The mode of host keys for each value of StrictHostKeyChecking. ``no``, which trusts any key, counts as not given."""
MAX_DOTS = 1
"""A name with more dots is not made canonical, unless CanonicalizeMaxDots says another number."""


@dataclass(frozen=True)
class Target:
    """A machine to log in to, as the operator named it: a host of the topology, or a jump host on the way to one."""

    name: str
    user: str = ""
    port: int = 0
    jump: str = ""
    mode: str = ""
    pins: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    """The names of the hosts that this is a jump host for."""


@dataclass(frozen=True)
class Settings:
    """All that is needed to log in to a machine."""

    target: Target
    host: str
    port: int
    user: str
    key_name: str
    key_port: int
    """The name and port by which its key is looked up: those it is reached at, or HostKeyAlias, which has no port."""
    jumps: str
    """The jump hosts as user@host:port,..., the one next to the machine last; empty if there are none."""
    proxy: str
    """A command whose input and output are the connection; empty if there is none."""
    mode: str
    """The mode of host keys; empty if nobody says one."""
    known_files: tuple[Path, ...]
    """The user's own files of known hosts; new keys go to the first one."""
    system_known_files: tuple[Path, ...]
    connect_seconds: float
    """The value of ConnectTimeout, or 0 if there is none."""
    key_files: tuple[Path, ...]
    only_key_files: bool
    agent: str
    """The path of the socket of ssh-agent; empty if there is none."""
    host_key_algorithms: str
    """The value of HostKeyAlgorithms, of those that are known here; empty if it is not given."""
    options: asyncssh.SSHClientConnectionOptions

    @property
    def address(self) -> str:
        """Returns HOST:PORT, for sentences."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def settings(target: Target) -> Settings:
    """Returns the settings for a login to that machine.

    The files are read each time: a long-lived shell must see what the operator has corrected.

    Raises:
        RemoteError: a file can't be used; the sentence names it and the line.
    """
    name = Name(target.name, target.user, target.port, getpass.getuser())
    home = Path.home() / ".ssh"
    files = [(path, path.parent) for path in (home / "config", SYSTEM) if path.exists()]
    try:
        # In a thread: a file may be on a network, and Match exec runs a program.
        return _settings(target, await asyncio.to_thread(config_file.read, name, files))
    except (OSError, ValueError) as error:
        reason = str(error).replace(f"{Path.home()}/", "~/")
        raise RemoteError(
            f"{target.name}: the configuration of ssh can't be used ({reason}); correct it for this host"
        ) from None


_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<six>[^]]+)\]|(?P<name>[^:@]+))(?::(?P<port>\d+))?/?")
"""[USER@]HOST[:PORT], with an IPv6 address in brackets."""


def jump_host(settings: Settings) -> Target:
    """Returns the jump host next to that machine, which is itself reached through those before it.

    Raises:
        RemoteError: its name makes no sense, or the way leads in a circle.
    """
    target = settings.target
    before, _, last = settings.jumps.rpartition(",")
    found = _JUMP.fullmatch(last.strip())
    if found is None:
        raise RemoteError(f"{target.name}: its jump host {last!r} is not of the form USER@HOST:PORT")
    name = found["six"] or found["name"]
    passed = (*target.passed, target.name)
    if name in passed:
        raise RemoteError(
            f"{target.name}: the way to it leads in a circle ({' behind '.join((*passed, name))}); give {name} "
            'jump = "none" in the topology, or ProxyJump none in ~/.ssh/config'
        )
    # A pinned key is that of one machine; the keys of jump hosts are looked up in the files of known hosts.
    mode = "" if target.pins or target.mode == "pin" else target.mode
    return Target(name, found["user"] or "", int(found["port"] or 0), before, mode, (), passed)


_FIXED: dict[str, Any] = {
    # A host is verified with known hosts or pinned keys alone, so neither with GSSAPI nor with X.509.
    "gss_host": None,
    "x509_trusted_certs": None,
    "x509_trusted_cert_paths": (),
    "host_based_auth": False,
    "client_host_keysign": False,
    "password_auth": False,
    "kbdint_auth": False,
    "preferred_auth": "publickey",
    "agent_forwarding": False,
    "x11_forwarding": False,
    "command": None,
    "request_pty": False,
}
"""The options of asyncssh that no file may change."""


def _settings(target: Target, given: Given) -> Settings:
    """Raises ValueError or OSError if what the files say can't be used."""
    values = given.values
    jumps, proxy = _way(target, given)
    _check_name(target, given, direct=not jumps and not proxy)
    identities = [one for one in values.get("identityfile", ()) if one.lower() != "none"]
    if "identityfile" not in values:
        identities = [str(Path.home() / ".ssh" / name) for name in DEFAULT_KEYS]
    known = _unless_none(values.get("userknownhostsfile", ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")))
    etc = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
    alias = _text(values, "hostkeyalias")
    return Settings(
        target=target,
        host=given.host,
        port=given.port,
        user=given.user,
        key_name=alias or given.host,
        key_port=PORT if alias else given.port,
        jumps=jumps,
        proxy=proxy,
        mode=STRICT_MODES.get(values.get("stricthostkeychecking", ""), ""),
        known_files=tuple(map(given.path, known)),
        system_known_files=tuple(
            Path(one).expanduser() for one in _unless_none(values.get("globalknownhostsfile", etc))
        ),
        connect_seconds=float(values.get("connecttimeout", 0)),
        key_files=tuple(map(given.path, identities)),
        only_key_files=values.get("identitiesonly", False),
        agent=_agent(given),
        host_key_algorithms=_known(values, "HostKeyAlgorithms", [*get_certificate_algs(), *get_public_key_algs()]),
        options=_options(given),
    )


def _options(given: Given) -> asyncssh.SSHClientConnectionOptions:
    values = given.values
    options: dict[str, Any] = {
        "kex_algs": _known(values, "KexAlgorithms", get_kex_algs()),
        "encryption_algs": _known(values, "Ciphers", get_encryption_algs()),
        "mac_algs": _known(values, "MACs", get_mac_algs()),
        "signature_algs": _known(values, "CASignatureAlgorithms", get_public_key_algs()),
        "family": values.get("addressfamily"),
        "local_addr": (bound, 0) if (bound := _text(values, "bindaddress")) else None,
        "public_key_auth": values.get("pubkeyauthentication"),
        "host_key_alias": _text(values, "hostkeyalias"),
        "compression_algs": _COMPRESSION.get(values.get("compression")),
    }
    certificates = [given.path(one) for one in values.get("certificatefile", ()) if one.lower() != "none"]
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        host=given.host,
        port=given.port,
        username=given.user,
        client_keys=None,
        client_certs=[str(path) for path in certificates if path.is_file()],
        **{name: value for name, value in options.items() if value not in (None, "")},
        **_FIXED,
    )


_COMPRESSION: dict[Any, str] = {True: "zlib@openssh.com,zlib,none", False: "none,zlib@openssh.com,zlib"}


def _known(values: dict[str, Any], option: str, possible: Sequence[bytes]) -> str:
    """Returns the algorithms that are given and that asyncssh has, or an empty text if none are given: OpenSSH has some
    that asyncssh does not have.

    Raises:
        ValueError: none of those that are wanted is known.
    """
    whole: str = values.get(option.lower(), "")
    sign = whole[:1] if whole[:1] in ("+", "-", "^") else ""
    names = [name.decode() for name in possible]
    patterns = whole.removeprefix(sign).split(",")
    kept = [pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)]
    if whole and not sign and not kept:
        raise ValueError(f"wrpme has none of the algorithms in {option} {whole}")
    return sign + ",".join(kept) if kept else ""


def _way(target: Target, given: Given) -> tuple[str, str]:
    """Returns the jump hosts and the command that lead to that machine; each is empty if there is none."""
    if target.jump:
        return ("" if target.jump == "none" else target.jump), ""
    return given.expand(_text(given.values, "proxyjump")), given.expand(_text(given.values, "proxycommand"))


def _check_name(target: Target, given: Given, direct: bool) -> None:
    """Raises ValueError if the name would be made canonical: a host key is looked up under the name that is given."""
    values, host = given.values, given.host
    domains = _unless_none(values.get("canonicaldomains", ()))
    short = host.count(".") <= values.get("canonicalizemaxdots", MAX_DOTS) and not host.endswith(".")
    is_address = ":" in host or host.replace(".", "").isdigit()
    if values.get("canonicalizehostname") and direct and domains and short and not is_address:
        raise ValueError(
            f"CanonicalizeHostname is not supported: give the full name of {target.name}, or a full HostName for it"
        )


def _agent(given: Given) -> str:
    value: str = given.values.get("identityagent", "SSH_AUTH_SOCK")
    if value.lower() == "none":
        return ""
    if value == "SSH_AUTH_SOCK" or (value.startswith("$") and not value.startswith("${")):
        return os.environ.get(value.removeprefix("$"), "")
    return str(given.path(value))


def _text(values: dict[str, Any], option: str) -> str:
    text: str = values.get(option, "")
    return "" if text.lower() == "none" else text


def _unless_none(words: Sequence[str]) -> Sequence[str]:
    return () if [word.lower() for word in words] == ["none"] else words
