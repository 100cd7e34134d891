"""What clients heard of versions: each write of an entry has its own, and a later one a greater one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """A client that asked at ``call`` heard at ``back`` that the entry has that ``content`` at that ``version``."""

    call: float
    back: float
    content: bytes
    version: bytes


class Versions:
    """By alias; contents of an entry are never the same twice."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Seen]] = {}

    def note(self, alias: str, seen: Seen) -> None:
        """For the judge, and for whoever wants to compare a version."""
        self._seen.setdefault(alias, []).append(seen)

    def latest(self, alias: str, count: int) -> list[Seen]:
        """What was heard last."""
        return self._seen.get(alias, [])[-count:]

    def judge(self) -> None:
        """AssertionError where two contents have one version, or one has two, or a version was heard after a greater
        one had been."""
        for alias, seen in self._seen.items():
            by_version = {one.version: one.content for one in seen}
            by_content = {one.content: one.version for one in seen}
            for one in seen:
                assert by_version[one.version] == one.content, f"two writes of {alias} have one version"
                assert by_content[one.content] == one.version, f"one write of {alias} has two versions"
            for one in seen:
                later = [other.version for other in seen if other.call > one.back]
                assert all(one.version <= version for version in later), f"a version of {alias} is below a former one"


def is_counter(alias: str) -> bool:
    """Whether the entry is one, where there are some."""
    return alias[-1] in "13579"
