"""The executor of effects: what is handed to the node when, and what becomes of what it answers."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, Daemon, Raw, daemon, echo, envelope
from wrpme.core.io import (
    Adopted, Compact, Effect, Input, Exit, Operation, Persist, Persisted, PersistFailed, Received, ReplyTo, LogLine,
    StopAsked, HostRequest, TurnEnded, Woken,
)  # fmt: skip
from wrpme.daemon import runner as runners
from wrpme.daemon.storage.writer import Done
from wrpme.errors import BusyError, DamagedError, DiskFullError, StorageError, TooLargeError, UnstableError
from wrpme.limits import FRAME_BYTES_MAX
from wrpme.protocol.codec import PREFACE, encode
from wrpme.protocol.histogram import bucket_of
from wrpme.protocol.messages import (
    Aliases, AskView, Content, Envelope, Failed, Forward, Forwarded, Get, GetLog, Put, Request, Text,
)  # fmt: skip
from wrpme.protocol.messages import Done as DoneReply

pytestmark = pytest.mark.asyncio


class HeldDisk:
    """Writes only when told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[list[Operation], bool, Done]] = []
        self.compacted = 0

    def write(self, operations: list[Operation], sync: bool, done: Done) -> None:
        self.tasks.append((operations, sync, done))

    def finish(self, failure: BaseException | None = None) -> None:
        self.tasks.pop(0)[2](failure)

    def compact(self) -> None:
        self.compacted += 1

    def close(self, seconds: float) -> bool:
        return not self.tasks


def in_batches(d: Daemon) -> None:
    """A node that writes what it gathered at the end of each turn, one batch at a time, and answers then."""
    gathered: list[tuple[int, Put]] = []
    written: list[tuple[int, Put]] = []

    def on_request(session: int, request: Request) -> list[Effect]:
        assert isinstance(request, Put)
        gathered.append((session, request))
        return []

    def on_input(event: Input) -> list[Effect]:
        if isinstance(event, TurnEnded) and gathered and not written:
            written.extend(gathered)
            gathered.clear()
            return [Persist(1, [(put.alias, put.content) for _, put in written], must_sync=False)]
        if isinstance(event, Persisted):
            answers: list[Effect] = [ReplyTo(session, DoneReply(put.id)) for session, put in written]
            written.clear()
            return answers
        return []

    d.node.on_request, d.node.on_input = on_request, on_input


async def test_the_disk_is_told_that_much_was_removed() -> None:
    disk = HeldDisk()
    async with daemon(disk=disk) as d, Raw(d.port) as client:
        d.node.on_request = lambda session, request: [Compact(), ReplyTo(session, DoneReply(request.id))]
        client.say(Put(1, b"a", b""), preface=True)
        assert await client.replies(1) == [DoneReply(1)]
        assert disk.compacted == 1


async def test_writes_of_a_turn_make_one_batch_and_the_next_gathers_meanwhile() -> None:
    disk = HeldDisk()
    async with daemon(disk=disk) as d, Raw(d.port) as client:
        in_batches(d)
        client.say(*(Put(number, b"a%d" % number, b"x") for number in range(10)), preface=True)
        await d.node.until(lambda: len(d.node.requests) == 10)
        await asyncio.sleep(0)
        assert [len(operations) for operations, _, _ in disk.tasks] == [10]
        client.say(*(Put(number, b"b%d" % number, b"x") for number in range(20)))
        await d.node.until(lambda: len(d.node.requests) == 30)
        await asyncio.sleep(0)
        assert len(disk.tasks) == 1
        disk.finish()
        assert await client.replies(10) == [DoneReply(number) for number in range(10)]
        assert [len(operations) for operations, _, _ in disk.tasks] == [20]
        disk.finish()
        assert await client.replies(20) == [DoneReply(number) for number in range(20)]


