"""What ssh_config files say is read as OpenSSH reads it: some 150 snippets, compared with ``ssh -G``."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bootstrap.ssh_config_snippets import (
    ALGORITHMS,
    DEFAULTS,
    KEPT,
    NAME,
    REFUSED,
    SNIPPETS,
    answer,
    plain,
    write,
)
from wrpme.bootstrap.ssh import config
from wrpme.bootstrap.ssh.config import Settings, Target, settings
from wrpme.errors import RemoteError

SPOKEN = {True: "yes", False: "no"}
FAMILIES: dict[int, str] = {socket.AF_UNSPEC: "any", socket.AF_INET: "inet", socket.AF_INET6: "inet6"}


@pytest.fixture(scope="module")
def answers() -> Mapping[str, dict[str, list[str]]]:
    """What ssh says of each snippet; where there is none, what it said when the answers were written."""
    if shutil.which("ssh") is None:
        warnings.warn(f"there is no ssh here (Debian: openssh-client); its answers in {KEPT.name} serve", stacklevel=1)
        return dict(map(json.loads, KEPT.read_text().splitlines()))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SNIPPETS, pool.map(answer, SNIPPETS), strict=True))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(config, "SYSTEM", tmp_path / "system")
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def test_the_snippets_are_many_and_their_answers_are_kept() -> None:
    assert len(set(SNIPPETS)) >= 100
    assert [json.loads(line)[0] for line in KEPT.read_text().splitlines()] == SNIPPETS


@pytest.mark.asyncio
@pytest.mark.parametrize("snippet", SNIPPETS)
async def test_it_is_read_as_openssh_reads_it(
    snippet: str, home: Path, answers: Mapping[str, dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = answers[snippet]
    write(snippet, home, home / ".ssh/config")
    if said == REFUSED:
        # We need not find everything that is wrong; but then it is told in a sentence.
        try:
            await settings(Target(NAME))
        except RemoteError as error:
            assert "~/.ssh/config line " in error.sentence
        return
    monkeypatch.setenv("SSH_AUTH_SOCK", "SSH_AUTH_SOCK")
    found = await settings(Target(NAME))
    assert described(found, home) == expected(said, found, home)
    assert algorithms(found, said) == {option: said[option] for option in ALGORITHMS if option in said}


def algorithms(found: Settings, said: dict[str, list[str]]) -> dict[str, list[str]]:
    """Our answer for those algorithms that the snippet gives."""
    options = found.options
    lists = (options.encryption_algs, options.mac_algs, options.kex_algs, options.signature_algs)
    told = [",".join(one.decode() for one in names) for names in lists]
    whole = zip(ALGORITHMS, [*told, found.host_key_algorithms], strict=True)
    return {option: [text] for option, text in whole if option in said}


def described(found: Settings, home: Path) -> dict[str, list[str]]:
    """Our answer in the words of ``ssh -G``, without what is usual."""
    user = getpass.getuser()
    strict = {"": "no", "strict": "yes"}.get(found.mode, found.mode)
    values = {
        "hostname": found.host,
        "user": found.user,
        "port": str(found.port),
        "connecttimeout": f"{found.connect_seconds:g}" if found.connect_seconds else "none",
        "identitiesonly": SPOKEN[found.only_key_files],
        "pubkeyauthentication": str(found.options.public_key_auth).lower(),
        "stricthostkeychecking": strict,
        "userknownhostsfile": " ".join(map(str, found.known_files)) or "none",
        "globalknownhostsfile": " ".join(map(str, found.system_known_files)) or "none",
        "proxyjump": found.jumps,
        "proxycommand": found.proxy,
        "identityagent": found.agent or "none",
        "hostkeyalias": found.key_name if found.key_name != found.host else "",
        "addressfamily": FAMILIES[found.options.family],
        "bindaddress": found.options.local_addr[0] if found.options.local_addr else "",
        "compression": SPOKEN[found.options.compression_algs[0] != b"none"],
    }
    told = {option: [plain(value, user, str(home))] for option, value in values.items() if value}
    keys = [plain(str(path), user, str(home)) for path in found.key_files]
    return {option: value for option, value in {**told, "identityfile": keys}.items() if option in told or keys}


def expected(said: dict[str, list[str]], found: Settings, home: Path) -> dict[str, list[str]]:
    """The answer of ssh, with tokens replaced as ssh does only when it connects."""
    whole = {**DEFAULTS, **{option: values for option, values in said.items() if option not in ALGORITHMS}}
    for option in ("proxycommand", "identityfile"):
        tokens = {"%h": found.host, "%p": str(found.port), "%r": found.user, "%d": "~"}
        for token, text in tokens.items():
            whole[option] = [value.replace(token, text) for value in whole.get(option, [])]
    if not whole["proxycommand"]:
        del whole["proxycommand"]
    if whole.get("proxyjump") in (["none"], ["NONE"]):
        del whole["proxyjump"]
    usual = ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"]
    if "identityfile" not in said:
        whole["identityfile"] = [f"~/.ssh/{name}" for name in usual]
    whole["identityfile"] = [path for path in whole["identityfile"] if path != "none"]
    if not whole["identityfile"]:
        del whole["identityfile"]
    agent = whole.get("identityagent", ["SSH_AUTH_SOCK"])
    whole["identityagent"] = [agent[0].removeprefix("$")]
    whole["pubkeyauthentication"] = [{"false": "false"}.get(one, "true") for one in whole["pubkeyauthentication"]]
    # What trusts any key counts as not given here, and so does the usual value.
    strict = {"true": "yes", "false": "no", "off": "no", "ask": "no"}
    whole["stricthostkeychecking"] = [strict.get(one, one) for one in whole["stricthostkeychecking"]]
    return whole


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        "ProxyJump none\nProxyCommand nc %h %p\n",
        "ProxyCommand none\nProxyJump gate\n",
        "Host web1\n ProxyJump none # straight\nHost *\n ProxyCommand nc %h %p\n ProxyJump gate\n",
    ],
)
async def test_a_none_that_comes_first_counts(text: str, home: Path) -> None:
    """The manual of ssh says so; ``ssh -G`` of 9.2 lets ProxyCommand count after ``ProxyJump none``."""
    write(text, home, home / ".ssh/config")
    found = await settings(Target(NAME))
    assert (found.jumps, found.proxy) == ("", "")
