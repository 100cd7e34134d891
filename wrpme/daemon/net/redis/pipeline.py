"""The commands of one client on their way: handed to the node in their order, answered in their order. No socket here.

A command that is one request, or one for each of its keys, is handed in at once, with those before it still on their
way. One of several steps waits until nothing else is, and what follows waits for it.

What the node refuses for a moment is asked again, and the order of what was said for each key is kept: nothing further
is handed in, all that is on its way is waited for, and what was refused goes first, together with the reads behind
it. A request behind which a write of the same key has been carried out already can't be asked again: it is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from wrpme.daemon.net.redis.client import CHANGED, Client, Deed, InTurn, Plan, Steps
from wrpme.daemon.net.redis.replies import OK, Refusal, Unexpected, error, failure
from wrpme.daemon.net.redis.commands.strings import ok
from wrpme.errors import (
    AlreadyExistsError, BusyError, IndeterminateError, MismatchError, NotFoundError, NumberError,
    UnstableError,
)  # fmt: skip
from wrpme.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from wrpme.protocol.messages import (
    NO_VERSION, Append, Done, Exists, Failed, RemoveAll, Request, Transaction, Update, is_read,
)  # fmt: skip

PATIENCE_SECONDS = 10.0
"""What is refused for a moment is asked again for so long, as the client library does."""
_AGAIN = (UnstableError.code, BusyError.code)
_GETS, _SETS = frozenset((b"GET", b"get")), frozenset((b"SET", b"set"))
_TO_STEPS = (NotFoundError.code, AlreadyExistsError.code, MismatchError.code, NumberError.code)
"""What a command of several steps expects and acts on; any other failure ends it, unless it catches Unexpected."""
_LAPSED = Failed(0, UnstableError.code, "the node lost touch with the hive while it read; try again")
_OVERTAKEN = "; what you sent after it was carried out, so it was not tried again"


class Reads(Protocol):
    """What can be read at once."""

    def get(self, session: int, aliases: list[bytes], now: float) -> tuple[list[bytes | None], float]:
        """See :class:`wrpme.daemon.net.connection.Host`."""


class Way(Protocol):
    """What a pipeline needs of its connection. ``heard_at`` is when something was read last, on the node's clock."""

    heard_at: float

    @property
    def host(self) -> Reads:
        """Returns what plain reads are asked of."""

    def hand_in(self, requests: list[Request]) -> None:
        """Gives the requests to the node, in this order; replies may come at once."""

    def update(self, number: int, pairs: list[tuple[bytes, bytes]]) -> int:
        """Begins the first of these updates, as far as that can be done at once, and returns how many; what became of
        them is told to :meth:`Pipeline.burst_done`."""

    def answer(self, answer: bytes) -> None:
        """Says this next."""

    def has_room(self) -> bool:
        """Returns whether further commands may begin."""

    def now(self) -> float:
        """Returns the node's clock; leases that were relied on before may lapse by that."""

    def lapsed(self) -> bool:
        """Returns whether all leases have lapsed since the first of those that are looked at now."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls after so long."""


class Slot(Struct, eq=False):
    """A command on its way, or a ``burst`` of updates. ``first`` is the id of its first request, ``left`` how many
    replies are due; ``replies`` is None where it is one request."""

    requests: Sequence[Request]
    convert: Callable[[Any, Client], bytes] | None
    since: float
    first: int = 0
    left: int = 0
    replies: list[Any] | None = None
    answer: bytes | None = None
    steps: Steps | None = None
    silent: bool = False
    several: bool = False
    command: list[bytes] = []
    burst: list[tuple[bytes, bytes]] | None = None
    name: str = ""
    """Of the command, for figures."""
    begun: float = 0.0

    def reply_to(self, index: int) -> Any:
        """Returns the reply to one of the requests, as far as it is needed again."""
        return None if self.replies is None else self.replies[index]


