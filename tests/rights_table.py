"""The table of what each role may do in docs/security.md, made from the code.

``python -m tests.rights_table`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wrpme.protocol.access import rights
from wrpme.protocol.access.users import Role
from wrpme.protocol.administration import kind_in_words

DOCUMENT = Path(__file__).parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- rights: python -m tests.rights_table -->\n", "<!-- end of rights -->\n"
STAR = "\\*"
WHO = {Role.NOBODY: "whoever connects", Role.READ: "`read`", Role.WRITE: "`write`", Role.ADMIN: "`admin`"}


def table() -> str:
    """What stands between the two marks. A star is at what a user with prefixes may not do."""
    lines = ["| role | hive protocol | commands of Redis | HTTP |", "|---|---|---|---|"]
    redis = {**rights.REDIS, **{name.replace("|", " "): role for name, role in rights.REDIS_PARTS.items()}}
    for role, who in WHO.items():
        cells = [
            _listed(
                (kind_in_words(kind.__name__), kind in rights.WHOLE)
                for kind, of in rights.REQUESTS.items()
                if of is role
            ),
            _listed((name, name in rights.REDIS_WHOLE) for name, of in redis.items() if of is role),
            _listed((path, False) for path, of in rights.PAGES.items() if of is role),
        ]
        lines.append(f"| {who} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _listed(names: Iterable[tuple[str, bool]]) -> str:
    return ", ".join(name + STAR * is_whole for name, is_whole in sorted(names))


def missing() -> str:
    """What is not in the document as the code has it; empty where all is."""
    held = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    return "" if held == table() else table()


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
