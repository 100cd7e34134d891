"""What a watcher of a hive sees, in the order in which it sees it: views, happenings and figures of all nodes.

``at`` is seconds since 1970 by the watcher's clock, ``node`` the address of the node that told it. As lines of JSON
(:func:`to_line`, :func:`from_line`) sightings are what ``wrpmesh watch`` prints and what a record holds.
"""

from __future__ import annotations

from typing import Union

from msgspec import Struct

from wrpme.figures import Figures
from wrpme.happening import Happening
from wrpme.picture import View


class ViewSeen(Struct, frozen=True, tag="view", tag_field="saw"):
    """The view that a node has adopted, newer than all before (or of another hive than before)."""

    at: float
    node: str
    view: View


class Happened(Struct, frozen=True, tag="event", tag_field="saw"):
    """Something happened. What several nodes tell alike is seen once."""

    at: float
    node: str
    happening: Happening


class FiguresSeen(Struct, frozen=True, tag="figures", tag_field="saw"):
    """The figures of a node; ``through`` is the address of another node that asked for them, where this one can't be
    reached from here."""

    at: float
    node: str
    figures: Figures
    through: str = ""


class Reached(Struct, frozen=True, tag="reached", tag_field="saw"):
    """The node tells from now on."""

    at: float
    node: str


class Gone(Struct, frozen=True, tag="gone", tag_field="saw"):
    """The node is not heard any more, or can't be reached: why, in words. Seen once until it is reached again."""

    at: float
    node: str
    reason: str


class Missed(Struct, frozen=True, tag="missed", tag_field="saw"):
    """So many happenings of the node were not seen: this watcher did not read in time."""

    at: float
    node: str
    count: int


Sighting = Union[ViewSeen, Happened, FiguresSeen, Reached, Gone, Missed]
