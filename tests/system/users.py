"""Connections of users to real nodes with TLS, spoken without the client library: what is said is what arrives."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from types import TracebackType
from typing import Any, Self

from wrpme.protocol.access.messages import AddUser, Authenticate, GetUsers, Identity, Users
from wrpme.protocol.access.users import SALT_BYTES, Role, User, hashed
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import Reply

PATIENCE_SECONDS = 30.0
READ_BYTES = 1 << 16


class Secured:
    """A connection within TLS, if there is a context."""

    def __init__(self, address: str, context: ssl.SSLContext | None, name: str = "127.0.0.1") -> None:
        host, _, port = address.rpartition(":")
        plain = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
        self.socket = context.wrap_socket(plain, server_hostname=name) if context is not None else plain

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HiveTalk(Secured):
    """Speaks the protocol of hives."""

    def __init__(self, address: str, context: ssl.SSLContext | None, name: str = "127.0.0.1") -> None:
        super().__init__(address, context, name)
        self._decoder: Decoder[Reply] = Decoder(Reply)
        self._heard: list[Any] = []
        self.socket.sendall(PREFACE)

    def ask(self, request: Any) -> Any:
        self.socket.sendall(encode(request))
        return self.hear()

    def hear(self) -> Any:
        """The next message; None at the end."""
        while not self._heard:
            data = self.socket.recv(READ_BYTES)
            if not data:
                return None
            self._heard += self._decoder.feed(data)
        return self._heard.pop(0)

    def be(self, name: str) -> Self:
        told = self.ask(Authenticate(1, name, password_of(name)))
        assert isinstance(told, Identity) and told.name == name, told
        return self


class RedisTalk(Secured):
    """Speaks that of Redis; gives the first line of an answer."""

    def __init__(self, address: str, context: ssl.SSLContext | None, name: str = "127.0.0.1") -> None:
        super().__init__(address, context, name)
        self._file = self.socket.makefile("rb")

    def say(self, *words: bytes) -> bytes:
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        return self._file.readline()

    def be(self, name: str) -> Self:
        assert self.say(b"AUTH", name.encode(), password_of(name).encode()) == b"+OK\r\n"
        return self

    def close(self) -> None:
        self._file.close()
        super().close()


class HttpTalk(Secured):
    """Asks for pages; gives their status."""

    def __init__(self, address: str, context: ssl.SSLContext | None, name: str = "127.0.0.1") -> None:
        super().__init__(address, context, name)
        self._file = self.socket.makefile("rb")

    def get(self, path: str, user: str = "") -> int:
        said = f"Authorization: Basic {b64encode(f'{user}:{password_of(user)}'.encode()).decode()}\r\n" if user else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode())
        status = int(self._file.readline().split()[1])
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._file.read(length)
        return status

    def close(self) -> None:
        self._file.close()
        super().close()


def password_of(name: str) -> str:
    return f"the password of {name}"


def user(name: str, role: Role, *prefixes: bytes) -> User:
    return User(name, role, prefixes, (hashed(password_of(name), name.encode().ljust(SALT_BYTES, b"\0")),))


def add_users(address: str, context: ssl.SSLContext, *users: User) -> None:
    """The first one is an admin, who adds the others."""
    with HiveTalk(address, context) as anybody:
        anybody.ask(AddUser(1, users[0]))
        while anybody.hear() is not None:  # it is ended with the view that has the user
            pass
    with HiveTalk(address, context).be(users[0].name) as admin:
        for added in users[1:]:
            admin.ask(AddUser(2, added))
        names = {added.name for added in users}
        while {found.name for found in _users(admin)} != names:
            pass


def _users(admin: HiveTalk) -> tuple[User, ...]:
    told = admin.ask(GetUsers(3))
    assert isinstance(told, Users)
    return told.users