@pytest.mark.parametrize(("sync", "must_sync", "expected"), [(1, 0, True), (1, 1, True), (0, 0, False), (0, 1, True)])
async def test_whether_the_disk_is_waited_for(sync: bool, must_sync: bool, expected: bool) -> None:
    disk = HeldDisk()
    async with daemon(disk=disk, sync=bool(sync)) as d:
        d.node.on_input = lambda event: [Persist(1, [], bool(must_sync))] if isinstance(event, Woken) else []
        d.runner._handle(Woken())
        assert [asked for _, asked, _ in disk.tasks] == [expected]
        disk.finish()


def writes_and_ends(given: Input) -> list[Effect]:
    """Asks for a write when it is woken, and ends when the disk has refused it."""
    if isinstance(given, Woken):
        return [Persist(1, [], False)]
    return [Exit(1, given.reason)] if isinstance(given, PersistFailed) else []


async def test_a_disk_that_refuses_is_told_to_the_node() -> None:
    disk = HeldDisk()
    async with daemon(disk=disk) as d:
        d.node.on_input = writes_and_ends
        d.runner._handle(Woken())
        disk.finish(StorageError("the disk is full"))
        assert await d.finished() == Exit(1, "the disk is full")


@pytest.mark.parametrize("failure", [DiskFullError("the disk is full"), DamagedError("a table is damaged")])
async def test_trouble_that_can_be_mended_is_kept(failure: DiskFullError | DamagedError) -> None:
    """By a write, and by a read; whatever else the disk may do is not of that kind."""

    async def written(error: StorageError) -> StorageError | None:
        disk = HeldDisk()
        async with daemon(disk=disk) as d:
            d.node.on_input = writes_and_ends
            d.runner._handle(Woken())
            disk.finish(error)
            await d.finished()
            d.runner.defect(DiskFullError("what comes later does not matter"))
            return d.runner.trouble

    assert await written(failure) is failure
    assert await written(StorageError("the directory is gone")) is None
    async with daemon() as d:
        d.runner.defect(failure)
        await d.finished()
        assert d.runner.trouble is failure


async def test_the_process_hears_of_each_new_view() -> None:
    heard: list[int] = []
    async with daemon() as d:
        d.runner._adopted = lambda: heard.append(1)
        d.node.on_input = lambda event: [Adopted(2), Adopted(3)] if isinstance(event, Woken) else []
        d.runner._handle(Woken())
        assert heard == [1, 1]


async def test_the_node_is_woken_at_its_time() -> None:
    async with daemon() as d:
        begin = d.runner.clock()
        d.node.wake_at = begin + 0.02
        d.runner._handle(StopAsked())
        woken: list[float] = []

        def on_input(event: Input) -> list[Effect]:
            if isinstance(event, Woken):
                woken.append(d.runner.clock())
                d.node.wake_at = woken[-1] + (0.02 if len(woken) < 3 else 1000.0)
            return []

        d.node.on_input = on_input
        await d.node.hears(Woken, 3)
        assert woken[0] >= begin + 0.02
        assert all(later - sooner >= 0.02 for sooner, later in pairwise(woken))


async def test_after_the_sleep_of_the_machine_the_node_is_woken_late_rather_than_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runners, "WALL_CLOCK_SECONDS", 0.01)

    async with daemon() as d:
        d.now = 100.0
        d.node.wake_at = 2000.0
        d.runner._handle(StopAsked())
        await asyncio.sleep(0)
        d.now = 3000.0  # the clock of the loop knows nothing of it

        def on_input(event: Input) -> list[Effect]:
            if isinstance(event, Woken):
                d.node.wake_at = 10_000.0
            return []

        d.node.on_input = on_input
        await d.node.hears(Woken)
        assert d.node.process.wall_offset_milliseconds == 1000.0 * (1_000_000.0 - 3000.0)


async def test_it_is_counted_how_late_the_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "WALL_CLOCK_SECONDS", 0.01)
    async with daemon() as d:
        busy_until = time.monotonic() + 0.05
        while time.monotonic() < busy_until:
            pass
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not d.runner._lag.count():
                await asyncio.sleep(0)
        ((bucket, count),) = d.runner._lag.pairs()
        assert count == 1 and bucket >= bucket_of(0.035)


