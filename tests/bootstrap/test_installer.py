"""Bundles install themselves: wholly, or not at all with one line that says why."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.bundle_parts import PYTHON, small_bundle
from wrpme.bootstrap.bundle import installer

PACKAGES = "lib/python{}.{}/site-packages".format(*sys.version_info)
FILES = {
    "demo/__init__.py": b"from demo.part import x\n",
    "demo/part.py": b"x = 1\n",
    "demo-1.0.dist-info/METADATA": b"N",
}


def install(bundle: Path, directory: Path, *before: str, python: str = PYTHON) -> str:
    """What it says on standard error; empty if it succeeded."""
    done = subprocess.run(
        [*before, python, "-I", "-B", str(bundle), str(directory)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.stdout
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    assert done.stderr.count("\n") == done.returncode, "one line, and exit code 1"
    return done.stderr.strip()


def everything(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """All files below that directory."""
    return {
        str(path.relative_to(directory)): (path.lstat().st_mtime_ns, path.lstat().st_mode, path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file()
    }


def run(directory: Path, code: str, *options: str) -> str:
    command = [str(directory / "bin" / "python"), "-B", *options, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "bundle.zip", FILES)


def test_a_virtual_environment_with_all_files(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "versions" / "1.0"
    assert not install(bundle, there)
    assert {name: (there / PACKAGES / name).read_bytes() for name in FILES} == FILES
    assert (there / "complete").read_text() == "1.0-00000000\n"
    assert os.access(there / "bin" / "script", os.X_OK)
    said = run(there, "import demo, sys, sysconfig; print(demo.x, sys.prefix, sysconfig.get_path('purelib'))")
    assert said.split() == ["1", str(there), str(there / PACKAGES)]
    packages = "import sys; print([path for path in sys.path if 'site-packages' in path or 'dist-packages' in path])"
    outside = run(there, packages)
    assert eval(outside) == [str(there / PACKAGES)], "nothing of the system's packages is seen"


def test_it_needs_no_more_than_it_is_given(bundle: Path, tmp_path: Path) -> None:
    """As one user, for another; and started through a link, from a directory of its own."""
    (tmp_path / "python").symlink_to(PYTHON)
    old = os.umask(0o077)
    try:
        assert not install(bundle, tmp_path / "there", python=str(tmp_path / "python"))
    finally:
        os.umask(old)
    for path in (tmp_path / "there").rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o044 == 0o044, f"{path} can't be read by others"
    assert run(tmp_path / "there", "import demo; print(demo.x)") == "1\n"


def test_once_more_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    install(bundle, there)
    before = everything(there)
    assert not install(bundle, there)
    assert everything(there) == before


def test_what_is_not_complete_is_made_anew(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    install(bundle, there)
    before = {name: content for name, (_, _, content) in everything(there).items() if not name.endswith(".pyc")}
    (there / "complete").unlink()
    (there / PACKAGES / "demo" / "part.py").write_text("half")
    (there / PACKAGES / "demo" / "more.py").write_text("of something else")
    assert not install(bundle, there)
    after = {name: content for name, (_, _, content) in everything(there).items() if not name.endswith(".pyc")}
    assert after == before


def test_compiled_code_is_used_until_its_source_is_changed(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    install(bundle, there)
    seen = run(there, "import demo", "-v")
    assert seen.count("matches") >= 2
    assert "wrote" not in seen
    for name in ("__init__", "part"):
        cached = importlib.util.cache_from_source(str(there / PACKAGES / "demo" / f"{name}.py"))
        assert f"code object from '{cached}'" in seen
    (there / PACKAGES / "demo" / "part.py").write_text("x = 'changed by hand'\n")
    assert run(there, "import demo; print(demo.x)") == "changed by hand\n"


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"python": "3.99"}, "it is made for Python 3.99, but this is Python {}.{}".format(*sys.version_info)),
        ({"checksum": 1}, "is damaged (its checksum differs)"),
    ],
)
def test_a_bundle_that_is_not_for_this(said: dict[str, object], part: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle.zip", FILES, **said)  # type: ignore[arg-type]
    there = tmp_path / "there"
    refusal = install(bundle, there)
    assert refusal.startswith(f"can't install wrpme in {there}: ")
    assert part in refusal
    assert not there.exists()


def test_a_damaged_bundle(bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[content.rindex(b"contents", 0, content.index(b"PK\x01\x02")) + 12] ^= 0xFF
    bundle.write_bytes(content)
    assert "is damaged" in install(bundle, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_what_does_not_run_on_this_machine_is_not_installed(tmp_path: Path) -> None:
    suffix = "cpython-{}{}-x.so".format(*sys.version_info)
    name = f"demo/core{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    bundle = small_bundle(tmp_path / "bundle.zip", {name: b"\x7fELF of another machine", f"demo/other.{suffix}": b""})
    refusal = install(bundle, tmp_path / "there")
    assert f"site-packages/{name} does not run on this machine (" in refusal
    assert "invalid ELF header" in refusal or "Exec format error" in refusal or "short" in refusal
    assert not (tmp_path / "there").exists()


def test_a_place_that_can_not_be_written(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in install(bundle, tmp_path / "file" / "there")


def test_it_is_called_with_a_directory(bundle: Path) -> None:
    done = subprocess.run([PYTHON, "-I", str(bundle)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "usage: python3 -I BUNDLE DIRECTORY\n")


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import installer
there = sys.argv[3]
left = 0

def counted(deed):
    def then(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return deed(*arguments)
    return then

for name in ("_remove", "_make_directories", "_write", "_make_environment", "_sync"):
    setattr(installer, name, counted(getattr(installer, name)))
for steps in range(1000):
    child = os.fork()
    if not child:
        left = steps
        os._exit(installer.main(sys.argv[2:]))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, *(os.path.exists(f"{there}/{name}") for name in ("complete", "bin/script")), flush=True)
    if code != -signal.SIGKILL:
        break
"""


def test_who_is_killed_at_any_step_leaves_nothing_complete(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    command = [PYTHON, "-I", "-B", "-c", KILLED, str(Path(installer.__file__).parent), str(bundle), str(there)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *killed, last = [line.split() for line in done.stdout.splitlines()]
    assert len(killed) > 20
    for code, complete, script in killed:
        assert code == str(-signal.SIGKILL)
        assert complete == "False" or script == "True"
    assert last[0] == "0", done.stderr
    assert run(there, "import demo; print(demo.x)") == "1\n", "it was begun on what the one before had left"


def test_a_full_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    files = {f"demo/part{number}.py": b"x = '%s'" % os.urandom(20_000).hex().encode() for number in range(20)}
    bundle = small_bundle(tmp_path / "bundle.zip", files)
    mount = f"mount -t tmpfs -o size=1m none {disk} || exit 77"
    script = f"{mount}; {PYTHON} -I {bundle} {disk}/there; echo $?; ls -A {disk}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"a small disk can't be mounted here: {done.stderr}")
    assert done.stdout == "1\n", "exit code 1, and nothing is left on the disk"
    assert done.stderr.startswith(f"can't install wrpme in {disk}/there: No space left on device; 1.")
    assert done.stderr.endswith(" MiB are needed, 1.0 MiB are free\n")
    assert done.stderr.count("\n") == 1
