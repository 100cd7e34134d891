"""The files of deploy/docker and deploy/kubernetes: parsed, and what they start is what wrpmed understands. No
container is run: the health check and the command of a pod are, as processes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.deploy.generated import ROOT
from wrpme import options
from wrpme.options import WRPMED
from wrpme.shell.arguments import parse_options

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
COMPOSE = ROOT / "deploy" / "docker" / "compose.yaml"
MANIFEST = ROOT / "deploy" / "kubernetes" / "wrpme.yaml"
USER = 5909


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, with what each is given."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text()).replace("\\\n", " ")
    return [(name, given) for name, _, given in (line.partition(" ") for line in text.splitlines() if line)]


def given(name: str) -> list[str]:
    return [" ".join(words.split()) for found, words in instructions() if found == name]


def image_variables() -> dict[str, str]:
    """The variables of the image that are options."""
    pairs = dict(word.split("=", 1) for word in shlex.split(given("ENV")[-1]))
    return {name: value for name, value in pairs.items() if name.startswith("WRPME_")}


def kind(name: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(MANIFEST.read_text())
    return next(one for one in documents if one["kind"] == name)


def pod() -> dict[str, Any]:
    found: dict[str, Any] = kind("StatefulSet")["spec"]["template"]["spec"]
    return found


# --- the image -------------------------------------------------------------------------------------------------------


def test_the_image_is_of_two_stages_and_not_roots() -> None:
    assert len(given("FROM")) == 2
    assert given("USER") == [f"{USER}:{USER}"]
    last = [name for name, _ in instructions()]
    assert last.index("USER") < last.index("ENTRYPOINT")
    for copied in given("COPY"):
        if not copied.startswith("--from"):
            assert all((ROOT / path).exists() for path in copied.split()[:-1]), copied


def test_what_the_build_needs_is_copied_and_sent() -> None:
    """What pyproject.toml names of files outside the package is among what is copied."""
    copied = " ".join(given("COPY"))
    project = (ROOT / "pyproject.toml").read_text()
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    for directory in set(re.findall(r'"(deploy/\w+)', project)) | {"wrpme", "LICENSE", "README.md", "pyproject.toml"}:
        assert directory in copied
        assert f"!{directory}" in ignored


def test_the_variables_of_the_image_are_options() -> None:
    found = options.with_environment(options.parse(WRPMED, []), image_variables())
    assert str(found["address"]) == "0.0.0.0:5909"
    assert found["log-console"] is True
    assert found["root"].startswith(f"{given('VOLUME')[0]}/")
    parse_options(["hive_status"], image_variables())


class Ready(BaseHTTPRequestHandler):
    """Answers as a node does."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(b"waiting for a hive at n1:5909\n")

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answers with this status; yields the port."""
    handler = type("Answering", (Ready,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check(status: int, code: int) -> None:
    command = json.loads(given("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    with answering(status) as port:
        words = [sys.executable, *(word.replace(" 5909,", f" {port},") for word in command[1:])]
        found = subprocess.run(words, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (code, "")
    assert found.stdout.strip() == "waiting for a hive at n1:5909", "docker inspect shows it"


# --- three nodes -----------------------------------------------------------------------------------------------------


def test_compose() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    services = compose["services"]
    assert len(services) == 3
    for name, service in services.items():
        found = options.parse(WRPMED, service["command"])
        assert str(found["advertise"]) == f"{name}:5909"
        others = {f"{other}:5909" for other in services if other != name}
        assert set(map(str, found["peer"])) == (others if name != "n1" else set())
        assert service["volumes"] == [f"{name}:{given('VOLUME')[0]}"]
        assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILE
    assert set(compose["volumes"]) == set(services)


def started(tmp_path: Path, name: str, founder: str) -> options.Given:
    """What wrpmed is given in this pod."""
    (tmp_path / "wrpmed").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "wrpmed").chmod(0o755)
    container = pod()["containers"][0]
    domain = next(one["value"] for one in container["env"] if one["name"] == "DOMAIN").replace("$(NAMESPACE)", "prod")
    environment = {"PATH": str(tmp_path), "POD_NAME": name, "DOMAIN": domain, "FOUNDER": founder}
    command = [*container["command"], *container["args"]]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return options.parse(WRPMED, found.stdout.splitlines())


def test_pods_are_known_by_names_that_stay(tmp_path: Path) -> None:
    stateful = kind("StatefulSet")
    service = kind("Service")["metadata"]["name"]
    assert stateful["spec"]["serviceName"] == service
    names = [f"{stateful['metadata']['name']}-{number}" for number in range(stateful["spec"]["replicas"])]
    all_of_them = {f"{name}.{service}.prod.svc:5909" for name in names}
    founder = kind("ConfigMap")["data"]["founder"]
    assert founder in names
    for name in names:
        found = started(tmp_path, name, founder)
        assert str(found["advertise"]) == f"{name}.{service}.prod.svc:5909"
        assert set(map(str, found["peer"])) == (set() if name == founder else all_of_them)
    assert set(map(str, started(tmp_path, founder, "")["peer"])) == all_of_them, "then it founds no other hive"


def test_the_manifest() -> None:
    stateful, service, budget = kind("StatefulSet"), kind("Service"), kind("PodDisruptionBudget")
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    for selected in (stateful["spec"]["selector"], budget["spec"]["selector"]):
        assert selected["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert budget["spec"]["maxUnavailable"] == 1
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] == USER
    assert pod()["enableServiceLinks"] is False, "WRPME_PORT would be an option that there is not"
    container = pod()["containers"][0]
    (port,) = container["ports"]
    assert port["containerPort"] == 5909
    paths = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == port["name"]
        paths[probe] = asked["path"]
    assert paths == {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    assert container["volumeMounts"] == [{"name": "data", "mountPath": given("VOLUME")[0]}]
    assert [claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]] == ["data"]


# --- other programs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [["hadolint", str(DOCKERFILE)], ["kubeconform", "-strict", str(MANIFEST)]],
    ids=lambda command: str(command[0]),
)
def test_linters(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
