from __future__ import annotations

import pytest

from wrpme.tui.ring.bigword import HEIGHT_ROWS, big
from wrpme.tui.state.scene import Mood


@pytest.mark.parametrize("mood", list(Mood))
def test_there_are_letters_for_every_mood(mood: Mood) -> None:
    rows = big(mood.value)
    assert rows is not None and len(rows) == HEIGHT_ROWS
    assert len({len(row) for row in rows}) == 1
    assert set("".join(rows)) <= set(" ▀▄█")


def test_letters_are_what_they_are() -> None:
    assert big("TIE") == ("▀█▀ █ █▀▀", " █  █ █▀ ", " ▀  ▀ ▀▀▀")
    assert big("%") is None
