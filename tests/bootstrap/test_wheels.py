"""Distributions for a host: what is installed here where that runs there, else what pip has fetched."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bootstrap.bundle_parts import here
from wrpme.bootstrap.bundle import pip, wheels
from wrpme.bootstrap.bundle.platform import Target
from wrpme.bootstrap.bundle.wheels import Need, Part
from wrpme.errors import DamagedError, RemoteError

COMPILED = "msgpack", "msgspec", "plyvel-next", "uvloop"
"""What is another wheel on each platform; the last one is not needed."""
ELSEWHERE = Target((3, 13), "aarch64", "glibc", (2, 36))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wrpme"


class Index:
    """In place of pip: has these wheels by requirement, and knows how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wheels: dict[str, dict[str, str]] = {}
        self.unreachable = False
        self.asked: list[str] = []
        monkeypatch.setattr(pip, "fetch", self._fetch)

    def has(self, name: str, **changes: str) -> None:
        """The wheel of that need; ``changes`` are files that are not as its record says."""
        about = f"{name}-1.0.dist-info"
        files = {f"{name}/__init__.py": "x = 1\n", f"{name}/part.pyx": "", f"{about}/METADATA": f"Name: {name}\n"}
        record = "".join(f"{path},{wheels.digest(text.encode())},{len(text)}\n" for path, text in files.items())
        changed = {f"{name}/{file}.py": text for file, text in changes.items()}
        self.wheels[name] = {**files, **changed, f"{about}/RECORD": f"{record}{about}/RECORD,,\n"}

    async def _fetch(self, requirement: str, target: Target, directory: Path) -> None:
        self.asked.append(requirement)
        await asyncio.sleep(0)
        name = next((name for name in self.wheels if requirement.startswith(name)), None)
        if self.unreachable:
            raise RemoteError("no index")
        if name is None:
            raise pip.NoWheelError(f"no wheel of {requirement}")
        with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            for path, text in self.wheels[name].items():
                archive.writestr(path, text)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    return Index(monkeypatch)


async def collect(target: Target = ELSEWHERE) -> tuple[dict[Part, Mapping[str, bytes]], list[str]]:
    said: list[str] = []
    return await wheels.collect(target, said.append), said


def test_versions_are_those_that_are_installed_here_else_what_wrpme_accepts() -> None:
    needs = {need.name: need for need in wheels.needs(here())}
    assert needs["msgspec"].requirement == f"msgspec=={metadata.version('msgspec')}"
    assert needs["uvloop"].optional
    bindings = {"plyvel", "plyvel-next"}
    assert len(bindings & needs.keys()) == 1
    (other,) = bindings - needs.keys()
    newer, smaller = Target((3, 13), "x86_64", "glibc", (2, 36)), Target((3, 11), "x86_64", "musl", (1, 2))
    there = newer if other == "plyvel-next" else smaller
    (need,) = [need for need in wheels.needs(there) if need.name == other]
    assert need.requirement.startswith((f"{other}>=", f"{other}==")), need


def test_where_nodes_speak_tls_there_is_what_they_read_certificates_with() -> None:
    """What :mod:`wrpme.daemon.security.certificate` loads at the first connection of another node."""
    found = wheels.known(replace(here(), makes_keys=True))
    assert found is not None
    files = [path for part in found for path in wheels.contents(part)]
    assert "cryptography/x509/__init__.py" in files and any(path.startswith("_cffi_backend") for path in files)


@pytest.mark.asyncio
async def test_what_is_installed_here_runs_on_a_machine_like_this() -> None:
    found = wheels.known(here())
    assert found is not None
    by_name = {part.name: part for part in found}
    assert by_name.keys() == {need.name for need in wheels.needs(here())}
    files = wheels.contents(by_name["uvloop"])
    assert "uvloop/__init__.py" in files
    assert any(path.endswith("/METADATA") for path in files)
    assert any("LICENSE" in path for path in files)
    assert not [path for path in files if path.endswith((".pyc", ".pyx", "/INSTALLER", "/RECORD"))]
    assert (await wheels.collect(here(), pytest.fail)).keys() == set(found), "nothing is fetched"


def test_what_is_installed_here_does_not_run_everywhere() -> None:
    target = here()
    for python, machine, libc, version in (
        ((3, 99), target.machine, target.libc, target.libc_version),
        (target.python, "riscv64", target.libc, target.libc_version),
        (target.python, target.machine, "musl" if target.libc == "glibc" else "glibc", target.libc_version),
        (target.python, target.machine, target.libc, (0, 0)),
    ):
        assert wheels.installed("msgspec", Target(python, machine, libc, version)) is None
    assert wheels.installed("installed-by-nobody", target) is None
    assert wheels.installed("wrpme", target) is None, "its files lie elsewhere while it is developed"