async def test_lines_of_the_node_reach_the_log() -> None:
    async with daemon() as d:
        d.node.on_input = lambda event: [LogLine("warning", "watch out")] if isinstance(event, Woken) else []
        d.runner._handle(Woken())
        assert d.log.lines == ["warning watch out"]


async def test_an_answer_that_is_too_large_fails_alone() -> None:
    async with daemon() as d, Raw(d.port) as client:
        content = bytes(FRAME_BYTES_MAX)
        d.node.on_request = lambda session, request: (
            [ReplyTo(session, Content(request.id, content))] if request.id == 1 else echo(session, request)
        )
        client.say(Get(1, b"x"), Get(2, b"y"), preface=True)
        first, second = await client.replies(2)
        assert isinstance(first, Failed)
        assert (first.id, first.code) == (1, TooLargeError.code)
        assert second == Content(2, b"y")


async def test_an_answer_that_is_too_large_for_a_node_fails_too() -> None:
    """Whoever passed the request on must not wait for it for ever."""

    async with daemon() as d, Raw(d.port) as peer:
        for answer in (Aliases(7, (b"x" * 1000,) * 140_000, False, b""), Content(7, bytes(FRAME_BYTES_MAX))):
            too_large = envelope(Forwarded(answer))
            d.node.on_input = lambda event: (
                [ReplyTo(event.session, too_large)] if isinstance(event, Received) else []  # noqa: B023
            )
            peer.say(envelope(Forward(Get(7, b"x"))), preface=isinstance(answer, Aliases))
            reply = await peer.reply()
            assert isinstance(reply, Envelope) and isinstance(reply.body, Forwarded)
            failed = reply.body.reply
            assert isinstance(failed, Failed) and (failed.id, failed.code) == (7, TooLargeError.code)


async def test_after_a_large_content_whoever_else_waits_comes_first() -> None:
    async with daemon() as d, Raw(d.port) as greedy, Raw(d.port) as other:
        other.say(Get(1, b"x"), preface=True)
        await other.reply()
        order: list[bytes] = []

        def on_request(session: int, request: Request) -> list[Effect]:
            assert isinstance(request, Get)
            order.append(request.alias)
            if len(order) == 1:
                other.say(Get(2, b"small"))
            busy = Failed(request.id, BusyError.code, "no room")
            return [ReplyTo(session, busy)] if request.alias == b"large" else echo(session, request)

        d.node.on_request = on_request
        greedy.say(*(Get(number, b"large") for number in range(300)), preface=True)
        assert await other.reply() == Content(2, b"small")
        assert order.index(b"small") < 200, "what is refused was read, which takes its time"
        assert len(await greedy.replies(300)) == 300


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_a_planned_stop_answers_what_it_still_can() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.say(Get(1, b"x"), preface=True)
        await client.reply()
        session = d.node.requests[0][0]
        d.node.on_input = lambda event: (
            [ReplyTo(session, Content(2, b"last")), Exit(0)] if isinstance(event, StopAsked) else []
        )
        d.runner.stop()
        assert await d.finished() == Exit(0)
        await d.runner.close()
        assert await client.replies(2) == [Content(2, b"last")]


async def test_while_it_ends_it_says_so_to_whoever_asks() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.say(Get(1, b"x"), preface=True)
        await client.reply()
        d.node.on_input = lambda event: [Exit(0)] if isinstance(event, StopAsked) else []
        d.runner.stop()
        client.say(Put(2, b"x", b""), envelope(AskView()), Put(3, b"x", b""))
        await client.writer.drain()
        closing = asyncio.ensure_future(d.runner.close())
        for reply, number in zip(await client.replies(2), (2, 3), strict=True):
            assert isinstance(reply, Failed)
            assert (reply.id, reply.code) == (number, UnstableError.code)
        (farewell,) = await client.replies(1)
        assert isinstance(farewell, Failed) and (farewell.id, farewell.code) == (0, UnstableError.code)
        assert await client.rest() == b""
        client.writer.close()
        await closing
        assert len(d.node.requests) == 1


