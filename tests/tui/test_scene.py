"""What a scene says of itself."""

from __future__ import annotations

import pytest

from wrpme.tui.state.scene import ArcShown


@pytest.mark.parametrize(
    ("holders", "served", "lacking"),
    [((0, 1), True, 0), ((0,), True, 1), ((0, 1, 2), True, 0), ((0, 1), False, 2), ((), False, 2)],
)
def test_copies_that_are_missing(holders: tuple[int, ...], served: bool, lacking: int) -> None:
    assert ArcShown(0, 10, holders, (), 2, served, False).lacking == lacking
