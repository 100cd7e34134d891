"""Logins to real hosts with a ~/.ssh/config as people have it: whatever OpenSSH takes leads to the host."""

from __future__ import annotations

from tests.bootstrap.logins import ONE, TWO, Logins, Outcome, host
from tests.bootstrap.ssh_hosts import CLIENT_ADDRESS, USER


def test_lines_that_openssh_takes(logins: Logins) -> None:
    text = f"""\
# d\xe9j\xe0 vu
CanonicalizeHostname yes
ServerAliveInterval 1m
ConnectTimeout 5s # it is near
PubkeyAuthentication host-bound
Ciphers aes256-gcm@openssh.com,a-cipher-of-tomorrow # fast
KexAlgorithms +a-kex-of-tomorrow
SetEnv A=b C="d # e"
Match exec "test %h = web" # only there
    HostName {TWO}
    User {USER}
    Port ssh
Match final host {TWO}
    IdentityFile "~/.ssh/id_ed25519" # the usual one
Host {ONE}
    ProxyJump none # straight
Host *
    ProxyCommand false
    UseKeychain yes
"""
    logins.configure("")
    (logins.hosts.home / ".ssh/config").write_bytes(text.encode("latin-1"))
    assert logins.one(host(ONE)) == Outcome(None, "root", "host1", CLIENT_ADDRESS)
    (logins.hosts.home / ".ssh/config").write_bytes(text.replace("ProxyCommand false", "").encode("latin-1"))
    assert logins.one(host("web", "")) == Outcome(None, USER, "host2", CLIENT_ADDRESS)