def test_an_installed_file_that_somebody_changed_is_not_sent(tmp_path: Path) -> None:
    part = wheels.installed("msgspec", here())
    assert part is not None
    copy = Part(part.name, tmp_path, part.listing)
    for path, _ in part.listing:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(part.place / path, tmp_path / path)
    assert wheels.contents(copy) == wheels.contents(part)
    (tmp_path / "msgspec" / "json.py").write_text("changed")
    with pytest.raises(DamagedError) as refused:
        wheels.contents(copy)
    assert refused.value.sentence == (
        f"msgspec in {tmp_path} is not as it was installed (msgspec/json.py); "
        f"{sys.executable} -m pip install --force-reinstall msgspec repairs it"
    )
    (tmp_path / "msgspec" / "json.py").unlink()
    with pytest.raises(DamagedError, match="No such file"):
        wheels.contents(copy)


@pytest.mark.asyncio
async def test_what_is_fetched_is_fetched_once(index: Index) -> None:
    for name in COMPILED:
        index.has(name)
    assert wheels.known(ELSEWHERE) is None
    parts, said = await collect()
    assert [part.name for part in parts] == ["h11", "msgpack", "msgspec", "plyvel-next", "prometheus-client", "uvloop"]
    assert {line.split("=")[0].split(">")[0] for line in said} == {f"fetching {name}" for name in COMPILED}
    assert all(line.endswith(f" for {ELSEWHERE}") for line in said)
    assert dict(next(files for part, files in parts.items() if part.name == "msgspec")) == {
        "msgspec/__init__.py": b"x = 1\n", "msgspec-1.0.dist-info/METADATA": b"Name: msgspec\n",
    }  # fmt: skip
    assert wheels.known(ELSEWHERE) == tuple(parts)
    assert await collect() == (parts, [])
    assert len(index.asked) == 4
    await collect(Target((3, 13), "aarch64", "glibc", (2, 31)))
    assert len(index.asked) == 8, "an older C library may need another wheel"


@pytest.mark.asyncio
async def test_a_node_does_without_uvloop_where_there_is_none(index: Index) -> None:
    for name in COMPILED[:-1]:
        index.has(name)
    parts, _ = await collect()
    assert [part.name for part in parts] == ["h11", "msgpack", "msgspec", "plyvel-next", "prometheus-client"]
    assert wheels.known(ELSEWHERE) == tuple(parts)
    assert await collect() == (parts, []), "nor is it asked for again"


@pytest.mark.asyncio
async def test_without_an_index_a_wheel_is_not_taken_for_one_that_does_not_exist(index: Index) -> None:
    index.unreachable = True
    with pytest.raises(RemoteError, match="no index"):
        await collect()
    index.unreachable = False
    for name in COMPILED:
        index.has(name)
    assert len((await collect())[0]) == 6, "two of them, which are the same everywhere, are installed here"


@pytest.mark.asyncio
async def test_no_wheel_of_what_is_needed(index: Index) -> None:
    index.has("msgpack")
    index.has("msgspec")
    with pytest.raises(RemoteError, match="no wheel of plyvel-next"):
        await collect()


@pytest.mark.asyncio
async def test_a_damaged_wheel_in_the_cache_is_fetched_anew(index: Index, cache: Path) -> None:
    for name in COMPILED:
        index.has(name)
    parts, _ = await collect()
    (first, second, third, _) = sorted((cache / "wheels").glob("*/*.whl"))
    content = bytearray(first.read_bytes())
    content[content.index(b"x = 1")] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:100])
    third.unlink()
    assert (await collect())[0] == parts
    assert len(index.asked) == len(COMPILED) + 3
    assert not list((cache / "wheels").glob(".*"))


@pytest.mark.asyncio
async def test_a_wheel_that_is_not_as_its_record_says(index: Index, cache: Path) -> None:
    index.has("msgpack")
    index.has("msgspec", __init__="y = 2")
    index.has("plyvel-next")
    with pytest.raises(RemoteError, match=r"that pip fetched for Python 3\.13 on aarch64 with glibc 2\.36 is damaged"):
        await collect()


@pytest.mark.parametrize(
    "line",
    [
        "../../bin/x,sha256=a,1", "/etc/x,sha256=a,1", "a/../../x,sha256=a,1", "a.data/data/x,sha256=a,1", "a.py,,",
        "a.pth,sha256=a,1",
    ],
)  # fmt: skip
def test_records_of_more_than_modules_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        wheels._listing(line)


@pytest.mark.asyncio
async def test_two_processes_fetch_the_same_at_once(index: Index, cache: Path) -> None:
    index.has("msgspec")
    need = Need("msgspec", "msgspec==1.0")
    place = cache / "wheels" / "one"

    await asyncio.gather(*[wheels._fetch(need, ELSEWHERE, place) for _ in range(4)])
    assert [path.name for path in place.iterdir()] == ["msgspec-1.0-py3-none-any.whl"]
    assert [path.name for path in place.parent.iterdir()] == ["one"]


def test_bootstrap_does_not_load_what_it_sends() -> None:
    heavy = "{'uvloop', 'plyvel', 'plyvel_next', 'asyncssh'}"
    code = f"import sys, wrpme.bootstrap.bundle.build; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
