"""A key that is made where its node is, and the certificate that comes for it."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import NODE, Agent, RefusedError
from tests.system.daemons import ROOT
from wrpme.bootstrap.credentials import authority

CA = authority.make(time.time())
RELEASE = "0.1.0-aaaaaaaa"
PYTHON = f"""\
#!/bin/sh
[ "$1 $2 $3" = "-I -B -m" ] || exit 9
PYTHONPATH={ROOT} exec {sys.executable} -B -m "$4" "$5"
"""
"""Of a release; the isolated one of this machine finds no wrpme."""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    found = tmp_path / "wrpme"
    packages = found / f"versions/{RELEASE}/lib/python3.11/site-packages/cryptography"
    packages.mkdir(parents=True)
    (found / f"versions/{RELEASE}/complete").touch()
    (found / f"versions/{RELEASE}/bin").mkdir()
    python = found / f"versions/{RELEASE}/bin/python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return found


@pytest.fixture
def agent(tmp_path: Path, base: Path) -> Iterator[Agent]:
    with Agent(tmp_path) as made:
        made.call("lock", directory=str(base), text="a test", seconds=5)
        yield made


def test_the_key_stays_and_the_pair_is_one_file(agent: Agent, base: Path) -> None:
    tls = base / f"nodes/{NODE}/tls"
    look = agent.call("look", directory=str(base), nodes={NODE: {"address": ["127.0.0.1", 1]}})
    assert look["key_makers"] == [RELEASE]
    request = agent.call("make_key", name=NODE, release=RELEASE)["request"]
    assert (tls / "next.key").stat().st_mode & 0o777 == 0o600
    assert tls.stat().st_mode & 0o777 == 0o700
    assert "PRIVATE" not in request
    certificate = authority.issue(CA, request, ["host.example", "127.0.0.1"], 90, time.time())
    told = {"name": NODE, "trusted": CA.certificate}
    agent.call("certify", certificate=certificate, now=False, **told)
    assert sorted(one.name for one in tls.iterdir()) == ["ca.pem", "next.pem"]
    agent.call("certify", certificate="", now=True, **told)
    assert sorted(one.name for one in tls.iterdir()) == ["ca.pem", "node.pem"]
    assert (tls / "node.pem").stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls / "node.pem")
    found = agent.call("look", directory=str(base), nodes={NODE: {"address": ["127.0.0.1", 1]}})["nodes"][NODE]
    assert found["certificate"] == certificate and found["trusted"] == CA.certificate
    read = authority.read(found["certificate"])
    assert read is not None and read.authority == CA.id
    assert read.names == {"host.example", "127.0.0.1"}
    agent.call("certify", certificate="", now=True, **told)
    assert (tls / "node.pem").exists()
    assert agent.call("remove", name=NODE, data=True) == {"removed": True, "left": ""}
    assert not tls.exists()


def test_a_certificate_of_another_key_is_refused(agent: Agent, base: Path) -> None:
    tls = base / f"nodes/{NODE}/tls"
    first = agent.call("make_key", name=NODE, release=RELEASE)["request"]
    agent.call("make_key", name=NODE, release=RELEASE)
    late = authority.issue(CA, first, ["127.0.0.1"], 90, time.time())
    with pytest.raises(RefusedError, match="is not of the key that was made"):
        agent.call("certify", name=NODE, trusted=CA.certificate, certificate=late, now=True)
    assert not (tls / "node.pem").exists() and not (tls / "next.pem").exists()


def test_a_release_that_makes_no_keys(agent: Agent, base: Path) -> None:
    (base / f"versions/{RELEASE}/bin/python").write_text("#!/bin/sh\necho no library >&2\nexit 1\n")
    with pytest.raises(RefusedError, match=r"no key could be made at .*: no library"):
        agent.call("make_key", name=NODE, release=RELEASE)
