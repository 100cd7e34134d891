"""What this user has to do with hives whose TLS ``hive_apply`` manages: a directory for each, in ~/.config/wrpme/hives.

``hive.json`` says which nodes the hive has, and whether they take TLS; ``ca.pem`` has the certificates of the CAs that
whoever connects trusts. Beside them are certificates and keys of the CAs, of which
:mod:`wrpme.bootstrap.credentials.store` knows more: other programs need these two files alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

STATE, TRUSTED, PASSWORD = "hive.json", "ca.pem", "operator.password"
OPERATOR = "operator"
"""The admin whom hive_apply adds; ``operator.password`` has his password."""


class Known(NamedTuple):
    """What this user has of a hive that takes TLS: files with its CA and a password, and whose that is; empty where
    there is none."""

    ca: str = ""
    user: str = ""
    password_file: str = ""


class HiveFile(Struct, frozen=True):
    """What ``hive.json`` says. CAs are named by their ids; fields of a later version are ignored."""

    nodes: tuple[str, ...]
    """The addresses at which nodes listen, and those that others are told."""
    issuer: str
    """The CA that certificates are from,"""
    trusted: tuple[str, ...]
    """and those that all nodes and clients trust: two, while the CA changes."""
    prepared: bool = False
    """Whether all nodes trust the second one."""
    secured: bool = False
    """Whether all nodes take TLS."""


def config_directory() -> str:
    """Returns where files of the user about wrpme are."""
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "wrpme")


def directory() -> str:
    """Returns the directory with those of all hives."""
    return os.path.join(config_directory(), "hives")


def known() -> dict[str, HiveFile]:
    """Returns what is said of each hive, by its directory. One that can't be read is not known."""
    found: dict[str, HiveFile] = {}
    try:
        names = sorted(os.listdir(directory()))
    except OSError:
        return found
    for name in names:
        path = os.path.join(directory(), name)
        try:
            with open(os.path.join(path, STATE), "rb") as file:
                found[path] = msgspec.json.decode(file.read(), type=HiveFile)
        except (OSError, msgspec.MsgspecError):
            continue
    return found


def known_of(addresses: Iterable[str]) -> Known:
    """Returns what this user has of the hive that has a node at one of these addresses."""
    hives = known()
    for address in addresses:
        for path, hive in hives.items():
            if hive.secured and address in hive.nodes:
                password = os.path.join(path, PASSWORD)
                has = os.path.exists(password)
                return Known(os.path.join(path, TRUSTED), OPERATOR if has else "", password if has else "")
    return Known()


def ca_of(addresses: Iterable[str]) -> str:
    """Returns the file of CAs for the hive that has a node at one of these addresses; empty if none is known that takes
    TLS."""
    return known_of(addresses).ca
