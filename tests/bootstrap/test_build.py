"""Whole bundles: real ones are installed with the system's Python, and a real daemon is started from them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import wrpme
from tests.bootstrap.bundle_parts import PYTHON, here, skip_without_index
from wrpme.bootstrap.bundle import build, pip, wheels
from wrpme.bootstrap.bundle.build import Bundle
from wrpme.bootstrap.bundle.platform import Target
from wrpme.bootstrap.limits import BUNDLES_CACHED_MAX, CACHE_LEFT_SECONDS
from wrpme.errors import RemoteError, StorageError

SYSTEM = "/usr/bin/python3"
ELSEWHERE = Target((3, 13), "aarch64", "glibc", (2, 36))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_made", {})
    return tmp_path / "cache" / "wrpme" / "bundles"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is three files: for tests of what becomes of a bundle, and not of what is in one."""
    own = build._own
    few = ("wrpme/errors.py", "METADATA", "entry_points.txt")
    monkeypatch.setattr(wheels, "needs", lambda target: ())
    monkeypatch.setattr(
        build, "_own", lambda target: {path: text for path, text in own(target).items() if path.endswith(few)}
    )


async def bundle(target: Target) -> Bundle:
    try:
        return await build.bundle(target, lambda line: None)
    except RemoteError as error:
        skip_without_index(error.sentence)
        raise


async def anew(target: Target) -> Bundle:
    """As another process would see it."""
    build._made.clear()
    return await bundle(target)


def system_python() -> tuple[str, Target]:
    """A Python that has nothing of ours: the system's, where it is new enough."""
    code = "import sys; print(*sys.version_info[:2])"
    for system in (SYSTEM, PYTHON):
        if os.path.exists(system):
            done = subprocess.run([system, "-I", "-c", code], capture_output=True, text=True, check=True)
            major, minor = map(int, done.stdout.split())
            if (major, minor) >= (3, 11):
                mine = here()
                return system, Target((major, minor), mine.machine, mine.libc, mine.libc_version)
    raise AssertionError("no Python")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a release."""
    directory = tmp_path_factory.mktemp("host")
    system, target = system_python()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
        made = await bundle(target)
    there = directory / "versions" / made.release
    subprocess.run([system, "-I", "-B", str(made.path), str(there)], check=True, env={"PATH": os.environ["PATH"]})
    assert (there / "complete").read_text().strip() == made.release
    return there


@pytest.fixture
def node(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a daemon of that release, which serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [str(installed / "bin" / "python"), "-B", "-m", "wrpme.daemon", "-a", address]
    command += ["-r", str(tmp_path / "data"), "-o"]
    process = subprocess.Popen(command, cwd="/", env={"PATH": os.environ["PATH"]}, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any(f"serving at {address}" in line for line in process.stderr)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The Python of that release, which sees nothing else of ours."""
    command = [str(installed / "bin" / "python"), "-I", "-B", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_a_node_runs_from_it_and_writes_nothing_there(installed: Path, node: str) -> None:
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in installed.rglob("*"))

    def shell(*words: str, given: bytes = b"") -> str:
        command = [str(installed / "bin" / "wrpmesh"), "--daemon", node, *words]
        done = subprocess.run(command, input=given, capture_output=True, cwd="/", env={"PATH": os.environ["PATH"]})
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    shell("wait_stable", "20")
    shell("put", "entry", "-", given=b"from a pipe")
    assert shell("get", "entry").strip() == "from a pipe"
    assert shell(given=b"get entry\nhive_status\n").count("\n") >= 4
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in installed.rglob("*")) == before


def test_the_daemon_runs_on_uvloop_and_on_code_that_is_compiled(installed: Path) -> None:
    code = "import sys, uvloop, wrpme.daemon.main, wrpme.cli, wrpme.client.client; print(sys.prefix, uvloop.__file__)"
    done = python(installed, "-v", "-c", code)
    prefix, uvloop = done.stdout.split()
    assert prefix == str(installed)
    assert uvloop.startswith(str(installed))
    ours = [line for line in done.stderr.splitlines() if str(installed) in line and line.startswith("# ")]
    assert sum("code object from" in line and line.endswith(".pyc'") for line in ours) > 60
    assert not [line for line in ours if "code object from" in line and line.endswith(".py'")]


