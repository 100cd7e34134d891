"""Which host keys are trusted: what known_hosts files and the topology say of a host, and what follows from that.

It works as in OpenSSH: a host is looked up by the name it is connected to (lower case, ``[name]:port`` for another port
than 22), in plain, wildcard and hashed entries; ``@revoked`` and ``@cert-authority`` count; lines that make no sense
are ignored. It is stricter than OpenSSH in one thing: a host that is known by keys of some types, and shows a key of
another type as it has none of those any more, has a changed key.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

PORT = 22
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""The types of host keys, the preferred ones first, with the signature algorithms of each."""


@dataclass(frozen=True)
class HostKey:
    """A public key: ``kind`` is as in known_hosts, such as ssh-ed25519, and ``blob`` the key as on the wire."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """Returns SHA256:..., as OpenSSH shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """Returns the key as in a public key file."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def __str__(self) -> str:
        """Returns ED25519 SHA256:..., for sentences."""
        return f"{_file_kind(self).upper()} {self.fingerprint}"


@dataclass(frozen=True)
class Known:
    """A key that a file has for a host."""

    key: HostKey
    name: str
    """The name by which the host was looked up."""
    file: Path
    line: int

    @property
    def place(self) -> str:
        """Returns "line 3 of ~/.ssh/known_hosts"."""
        return f"line {self.line} of {tilde(self.file)}"


@dataclass(frozen=True)
class Record:
    """All that the files have for one host."""

    keys: tuple[Known, ...] = ()
    authorities: tuple[Known, ...] = ()
    """A host with a certificate by one of these is trusted."""
    revoked: tuple[Known, ...] = ()
    other_port: tuple[Known, ...] = ()
    """The keys of the same name on port 22. They can make a key trusted, but never make it a changed one."""


class Judgement(Enum):
    """What the files and pins make of a key that a host shows."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


def tilde(path: Path | str) -> str:
    """Returns the path as an operator would write it, with ~ for the home directory."""
    path, home = Path(path), Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def name_in_files(host: str, port: int) -> str:
    """Returns the name of a host in known_hosts."""
    return host.lower() if port == PORT else f"[{host.lower()}]:{port}"


def look_up(files: Sequence[Path], host: str, port: int) -> Record:
    """Returns what those files have for a host; a file that does not exist has nothing.

    Raises:
        OSError: a file can't be read.
    """
    name = name_in_files(host, port)
    by_marker: dict[str, list[Known]] = {"": [], "@cert-authority": [], "@revoked": [], "other port": []}
    for file in files:
        for marker, known in _entries(file, name):
            by_marker[marker].append(known)
        if port != PORT:
            by_marker["other port"] += [known for marker, known in _entries(file, host.lower()) if not marker]
    return Record(
        keys=tuple(by_marker[""]),
        authorities=tuple(by_marker["@cert-authority"]),
        revoked=tuple(by_marker["@revoked"]),
        other_port=tuple(by_marker["other port"]) if not by_marker[""] else (),
    )


def judge(key: HostKey, record: Record, pins: Sequence[str]) -> Judgement:
    """Returns the judgement of a key. ``pins`` (fingerprints), if any, decide alone, except about revoked keys."""
    if any(known.key.blob == key.blob for known in record.revoked):
        return Judgement.REVOKED
    if pins:
        trusted = key.fingerprint in [pin.rstrip("=") for pin in pins]
        return Judgement.TRUSTED if trusted else Judgement.CHANGED
    if any(known.key.blob == key.blob for known in record.keys + record.other_port):
        return Judgement.TRUSTED
    return Judgement.CHANGED if record.keys else Judgement.UNKNOWN


def algorithms(record: Record, without: Sequence[str] = ()) -> list[str]:
    """Returns the algorithms to ask a host for, the best first, without those of the types ``without``.

    They are certificates if an authority is known, then the types of keys that are known, then all others.
    """
    known = {entry.key.kind for entry in record.keys or record.other_port}
    kinds = sorted((kind for kind in ALGORITHMS if kind not in without), key=lambda kind: kind not in known)
    plain = [name for kind in kinds for name in ALGORITHMS[kind]]
    return [f"{name}-cert-v01@openssh.com" for name in plain if record.authorities] + plain


