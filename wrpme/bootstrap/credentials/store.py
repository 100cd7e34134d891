"""The CAs of a hive, as the operator has them: in a directory that :mod:`wrpme.files.hives` describes.

A CA is ``ID.pem`` with its key ``ID.key``, which only this user can read and which never leaves. A key is written
before ``hive.json`` names its CA, and removed after it does not any more, so nothing that is cut off loses one.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.credentials.authority import Authority
from wrpme.errors import StorageError
from wrpme.files import durable, hives
from wrpme.files.hives import HiveFile


PASSWORD_BYTES = 24


class Credentials:
    """What this machine has of one hive: its CAs, and what is to be trusted."""

    def __init__(self, directory: str, state: HiveFile, authorities: dict[str, Authority]) -> None:
        self.directory = directory
        self.state = state
        self._authorities = authorities

    @property
    def trusted(self) -> str:
        """The certificates of all CAs that are trusted, in PEM."""
        return "".join(self._authorities[one].certificate for one in self.state.trusted)

    @property
    def issuer(self) -> Authority:
        """The CA that certificates are from. Without a key it is one that this machine can't sign for."""
        return self._authorities[self.state.issuer]

    @property
    def newest(self) -> Authority:
        """The CA that certificates are from at the end: another one than the issuer, while the CA begins to change."""
        return self._authorities[self.state.trusted[-1]]

    @property
    def changing(self) -> bool:
        """Whether the CA is being changed."""
        return len(self.state.trusted) > 1

    @property
    def shown(self) -> str:
        """The directory as the operator knows it."""
        home = os.path.expanduser("~")
        return f"~{self.directory.removeprefix(home)}" if self.directory.startswith(f"{home}/") else self.directory

    # --- changes: each is on the disk when it returns, or raises StorageError ------------------------------------

    def tell(self, nodes: Iterable[str], secured: bool) -> None:
        """Notes the nodes of the hive, and whether they take TLS."""
        fresh = replace(self.state, nodes=tuple(dict.fromkeys(nodes)), secured=secured)
        if fresh != self.state:
            self._save(fresh)

    def add(self, now: float) -> None:
        """Makes a second CA, which is trusted from now on; certificates still come from the first one."""
        made = authority.make(now)
        self._write(made)
        self._authorities[made.id] = made
        self._save(replace(self.state, trusted=(*self.state.trusted, made.id)))

    @property
    def has_operator(self) -> bool:
        """Whether the password of the operator is here."""
        return os.path.exists(f"{self.directory}/{hives.PASSWORD}")

    def operator_password(self) -> str:
        """Returns the password of the operator, which is made where there is none."""
        path = f"{self.directory}/{hives.PASSWORD}"
        if not self.has_operator:
            _write(path, secrets.token_urlsafe(PASSWORD_BYTES) + "\n", 0o600)
        try:
            with open(path) as file:
                return file.read().strip()
        except OSError as error:
            raise StorageError(f"the password {path} can't be read ({error.strerror})") from None

    def forget_operator(self) -> None:
        """Removes that password."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self.directory}/{hives.PASSWORD}")

    def prepare(self) -> None:
        """Notes that all nodes trust both CAs."""
        self._save(replace(self.state, prepared=True))

    def change_over(self) -> None:
        """Lets certificates come from the second CA."""
        self._save(replace(self.state, issuer=self.newest.id))

    def drop(self) -> None:
        """Trusts the second CA alone, and removes the first one with its key."""
        former = [one for one in self.state.trusted if one != self.state.issuer]
        self._save(replace(self.state, trusted=(self.state.issuer,), prepared=False))
        for one in former:
            for end in ("key", "pem"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.directory}/{one}.{end}")

    def _write(self, one: Authority) -> None:
        if one.key:
            _write(f"{self.directory}/{one.id}.key", one.key, 0o600)
        _write(f"{self.directory}/{one.id}.pem", one.certificate)

    def _save(self, state: HiveFile) -> None:
        self.state = state
        _write(f"{self.directory}/{hives.TRUSTED}", self.trusted)
        _write(f"{self.directory}/{hives.STATE}", msgspec.json.encode(state).decode() + "\n")


def find(nodes: Iterable[str], ids: Iterable[str]) -> Credentials | None:
    """Returns what this machine has of the hive whose certificates come from CAs with these ``ids``, or, where there
    are none yet, of the hive that has one of these nodes. One that has the key comes first.

    Raises:
        StorageError: it is there, and can't be read.
    """
    wanted, told = set(ids), set(nodes)
    found = [
        Credentials(path, state, {one: _read(path, one) for one in state.trusted})
        for path, state in hives.known().items()
        if wanted.intersection(state.trusted) or (not wanted and told.intersection(state.nodes))
    ]
    return next((one for one in found if one.issuer.key), found[0] if found else None)


def create(nodes: Iterable[str], now: float, former: Iterable[Authority] = ()) -> Credentials:
    """Makes a directory for a hive, with a new CA. Where certificates come from a ``former`` CA whose key is lost, that
    one is trusted, too, and the CA is being changed.

    Raises:
        StorageError: it can't be written.
    """
    return _directory_with(nodes, [*former, authority.make(now)])


def adopt(nodes: Iterable[str], one: Authority) -> Credentials:
    """Makes a directory for a hive whose CA, without its key, was found on its hosts: so that clients here trust it.

    Raises:
        StorageError: it can't be written.
    """
    return _directory_with(nodes, [one])


def _directory_with(nodes: Iterable[str], every: Sequence[Authority]) -> Credentials:
    told = tuple(dict.fromkeys(nodes))
    path = _make_directory(_name(told))
    state = HiveFile(told, every[0].id, tuple(one.id for one in every))
    made = Credentials(path, state, {one.id: one for one in every})
    for one in every:
        made._write(one)
    made._save(state)
    for other, former in hives.known().items():
        # What was known of these nodes before is of a CA that they have no more.
        if other != path and former.secured and set(told).intersection(former.nodes):
            _write(f"{other}/{hives.STATE}", msgspec.json.encode(replace(former, secured=False)).decode() + "\n")
    return made


def _name(nodes: Sequence[str]) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", nodes[0]).strip("-")


def place(nodes: Sequence[str]) -> str:
    """Returns where the directory of that hive would be, as the operator knows it."""
    return Credentials(f"{hives.directory()}/{_name(nodes)}", HiveFile((), "", ()), {}).shown


def _make_directory(name: str) -> str:
    """Makes a directory that was not there: what lies beside it stays."""
    top = hives.directory()
    try:
        os.makedirs(os.path.dirname(top), exist_ok=True)
        os.makedirs(top, 0o700, exist_ok=True)
        number = 1
        while True:
            path = f"{top}/{name}" if number == 1 else f"{top}/{name}.{number}"
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                if os.path.isdir(path) and not os.listdir(path):  # the making of one was cut off
                    return path
                number += 1
                continue
            return path
    except OSError as error:
        raise _refused(top, error) from None


def _read(directory: str, name: str) -> Authority:
    try:
        with open(f"{directory}/{name}.pem") as file:
            certificate = file.read()
        key = ""
        with suppress(FileNotFoundError), open(f"{directory}/{name}.key") as file:
            key = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"{directory}, with the CA of the hive, can't be read ({name}: {reason})") from None
    return Authority(name, certificate, key)


def _write(path: str, content: str, mode: int = 0o644) -> None:
    try:
        durable.write(path, content.encode(), mode)
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path}, where the CA of the hive is kept, can't be written ({error.strerror or error}); make room or let "
        "this user write there, or set XDG_CONFIG_HOME to another directory"
    )