async def test_a_second_signal_ends_it_at_once() -> None:
    async with daemon() as d:
        d.runner.stop()
        assert not d.runner.finished.done()
        d.runner.stop()
        assert await d.finished() == Exit(0)
        assert "second signal" in d.log.lines[-1]


async def test_a_stop_that_finds_no_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "STOP_SECONDS_MAX", 0.01)
    monkeypatch.setattr(runners, "CLOSE_SECONDS_MAX", 0.01)

    async with daemon() as d:
        d.runner.stop()
        assert await d.finished() == Exit(0)
        assert "took longer" in d.log.lines[-1]


@pytest.mark.parametrize("where", ["event", "request", "turn"])
async def test_a_defect_ends_the_process(where: str) -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        other.say(Get(1, b"x"), preface=True)
        await other.reply()

        def fail(*_: object) -> list[Effect]:
            raise KeyError("impossible")

        if where == "request":
            d.node.on_request = fail
        else:
            d.node.on_input = lambda event: fail() if isinstance(event, TurnEnded) == (where == "turn") else []
        if where == "event":
            d.runner._handle(Woken())
        client.say(Get(1, b"x"), preface=True)
        end = await d.finished()
        assert end.code == 1
        assert "defect" in end.sentence
        assert "KeyError" in end.sentence
        assert any("Traceback" in line for line in d.log.lines)
        heard = len(d.node.requests), len(d.node.inputs)
        other.say(Get(2, b"x"))
        await other.writer.drain()
        await d.runner.close()
        assert (len(d.node.requests), len(d.node.inputs)) == heard, "a node that is wrong is not asked again"


async def test_a_disk_that_can_not_be_read_is_no_defect() -> None:
    async with daemon() as d, Raw(d.port) as client:

        def fail(session: int, request: Request) -> list[Effect]:
            raise StorageError("the data directory is damaged")

        d.node.on_request = fail
        client.say(Get(1, b"x"), preface=True)
        assert await d.finished() == Exit(1, "the data directory is damaged; the node stops")
        assert not any("Traceback" in line for line in d.log.lines)


async def test_the_log_is_told_by_the_process() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.node.on_request = lambda session, request: [HostRequest(session, request)]  # type: ignore[arg-type]
        d.log.kept.extend(["first", 'the "second"'])
        client.say(GetLog(3), preface=True)
        assert await client.reply() == Text(3, '["first","the \\"second\\""]')


async def test_the_node_is_told_what_only_the_process_knows() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        sent = encode(Get(1, b"x" * 1000))
        client.say(Get(1, b"x" * 1000), preface=True)
        other.say(Get(1, b"x"), preface=True)
        await client.reply()
        await other.reply()
        facts = d.node.process.stats()
        assert facts.sessions == 2 and facts.disk_bytes == 0
        assert facts.received_bytes == 2 * len(PREFACE) + len(sent) + len(encode(Get(1, b"x")))
        answers = Content(1, b"x" * 1000), Content(1, b"x")
        assert facts.sent_bytes == sum(len(encode(answer)) for answer in answers)


async def test_a_turn_is_told_when_it_began() -> None:
    async with daemon() as d, Raw(d.port) as client:
        ends: list[TurnEnded] = []

        def on_input(event: Input) -> list[Effect]:
            if isinstance(event, TurnEnded):
                ends.append(event)
            return []

        def on_request(session: int, request: Request) -> list[Effect]:
            d.now = 107.0  # it takes its time
            return echo(session, request)

        d.now = 100.0
        d.node.on_input, d.node.on_request = on_input, on_request
        client.say(Get(1, b"x"), Get(2, b"x"), preface=True)
        await client.replies(2)
        assert ends == [TurnEnded(100.0)]
