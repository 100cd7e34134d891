"""The keys that a login tries: those of ssh-agent and of the private key files, in the order of OpenSSH.

Each file is read once for all hosts. That an RSA key is sound is not checked, as this takes a third of a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
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
        named = [f"{_named(pair.key_public_data)} of ssh-agent" for pair in from_agent]
        held = {pair.key_public_data for pair in from_agent}
        for path, file in files.items():
            if file.public in held:
                continue
            if file.key is not None:
                keys.append((file.key, str(file.certificate)) if file.certificate else file.key)
                named.append(f"{tilde(path)} {_named(file.public)}")
            elif file.fault:
                left_out.append(f"{tilde(path)} {file.fault}")
        return Offer(tuple(keys), tuple(named), tuple(left_out))

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
