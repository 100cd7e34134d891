"""What a connection of a Redis client remembers, and what its commands become. No socket here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from msgspec import Struct

from wrpme.core.access.sessions import Access, NobodyAsked
from wrpme.daemon.net.redis.channels import Channels, Kind
from wrpme.daemon.net.redis.figures import Figures
from wrpme.daemon.net.redis.replies import NIL2, NIL3, NO_ARRAY2, bulk, encoded
from wrpme.protocol.messages import NO_VERSION, EntryRequest, Request

Steps = Generator[Any, Any, bytes]
"""A command of several steps: it yields a request or a list of them, is sent the reply or the list of replies, and
returns what is answered."""
One = tuple[Request, Callable[[Any, "Client"], bytes]]
"""A request, and what is answered for its reply."""
Several = tuple[Sequence[EntryRequest], Callable[[list[Any], "Client"], bytes]]


class InTurn(list[list[bytes]]):
    """Commands that are carried out one after the other; their answers are an array."""


class Deed:
    """What is carried out only when nothing before it is on its way, and of a transaction only when that is; it returns
    the answer. One that is ``loud`` is answered whether answers are wanted or not."""

    def __init__(self, do: Callable[[], bytes], is_loud: bool = False) -> None:
        self.do = do
        self.is_loud = is_loud


Plan = bytes | One | Several | Steps | InTurn | Deed


CHANGED = b"\xff" * len(NO_VERSION)
"""In the place of the version of a watched entry: no entry has it."""


class Queued:
    """What was said since MULTI."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []
        self.bytes = 0
        self.is_wrong = False


class Options(Struct, frozen=True):
    """What the operator chose for the node. ``strict``: keys of several tags are refused where the commands of Redis
    are atomic; else they are taken each by itself."""

    strict: bool = False
    sync: bool = True
    transient: bool = False
    port: int = 0


NO_OPTIONS = Options()


class Subcommand(Struct, frozen=True):
    """A command of two words. ``arity`` counts both; ``key`` is the place of its key, 0 where it has none; ``syntax``
    is what follows the second word, and ``summary`` what it does, as HELP says it."""

    arity: int
    handler: Callable[[Client, list[bytes]], Plan]
    syntax: str
    summary: str
    key: int = 0


class Client:
    """One client: ``number`` is the id of its next request, ``wall`` gives milliseconds since 1970."""

    def __init__(self, ident: int, address: str, wall: Callable[[], int], options: Options = NO_OPTIONS) -> None:
        self.ident = ident
        self.address = address
        self.local_address = ""
        self.options = options
        self.wall = wall
        self.number = 1
        self.three = False
        self.nil = NIL2
        self.name = b""
        self.library: dict[str, bytes] = {"lib-name": b"", "lib-ver": b""}
        self.queued: Queued | None = None
        self.watched: dict[bytes, bytes] = {}
        """The versions of the entries that are watched."""
        self.silent = False
        self.skips = 0
        """So many answers are not said."""
        self.ends = False
        """Nothing that follows is looked at."""
        self.last = b""
        self.command = ""
        """What began last, as figures name it: in lower case, and a container with its second word."""
        self.figures = Figures()
        self.stats: Callable[[], dict[str, dict[str, Any]]] = dict
        """What INFO tells, by section."""
        self.age: Callable[[], float] = float
        self.idle: Callable[[], float] = float
        """Seconds since something came of it."""
        self.kill: Callable[[], None] = lambda: None
        """Ends its connection at once."""
        self.others: Callable[[], list[Client]] = lambda: [self]
        self.chance: Callable[[int], int] = lambda numbers: 0
        """Gives any of so many numbers, from 0 on."""
        self.inside = 0
        """So many answers are due until the array is complete that is said now: nothing else may be said before."""
        self.access: Access = NobodyAsked()
        self.forget_user: Callable[[], None] = lambda: None
        """From now on the client has not said who it is."""
        self.channels = Channels()
        self.subscriptions: dict[Kind, dict[bytes, None]] = {}
        self.subscription_count = 0
        self.push: Callable[[bytes], None] = lambda frame: None
        """Tells it what was published; it leaves with ``tell``."""
        self.tell: Callable[[], int] = int
        self.resume: Callable[[], None] = lambda: None
        """Goes on with commands that waited for others to publish."""

    @property
    def is_plain(self) -> bool:
        """Whether each command is carried out, and each answer said, as it comes."""
        return (
            self.queued is None
            and not self.watched
            and not (self.silent or self.skips or self.ends or self.inside)
            and self.subscription_count == 0
        )

    @property
    def only_listens(self) -> bool:
        """Whether it is only told what is published, as its protocol does not tell that from answers."""
        return self.subscription_count > 0 and not self.three

    def speak(self, three: bool) -> None:
        """Changes to RESP3 or RESP2."""
        self.three = three
        self.nil = NIL3 if three else NIL2

    @property
    def no_array(self) -> bytes:
        """Null where an array would be."""
        return NIL3 if self.three else NO_ARRAY2

    def encoded(self, value: Any) -> bytes:
        """Returns a value as this client reads it."""
        return encoded(value, self.three)

    def text(self, text: str) -> bytes:
        """Returns a text for people to read."""
        content = text.encode("utf-8", "surrogateescape")
        return b"=%d\r\ntxt:%b\r\n" % (len(content) + 4, content) if self.three else bulk(content)

    def reset(self) -> None:
        """Forgets what was said, as RESET wants it."""
        self.channels.forget(self)
        self.speak(False)
        self.name = b""
        self.queued = None
        self.watched = {}
        self.silent = False
        self.skips = 0