def remember(file: Path, host: str, port: int, key: HostKey) -> None:
    """Appends the key to the file. Nothing is lost that another process appends at the same time, and if the file is
    made here, only its owner can read it.

    Raises:
        OSError: the file can't be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{name_in_files(host, port)} {key.line}\n".encode()
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
    finally:
        os.close(descriptor)


def question(name: str, address: str, key: HostKey, file: Path | None) -> str:
    """Returns what the operator is asked before a new key is trusted."""
    kept = f" and kept in {tilde(file)}" if file is not None else ""
    return (
        f"{name}: the host key of {address} is not known; it shows {key}. Compare this with the machine's own. "
        f"It is trusted{kept} if you answer yes: "
    )


def declined(name: str, address: str, key: HostKey) -> str:
    """Returns the sentence after another answer than yes."""
    return f"{name}: the host key of {address}, {key}, was not trusted, so nothing was done there; only yes trusts it"


def refusal(
    name: str, address: str, key: HostKey, record: Record, pins: Sequence[str], because: str, can_pin: bool
) -> str:
    """Returns the sentence for a key that is not trusted.

    ``because`` says why a new key is not (nobody to ask, strict), ``can_pin`` whether a topology may have the
    fingerprint of this machine.
    """
    own = f"ssh-keygen -lf /etc/ssh/ssh_host_{_file_kind(key)}_key.pub"
    judgement = judge(key, record, pins)
    if judgement is Judgement.REVOKED:
        place = next(known.place for known in record.revoked if known.key.blob == key.blob)
        return (
            f"{name}: the host key of {address}, {key}, is marked as revoked by {place}, so it is never trusted; "
            "give the machine a new key"
        )
    if pins:
        return (
            f"{name}: the host key is not the pinned one: {address} shows {key}, and {' or '.join(pins)} is pinned; "
            "somebody else may answer in its place; if the machine was given a new key on purpose, compare it there "
            f"({own}) and change host_key in the topology"
        )
    if judgement is Judgement.CHANGED:
        had = " and ".join(f"{known.place} has {known.key}" for known in record.keys)
        return (
            f"{name}: the host key has changed: {address} shows {key}, but {had}; somebody else may answer in its "
            f"place; if the machine was given a new key on purpose, compare it there ({own}), {_removal(record.keys)} "
            "and try again"
        )
    pinning = f', or pin it in the topology with host_key = "{key.fingerprint}"' if can_pin else ""
    return (
        f"{name}: the host key is not known, and {because}: {address} shows {key}; compare it there ({own}), then "
        f"log in once with ssh and answer yes{pinning}"
    )


def _removal(keys: Sequence[Known]) -> str:
    lines = ", ".join(known.place for known in keys)
    names = sorted({(known.name, known.file) for known in keys})
    commands = []
    for name, file in names:
        where = "" if file == Path.home() / ".ssh/known_hosts" else f" -f {shlex.quote(str(file))}"
        commands.append(f"ssh-keygen -R {shlex.quote(name)}{where}")
    return f"remove {lines} ({'; '.join(commands)})"


def _file_kind(key: HostKey) -> str:
    """Returns the kind of the key as it is in the name of its file on a usual machine."""
    return key.kind.removeprefix("ssh-").partition("-")[0]


def _entries(file: Path, name: str) -> Iterator[tuple[str, Known]]:
    """Yields the marker and the key of each line that is about that name."""
    try:
        lines = file.read_bytes().decode("utf-8", "replace").split("\n")  # the lines that OpenSSH counts
    except (FileNotFoundError, NotADirectoryError):
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", "@cert-authority", "@revoked") or not _is_about(words[0], name):
            continue
        key = _key(words[1], words[2])
        if key is not None:
            yield marker, Known(key, name, file, number)


def _key(kind: str, text: str) -> HostKey | None:
    """Returns the key, or None if this is none."""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    # The blob begins with its own kind, as a string of SSH: four bytes of length, then the text.
    begin = len(kind).to_bytes(4, "big") + kind.encode()
    return HostKey(kind, blob) if blob.startswith(begin) else None


def _is_about(field: str, name: str) -> bool:
    """Returns whether the first field of a line fits the name.

    It is a hash, or a list of patterns; a negated one that fits rules out all others.
    """
    if field.startswith("|"):
        return _hash_fits(field, name)
    found = False
    for pattern in field.lower().split(","):
        negated = pattern.startswith("!")
        if _fits(pattern.removeprefix("!"), name):
            if negated:
                return False
            found = True
    return found


def _hash_fits(field: str, name: str) -> bool:
    try:
        _, magic, salt, digest = field.split("|")
        wanted = base64.b64decode(digest)
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
    except (ValueError, binascii.Error):
        return False
    return magic == "1" and hmac.compare_digest(wanted, made)


def _fits(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    translated = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(translated, name) is not None
