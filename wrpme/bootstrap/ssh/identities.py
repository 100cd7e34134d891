"""The keys that a login tries: those of ssh-agent and of the private key files, in the order of OpenSSH.

Each file is read once for all hosts. That an RSA key is sound is not checked, as this takes a third of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncssh

from wrpme.bootstrap.limits import SSH_AGENT_SECONDS_MAX
from wrpme.bootstrap.ssh.config import Settings
from wrpme.bootstrap.ssh.known_hosts import HostKey, tilde


@dataclass(frozen=True)
class Offer:
    """The keys that one login may try."""

    keys: tuple[Any, ...] = ()
    """The keys as asyncssh takes them."""
    named: tuple[str, ...] = ()
    """Their names, for sentences."""
    left_out: tuple[str, ...] = ()
    """The other keys, which are not tried, and why."""
    unsigned: list[str] = field(default_factory=list)
    """The keys that the server took and that did not sign then, and why; known after the login."""


@dataclass(frozen=True)
class _File:
    public: bytes = b""
    key: asyncssh.SSHKey | None = None
    certificate: Path | None = None
    fault: str = ""


class LoginKeys:
    """The keys of one command. It keeps one connection to each ssh-agent."""

    def __init__(self) -> None:
        self._files: dict[Path, _File] = {}
        self._agents: dict[str, asyncssh.SSHAgentClient] = {}

    async def offer(self, settings: Settings) -> Offer:
        """Returns the keys for a login with these settings."""
        left_out: list[str] = []
        from_agent = await self._of_agent(settings.agent, left_out)
        files = {path: self._read(path) for path in settings.key_files}
        configured = {file.public for file in files.values() if file.public}
        # OpenSSH: the agent's keys that are also configured, the agent's other keys, then what only files have.
        from_agent.sort(key=lambda pair: pair.key_public_data not in configured)
        if settings.only_key_files:
            from_agent = [pair for pair in from_agent if pair.key_public_data in configured]
        keys: list[Any] = list(from_agent)
        unsigned: list[str] = []
        for pair in from_agent:
            _note_refusal(pair, f"ssh-agent declined to sign with {_named(pair.key_public_data)}", unsigned)
        named = [f"{_named(pair.key_public_data)} of ssh-agent" for pair in from_agent]
        held = {pair.key_public_data for pair in from_agent}
        for path, file in files.items():
            if file.public in held:
                continue
            if file.key is not None and _is_in_hardware(file.public):
                if not has_fido2():
                    left_out.append(f"{tilde(path)} {NO_FIDO2}")
                    continue
                given = (file.key, str(file.certificate)) if file.certificate else file.key
                pairs = asyncssh.load_keypairs([given])
                for pair in pairs:
                    _note_refusal(pair, f"the hardware of {tilde(path)} did not sign", unsigned)
                keys += pairs
                named.append(f"{tilde(path)} {_named(file.public)}")
            elif file.key is not None:
                keys.append((file.key, str(file.certificate)) if file.certificate else file.key)
                named.append(f"{tilde(path)} {_named(file.public)}")
            elif file.fault:
                left_out.append(f"{tilde(path)} {file.fault}")
        return Offer(tuple(keys), tuple(named), tuple(left_out), unsigned)

    async def close(self) -> None:
        """Ends the connections to all ssh-agents."""
        for agent in self._agents.values():
            agent.close()
            await agent.wait_closed()
        self._agents.clear()

    async def _of_agent(self, path: str, left_out: list[str]) -> list[asyncssh.SSHKeyPair]:
        if not path:
            return []
        agent = self._agents.setdefault(path, asyncssh.SSHAgentClient(path))
        try:
            async with asyncio.timeout(SSH_AGENT_SECONDS_MAX):
                return list(await agent.get_keys())
        except (ValueError, TimeoutError) as error:
            left_out.append(f"ssh-agent at {tilde(Path(path))} does not answer ({str(error) or 'timeout'})")
            return []

    def _read(self, path: Path) -> _File:
        if path not in self._files:
            self._files[path] = _read(path)
        return self._files[path]


NO_FIDO2 = (
    "is a key in hardware, and the package fido2, which talks to that, is not installed (pip install fido2, or let "
    "ssh-agent have the key: ssh-add)"
)


def has_fido2() -> bool:
    """Returns whether keys in hardware can be used without ssh-agent."""
    return find_spec("fido2") is not None


def _is_in_hardware(public: bytes) -> bool:
    return public[4:7] == b"sk-"


def _note_refusal(pair: asyncssh.SSHKeyPair, what: str, unsigned: list[str]) -> None:
    """Has it noted if that key does not sign: asyncssh goes on with the next key without a word."""

    @contextmanager
    def noted() -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            unsigned.append(f"{what} ({error})")
            raise ValueError(str(error)) from None

    def signed(data: bytes) -> bytes:
        with noted():
            return sign(data)

    async def signed_by_agent(data: bytes) -> bytes:
        with noted():
            signature: bytes = await sign_async(data)
            return signature

    # A key of an agent signs by the one method, any other key by the other one.
    sign = pair.sign
    sign_async: Any = getattr(pair, "sign_async", None)
    setattr(pair, "sign", signed)  # noqa: B010
    if sign_async is not None:
        setattr(pair, "sign_async", signed_by_agent)  # noqa: B010


def _read(path: Path) -> _File:
    """Reads a private key file. That it does not exist is no fault: most of the usual ones don't."""
    public = _public(path.with_name(f"{path.name}.pub")) or _public(path)
    try:
        key = asyncssh.read_private_key(path, unsafe_skip_rsa_key_validation=True)
    except FileNotFoundError:
        return _File(public)
    except OSError as error:
        return _File(public, fault=f"can't be read ({error.strerror})")
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
        if str(error).startswith("Passphrase"):
            return _File(public, fault=f"has a passphrase (run ssh-add {tilde(path)} first)")
        # It is usual to configure the file with the public half where ssh-agent has the private one.
        return _File(public) if public else _File(fault=f"is no private key that can be read ({error})")
    certificate = path.with_name(f"{path.name}-cert.pub")
    return _File(key.public_data, key, certificate if certificate.exists() else None)


def _public(path: Path) -> bytes:
    try:
        return asyncssh.read_public_key(path).public_data
    except (OSError, asyncssh.KeyImportError):
        return b""


def _named(public: bytes) -> str:
    length = int.from_bytes(public[:4], "big")
    return str(HostKey(public[4 : 4 + length].decode("ascii", "replace"), public))
