"""Which keys known_hosts files have for a host, what is said of the key that it shows, and how new ones are kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

import pytest

from wrpme.bootstrap.ssh.known_hosts import (
    ALGORITHMS, HostKey, Judgement, Record, algorithms, judge, look_up, question, refusal, remember, tilde,
)  # fmt: skip


def made(kind: str = "ssh-ed25519", seed: int = 0) -> HostKey:
    """In the form of a key; nobody signs with it here."""
    return HostKey(kind, len(kind).to_bytes(4, "big") + kind.encode() + bytes([seed]) * 32)


KEY, OTHER, RSA = made(), made(seed=1), made("ssh-rsa", 2)


def record(tmp_path: Path, text: str, host: str = "web1", port: int = 22) -> Record:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    return look_up([file, tmp_path / "nothing"], host, port)


def keys(found: Record) -> list[HostKey]:
    return [known.key for known in found.keys]


def test_a_key_in_words() -> None:
    assert KEY.fingerprint == "SHA256:" + base64.b64encode(hashlib.sha256(KEY.blob).digest()).decode()[:-1]
    assert str(KEY).startswith("ED25519 SHA256:")
    assert str(made("ecdsa-sha2-nistp256")).startswith("ECDSA SHA256:")


@pytest.mark.parametrize(
    ("field", "host", "port", "fits"),
    [
        ("web1", "web1", 22, True),
        ("web1", "WEB1", 22, True),
        ("Web1", "web1", 22, True),
        ("web1", "web10", 22, False),
        ("a,web1,b", "web1", 22, True),
        ("web?", "web1", 22, True),
        ("web*", "web1.example", 22, True),
        ("*.example", "web1", 22, False),
        ("web*,!web1", "web1", 22, False),
        ("!web2,web*", "web1", 22, True),
        ("!web2", "web1", 22, False),
        ("[web1]:2222", "web1", 2222, True),
        ("[web1]:2222", "web1", 22, False),
        ("[web*]:2222", "web1", 2222, True),
        ("2001:db8::1", "2001:DB8::1", 22, True),
        ("web.1", "webx1", 22, False),
    ],
)
def test_which_lines_are_about_a_host(tmp_path: Path, field: str, host: str, port: int, fits: bool) -> None:
    assert keys(record(tmp_path, f"{field} {KEY.line} a comment\n", host, port)) == [KEY] * fits


def test_a_hash_made_by_hand(tmp_path: Path) -> None:
    """``ssh-keygen -H`` of [web1]:2222, with a salt of 20 zeros."""
    salt = bytes(20)
    digest = hmac.new(salt, b"[web1]:2222", hashlib.sha1).digest()
    field = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    assert keys(record(tmp_path, f"{field} {KEY.line}\n", "web1", 2222)) == [KEY]
    assert keys(record(tmp_path, f"{field} {KEY.line}\n", "web1", 22)) == []
    for broken in ("|2|" + field[3:], "|1|x", "|1|!|!", "||"):
        assert keys(record(tmp_path, f"{broken} {KEY.line}\n", "web1", 2222)) == []


def test_lines_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    bad = ["", "web1", "web1 ssh-ed25519", "web1 ssh-ed25519 ???", f"web1 ssh-rsa {KEY.line.split()[1]}", "# web1 x y"]
    bad += [f"@what web1 {KEY.line}", "web1 1024 35 12345", "\x00\xff"]
    found = record(tmp_path, "\n".join([*bad, f"  web1\t{KEY.line}"]))
    assert keys(found) == [KEY]
    assert found.keys[0].place == f"line {len(bad) + 1} of {tmp_path}/known_hosts"


def test_markers_and_other_ports(tmp_path: Path) -> None:
    text = f"@revoked * {OTHER.line}\n@cert-authority *.example,web1 {RSA.line}\nweb1 {KEY.line}\n"
    found = record(tmp_path, text)
    assert [known.key for known in found.revoked] == [OTHER]
    assert [known.key for known in found.authorities] == [RSA]
    assert keys(found) == [KEY]
    elsewhere = record(tmp_path, text, "web1", 2222)
    assert keys(elsewhere) == []
    assert judge(KEY, elsewhere, ()) is Judgement.TRUSTED, "the same key as on port 22"
    assert judge(RSA, elsewhere, ()) is Judgement.UNKNOWN, "another one may be another machine's"


def test_judgements(tmp_path: Path) -> None:
    nothing, one = Record(), record(tmp_path, f"web1 {KEY.line}\n")
    revoked = record(tmp_path, f"web1 {KEY.line}\n@revoked web1 {KEY.line}\n")
    assert judge(KEY, nothing, ()) is Judgement.UNKNOWN
    assert judge(KEY, one, ()) is Judgement.TRUSTED
    assert judge(OTHER, one, ()) is Judgement.CHANGED
    assert judge(RSA, one, ()) is Judgement.CHANGED, "it no longer shows the type that is known"
    assert judge(KEY, revoked, ()) is Judgement.REVOKED
    assert judge(KEY, revoked, [KEY.fingerprint]) is Judgement.REVOKED
    assert judge(OTHER, one, [KEY.fingerprint, f"{OTHER.fingerprint}="]) is Judgement.TRUSTED
    assert judge(KEY, one, [OTHER.fingerprint]) is Judgement.CHANGED


def test_algorithms_that_are_asked_for(tmp_path: Path) -> None:
    usual = [name for names in ALGORITHMS.values() for name in names]
    assert algorithms(Record()) == usual
    known = algorithms(record(tmp_path, f"web1 {RSA.line}\n"))
    assert known[:3] == ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]
    assert sorted(known) == sorted(usual), "the other types too: what the machine has now is to be told"
    assert algorithms(Record(), list(ALGORITHMS)) == []
    signed = algorithms(record(tmp_path, f"@cert-authority * {RSA.line}\n"))
    assert signed[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert signed[-len(usual) :] == usual


def test_new_keys_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "made" / "known_hosts"
    remember(file, "Web1", 22, KEY)
    remember(file, "web1", 2222, RSA)
    assert file.read_text() == f"web1 {KEY.line}\n[web1]:2222 {RSA.line}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.write_bytes(b"no end of line")
    remember(file, "web1", 22, KEY)
    assert file.read_text() == f"no end of line\nweb1 {KEY.line}\n"
    remember(Path("/dev/null"), "web1", 22, KEY)


def test_nothing_is_lost_when_several_processes_keep_keys(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    program = (
        "import sys; from pathlib import Path; from tests.bootstrap.test_known_hosts import KEY;"
        "from wrpme.bootstrap.ssh.known_hosts import remember\n"
        "for n in range(200): remember(Path(sys.argv[1]), f'{sys.argv[2]}-{n}', 22, KEY)"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(file), name]) for name in ("a", "b")]
    assert [process.wait(60) for process in running] == [0, 0]
    wanted = {f"{name}-{number} {KEY.line}" for name in ("a", "b") for number in range(200)}
    assert set(file.read_text().splitlines()) == wanted


def test_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    files = [tmp_path / ".ssh/known_hosts", tmp_path / "global"]
    for file in files:
        file.write_text(f"[web1]:2222 {KEY.line}\n")
    found = look_up(files, "web1", 2222)
    said = refusal("web", "web1:2222", RSA, found, (), "", can_pin=True)
    assert f"line 1 of ~/.ssh/known_hosts has {KEY} and line 1 of ~/global has {KEY}" in said
    assert f"(ssh-keygen -R '[web1]:2222'; ssh-keygen -R '[web1]:2222' -f {tmp_path}/global)" in said
    assert "ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub" in said
    assert "host_key" not in refusal("web", "web1:22", RSA, Record(), (), "nobody is there", can_pin=False)
    assert "~/.ssh/known_hosts" in question("web", "web1:22", KEY, files[0])
    assert "kept" not in question("web", "web1:22", KEY, None)
    assert tilde("/etc/x") == "/etc/x"


def test_a_file_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        look_up([tmp_path], "web1", 22)
