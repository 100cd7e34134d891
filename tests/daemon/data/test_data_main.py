"""The commands of wrpme-data, as an operator gives them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.daemon.data.parts import ENTRIES, key, made
from wrpme.core.layout import COUNTS_LIFE_KEY, operations_for, value_of
from wrpme.core.stats.slot_counts import SlotCounts
from wrpme.backup.reader import Reader
from wrpme.daemon.data.main import COMMANDS, run
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.leveldb import open_store
from wrpme.errors import DamagedError, StorageError

Captured = pytest.CaptureFixture[str]


def test_check_and_stats_of_one_that_is_whole(tmp_path: Path, capsys: Captured) -> None:
    directory = made(tmp_path / "data")
    assert run(["check", directory]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith(f"{len(ENTRIES)} entries with ") and out.endswith(f"{directory} is whole\n")
    assert "1 nodes, 2 copies; this node is 127.0.0.1:5909 (up)" in out
    assert run(["stats", directory]) == 0
    assert "the largest content has 1,000,000 bytes" in capsys.readouterr().out
    assert run(["upgrade", directory]) == 0 and "there is nothing to do" in capsys.readouterr().out


def test_check_names_what_is_wrong(tmp_path: Path, capsys: Captured) -> None:
    directory = made(tmp_path / "data")
    store = open_store(directory)
    store.write([(b"aa", None), (b"aempty", None)], True)
    store.close()
    assert run(["check", directory]) == 1
    told = capsys.readouterr()
    assert 'the index does not tell of an entry as it is: "' in told.out and "2 things in" in told.err


def damaged(directory: str) -> None:
    """A byte in the middle of the largest table, and so a block, is another one."""
    open_store(directory).close()  # what is in the log becomes a table
    store = open_store(directory)
    store.compact(b"", b"\xff")
    store.close()
    table = max(Path(directory).glob("*.ldb"), key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 0x40
    table.write_bytes(content)


def test_one_that_is_damaged_is_repaired_aside_and_no_node_starts_on_that(tmp_path: Path, capsys: Captured) -> None:
    directory = made(tmp_path / "data")
    damaged(directory)
    before = {path.name: path.read_bytes() for path in Path(directory).iterdir() if path.name != "LOCK"}
    assert run(["check", directory]) == 1
    assert f"damaged: the data directory {directory} is damaged (" in capsys.readouterr().err
    assert run(["repair", directory]) == 0
    assert f"{directory}.repaired has what could be read" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in Path(directory).iterdir() if path.name != "LOCK"} == before
    with pytest.raises(StorageError, match="may lack entries: no node starts on it"):
        open_store(f"{directory}.repaired")
    file = tmp_path / "saved.backup"
    assert run(["dump", f"{directory}.repaired", str(file)]) == 0
    found = _entries(file)
    assert found and set(found) < set(ENTRIES) and all(found[alias] == ENTRIES[alias][1] for alias in found)
    assert run(["repair", directory]) == 2 and "is there already" in capsys.readouterr().err


def test_a_table_that_was_cut_is_damage(tmp_path: Path, capsys: Captured) -> None:
    """A node sets such a directory aside."""
    directory = made(tmp_path / "data")
    open_store(directory).close()
    table = max(Path(directory).glob("*.ldb"), key=lambda path: path.stat().st_size)
    os.truncate(table, table.stat().st_size // 2)
    assert run(["check", directory]) == 1
    assert capsys.readouterr().err.startswith(f"damaged: the data directory {directory} is damaged (")
    with pytest.raises(DamagedError):
        store = open_store(directory)
        list(store.scan(b"", b"\xff"))


def test_all_large_contents_that_are_lost_are_named_at_once(tmp_path: Path, capsys: Captured) -> None:
    directory = made(tmp_path / "data")
    store = open_store(directory)
    for number, alias in enumerate((b"gone", b"flipped", b"there")):
        store.write(operations_for(key(alias), value_of((2, number), 0, bytes(2 << 20))), True)
    store.close()
    first, second, _ = sorted(Path(directory).glob("large-*"))
    first.unlink()
    second.write_bytes(b"x" + second.read_bytes()[1:])
    assert run(["check", directory]) == 1
    told = capsys.readouterr().err
    assert "the files of 2 large contents" in told and "gone" in told and "flipped" in told and "there," not in told


def test_entries_that_are_counted_wrongly_are_noticed(tmp_path: Path, capsys: Captured) -> None:
    """No start counts them any more."""
    directory = made(tmp_path / "data")
    store = open_store(directory)
    counts = SlotCounts()
    counts.begin(identity.last_life(store))
    counts.add(0, 1, 5)
    store.write(counts.operations(), True)
    store.close()
    assert run(["check", directory]) == 1
    assert f"counted wrongly (wrpme-data compact lets the next start count them anew): 1 and not {len(ENTRIES)}" in (
        capsys.readouterr().out
    )
    assert run(["compact", directory]) == 0 == run(["check", directory])


def _entries(file: Path) -> dict[bytes, bytes]:
    reader = Reader(io.BytesIO(file.read_bytes()), "it")
    reader.check()
    return {entry.alias: entry.content for entry in reader.entries()}


def test_dump_writes_a_backup_or_nothing(tmp_path: Path, capsys: Captured) -> None:
    directory, file = made(tmp_path / "data"), tmp_path / "hive.backup"
    assert run(["dump", directory, str(file)]) == 0
    assert capsys.readouterr().out == f"{len(ENTRIES)} entries of {directory} written to {file}\n"
    assert _entries(file) == {alias: content for alias, (_, content) in ENTRIES.items()}
    file.write_bytes(b"a former one")
    damaged(directory)
    assert run(["dump", directory, str(file)]) == 1
    assert file.read_bytes() == b"a former one" and not list(tmp_path.glob("*.part"))
    assert run(["dump", made(tmp_path / "other"), "/dev/full"]) == 1
    assert "/dev/full can't be written (no space left" in capsys.readouterr().err


def test_compact_gives_space_back(tmp_path: Path, capsys: Captured) -> None:
    directory = made(tmp_path / "data")
    store = open_store(directory)
    store.write([(key(b"large"), None), (b"alarge", None), (COUNTS_LIFE_KEY, bytes(8))], True)
    store.close()
    open_store(directory).close()
    assert run(["compact", directory]) == 0
    said = capsys.readouterr().out
    after, before = (int(word.replace(",", "")) for word in (said.split(" has ")[1].split()[0], said.split("had ")[1]))
    assert after < before - 900_000 and run(["check", directory]) == 0
    store = open_store(directory)
    assert store.get(COUNTS_LIFE_KEY) is None, "the next start counts anew"
    store.close()


@pytest.mark.parametrize(
    "words", [[], ["eat"], ["check"], ["dump", "a"], ["check", "a", "b"], ["--frob"], ["check", "/nowhere"]]
)
def test_wrong_usage(words: list[str], capsys: Captured) -> None:
    assert run(words) == 2
    told = capsys.readouterr()
    assert not told.out and told.err.startswith("usage: ") and told.err.count("\n") == 1


def test_the_document_says_of_each_command_what_the_help_says() -> None:
    text = (Path(__file__).parents[3] / "docs" / "wrpme-data.md").read_text()
    rows = [line.split("|")[1].strip(" `").split()[0] for line in text.splitlines() if line.startswith("| `")]
    assert rows == list(COMMANDS)


def test_help_names_every_command(capsys: Captured) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS) and max(map(len, out.splitlines())) < 100
    assert run(["--version"]) == 0 and capsys.readouterr().out.startswith("wrpme-data ")
    assert os.path.sep not in out