def test_all_that_is_sent_can_be_used(installed: Path) -> None:
    """Nothing that is sent needs what is not, but for the line editor of wrpmesh on a terminal."""
    names = sorted(
        ".".join(path.relative_to(path.parents[depth]).with_suffix("").parts).removesuffix(".__init__")
        for root in installed.glob("lib/*/site-packages/wrpme")
        for path in root.rglob("*.py")
        for depth in [len(path.relative_to(root.parent).parts) - 1]
        if path.name != "__main__.py"
    )
    assert {"wrpme.daemon.main", "wrpme.cli", "wrpme.shell.local_hive"} <= set(names)
    assert not [name for name in names if name.startswith(("wrpme.tui", "wrpme.bootstrap", "wrpme.contrib"))]
    code = (
        "import importlib, json, sys\nfailed = {}\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as error: failed[name] = error.name\n"
        "print(json.dumps(failed))"
    )
    done = python(installed, "-c", code, json.dumps(names))
    assert json.loads(done.stdout) == {
        "wrpme.shell.prompt": "prompt_toolkit",
        "wrpme.shell.imports.redis_import": "redis",
    }


def test_the_records_say_what_is_there(installed: Path) -> None:
    code = (
        "import importlib.metadata as metadata, hashlib, base64\n"
        "for found in metadata.distributions():\n"
        "    for file in found.files:\n"
        "        content = file.locate().read_bytes()\n"
        "        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()\n"
        "        assert file.name == 'RECORD' or (file.hash.value == digest and file.size == len(content)), file\n"
        "    print(found.name, found.version, len(found.files) > 3)"
    )
    done = python(installed, "-c", code)
    lines = done.stdout.splitlines()
    assert f"wrpme {wrpme.__version__} True" in lines
    assert len(lines) == 7
    assert all(line.endswith(" True") for line in lines)


