"""``wrpmed`` whose disk hangs as long as there is a file ``<port>.hangs`` in its directory, as a stalled network disk
does: no error, and no end. The program itself knows nothing of this."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from wrpme.core.io import Operation
from wrpme.daemon.main import main
from wrpme.daemon.storage.leveldb import LevelStore

LOOK_SECONDS = 0.01


def hang_in_writes(mark: Path) -> None:
    """From now on each write waits for the mark to go."""
    write = LevelStore.write

    def waiting(self: LevelStore, operations: list[Operation], sync: bool) -> None:
        while mark.exists():
            time.sleep(LOOK_SECONDS)
        write(self, operations, sync)

    LevelStore.write = waiting  # type: ignore[method-assign]


if __name__ == "__main__":
    address = sys.argv[sys.argv.index("-a") + 1]
    hang_in_writes(Path(f"{address.rpartition(':')[2]}.hangs").absolute())
    main()
