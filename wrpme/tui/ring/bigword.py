"""The word in the middle in large letters, five pixels high: for rings that have room for it. Pure."""

from __future__ import annotations

HEIGHT_ROWS = 3
_LETTERS = {
    "A": ".#. #.# ### #.# #.#",
    "B": "##. #.# ##. #.# ##.",
    "C": ".## #.. #.. #.. .##",
    "D": "##. #.# #.# #.# ##.",
    "E": "### #.. ##. #.. ###",
    "G": ".### #... #.## #..# .###",
    "I": "# # # # #",
    "L": "#.. #.. #.. #.. ###",
    "N": "#..# ##.# #.## #..# #..#",
    "O": ".#. #.# #.# #.# .#.",
    "R": "##. #.# ##. #.# #.#",
    "S": ".## #.. .#. ..# ##.",
    "T": "### .#. .#. .#. .#.",
    "U": "#.# #.# #.# #.# ###",
    "V": "#.# #.# #.# #.# .#.",
    "Z": "### ..# .#. #.. ###",
}
_HALVES = {"..": " ", "#.": "▀", ".#": "▄", "##": "█"}


def big(word: str) -> tuple[str, ...] | None:
    """The rows of a word in half blocks; None if it has characters that there are no letters for."""
    if not set(word) <= set(_LETTERS):
        return None
    lines = [".".join(parts) for parts in zip(*(_LETTERS[letter].split(" ") for letter in word), strict=True)]
    lines.append("." * len(lines[0]))
    return tuple(
        "".join(_HALVES[upper + lower] for upper, lower in zip(lines[row], lines[row + 1], strict=True))
        for row in range(0, len(lines), 2)
    )
