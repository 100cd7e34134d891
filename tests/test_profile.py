"""The account of bench.profile: which time is of which stage, and how perf is read; nothing is measured."""

from __future__ import annotations

import pytest

from bench.perf import NO_CALL, counts_in, samples_in
from bench.stages import (
    DISK, FLUSH_MESSAGES, HAND_OVER, LOOP, OTHERS, RECEIVE, SEND, SETTLE, STAGES, WATCHED, WRITTEN, Account, Meter,
    found, together,
)  # fmt: skip


class Time:
    """Two clocks: that of the machine, and that of a thread, which stands still while others run."""

    def __init__(self) -> None:
        self.machine = self.thread = 0

    def run(self, nanoseconds: int) -> None:
        self.machine += nanoseconds
        self.thread += nanoseconds

    def wait(self, nanoseconds: int) -> None:
        self.machine += nanoseconds


@pytest.fixture
def time() -> Time:
    return Time()


def meter_of(time: Time) -> Meter:
    return Meter(lambda: time.machine, lambda: time.thread)


def test_a_function_has_its_time_without_that_of_those_within(time: Time) -> None:
    meter = meter_of(time)
    inner = meter.watched("inner", lambda: time.run(30))

    def outer() -> None:
        time.run(100)
        inner()
        inner()
        time.run(5)

    meter.watched("outer", outer)()
    assert {name: (of.calls, of.nanoseconds) for name, of in meter.figures.items()} == {
        "inner": (2, 60),
        "outer": (1, 105),
    }
    assert (meter.total, meter.outermost_calls) == (165, 1)


def test_what_the_watching_takes_is_in_no_figure(time: Time) -> None:
    meter = meter_of(time)
    meter.own, meter.around, meter.after, meter.outermost = 3, 4, 2, 50
    inner = meter.watched("inner", lambda: time.run(30 + 3))

    def outer() -> None:
        time.run(100)
        inner()
        time.run(4 + 3)

    meter.watched("outer", outer)()
    assert [of.nanoseconds for of in meter.figures.values()] == [30, 100]
    assert meter.total == 140 + 2 * 2 + 50, "all that was not the loop's own"
    assert meter.cost == 2 * (3 + 2) + 4 + 50 == meter.total - 130


def test_time_in_which_the_thread_did_not_run_is_taken_off_where_it_was(time: Time) -> None:
    meter = meter_of(time)

    def interrupted() -> None:
        time.run(1_000)
        time.wait(1_000_000)

    inner = meter.watched("inner", interrupted)

    def outer() -> None:
        time.run(5_000)
        inner()

    meter.watched("outer", outer)()
    assert [of.nanoseconds for of in meter.figures.values()] == [1_000, 5_000]
    assert meter.total == 6_000


def test_a_function_that_fails_is_counted_and_the_next_one_is_outermost_again(time: Time) -> None:
    meter = meter_of(time)

    def fails() -> None:
        time.run(7)
        raise ValueError

    watched = meter.watched("fails", fails)
    for _ in range(2):
        with pytest.raises(ValueError):
            watched()
    assert (meter.figures["fails"].nanoseconds, meter.outermost_calls) == (14, 2)


def test_what_is_in_no_figure_is_of_the_loop_of_the_hand_over_or_of_other_threads(time: Time) -> None:
    account = Account()
    account.main.total, account.disk.total = 700.0, 80.0
    snapshot = account.snapshot(loop=1000, disk=100, process=1150)
    stages = {stage: nanoseconds for stage, nanoseconds in snapshot.stages.items() if nanoseconds}
    assert stages == {LOOP: 300, HAND_OVER: 20, OTHERS: 50}
    later = account.snapshot(loop=1500, disk=100, process=1700)
    since = together([later, snapshot], [1, -1])
    assert (since.stages[LOOP], since.stages[OTHERS], since.process) == (500, 50, 550)
    both = together([since, snapshot])
    assert (both.stages[LOOP], both.process) == (800, 1700)


def test_all_that_is_watched_is_there_and_has_a_stage() -> None:
    """A function that was renamed would be timed no more, and its time be that of another stage."""
    for name in (*WATCHED, WRITTEN, SETTLE, FLUSH_MESSAGES):
        assert callable(found(name)[1]), name
    assert {*WATCHED.values(), DISK} <= set(STAGES)


def test_samples_are_of_the_system_call_and_of_its_stage() -> None:
    stacks = {
        "10/10": ["ffffffff81000001 sock_write_iter", "ffffffff81000002 __x64_sys_write", "7f00 write"],
        " 10/10": ["5600 _PyEval_EvalFrameDefault"],
        "10/12": ["ffffffff81000003 ext4_sync_file", "ffffffff81000004 __x64_sys_fdatasync"],
        " 10/12": ["ffffffff81000005 eventfd_write", "ffffffff81000006 ksys_write"],
        "  10/12": ["ffffffff81000007 do_syscall_64", "7f01 sem_post@GLIBC_2.2.5"],
        "  10/10": ["ffffffff81000008 do_syscall_64", "7f02 __GI___libc_read"],
        "   10/10": ["ffffffff81000009 irqentry_exit_to_user_mode", "7f03 malloc"],
    }
    lines = [line for head, stack in stacks.items() for line in (f"{head} ", *(f"\t {frame}" for frame in stack), "")]
    samples = samples_in(lines)
    assert (samples.total, samples.user) == (7, 1)
    assert samples.stages == {SEND: 1, DISK: 1, HAND_OVER: 2, RECEIVE: 1}
    assert samples.calls == {"write": 2, "fdatasync": 1, "futex": 1, "read": 1, NO_CALL: 1}


def test_counts_of_perf() -> None:
    lines = ["# started", "", "120,,raw_syscalls:sys_enter,5,100.00,,", "7,,syscalls:sys_enter_futex,5,100.00,,"]
    assert counts_in([*lines, "<not counted>,,syscalls:sys_enter_read,0,0.00,,"]) == {"sys_enter": 120, "futex": 7}