def test_the_name_of_a_release_says_what_is_sent(installed: Path) -> None:
    assert installed.name == build.release(system_python()[1])
    assert build.release(ELSEWHERE) == "", "nobody knows before wheels have been fetched"


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_the_name_of_a_release_says_what_is_in_it(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    name = build.release(here())
    version, _, short = name.rpartition("-")
    assert version == wrpme.__version__
    assert len(short) == 8
    assert int(short, 16) >= 0
    assert build.release(here()) == name
    made = await bundle(here())
    assert (made.release, made.path.parent, made.size_bytes) == (name, cache, made.path.stat().st_size)
    own = build._own(here())
    with monkeypatch.context() as patch:
        patch.setattr(build, "_own", lambda target: {**own, "wrpme/errors.py": b"other"})
        assert build.release(here()) != name
        assert (await anew(here())).release == build.release(here())
    newer = Target(here().python, here().machine, here().libc, (here().libc_version[0], here().libc_version[1] + 1))
    assert build.release(newer) == name, "the same files run there"


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_what_is_made_is_kept_and_damage_is_noticed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await bundle(here())
    content = made.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(wheels, "collect", None)
        assert await bundle(here()) == made
        assert await anew(here()) == made
    made.path.write_bytes(content[:-1] + b"x")
    again = await bundle(here())
    assert again.release == made.release
    assert again.path.read_bytes() == content
    assert [path.name for path in cache.iterdir()] == [again.path.name]
    again.path.unlink()
    assert (await bundle(here())).path.exists()


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_what_nobody_uses_is_removed(cache: Path) -> None:
    cache.mkdir(parents=True)
    old = time.time() - CACHE_LEFT_SECONDS - 10
    for number in range(BUNDLES_CACHED_MAX + 3):
        path = cache / f"0.0.{number}-aaaaaaaa.bbbb.zip"
        path.touch()
        os.utime(path, (old - number, old - number))
    for name, seconds in ((".new-left", old), (".new-in-work", time.time()), ("used-now.zip", time.time())):
        (cache / name).touch()
        os.utime(cache / name, (seconds, seconds))
    made = await bundle(here())
    left = {path.name for path in cache.iterdir()}
    assert {made.path.name, ".new-in-work", "used-now.zip", "0.0.0-aaaaaaaa.bbbb.zip"} <= left
    assert not {".new-left", f"0.0.{BUNDLES_CACHED_MAX}-aaaaaaaa.bbbb.zip"} & left
    assert len(left) <= BUNDLES_CACHED_MAX


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_two_who_ask_at_once_have_it_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    collect = wheels.collect
    asked: list[Target] = []

    async def counted(target: Target, say: wheels.Say) -> object:
        asked.append(target)
        return await collect(target, say)

    monkeypatch.setattr(wheels, "collect", counted)

    async def several() -> list[Bundle]:
        return await asyncio.gather(*[build.bundle(here(), lambda line: None) for _ in range(8)])

    first, *others = await several()
    assert others == [first] * 7
    assert len(asked) == 1


@pytest.mark.usefixtures("small")
def test_processes_that_make_it_at_once_do_not_break_each_other(cache: Path) -> None:
    own = build._own(here())
    code = (
        "import asyncio, sys\nfrom wrpme.bootstrap.bundle import build, wheels\n"
        "from wrpme.bootstrap.bundle.platform import Target\n"
        f"wheels.needs = lambda target: ()\nbuild._own = lambda target: {own!r}\n"
        "made = asyncio.run(build.bundle(Target(*eval(sys.argv[1])), print))\nprint(made.release, made.path.exists())"
    )
    target = here()
    given = repr((target.python, target.machine, target.libc, target.libc_version))
    command = [sys.executable, "-c", code, given]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate()[0] for process in processes}
    assert said == {f"{build.release(target)} True\n"}
    assert not list(cache.glob(".*"))


@pytest.mark.asyncio
async def test_a_bundle_for_another_machine(tmp_path: Path) -> None:
    made = await bundle(ELSEWHERE)
    assert made.release == build.release(ELSEWHERE)
    with zipfile.ZipFile(made.path) as archive:
        index = archive.read("index").decode()
        paths = [line.split(" ", 3)[-1] for line in index.splitlines()[4:]]
        assert index.splitlines()[1] == "python 3.13"
    assert "bin/wrpmed" in paths
    assert "lib/python3.13/site-packages/wrpme/daemon/main.py" in paths
    libraries = [path for path in paths if path.endswith(".cpython-313-aarch64-linux-gnu.so")]
    assert {path.split("/")[3] for path in libraries} == {"msgpack", "msgspec", "plyvel_next", "uvloop"}
    system, target = system_python()
    if target.python != ELSEWHERE.python:
        command = [system, "-I", str(made.path), str(tmp_path / "there")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "it is made for Python 3.13, but this is Python" in done.stderr


@pytest.mark.asyncio
async def test_no_wheel_for_that_machine(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """What pip says of a real index is in test_pip.py."""

    async def none(requirement: str, target: Target, directory: Path) -> None:
        raise pip.NoWheelError(f"there is no wheel of {requirement} for {target}; name another Python")

    monkeypatch.setattr(pip, "fetch", none)
    target = Target((3, 13), "armv7l", "glibc", (2, 36))
    with pytest.raises(RemoteError) as refused:
        await bundle(target)
    assert refused.value.sentence.startswith("there is no wheel of ")
    assert f" for {target}; " in refused.value.sentence
    assert not list(cache.glob("*.zip"))


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_a_cache_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError) as refused:
        await bundle(here())
    assert refused.value.sentence == (
        f"can't write {tmp_path}/file/wrpme, where what is sent to hosts is kept (Not a directory); "
        "make room there, or set XDG_CACHE_HOME to another directory"
    )
