"""Wheels from pip, and why there is none; that a real index has real ones is in test_build.py."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tests.bootstrap.bundle_parts import skip_without_index
from wrpme.bootstrap.bundle import pip
from wrpme.bootstrap.bundle.platform import Target
from wrpme.errors import RemoteError

TARGET = Target((3, 13), "aarch64", "glibc", (2, 36))


async def fetch(requirement: str, directory: Path, target: Target = TARGET) -> str:
    """Why it failed; empty if it did not."""
    try:
        await pip.fetch(requirement, target, directory)
    except RemoteError as error:
        return error.sentence
    return ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    links = tmp_path / "links"
    links.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return links


def wheel(folder: Path, version: str, tag: str = "cp313-cp313-manylinux_2_28_aarch64") -> None:
    about = f"demo-{version}.dist-info"
    with zipfile.ZipFile(folder / f"demo-{version}-{tag}.whl", "w") as archive:
        archive.writestr("demo.py", "")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{about}/RECORD", f"{about}/RECORD,,\n")


@pytest.mark.asyncio
async def test_no_such_wheel_in_a_real_index(tmp_path: Path) -> None:
    refusal = await fetch("msgspec>=0.20", tmp_path, Target((3, 13), "armv7l", "glibc", (2, 36)))
    skip_without_index(refusal)
    assert refusal.startswith(
        "there is no wheel of msgspec>=0.20 for Python 3.13 on armv7l with glibc 2.36; name another Python of that host"
    )


@pytest.mark.asyncio
async def test_the_best_wheel_of_those_that_run_there(folder: Path, tmp_path: Path) -> None:
    wheel(folder, "1.0")
    wheel(folder, "1.1", "cp313-cp313-manylinux_2_38_aarch64")
    wheel(folder, "1.2", "cp312-cp312-manylinux_2_28_aarch64")
    wheel(folder, "1.3", "cp313-cp313-musllinux_1_2_aarch64")
    target = tmp_path / "target"
    target.mkdir()
    assert not await fetch("demo", target)
    assert [path.name for path in target.iterdir()] == ["demo-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"]


@pytest.mark.asyncio
async def test_another_version_has_a_wheel(folder: Path, tmp_path: Path) -> None:
    wheel(folder, "1.0")
    wheel(folder, "1.1")
    with pytest.raises(pip.NoWheelError) as refused:
        await pip.fetch("demo==2.0", TARGET, tmp_path)
    assert refused.value.sentence.endswith(
        f"there is one of 1.1, which is sent after {sys.executable} -m pip install demo==1.1"
    )


@pytest.mark.asyncio
async def test_no_index_is_there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        monkeypatch.setenv("PIP_INDEX_URL", url)
        refusal = await fetch("demo==1.0", tmp_path)
    assert refusal == (
        f"demo==1.0 must be fetched for Python 3.13 on aarch64 with glibc 2.36, but pip can't read {url}/demo/"
        " (Connection refused); bring the wheel here and set PIP_FIND_LINKS to the folder that has it, or set"
        " PIP_INDEX_URL to an index that can be reached"
    )


@pytest.mark.asyncio
async def test_an_index_that_says_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setattr(pip, "FETCH_SECONDS_MAX", 1.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        refusal = await fetch("demo==1.0", tmp_path)
    assert "was not fetched within 1.5 s; bring the wheel here" in refusal


@pytest.mark.asyncio
async def test_an_index_that_refuses(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 401 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/simple")
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        refusal = await fetch("demo==1.0", tmp_path)
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert "/simple/demo/ (401 Client Error); bring the wheel here" in refusal


@pytest.mark.asyncio
async def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", python)
    refusal = await fetch("demo==1.0", tmp_path)
    assert refusal.endswith(f"but {python} has no pip; {python} -m ensurepip adds it")


@pytest.mark.asyncio
async def test_who_gives_up_leaves_no_pip_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")

    async def cancelled(listener: socket.socket) -> None:
        task = asyncio.create_task(pip.fetch("demo==1.0", TARGET, tmp_path))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        task.cancel()
        await asyncio.wait([task])
        with connection:
            connection.setblocking(False)
            while await asyncio.get_running_loop().sock_recv(connection, 65536):
                pass  # until the other end, pip, is gone

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/simple")
        await asyncio.wait_for(cancelled(listener), 60)


@pytest.mark.parametrize(
    ("output", "part"),
    [
        ("Could not fetch URL x: Read timed out. - skipping\nERROR: No matching distribution", "read x (timed out)"),
        ("Could not fetch URL x: SSLError(certificate verify failed)", "(certificate verify failed)"),
        ("Could not fetch URL x: something else - skipping", "(something else - skipping)"),
        ("Could not fetch URL x: 404 Client Error\nERROR: No matching distribution", "there is no wheel"),
        ("ERROR: something else\n\n", "but pip says: something else"),
        ("", "but pip says: nothing"),
    ],
)
def test_what_pip_says(output: str, part: str) -> None:
    assert part in pip.refusal("demo==1.0", TARGET, output).sentence