class Pipeline:
    """See the module. ``begin`` makes a plan of a command, or None where that has to wait until nothing is on its
    way."""

    def __init__(self, client: Client, way: Way, begin: Callable[[Client, list[bytes], bool], Plan | None]) -> None:
        self.client = client
        self.queue: deque[list[bytes]] = deque()
        self.parked_bytes = 0
        """Of answers that wait for those before them."""
        self._way = way
        self._begin = begin
        self._slots: deque[Slot] = deque()
        self._on_way: dict[int, Slot] = {}
        self._running: Slot | None = None
        self._waits = False
        """For a pause to end."""
        self._refused = False
        self._retries = False
        """What was refused is on its way again."""
        self._pause = RETRY_SECONDS_MIN
        self.leased: list[tuple[Slot, int, float]] = []
        self._is_at_work = False
        self._ended = False

    def take(self, commands: list[list[bytes]]) -> None:
        """Carries out commands, behind those that came before."""
        is_behind = self.queue or self._running is not None or self._refused or self._waits or self._retries
        if not is_behind and self.client.is_plain:
            commands = self._take_fast(commands)
        if commands:
            self.queue += commands
            self.go_on()

    # --- the fast path -------------------------------------------------------------------------------------------

    def _take_fast(self, commands: list[list[bytes]]) -> list[list[bytes]]:
        """Carries out plain GETs and SETs as far as the node does that at once; returns the commands that are left.
        What is read here is answered here: behind a command on its way it might have to be read again."""
        while commands and self._way.has_room():
            word = commands[0][0]
            if word in _GETS and not self._slots:
                done = self._get_fast([command[1] for command in _leading(commands, _GETS, 2)])
            elif word in _SETS:
                done = self._set_fast([(command[1], command[2]) for command in _leading(commands, _SETS, 3)])
            else:
                break
            if not done:
                break
            self.client.last = word
            commands = commands[done:]
        return commands

    def _get_fast(self, aliases: list[bytes]) -> int:
        if not aliases:
            return 0
        way, nil = self._way, self.client.nil
        found, now = way.host.get(self.client.ident, aliases, way.heard_at)
        if found:
            self.client.figures.answered("get", nil, now - way.heard_at, len(found))
            way.answer(b"".join([nil if held is None else b"$%d\r\n%b\r\n" % (len(held), held) for held in found]))
        return len(found)

    def _set_fast(self, pairs: list[tuple[bytes, bytes]]) -> int:
        client = self.client
        begun = self._way.update(client.number, pairs) if pairs else 0
        if begun:
            slot = Slot((), None, -1.0, client.number, begun, burst=pairs[:begun], begun=self._way.heard_at)
            self._on_way[client.number] = slot
            self._slots.append(slot)
            client.number += begun
        return begun

    def burst_done(self, number: int, failed: Sequence[Failed], now: float) -> int:
        """Takes what became of a burst of updates, by the place of those that ``failed``; returns how many they are."""
        slot = self._on_way.pop(number, None)
        if slot is None or slot.burst is None:
            return 0
        count, slot.left = slot.left, 0
        if not failed:
            self.client.figures.answered("set", OK, now - slot.begun, count)
        if failed:
            self._divide(slot, {reply.id: reply for reply in failed})
        elif len(self._slots) == 1 and not (self.queue or self._is_at_work or self.client.inside):
            self._slots.clear()
            self._way.answer(OK * count)
            return count
        else:
            slot.answer = OK * count
            self.parked_bytes += len(slot.answer)
        if not self._is_at_work:
            self.go_on()
        return count

    def _divide(self, burst: Slot, failed: dict[int, Failed]) -> None:
        """Goes on with each update of a burst that has its replies as with a command of its own."""
        name = "set" if burst.answer is None else ""  # else they are counted
        self._take_back(burst)
        parts: list[Slot] = []
        for place, (alias, content) in enumerate(burst.burst or ()):
            number = burst.first + place
            part = Slot((Update(number, alias, content),), ok, -1.0, number, 1, name=name, begun=burst.begun)
            reply = failed.get(place)
            self._on_way[number] = part
            parts.append(part)
            before = self.begin_work()
            self.replied(Done(number) if reply is None else Failed(number, reply.code, reply.sentence))
            self._is_at_work = before
        at = self._slots.index(burst)
        slots = list(self._slots)
        self._slots = deque(slots[:at] + parts + slots[at + 1 :])

    @property
    def waits_for_answers(self) -> bool:
        """Whether a command has no answer yet."""
        return bool(self._slots or self.queue)

    def end(self) -> None:
        """Gives the answers that there are, in order, and does nothing more."""
        self._ended = True
        while self._slots and (answer := self._slots[0].answer) is not None:
            if not self._slots.popleft().silent:
                self._way.answer(answer)
        self.drop()

    def drop(self) -> None:
        """Forgets everything: there is nobody to answer."""
        self._ended = True
        self._slots.clear()
        self._on_way.clear()
        self.queue.clear()
        self._running = None

    # --- replies -------------------------------------------------------------------------------------------------

    def replied(self, reply: Any, valid_until: float = inf) -> None:
        """Takes a reply of the node; it counts if it is looked at by that time."""
        slot = self._on_way.pop(reply.id, None)
        if slot is None:
            return
        index = reply.id - slot.first if slot.replies is not None else 0
        if valid_until != inf:
            self.leased.append((slot, index, valid_until))
        slot.left -= 1
        if self.client.watched:
            self._note_watched(slot.requests[index], reply)
        if type(reply) is Failed and (reply.code in _AGAIN or _is_harmless(reply, slot, index)):
            self._refused = True
            reply = Failed(reply.id, UnstableError.code, reply.sentence)
            if slot.replies is None:
                slot.replies = [reply]
            else:
                slot.replies[index] = reply
        elif slot.replies is not None:
            slot.replies[index] = reply
        else:
            slot.answer = self._converted(slot, reply)
            self.parked_bytes += len(slot.answer)
        if not self._is_at_work:
            self.go_on()

    def _note_watched(self, request: Request, reply: Any) -> None:
        """What was not there when it was watched, and is seen to be, has changed; once it has gone again nothing would
        show that, as what is not there has no version."""
        watched, code = self.client.watched, reply.code if type(reply) is Failed else 0
        is_absent = code == NotFoundError.code or (type(request) in (Exists, Append) and not code and not reply.number)
        if is_absent or code in _AGAIN:
            return
        for part in request.requests if type(request) is Transaction else (request,):
            alias = getattr(part, "alias", b"")
            if watched.get(alias) == NO_VERSION:
                watched[alias] = CHANGED

    def begin_work(self) -> bool:
        """Lets replies gather until :meth:`end_work`; returns whether they did already."""
        before, self._is_at_work = self._is_at_work, True
        return before

    def end_work(self, before: bool) -> None:
        """Goes on, unless replies gathered before already."""
        self._is_at_work = before
        if not before:
            self.go_on()

    def _check_leases(self) -> None:
        """Takes what was read under a lease that has run out for refused."""
        now = self._way.now()
        lapsed = self._way.lapsed()
        for slot, index, valid_until in self.leased:
            if lapsed or now > valid_until:
                self._refused = True
                if slot.answer is not None:
                    self.parked_bytes -= len(slot.answer)
                    slot.answer = None
                if slot.replies is None:
                    slot.replies = [_LAPSED]
                else:
                    slot.replies[index] = _LAPSED
        self.leased.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Does what can be done now."""
        if self._is_at_work or self._ended:
            return
        self._is_at_work = True
        try:
            while True:
                if self.leased:
                    self._check_leases()
                requests = self._next()
                if not requests:
                    break
                self._way.hand_in(requests)
        finally:
            self._is_at_work = False

    def _next(self) -> list[Request]:
        """Returns what is handed in next; what is ready is answered."""
        requests: list[Request] = []
        self._settle(requests)
        begun: float | None = None
        while self.queue and self._running is None and not self._is_in_trouble and self._way.has_room():
            if self.client.ends:
                self.queue.clear()
                break
            command = self.queue.popleft()
            plan = self._begin(self.client, command, not self._slots)
            if plan is None or (self._slots and type(plan) not in (bytes, tuple)):
                self.queue.appendleft(command)
                break
            begun = self._way.now() if begun is None else begun
            self._start(plan, requests, command, begun)
        return requests

    @property
    def _is_in_trouble(self) -> bool:
        return self._refused or self._waits or self._retries

    def _settle(self, requests: list[Request]) -> None:
        """Finishes what has all its replies, and answers it as far as nothing before it is still on its way."""
        running = self._running
        if running is not None:
            if running.left == 0 and not self._waits:
                self._go_on_with(running, requests)
        elif (self._refused or self._retries) and not self._on_way and not self._waits:
            self._retries = False
            self._ask_again()
        now: float | None = None
        slots, ready = self._slots, self._refused or self._waits
        while slots:
            slot = slots[0]
            if slot.answer is None:
                if slot.left or slot.steps is not None or slot.replies is None or (ready and self._is_refused(slot)):
                    return
                slot.answer = self._converted(slot, slot.replies if slot.several else slot.replies[0])
                self.parked_bytes += len(slot.answer)
            slots.popleft()
            self.parked_bytes -= len(slot.answer)
            if slot.name or slot.answer[:1] == b"-":
                now = self._way.now() if now is None else now
                self.client.figures.answered(slot.name, slot.answer, now - slot.begun)
            self._say(slot.answer, slot.silent)

    @staticmethod
    def _is_refused(slot: Slot) -> bool:
        return any(type(reply) is Failed and reply.code in _AGAIN for reply in slot.replies or ())

    def _converted(self, slot: Slot, reply: Any) -> bytes:
        assert slot.convert is not None
        try:
            return slot.convert(reply, self.client)
        except Refusal as refusal:
            return error(str(refusal))

    def _start(self, plan: Plan, requests: list[Request], command: list[bytes], begun: float) -> None:
        client, name = self.client, self.client.command
        silent = client.silent or client.skips > 0
        client.skips = max(0, client.skips - 1)
        if type(plan) is InTurn:
            self.queue.extendleft(reversed(plan))
            client.skips += len(plan) if silent and not client.silent else 0
            client.figures.answered(name, OK, 0.0)
            self._say(b"*%d\r\n" % len(plan), silent)
            client.inside = len(plan)
            return
        if type(plan) is Deed:
            silent = silent and not plan.is_loud
            plan = plan.do()
        if type(plan) is bytes:
            if name or plan[:1] == b"-":
                client.figures.answered(name, plan, 0.0)
            if self._slots:
                slot = Slot((), None, 0.0)
                slot.answer, slot.silent = plan, silent
                self.parked_bytes += len(plan)
                self._slots.append(slot)
            else:
                self._say(plan, silent)
            return
        if type(plan) is tuple:
            asked, convert = plan
            several = type(asked) is list
            slot = Slot(asked if several else (asked,), convert, -1.0)  # type: ignore[arg-type]
            slot.first, slot.left = client.number, len(slot.requests)
            if several:
                slot.several = True
                slot.replies = [None] * len(slot.requests)
            for request in slot.requests:
                self._on_way[client.number] = slot
                requests.append(request)
                client.number += 1
        else:
            slot = Slot((), None, self._way.now())
            slot.steps, slot.command = plan, command  # type: ignore[assignment]
            self._running = slot
            self._drive(slot, None, requests)
        slot.silent, slot.name, slot.begun = silent, name, begun
        if slot.answer is not None and not self._slots:  # it needed no request
            self.parked_bytes -= len(slot.answer)
            client.figures.answered(name, slot.answer, 0.0)
            self._say(slot.answer, silent)
        else:
            self._slots.append(slot)

    def _say(self, answer: bytes, silent: bool) -> None:
        if not silent:
            self._way.answer(answer)
        if self.client.inside:
            self.client.inside -= 1
            if not self.client.inside:
                self.client.tell()

    # --- several steps -------------------------------------------------------------------------------------------

    def _drive(self, slot: Slot, given: Any, requests: list[Request]) -> None:
        assert slot.steps is not None
        try:
            wanted = slot.steps.throw(given) if isinstance(given, Unexpected) else slot.steps.send(given)
        except StopIteration as end:
            self._finish(slot, end.value)
            return
        except Refusal as refusal:
            self._finish(slot, error(str(refusal)))
            return
        slot.convert = _list_of if type(wanted) is list else _only_one
        slot.requests = wanted if type(wanted) is list else (wanted,)
        if self._way.now() - slot.since > PATIENCE_SECONDS and not _is_long(slot):
            # Only now: a write that took so long, on a disk that hangs, was carried out, and is answered above.
            slot.steps.close()
            self._finish(slot, error("TRYAGAIN others change the entry all the time; nothing was changed, try again"))
            return
        self._ask(slot, range(len(slot.requests)), requests, fresh=True)

    def _finish(self, slot: Slot, answer: bytes) -> None:
        slot.answer, slot.steps = answer, None
        self.parked_bytes += len(answer)
        self._running = None
        self._pause = RETRY_SECONDS_MIN

    def _ask(self, slot: Slot, indexes: Sequence[int], requests: list[Request], fresh: bool = False) -> None:
        """Hands in those requests of a slot, under numbers of their own."""
        client = self.client
        if fresh or slot.replies is None:
            slot.replies = [None] * len(slot.requests)
        slot.first = client.number
        client.number += len(slot.requests)
        slot.left = len(indexes)
        for index in indexes:
            number = slot.first + index
            self._on_way[number] = slot
            requests.append(msgspec.structs.replace(slot.requests[index], id=number))

    def _go_on_with(self, slot: Slot, requests: list[Request]) -> None:
        """The replies to a step are all there."""
        replies = slot.replies or []
        self._refused = False
        refused = [at for at, reply in enumerate(replies) if type(reply) is Failed and reply.code in _AGAIN]
        if (refused or slot.left) and self._way.now() - slot.since > PATIENCE_SECONDS:
            assert slot.steps is not None
            slot.steps.close()
            self._finish(slot, failure(replies[refused[0]]))
        elif refused and _is_long(slot):
            self._wait(lambda more: self._begin_again(slot, more))
        elif refused:
            self._wait(lambda more: self._ask(slot, refused, more))
        elif (bad := self._unexpected(replies)) is not None:
            self._drive(slot, Unexpected(bad), requests)
        else:
            self._drive(slot, replies if slot.convert is _list_of else replies[0], requests)

    def _begin_again(self, slot: Slot, requests: list[Request]) -> None:
        """What goes through all entries does so in one view of the hive."""
        slot.steps = self._begin(self.client, slot.command, True)  # type: ignore[assignment]
        self._drive(slot, None, requests)

    @staticmethod
    def _unexpected(replies: list[Any]) -> Failed | None:
        return next((reply for reply in replies if type(reply) is Failed and reply.code not in _TO_STEPS), None)

    # --- again ---------------------------------------------------------------------------------------------------

    def _wait(self, then: Callable[[list[Request]], None]) -> None:
        """Asks again after a pause."""
        self._waits = True

        def go_on() -> None:
            self._waits = False
            if self._ended:
                return
            requests: list[Request] = []
            then(requests)
            before = self.begin_work()
            self._way.hand_in(requests)
            self.end_work(before)

        self._way.later(self._pause, go_on)
        self._pause = min(2 * self._pause, RETRY_SECONDS_MAX)

    def _parts(self) -> Iterator[tuple[Slot, int, Any, bool]]:
        """All requests of the slots, in order, and whether each was refused."""
        for slot in self._slots:
            for index, request in enumerate(slot.requests):
                reply = slot.reply_to(index)
                yield slot, index, request, type(reply) is Failed and reply.code in _AGAIN

    def _ask_again(self) -> None:
        """Nothing is on its way, and something was refused."""
        for burst in [slot for slot in self._slots if slot.burst is not None]:
            self._divide(burst, {})
        self._refused = False
        now = self._way.now()
        written: set[bytes] = set()
        again: dict[Slot, list[int]] = {}
        for slot, index, request, refused in reversed(list(self._parts())):
            if not refused:
                if not is_read(request):
                    written.add(request.alias)
                continue
            if slot.since < 0:
                slot.since = now
            if request.alias in written or now - slot.since > PATIENCE_SECONDS:
                reply = slot.reply_to(index)
                sentence = reply.sentence + (_OVERTAKEN if request.alias in written else "")
                self._set(slot, failure(Failed(0, reply.code, sentence)))
                again.pop(slot, None)
            elif slot.answer is None:
                again.setdefault(slot, []).insert(0, index)
        changed: set[bytes] = set()
        for slot, index, request, _ in list(self._parts()):
            if index in again.get(slot, ()):
                if not is_read(request):
                    changed.add(request.alias)
            elif request.alias in changed and is_read(request) and (slot.answer is None or slot.replies is None):
                self._take_back(slot)
                again.setdefault(slot, []).append(index)
        if not again:
            self._pause = RETRY_SECONDS_MIN
            return
        ordered = [slot for slot in self._slots if slot in again]

        def ask(requests: list[Request]) -> None:
            self._retries = True
            for slot in ordered:
                self._ask(slot, sorted(again[slot]), requests)

        self._wait(ask)

    def _set(self, slot: Slot, answer: bytes) -> None:
        self._take_back(slot)
        slot.answer = answer
        self.parked_bytes += len(answer)

    def _take_back(self, slot: Slot) -> None:
        if slot.answer is not None:
            self.parked_bytes -= len(slot.answer)
            slot.answer = None


def _leading(commands: list[list[bytes]], words: frozenset[bytes], count: int) -> list[list[bytes]]:
    """The first commands that have so many words, and one of these for the first."""
    for at, command in enumerate(commands):
        if len(command) != count or command[0] not in words:
            return commands[:at]
    return commands


def _only_one(replies: Any, client: Client) -> bytes:
    raise AssertionError("a step is not converted")


def _list_of(replies: Any, client: Client) -> bytes:
    raise AssertionError("a step is not converted")


def _is_harmless(reply: Failed, slot: Slot, index: int) -> bool:
    """Whether nobody knows what became of a request that may as well be carried out twice: to append nothing is to ask
    for the size, and what all is removed from has nothing left."""
    request = slot.requests[index]
    if reply.code != IndeterminateError.code:
        return False
    return type(request) is RemoveAll or (type(request) is Append and not request.content)


def _is_long(slot: Slot) -> bool:
    """Whether it goes through all entries, which takes its time."""
    return not all(hasattr(request, "alias") or type(request) is Transaction for request in slot.requests)
