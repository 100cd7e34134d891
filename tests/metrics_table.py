"""The table of metrics in docs/observing.md, made from the code: ``python -m tests.metrics_table`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from wrpme.daemon.net.http.metrics import ROWS

DOCUMENT = Path(__file__).parent.parent / "docs" / "observing.md"
BEGIN, END = "<!-- metrics: python -m tests.metrics_table -->\n", "<!-- end -->\n"


def table() -> str:
    """What stands between the two marks."""
    lines = ["| metric | kind | labels | what it is |", "|---|---|---|---|"]
    for row in ROWS:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.name}` | {row.kind} | {labels} | {row.help} |")
    return "\n".join(lines) + "\n"


def missing() -> str:
    """What is not in the document as the code has it; empty where all is."""
    text = DOCUMENT.read_text()
    held = text.partition(BEGIN)[2].partition(END)[0]
    return "" if held == table() else table()


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
