"""What a follower knows, and what it is still to be told: pure, no connection here.

It lives in rounds. A round begins when the owners are asked anew, and is *synchronized* when all of them have said that
nothing before is still on its way. Why the last state of each entry is never missed, and none is told twice or taken
back:

* In one round each entry has one owner, as a channel ends where an owner changes; what belongs to an earlier round is
  not taken. That owner tells the writes of an entry in order, each with a greater version than the one before.
* A page of the scan and a change may cross. Of what the round has heard of an entry the greatest version is the latest:
  a page that shows it as it was before is dropped, and so is a change that the page had seen. A removal counts with its
  version, as a page may still show what was removed. Once the round is synchronized nothing can cross any more.
* Versions of earlier rounds are compared for being the same, and no more: after an operator has given up the only copy
  of an entry, it may be there again at a lower version.
* An entry that was known before and that no page and no change of the round has shown is not there any more: it was
  missing when its page was made. This is known only at the end, when a change that was made before any page would have
  been told. Who added it again after that tells so.
* A change waits until it is taken. A later one of the same entry takes its place: so what waits is bounded by the
  number of entries, however slowly it is taken.
"""

from __future__ import annotations

from typing import NamedTuple

from wrpme.protocol.messages import EXPIRED, WRITTEN

PRESENT, PUT, REPLACED, GONE, LAPSED = "present", "put", "replaced", "removed", "expired"
SYNCHRONIZED, RESYNCHRONIZED, INTERRUPTED = "synchronized", "resynchronized", "interrupted"


class Seen(NamedTuple):
    """What happened to an entry, or to the follower: then the alias is empty. A version is empty where it is not
    known."""

    kind: str
    alias: bytes = b""
    version: bytes = b""
    content: bytes | None = None
    reason: str = ""


class Followed:
    """Holds the alias and the version of each entry that is followed, and of those whose change waits the content,
    which has 64 KiB at most: larger ones are got when they are taken."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}
        """The version of each entry, as it was heard."""
        self._told: set[bytes] = set()
        """Those of which whoever follows knows."""
        self._waiting: dict[bytes | str, Seen] = {}
        """By alias; what happened to the follower has its kind in the place of it. In the order in which it is told: a
        later change stands where the earlier one of that entry stood, so nothing that waits is passed over for ever."""
        self._heard: dict[bytes, bytes] | None = {}
        """The greatest version that this round has heard of each entry, as it is or removed; None once it is
        synchronized."""
        self._first = True
        self._reason = ""

    @property
    def synchronized(self) -> bool:
        """Whether all owners tell what happens."""
        return self._heard is None

    def begin(self, reason: str = "") -> None:
        """A new round: what was known has to be shown again."""
        self._reason = self._reason or reason
        self._heard = {}

    def _is_news(self, alias: bytes, version: bytes) -> bool:
        heard = self._known if self._heard is None else self._heard
        if version <= heard.get(alias, b""):
            return False
        if self._heard is not None:
            self._heard[alias] = version
        return True

    def written(self, alias: bytes, version: bytes, content: bytes | None, paged: bool = False) -> None:
        """A page or a change shows an entry."""
        if self._is_news(alias, version) and self._known.get(alias) != version:
            self._known[alias] = version
            self._waiting[alias] = Seen(PRESENT if paged and self._first else PUT, alias, version, content)

    def gone(self, what: int, alias: bytes, version: bytes) -> None:
        """A change removed an entry."""
        if self._is_news(alias, version) and self._known.pop(alias, None) is not None:
            self._waiting[alias] = Seen(LAPSED if what == EXPIRED else GONE, alias, version)

    def changed(self, what: int, alias: bytes, version: bytes, content: bytes | None) -> None:
        """An owner tells a change."""
        if what == WRITTEN:
            self.written(alias, version, content)
        else:
            self.gone(what, alias, version)

    def finish(self) -> None:
        """The round is synchronized: all pages have come, and all that was told before their end."""
        heard = self._heard or {}
        for alias in [alias for alias in self._known if alias not in heard]:
            del self._known[alias]
            self._waiting[alias] = Seen(GONE, alias)
        self._heard = None
        self._note(Seen(SYNCHRONIZED if self._first else RESYNCHRONIZED, reason=self._reason))
        self._first, self._reason = False, ""

    def interrupt(self, reason: str) -> None:
        """The owners can't be followed for now."""
        self._note(Seen(INTERRUPTED, reason=reason))

    def _note(self, news: Seen) -> None:
        """It is told behind all that waits now. The latest counts; that the first round was synchronized is told in any
        case."""
        for kind in (RESYNCHRONIZED, INTERRUPTED):
            self._waiting.pop(kind, None)
        self._waiting[news.kind] = news

    def read(self, alias: bytes, version: bytes) -> None:
        """The content of an entry was got by itself, at that version, which may be a later one than was told: then
        whoever follows knows of that."""
        waiting = self._waiting.get(alias)
        if waiting is not None and waiting.version and waiting.version <= version:
            del self._waiting[alias]
        if self._is_news(alias, version):
            self._known[alias] = version

    def missing(self, seen: Seen) -> None:
        """The entry was gone before its content could be got; if it was told as a new one, it never was."""
        if seen.kind != REPLACED:
            self._told.discard(seen.alias)

    def put_back(self, seen: Seen) -> None:
        """What was taken could not be told: it is the next thing again, unless something later waits."""
        if seen.kind != REPLACED:
            self._told.discard(seen.alias)
        if seen.alias not in self._waiting:
            self._waiting = {seen.alias: seen, **self._waiting}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Seen | None:
        """The next thing to tell; None where there is nothing."""
        while self._waiting:
            seen = self._waiting.pop(next(iter(self._waiting)))
            alias = seen.alias
            if not alias:
                return seen
            if seen.kind in (GONE, LAPSED):
                if alias in self._told:
                    self._told.remove(alias)
                    return seen
                continue  # it came and went between two looks
            if alias in self._told:
                return seen._replace(kind=REPLACED)
            self._told.add(alias)
            return seen
        return None
