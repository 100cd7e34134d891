"""The program ``wrpme-data``: check, stats, dump, repair, upgrade or compact the data directory of a stopped node.

Results go to standard output, an error and the progress to standard error; the exit code is 0, 1 where something is
wrong, or 2 for wrong usage. Only ``compact`` changes the directory.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from time import time

from wrpme import options
from wrpme.backup.frames import Header
from wrpme.backup.writer import Writer
from wrpme.core.layout import COUNTS_LIFE_KEY
from wrpme.daemon.data import checks, copies
from wrpme.daemon.data.checks import Contents
from wrpme.daemon.storage import _plyvel, leveldb
from wrpme.daemon.storage.leveldb import FORMAT_KEY, REPAIRED, LevelStore
from wrpme.errors import BackupError, DamagedError, UsageError, WrpmeError
from wrpme.limits import MIB
from wrpme.protocol import ring, view_index
from wrpme.protocol.quoting import named
from wrpme.version import VERSION

COMMANDS = {
    "check": "looks at every block, entry and note of DIR, and says what is not as it must be",
    "stats": "prints what DIR holds",
    "dump": "writes the entries of DIR to FILE, a backup that hive_restore reads",
    "repair": "makes DIR.repaired of what LevelDB can still read of DIR, for dump",
    "compact": "gives the space of what was removed back",
    "upgrade": "says whether this release reads DIR, and makes it so if it must",
}
TAKES = {name: ("DIR", "FILE") if name == "dump" else ("DIR",) for name in COMMANDS}
"""The words that follow each of them."""
PART_BYTES = MIB


def main() -> None:
    """The command."""
    try:
        sys.exit(run(sys.argv[1:]))
    except BrokenPipeError:
        os._exit(141)
    except KeyboardInterrupt:
        _tell("")
        os._exit(130)


def run(arguments: Sequence[str]) -> int:
    """Carries out a command line; gives the exit code."""
    try:
        given = options.parse(options.WRPME_DATA, arguments)
        if given["help"]:
            _say(help_text())
            return 0
        if given["version"]:
            _say(f"wrpme-data {VERSION}")
            return 0
        return _command(given.words)
    except UsageError as error:
        _tell(f"{error.word}: {error.sentence}")
        return 2
    except WrpmeError as error:
        _tell(f"{error.word}: {error.sentence}")
        return 1
    except MemoryError:
        _tell("shortage: this machine has no memory left for it; nothing was changed")
        return 1


def help_text() -> str:
    """What ``--help`` prints."""
    width = max(map(len, COMMANDS)) + 2
    lines = [
        "usage: wrpme-data COMMAND DIR [FILE]", "", "The data directory DIR of a node (--root) that does not run.", "",
        *(f"  {name:<{width}}{what}" for name, what in COMMANDS.items()), "", *options.help_lines(options.WRPME_DATA),
    ]  # fmt: skip
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _command(words: Sequence[str]) -> int:
    known = ", ".join(COMMANDS)
    if not words or words[0] not in COMMANDS:
        what = f"there is no command {words[0]!r}" if words else "a command is missing"
        raise UsageError(f"{what}; it is one of {known}, and wrpme-data --help tells of them")
    name, *rest = words
    if len(rest) != len(TAKES[name]):
        raise UsageError(f"it is written: wrpme-data {' '.join((name, *TAKES[name]))}")
    commands: dict[str, Callable[[str], int]] = {
        "check": _check, "stats": _stats, "repair": _repair, "compact": _compact, "upgrade": _upgrade,
    }  # fmt: skip
    try:
        return _dump(rest[0], rest[1]) if name == "dump" else commands[name](rest[0])
    finally:
        _progress("")


# --- looking -----------------------------------------------------------------------------------------------------


def _look(store: LevelStore) -> Contents:
    return checks.look(store, lambda entries: _progress(f"looked at {entries:,} entries"))


RESORTS = (
    "Where its hive has other copies, start the node: it sets this directory aside by itself if it can't use it. Else "
    "see wrpme-data repair"
)


def _check(directory: str) -> int:
    with copies.opened(directory) as store:
        if broken := [named(key[9:]) for key in store.broken()]:
            some = broken[: checks.NAMED_MAX]
            raise DamagedError(
                f"the files of {len(broken):,} large contents in {directory} are missing, or not what was written: "
                f"{', '.join(some)}{_more(some)}. {RESORTS}"
            )
        found = _look(store)
        repaired = store.repaired
    _progress("")
    if repaired:
        _say(f"the end of the log is torn, as a power loss leaves it; a node that starts cuts it off ({repaired})")
    for line in _about(found):
        _say(line)
    if found.wrong:
        for what, which in found.damage.items():
            _say(f"{what}: {', '.join(which)}{_more(which)}")
        raise DamagedError(f"{found.wrong:,} things in {directory} are not as they must be. {RESORTS}")
    _say(f"{directory} is whole")
    return 0


def _more(which: Sequence[str]) -> str:
    return ", ..." if len(which) == checks.NAMED_MAX else ""


def _about(found: Contents) -> list[str]:
    entries = "1 entry" if found.entries == 1 else f"{found.entries:,} entries"
    lines = [f"{entries} with {found.size_bytes:,} bytes, {found.expiring:,} of them with a life span"]
    if found.view is not None:
        view = found.view
        me = view_index.member(view, found.node)
        who = f"{me.address} ({me.state.name.lower()})" if me is not None else "no member"
        lines.append(
            f"view {view.epoch} of hive {view.hive.hex()[:8]}: {len(view.members)} nodes, {view.replication} copies; "
            f"this node is {who}, id {found.node.hex()[:8]}, started {found.starts:,} times"
        )
    else:
        lines.append("no view: this node was never taken into a hive")
    if found.foreign:
        lines.append(f"{found.foreign:,} entries of arcs that live elsewhere, which the node would wipe")
    if found.stale:
        lines.append(f"{found.stale:,} reminders of entries that are gone, which go by themselves")
    return lines


def _stats(directory: str) -> int:
    with copies.opened(directory) as store:
        found = _look(store)
    _progress("")
    for line in _about(found):
        _say(line)
    _say(f"the largest content has {found.largest:,} bytes")
    for kind, (count, size) in sorted(_files(directory).items()):
        _say(f"{kind}: {count} files, {size:,} bytes")
    return 0


def _files(directory: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name in os.listdir(directory):
        kind = {".ldb": "tables", ".sst": "tables", ".log": "logs"}.get(os.path.splitext(name)[1], "others")
        count, size = found.get(kind, (0, 0))
        found[kind] = count + 1, size + os.path.getsize(os.path.join(directory, name))
    return found


# --- dumping -----------------------------------------------------------------------------------------------------


def _dump(directory: str, path: str) -> int:
    """One section with all entries of arcs that this node has a copy of; the file has its name when it is whole."""
    is_file = not os.path.exists(path) or os.path.isfile(path)
    part = f"{path}.part" if is_file and path != "-" else path
    with copies.opened(directory) as store:
        try:
            file = os.fdopen(os.dup(1), "wb") if path == "-" else open(part, "wb")  # noqa: SIM115 - see below
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            with file:
                entries, left_out = _write(store, file.write)
                file.flush()
                if part != path:
                    os.fsync(file.fileno())
                    os.replace(part, path)
        except BaseException as error:
            if part != path and os.path.exists(part):
                os.unlink(part)
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                raise _unwritable(path, error) from None
            raise
    _progress("")
    others = f"; {left_out:,} of arcs that live elsewhere were left out" if left_out else ""
    (_tell if path == "-" else _say)(f"{entries:,} entries of {directory} written to {path}{others}")
    return 0


def _unwritable(path: str, error: OSError) -> BackupError:
    return BackupError(f"{path} can't be written ({(error.strerror or str(error)).lower()}); give another file")


def _write(store: LevelStore, write: Callable[[bytes], object]) -> tuple[int, int]:
    node = checks.Contents()
    checks._look_at_node(store, node)
    view, held = node.view, checks.held_by(node.view, node.node)
    hive, copies_kept = (view.hive, view.replication) if view is not None else (bytes(16), 0)
    writer = Writer(write, Header(VERSION, hive, copies_kept, int(time() * 1000), False))
    writer.begin(1, 0, ring.RING - 1)
    for alias, expiry, version, content in checks.entries_in(store, held):
        for offset in range(0, max(1, len(content)), PART_BYTES):
            writer.add(1, alias, expiry, version, len(content), offset, content[offset : offset + PART_BYTES])
    writer.end(1)
    counts = writer.finish()
    everything = sum(1 for _ in checks.entries_in(store, lambda position: True)) if view is not None else counts.entries
    return counts.entries, everything - counts.entries


# --- changing ----------------------------------------------------------------------------------------------------


def _repair(directory: str) -> int:
    """Of a copy: what LevelDB throws away stays in the directory itself."""
    directory = directory.rstrip("/")
    target = f"{directory}.repaired"
    try:
        os.mkdir(target, 0o700)
    except FileExistsError:
        raise UsageError(f"{target} is there already; move it away, or dump it") from None
    except OSError as error:
        raise leveldb.unusable(target, error) from None
    try:
        copies.copied(directory, target)
        _plyvel.repair(target)
        store = leveldb.opened_as_it_is(target)
    except _plyvel.Error as error:
        shutil.rmtree(target, ignore_errors=True)
        raise DamagedError(f"LevelDB can't repair {directory} ({error}); nothing in it was changed") from None
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    try:
        store.write([(FORMAT_KEY, REPAIRED)], sync=True)
        broken = [named(key[9:]) for key in store.drop_broken()][: checks.NAMED_MAX]
        found = _look(store)
    finally:
        store.close()
    _progress("")
    for line in _about(found):
        _say(line)
    for what, which in found.damage.items():
        _say(f"{what}: {', '.join(which)}{_more(which)}")
    if broken:
        _say(f"of large entries parts are lost, and they with them: {', '.join(broken)}{_more(broken)}")
    if found.gone:
        _say(f"the index names entries that are not there, and may be lost: {', '.join(found.gone)}{_more(found.gone)}")
    _say(
        f"{target} has what could be read; {directory} is as it was. No node starts on it: wrpme-data dump {target} "
        "FILE, then wrpmesh hive_restore --keep FILE brings back what the hive has not"
    )
    return 0


def _compact(directory: str) -> int:
    copies.check_is_one(directory)
    store = leveldb.open_store(directory)
    before = sum(size for _, size in _files(directory).values())
    try:
        parts = store.slices()
        for number, (low, high) in enumerate(parts, 1):
            _progress(f"part {number} of {len(parts)}")
            store.compact(low, high)
        store.write([(COUNTS_LIFE_KEY, None)], sync=True)  # the next start counts all entries
    finally:
        store.close()
    _progress("")
    after = sum(size for _, size in _files(directory).values())
    _say(f"{directory} has {after:,} bytes now, and had {before:,}")
    return 0


def _upgrade(directory: str) -> int:
    with copies.opened(directory) as store:
        found = checks.check_format(store, directory)
    _say(f"{directory} has the format {found!r}, which is that of wrpme {VERSION}: there is nothing to do")
    return 0
