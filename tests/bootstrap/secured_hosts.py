"""Two hosts whose agents make keys, and keep certificates and what they trust: for commands about TLS, without SSH."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from tests.bootstrap.fleet_parts import Agent
from tests.bootstrap.plan_parts import RELEASE
from tests.bootstrap.stub_hosts import NAMES, StubHosts
from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.topology.file import Host
from wrpme.protocol.access.messages import AddUser, GetUsers, RemoveUser, Users
from wrpme.protocol.access.users import User
from wrpme.protocol.messages import Done, Reply, Request

MANAGED = "[tls]\nmanaged = true\n"
MORE = ("make_key", "certify", "reread", "shown")


class SecuredHosts(StubHosts):
    """``modes`` has each mode that a node was started with, in their order; ``shown`` what a node shows that runs, and
    ``deaf`` those that read nothing while they run. ``users`` are those of the hive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(directory / "config"))
        self.modes: list[tuple[str, str]] = []
        self.shown_by: dict[str, str] = {}
        self.trusted_by: dict[str, str] = {}
        self.deaf: set[str] = set()
        self.users: tuple[User, ...] = ()
        self.users_answer: Callable[[int], Reply] = lambda number: Users(number, self.users, 3)
        self._pairs: dict[str, str] = {}
        super().__init__(monkeypatch, directory)
        self.seen = lambda found: replace(found, key_makers=(RELEASE,))
        self.write()

    def file_with(self, head: str, *lines: str) -> None:
        """The topology file, with that table before its nodes."""
        self.write(*lines)
        self.file.write_text(head + "\n" + self.file.read_text())

    def agent(self, host: Host) -> Agent:
        agent = super().agent(host)
        agent._others |= {do: self._action(host.name, do) for do in MORE}
        usual = agent._reply

        def reply(request: Request) -> Reply:
            if isinstance(request, GetUsers):
                return self.users_answer(request.id)
            if isinstance(request, AddUser):
                self.users = (*self.users, replace(request.user, changed=3))
                self.actions.append(f"{host.name} add {request.user.name}")
                return Done(request.id)
            if isinstance(request, RemoveUser):
                self.users = tuple(one for one in self.users if one.name != request.name)
                self.actions.append(f"{host.name} remove {request.name}")
                return Done(request.id)
            return usual(request)

        agent._reply = reply
        return agent

    def _action(self, name: str, do: str) -> Callable[..., dict[str, Any]]:
        usual = super()._action(name, do)

        def action(**arguments: Any) -> dict[str, Any]:
            if do in MORE:
                self.check(name, do)
                self.actions.append(f"{name} {do}")
                answer: dict[str, Any] = getattr(self, f"_{do}")(name, **arguments)
                return answer
            told = usual(**arguments)
            found = self.found[name]
            if do == "configure":
                self.found[name] = replace(found, record=self.records[name])
            if do == "start":
                record = self.found[name].record
                assert record is not None
                self.modes.append((name, record.tls))
                self.found[name] = replace(self.found[name], pid=42, hive=b"h".hex() * 16, release_running=RELEASE)
                self._read(name)
            if do == "stop":
                self.found[name] = replace(found, pid=None)
            return told

        return action

    def _read(self, name: str) -> None:
        self.shown_by[name], self.trusted_by[name] = self.found[name].certificate, self.found[name].trusted

    def _make_key(self, at: str, name: str, release: str) -> dict[str, Any]:
        assert release == RELEASE
        key = ec.generate_private_key(ec.SECP256R1())
        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        return {"request": made.public_bytes(serialization.Encoding.PEM).decode()}

    def _certify(self, at: str, name: str, trusted: str, certificate: str, now: bool) -> dict[str, Any]:
        self.found[at] = replace(self.found[at], trusted=trusted)
        if certificate:
            self._pairs[at] = certificate
        if now and at in self._pairs:
            self.found[at] = replace(self.found[at], certificate=self._pairs.pop(at))
        return {}

    def _reread(self, at: str, name: str) -> dict[str, Any]:
        if at not in self.deaf:
            self._read(at)
        return {}

    def _shown(self, at: str, name: str, address: object, as_next: bool, seconds: float) -> dict[str, Any]:
        if as_next and not trusts(self.trusted_by[at], self._pairs[at]):
            return {"certificate": ""}
        return {"certificate": self.shown_by[at]}

    # --- what is there ---------------------------------------------------------------------------------------------

    @property
    def credentials(self) -> Path:
        """The operator's directory for the hive."""
        (found,) = Path(os.environ["XDG_CONFIG_HOME"], "wrpme/hives").iterdir()
        return found

    @property
    def state(self) -> dict[str, Any]:
        """What its ``hive.json`` says."""
        found: dict[str, Any] = json.loads((self.credentials / "hive.json").read_text())
        return found

    def age(self, name: str, days: float) -> None:
        """The certificate of that node is so many days older, by the clock of who signed it."""
        (one,) = (self.credentials / f"{one}.pem" for one in (self.state["issuer"],))
        issuer = authority.Authority(self.state["issuer"], one.read_text(), one.with_suffix(".key").read_text())
        request = self._make_key(name, "", RELEASE)["request"]
        old = authority.issue(issuer, request, [name, "host"], 90, time.time() - days * 86_400)
        self.found[name] = replace(self.found[name], certificate=old)
        self._read(name)

    def understand(self) -> bool:
        """All nodes trust each other's certificates."""
        return all(trusts(self.trusted_by[one], self.shown_by[other]) for one in NAMES for other in NAMES)


def trusts(bundle: str, certificate: str) -> bool:
    """Whether one of these CAs has signed it."""
    shown = x509.load_pem_x509_certificate(certificate.encode())
    for one in x509.load_pem_x509_certificates(bundle.encode()):
        try:
            shown.verify_directly_issued_by(one)
        except (InvalidSignature, ValueError):  # of another key, or of another name
            continue
        return True
    return False


async def secured(hosts: SecuredHosts) -> None:
    """A hive with TLS."""
    hosts.file_with(MANAGED)
    await hosts.run("hive_apply")
    hosts.actions.clear()
    hosts.modes.clear()
