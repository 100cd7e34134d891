"""Host keys of real OpenSSH servers: which are trusted in which mode, who is asked, and what is kept."""

from __future__ import annotations

import subprocess

import pytest

from tests.bootstrap.logins import ONE, THREE, TWO, Logins, Operator, host
from tests.bootstrap.ssh_hosts import fingerprint, make_key
from wrpme.errors import HostKeyError

MODES = ["", "ask", "strict", "accept-new"]


@pytest.mark.parametrize("mode", ["", "ask", "strict"])
def test_a_new_key_and_nobody_to_ask(logins: Logins, mode: str) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    outcome = logins.one(host(ONE, mode=mode))
    assert isinstance(outcome.error, HostKeyError)
    shown = fingerprint(hosts.host_key(1))
    because = "only known keys are accepted" if mode == "strict" else "there is nobody to ask"
    assert outcome.sentence.startswith(f"{ONE}: the host key is not known, and {because}: {ONE}:22 shows ED25519")
    assert f'host_key = "{shown}"' in outcome.sentence
    assert logins.known == ""
    assert "logging in as root" not in logins.steps


def test_new_keys_are_asked_about_one_at_a_time_and_kept(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    operator = Operator(lambda question: "no" if THREE in question else "yes")
    outcomes = logins.each(host(ONE), host(TWO), host(THREE), operator=operator)
    assert [outcome.hostname for outcome in outcomes] == ["host1", "host2", ""]
    assert f"{THREE}: the host key of {THREE}:22" in outcomes[2].sentence
    assert "was not trusted" in outcomes[2].sentence
    assert len(operator.questions) == 3
    asked = next(question for question in operator.questions if ONE in question)
    assert f"ED25519 {fingerprint(hosts.host_key(1))}" in asked
    assert "~/.ssh/known_hosts" in asked
    assert sorted(logins.known.splitlines()) == [
        f"{name} {' '.join(hosts.host_key(number).split()[:2])}" for number, name in ((1, ONE), (2, TWO))
    ]
    assert (hosts.home / ".ssh/known_hosts").stat().st_mode & 0o777 == 0o600
    silent = Operator(lambda question: "no")
    assert logins.one(host(ONE), silent).hostname == "host1"
    assert silent.questions == []


@pytest.mark.parametrize("answer", ["", "y", "no", "YES!", "yes please"])
def test_only_yes_trusts(logins: Logins, answer: str) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    assert isinstance(logins.one(host(ONE), Operator(lambda _: answer)).error, HostKeyError)
    assert logins.known == ""


def test_a_machine_with_two_names_is_asked_about_by_each(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    logins.configure(f"Host a b\n HostName {ONE}\n")
    operator = Operator(lambda _: "yes")
    assert [outcome.hostname for outcome in logins.each(host("a"), host("b"), operator=operator)] == ["host1", "host1"]
    assert len(operator.questions) == 1, "both are looked up as 192.168.1.1"


def test_accept_new_accepts_once(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    (hosts.home / ".ssh/known_hosts").write_text("no newline at the end")
    assert logins.one(host(ONE, mode="accept-new")).hostname == "host1"
    assert logins.known.startswith(f"no newline at the end\n{ONE} ssh-ed25519 ")
    assert logins.one(host(ONE, mode="strict")).hostname == "host1"


def test_a_key_that_can_not_be_kept_is_not_accepted(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    logins.configure("UserKnownHostsFile /proc/version\n")
    said = logins.one(host(ONE, mode="accept-new")).sentence
    assert "can't be kept in /proc/version" in said


@pytest.mark.parametrize("mode", MODES)
def test_a_changed_key_is_refused_in_every_mode(logins: Logins, mode: str) -> None:
    hosts = logins.hosts
    before = hosts.host_key(1)
    (hosts.home / ".ssh/known_hosts").write_text(f"# a comment\n{ONE} {make_key(hosts.home / '.ssh/false')}\n")
    false = fingerprint((hosts.home / ".ssh/false.pub").read_text())
    operator = Operator(lambda _: "yes")
    outcome = logins.one(host(ONE, mode=mode), operator)
    assert isinstance(outcome.error, HostKeyError)
    assert outcome.sentence.startswith(f"{ONE}: the host key has changed: {ONE}:22 shows ED25519 {fingerprint(before)}")
    assert f"line 2 of ~/.ssh/known_hosts has ED25519 {false}" in outcome.sentence
    assert f"ssh-keygen -R {ONE}" in outcome.sentence
    assert operator.questions == []


@pytest.mark.parametrize("mode", MODES)
def test_a_key_of_another_type_has_changed_too(logins: Logins, mode: str) -> None:
    hosts = logins.hosts
    make_key(hosts.home / ".ssh/false", "ecdsa")
    (hosts.home / ".ssh/known_hosts").write_text(f"{ONE} {(hosts.home / '.ssh/false.pub').read_text()}")
    said = logins.one(host(ONE, mode=mode), Operator(lambda _: "yes")).sentence
    assert "the host key has changed" in said
    assert "known_hosts has ECDSA SHA256:" in said


def test_a_host_is_asked_for_the_type_of_key_that_is_known(logins: Logins) -> None:
    hosts = logins.hosts
    for kind in ("rsa", "ecdsa"):
        make_key(hosts.path(3, f"/etc/ssh/ssh_host_{kind}_key"), kind)
    kinds = ("ed25519", "rsa", "ecdsa")
    hosts.configure_sshd(3, *(f"HostKey /etc/ssh/ssh_host_{kind}_key" for kind in kinds))
    for kind in kinds:
        (hosts.home / ".ssh/known_hosts").write_text(f"{THREE} {hosts.host_key(3, kind)}\n")
        assert logins.one(host(THREE, mode="strict")).hostname == "host3"
    hosts.trust_none()
    for kind in kinds:
        pin = fingerprint(hosts.host_key(3, kind))
        assert logins.one(host(THREE, pins=(pin,))).hostname == "host3", "a pin may be of any of its keys"
    said = logins.one(host(THREE, pins=("SHA256:wrong",))).sentence
    assert f"shows ED25519 {fingerprint(hosts.host_key(3))}, and SHA256:wrong is pinned" in said
    assert logins.known == ""
    hosts.configure_sshd(3)


def test_a_pin_needs_no_known_hosts(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    pin = fingerprint(hosts.host_key(1))
    assert logins.one(host(ONE, mode="pin", pins=("SHA256:other", pin))).hostname == "host1"
    outcome = logins.one(host(TWO, mode="pin", pins=(pin,)), Operator(lambda _: "yes"))
    assert isinstance(outcome.error, HostKeyError)
    assert f"{TWO}: the host key is not the pinned one" in outcome.sentence
    assert fingerprint(hosts.host_key(2)) in outcome.sentence
    assert pin in outcome.sentence


def test_a_revoked_key(logins: Logins) -> None:
    hosts = logins.hosts
    with (hosts.home / ".ssh/known_hosts").open("a") as file:
        file.write(f"@revoked * {hosts.host_key(1)}\n")
    for wanted in (host(ONE), host(ONE, mode="accept-new"), host(ONE, pins=(fingerprint(hosts.host_key(1)),))):
        said = logins.one(wanted, Operator(lambda _: "yes")).sentence
        assert "is marked as revoked by line 4 of ~/.ssh/known_hosts" in said
    assert logins.one(host(TWO)).hostname == "host2"


def test_a_certificate_of_an_authority(logins: Logins) -> None:
    hosts = logins.hosts
    authority = make_key(hosts.home / ".ssh/authority")
    key = hosts.path(2, "/etc/ssh/ssh_host_ed25519_key")
    signing = ["ssh-keygen", "-q", "-s", str(hosts.home / ".ssh/authority"), "-I", "host2", "-h", "-n", TWO]
    subprocess.run([*signing, f"{key}.pub"], check=True, capture_output=True)
    hosts.configure_sshd(2, "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub")
    assert logins.one(host(TWO)).hostname == "host2", "who knows the key needs no authority"
    (hosts.home / ".ssh/known_hosts").write_text(f"@cert-authority 192.168.1.* {authority}\n")
    assert logins.one(host(TWO, mode="strict")).hostname == "host2"
    assert "the host key is not known" in logins.one(host(ONE, mode="strict")).sentence
    logins.configure(f"Host other\n HostName {TWO}\n HostKeyAlias 192.168.1.9\n")
    outcome = logins.one(host("other", mode="strict"))
    assert isinstance(outcome.error, HostKeyError)
    assert "the host key or certificate of 192.168.1.2:22 is not accepted" in outcome.sentence
    hosts.configure_sshd(2)


def test_no_known_hosts_file_at_all_trusts_nobody(logins: Logins) -> None:
    logins.configure("UserKnownHostsFile none\nGlobalKnownHostsFile none\nStrictHostKeyChecking no\n")
    assert isinstance(logins.one(host(ONE)).error, HostKeyError)
    operator = Operator(lambda _: "yes")
    assert logins.one(host(ONE), operator).hostname == "host1"
    assert len(operator.questions) == 1
