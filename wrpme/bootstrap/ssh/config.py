"""The settings for a login: those of the topology, then what ~/.ssh/config and the system's ssh_config say of a host.

asyncssh reads the files as OpenSSH does (Host, Match, Include). This module adds what asyncssh leaves out:
StrictHostKeyChecking, tokens in UserKnownHostsFile, and a shell for ProxyCommand.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import asyncssh
from asyncssh.config import SSHClientConfig

from wrpme.bootstrap.ssh.known_hosts import PORT
from wrpme.errors import RemoteError

SYSTEM = Path("/etc/ssh/ssh_config")
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
STRICT_MODES = {"yes": "strict", "true": "strict", "ask": "ask", "accept-new": "accept-new"}
"""The mode of host keys for each value of StrictHostKeyChecking. Values that trust any key count as not given."""

# asyncssh ignores options that it has no handler for.
_HANDLERS: dict[str, Any] = getattr(SSHClientConfig, "_handlers", {})
_HANDLERS.setdefault("stricthostkeychecking", ("StrictHostKeyChecking", getattr(SSHClientConfig, "_set_string", None)))


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
    own_algorithms: bool
    """Whether HostKeyAlgorithms is given."""
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
    files = [path for path in (Path.home() / ".ssh/config", SYSTEM) if path.exists()]
    try:
        options = await asyncssh.SSHClientConnectionOptions.construct(
            None,
            config=files,
            host=target.name,
            port=target.port or (),
            username=target.user or (),
            client_keys=None,
            **_FIXED,
        )
        if options.config.has_match_final():
            again = partial(options.update, host=target.name, reload=True, final=True)
            await asyncio.get_running_loop().run_in_executor(None, again)
        return _settings(target, options)
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


def _settings(target: Target, options: asyncssh.SSHClientConnectionOptions) -> Settings:
    config = options.config
    _check_name(target, options)
    expand = partial(_expanded, target, options)
    own_jump = "" if target.jump == "none" else target.jump
    jumps = own_jump if target.jump else cast(str | None, config.get("ProxyJump")) or ""
    identities = cast(list[str] | None, config.get("IdentityFile"))
    if identities is None:
        identities = [str(Path.home() / ".ssh" / name) for name in DEFAULT_KEYS]
    known = cast(Sequence[str], config.get("UserKnownHostsFile", ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")))
    etc = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
    return Settings(
        target=target,
        host=options.host,
        port=options.port,
        user=options.username,
        key_name=options.host_key_alias or options.host,
        key_port=PORT if options.host_key_alias else options.port,
        jumps=jumps,
        proxy="" if jumps or target.jump else cast(str | None, config.get("ProxyCommand")) or "",
        mode=STRICT_MODES.get(str(config.get("StrictHostKeyChecking", "")).lower(), ""),
        known_files=tuple(map(expand, known)),
        system_known_files=tuple(map(expand, cast(Sequence[str], config.get("GlobalKnownHostsFile", etc)))),
        connect_seconds=float(cast(int, config.get("ConnectTimeout", 0))),
        key_files=tuple(Path(path).expanduser() for path in identities),
        only_key_files=bool(config.get("IdentitiesOnly")),
        agent=_agent(config),
        own_algorithms=config.get("HostKeyAlgorithms") is not None,
        options=options,
    )


def _check_name(target: Target, options: asyncssh.SSHClientConnectionOptions) -> None:
    """Raises ValueError if the name would be made canonical: a host key is looked up under the name that was given."""
    short = target.name.count(".") <= options.canonicalize_max_dots and ":" not in target.name
    if options.canonicalize_hostname and options.canonical_domains and short:
        raise ValueError(
            f"CanonicalizeHostname is not supported: give the full name of {target.name}, or a HostName for it"
        )


def _agent(config: SSHClientConfig) -> str:
    given = cast(str | None, config.get("IdentityAgent", "SSH_AUTH_SOCK"))
    if given is None:
        return ""
    if given == "SSH_AUTH_SOCK" or given.startswith("$"):
        return os.environ.get(given.removeprefix("$"), "")
    return str(Path(given).expanduser())


def _expanded(target: Target, options: asyncssh.SSHClientConnectionOptions, text: str) -> Path:
    """Returns the path with the tokens of ssh_config replaced. Raises ValueError for one that is not supported."""
    tokens = {"%": "%", "d": str(Path.home()), "h": options.host, "n": target.name, "p": str(options.port)}
    tokens |= {"r": options.username, "k": options.host_key_alias or target.name, "i": str(os.getuid())}

    def token(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            raise ValueError(f"{found[0]} in {text} is not supported")
        return tokens[found[1]]

    return Path(os.path.expandvars(re.sub("%(.)", token, text))).expanduser()
