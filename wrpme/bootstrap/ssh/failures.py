"""The sentence for each way in which a login can fail: what happened, at which address, and what to do about it."""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass

import asyncssh

from wrpme.bootstrap.ssh.config import Settings
from wrpme.bootstrap.ssh.identities import Offer
from wrpme.bootstrap.ssh.known_hosts import PORT

NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)


@dataclass
class LoginProgress:
    """How far a login has come, and which keys it may try."""

    offer: Offer
    seconds: float = 0.0
    """How long the present step may take."""
    connected: bool = False
    """Whether there is a connection, or a channel through the jump host."""
    answered: bool = False
    """Whether the other side has said that it is an SSH server."""
    logging_in: bool = False
    """Whether the host has proved that it has a key that is trusted."""


def sentence(settings: Settings, progress: LoginProgress, error: Exception) -> str:
    """Returns why that machine could not be reached, or did not let us log in."""
    if not progress.connected:
        happened = _unreachable(settings, progress, error)
    elif not progress.answered:
        happened = _no_server(settings, progress, error)
    elif not progress.logging_in:
        happened = _no_handshake(settings, progress, error)
    else:
        happened = _no_login(settings, progress, error)
    return f"{settings.target.name}: {happened}"


def _unreachable(settings: Settings, progress: LoginProgress, error: Exception) -> str:
    address = settings.address
    if isinstance(error, asyncssh.ChannelOpenError):
        jump = settings.jumps.rpartition(",")[2]
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            return f"its jump host {jump} passes no connections on to {address}; look at AllowTcpForwarding in its sshd"
        return f"its jump host {jump} can't connect to {address} ({error.reason}); check that machine from there"
    if isinstance(error, socket.gaierror):
        return (
            f"the name {settings.host} is not known ({error.strerror}); check its spelling, the name service and "
            "HostName in ~/.ssh/config"
        )
    if isinstance(error, TimeoutError):
        return (
            f"nothing answered at {address} within {progress.seconds:g} s; check the address, whether the machine runs "
            "and firewalls on the way"
        )
    number = _number(error)
    if number == errno.ECONNREFUSED:
        return f"{address} refuses connections, so no sshd listens there; start it there, or name its port"
    if number in NO_ROUTE:
        return (
            f"there is no route to {address} ({os.strerror(number)}); check the address, whether the machine runs and "
            "the network"
        )
    return f"{address} can't be reached ({_reason(error)})"


def _no_server(settings: Settings, progress: LoginProgress, error: Exception) -> str:
    if settings.proxy:
        return f"no SSH server answered through its ProxyCommand; try that by hand: {settings.proxy}"
    if isinstance(error, TimeoutError):
        return (
            f"{settings.address} takes connections, but no SSH server answered there within {progress.seconds:g} s; "
            "either something else listens on that port, or the machine is stuck"
        )
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported | ValueError):
        return f"what listens at {settings.address} is no SSH server that can be talked to ({_reason(error)})"
    return (
        f"{settings.address} ended the connection before it said that it is an SSH server; either something else "
        "listens on that port, or its sshd takes no more connections now (MaxStartups)"
    )


def _no_handshake(settings: Settings, progress: LoginProgress, error: Exception) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"the host key or certificate of {settings.address} is not accepted ({_reason(error)})"
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return (
            f"we have no algorithm in common with the SSH server at {settings.address} ({_reason(error)}); update it, "
            "or allow what it has in ~/.ssh/config (HostKeyAlgorithms, KexAlgorithms, Ciphers)"
        )
    if isinstance(error, TimeoutError):
        return f"the SSH server at {settings.address} stopped answering for {progress.seconds:g} s before the login"
    return f"the connection to {settings.address} ended before the login ({_reason(error)}); try again"


def _no_login(settings: Settings, progress: LoginProgress, error: Exception) -> str:
    where = f"{settings.user} at {settings.address}"
    if isinstance(error, TimeoutError):
        return f"the login of {where} was not over after {progress.seconds:g} s; look at its sshd, or at ssh-agent"
    if "Too many authentication failures" in str(error):
        return (
            f"the login of {where} was refused after too many keys had been tried ({', '.join(progress.offer.named)}); "
            "name the right one for this host in ~/.ssh/config with IdentityFile and IdentitiesOnly yes"
        )
    if not isinstance(error, asyncssh.PermissionDenied):
        return f"the connection ended during the login of {where} ({_reason(error)}); look at the log of its sshd"
    left_out = f"; not tried: {', '.join(progress.offer.left_out)}" if progress.offer.left_out else ""
    if progress.offer.unsigned:
        return (
            f"the login of {where} failed on this side: its SSH server takes the key, but "
            f"{'; '.join(dict.fromkeys(progress.offer.unsigned))}{left_out}"
        )
    copying = f"ssh-copy-id {'' if settings.port == PORT else f'-p {settings.port} '}{settings.user}@{settings.host}"
    if not progress.offer.named:
        return (
            f"the login of {where} needs a key, and there is none in ssh-agent or ~/.ssh{left_out}; make one with "
            f"ssh-keygen and put it there with {copying} (passwords are not supported)"
        )
    return (
        f"the login of {where} was refused, with the keys {', '.join(progress.offer.named)}{left_out}; put one of them "
        f"there with {copying}, or name another user (passwords are not supported)"
    )


def _number(error: Exception) -> int:
    """Returns the errno, which for a name with several addresses is that of the last one; 0 if there is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.findall(r"\[Errno (\d+)\]", str(error))
    return int(found[-1]) if found else 0


def _reason(error: Exception) -> str:
    if isinstance(error, asyncssh.DisconnectError):
        return error.reason or type(error).__name__
    number = _number(error)
    return os.strerror(number) if number > 0 else str(error) or type(error).__name__
