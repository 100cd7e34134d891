"""Is the history of one entry linearizable? Wing and Gong's search (1993) with Lowe's memory of configurations.

An operation took effect at one moment between its call and its return, or, where nobody knows how it ended, at some
moment after its call, or never. Moments are whole numbers that no two calls or returns share.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

CONFIGURATIONS_MAX = 100_000
"""A search that meets more of them gives up, and says so."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``kind`` is a command's name; ``result`` is "ok", the word of an error (or several, with "or" between them), or
    "" where it is not known; ``given`` is the content that came back."""

    kind: str
    call: float
    back: float = inf
    result: str = ""
    content: bytes | None = None
    comparand: bytes | None = None
    given: bytes | None = None

    @property
    def known(self) -> bool:
        """Whether the client knows how it ended."""
        return self.result != ""


READS = {"get", "get_entry"}
GIVES = {"get", "get_entry", "get_update", "get_remove", "cas", "add"}
WRITES = {"put", "update", "get_update", "cas", "cas_version"}
REMOVES = {"remove", "get_remove", "remove_if", "remove_version"}
COMPARES = {"cas", "remove_if", "cas_version", "remove_version"}
"""Who compares a version names the content that it belongs to. There are also ``add``, which gives the sum and has what
it adds as its content; ``expire``, which leaves the content and marks it; and ``deadline``, which removes only the very
content, or mark, that it names. A mark begins with a zero byte."""


def unmarked(held: bytes) -> bytes:
    """The content alone."""
    return held.partition(b"\0")[0] if b"\0" in held else held


def step(held: bytes | None, operation: Operation) -> tuple[str, bytes | None]:
    """What the operation answers to an entry of that content (None: there is none), and what it leaves."""
    kind = operation.kind
    if kind == "deadline":
        named = operation.comparand or b""
        ends = held is not None and (held == named or (named[:1] == b"\0" and held.endswith(named)))
        return "ok", None if ends else held
    if kind == "put":
        return ("ok", operation.content) if held is None else ("already_exists", held)
    if kind == "update":
        return "ok", operation.content
    if kind == "add":
        return "ok", b"%d" % (int(held or b"0") + int(operation.content or b"0"))
    if held is None:
        return "not_found", None
    if kind in COMPARES and unmarked(held) != operation.comparand:
        return "mismatch", held
    if kind == "expire":
        return "ok", unmarked(held) + (operation.content or b"")
    if kind in WRITES:
        return "ok", operation.content
    return ("ok", None) if kind in REMOVES else ("ok", held)


def fits(held: bytes | None, operation: Operation, result: str) -> bool:
    """Whether the client may have heard this of an entry of that content."""
    if not operation.known:
        return True
    if result not in operation.result.split(" or "):
        return False
    if result != "ok" or operation.kind not in GIVES:
        return True
    if operation.kind == "add":
        return operation.given == step(held, operation)[1]
    return held is not None and operation.given == unmarked(held)


def is_linearizable(history: list[Operation], initial: bytes | None = None) -> bool | None:
    """Whether some order explains the history; None where the search had to give up."""
    ordered = sorted(
        (operation for operation in history if operation.known or operation.kind not in READS), key=lambda one: one.call
    )
    everything = sum(1 << at for at, operation in enumerate(ordered) if operation.known)
    seen: set[tuple[int, bytes | None]] = set()
    stack: list[tuple[int, bytes | None]] = [(0, initial)]
    while stack:
        done, held = stack.pop()
        if done & everything == everything:
            return True
        if (done, held) in seen:
            continue
        seen.add((done, held))
        if len(seen) > CONFIGURATIONS_MAX:
            return None
        stack += following(ordered, done, held)
    return False


def following(ordered: list[Operation], done: int, held: bytes | None) -> list[tuple[int, bytes | None]]:
    """The configurations one operation further; the likeliest last, as a stack is taken from its end."""
    first_back = inf
    candidates: list[int] = []
    for at, operation in enumerate(ordered):
        if operation.call > first_back:
            break
        if not done >> at & 1:
            candidates.append(at)
            first_back = min(first_back, operation.back)
    sure: list[tuple[float, int, bytes | None]] = []
    unsure: list[tuple[int, bytes | None]] = []
    for at in candidates:
        operation = ordered[at]
        result, left = step(held, operation)
        if not fits(held, operation, result):
            continue
        if operation.known:
            if left == held and operation.kind != "deadline":
                # It changes nothing and fits now, so it can't do harm to take it at once. A deadline may have to come
                # after what is written later.
                return [(done | 1 << at, held)]
            sure.append((operation.back, done | 1 << at, left))
        elif left != held:  # one of unknown end that changes nothing now explains nothing
            unsure.append((done | 1 << at, left))
    sure.sort(key=lambda one: -one[0])
    return unsure + [(mask, left) for _, mask, left in sure]
