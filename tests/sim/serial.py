"""Is the history of a few entries that are changed together strictly serializable? The search of
:mod:`tests.sim.linear`, over the state of all of them.

A transaction took effect whole, at one moment between its call and its return; or, where nobody knows how it ended, at
some moment after its call, or never. An operation by itself is a transaction of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

CONFIGURATIONS_MAX = 100_000
"""A search that meets more of them gives up, and says so."""

State = tuple[tuple[str, bytes], ...]
"""Entries with their contents, sorted."""
Told = tuple[bytes | int | None, ...] | tuple[int, str]
"""What the steps gave; or which of them failed, and with what word."""


@dataclass(frozen=True, slots=True)
class Step:
    """``kind`` is one of get, exists, update, put, add, remove, absent (nothing may be there), same (the content must
    be ``content``), and two that never fail: fetch (gives None where nothing is there) and drop (gives 1 or 0)."""

    kind: str
    alias: str
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Together:
    """Steps that are carried out together, and what was told of them; None where that is not known."""

    steps: tuple[Step, ...]
    call: float
    back: float = inf
    told: Told | None = None


CHANGES = {"update", "put", "add", "remove", "drop"}


def carried_out(state: State, steps: tuple[Step, ...]) -> tuple[Told, State]:
    """What the steps tell of that state, and what they leave: all of what they do, or nothing."""
    held = dict(state)
    given: list[bytes | int | None] = []
    for index, step in enumerate(steps):
        content = held.get(step.alias)
        if step.kind in ("get", "remove", "same") and content is None:
            return (index, "not_found"), state
        if (step.kind == "absent" and content is not None) or (step.kind == "same" and content != step.content):
            return (index, "mismatch"), state
        if step.kind == "put" and content is not None:
            return (index, "already_exists"), state
        if step.kind == "add":
            held[step.alias] = b"%d" % (int(content or b"0") + int(step.content))
            given.append(int(held[step.alias]))
        elif step.kind in ("update", "put"):
            held[step.alias] = step.content
            given.append(None)
        elif step.kind in ("remove", "drop"):
            held.pop(step.alias, None)
            given.append(int(content is not None) if step.kind == "drop" else None)
        else:
            given.append({"get": content, "fetch": content, "exists": int(content is not None)}.get(step.kind))
    return tuple(given), tuple(sorted(held.items()))


def is_serializable(history: list[Together], initial: State = ()) -> bool | None:
    """Whether some order explains the history; None where the search had to give up."""
    ordered = sorted(
        (one for one in history if one.told is not None or any(step.kind in CHANGES for step in one.steps)),
        key=lambda one: one.call,
    )
    everything = sum(1 << at for at, one in enumerate(ordered) if one.told is not None)
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[int, State]] = [(0, initial)]
    while stack:
        done, state = stack.pop()
        if done & everything == everything:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if len(seen) > CONFIGURATIONS_MAX:
            return None
        stack += _following(ordered, done, state)
    return False


def _following(ordered: list[Together], done: int, state: State) -> list[tuple[int, State]]:
    """The configurations one transaction further; the likeliest last, as a stack is taken from its end."""
    first_back = inf
    sure: list[tuple[float, int, State]] = []
    unsure: list[tuple[int, State]] = []
    candidates: list[int] = []
    for at, one in enumerate(ordered):
        if one.call > first_back:
            break
        if not done >> at & 1:
            candidates.append(at)
            first_back = min(first_back, one.back)
    for at in candidates:
        one = ordered[at]
        told, left = carried_out(state, one.steps)
        if one.told is None:
            if left != state:  # one of unknown end that changes nothing now explains nothing
                unsure.append((done | 1 << at, left))
        elif told == one.told:
            if left == state:
                return [(done | 1 << at, state)]  # it changes nothing and fits now: it can't do harm to take it at once
            sure.append((one.back, done | 1 << at, left))
    sure.sort(key=lambda each: -each[0])
    return unsure + [(mask, left) for _, mask, left in sure]
