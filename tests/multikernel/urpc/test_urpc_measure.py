"""Measurement over channels, the floors, and the benchmark made of both."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from multikernel import urpc

T = TypeVar("T")

two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs two cores, and this process may use one only"
)
CALLS = ["ping", "ping_batches", "echo", "measure_send", "measure_receive", "measure_stream", "measure_drain"]
SPINS = pytest.mark.parametrize("spin_ns", [0, 100_000])


def beside(other: Callable[[], object], this: Callable[[], T]) -> T:
    """The result of `this`, with `other` running in another thread; its error is ours."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            other()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        return this()
    finally:
        thread.join(60)
        if errors:
            raise errors[0]


@SPINS
def test_ping_times_every_round(spin_ns: int) -> None:
    a, b = urpc.pair(spin_ns=spin_ns)
    with a, b:
        times = beside(lambda: b.echo(200, 30), lambda: a.ping(200, 30))
        assert len(times) == 200
        assert all(ps > 0 for ps in times)
        a.send(b"the channel is in step")
        assert b.receive(1) == b"the channel is in step"


@SPINS
@pytest.mark.parametrize("capacity", [8, 64])
@pytest.mark.parametrize("count", [1, 16, 333])
def test_both_ends_measure_every_message(spin_ns: int, capacity: int, count: int) -> None:
    a, b = urpc.pair(capacity, spin_ns=spin_ns)
    with a, b:
        received: list[int] = []
        sent = beside(lambda: received.extend(b.measure_receive(count, 30)), lambda: a.measure_send(count, 30))
        assert (len(sent), len(received)) == (count, count)
        assert sum(sent) > 0
        a.send(b"the channel is in step")
        assert b.receive(1) == b"the channel is in step"


@pytest.mark.parametrize("call", CALLS)
def test_measurement_without_a_partner_gives_up_in_time(call: str) -> None:
    a, b = urpc.pair()
    with a, b, pytest.raises(TimeoutError):
        getattr(a, call)(10, 0.05)


@pytest.mark.parametrize("call", CALLS)
def test_measurement_with_a_closed_partner_says_so(call: str) -> None:
    a, b = urpc.pair()
    b.close()
    with a, pytest.raises(urpc.Closed):
        getattr(a, call)(10, 30)


@SPINS
def test_batches_of_round_trips_give_a_mean_each(spin_ns: int) -> None:
    a, b = urpc.pair(spin_ns=spin_ns)
    with a, b:
        times = beside(lambda: b.echo(3 * 32, 30), lambda: a.ping_batches(3, 30))
        assert len(times) == 3
        assert all(ps > 0 for ps in times)


@SPINS
@pytest.mark.parametrize("capacity", [8, 64])
def test_a_stream_gives_a_time_for_each_block_and_leaves_the_channel_in_step(spin_ns: int, capacity: int) -> None:
    a, b = urpc.pair(capacity, spin_ns=spin_ns)
    with a, b:
        times = beside(lambda: b.measure_drain(4, 30), lambda: a.measure_stream(4, 30))
        assert len(times) == 4
        assert all(ps > 0 for ps in times)
        b.send(b"the channel is in step")
        assert a.receive(1) == b"the channel is in step"


def test_times_of_one_thread_share_one_calibration() -> None:
    """The second measurement within a second need not wait for the clock: the rate of the first is known."""
    a, b = urpc.pair(spin_ns=100_000)
    with a, b:
        for _ in range(20):
            assert beside(lambda: b.echo(1, 30), lambda: a.ping(1, 30))[0] > 0


def test_measurement_refuses_other_messages() -> None:
    a, b = urpc.pair()
    with a, b:
        b.send(b"not an echo")
        with pytest.raises(urpc.Corrupt):
            a.ping(1, 30)


def test_channel_being_measured_refuses_other_use() -> None:
    a, b = urpc.pair(spin_ns=0)
    refused = threading.Event()

    def disturb() -> None:
        for _ in range(3000):
            try:
                a.receive(0.001)
            except urpc.UrpcError:
                refused.set()
                break
            except TimeoutError:
                continue
        b.echo(1, 30)

    with a, b:
        beside(disturb, lambda: a.ping(1, 30))
    assert refused.is_set()


@pytest.mark.parametrize("count", [0, -1, 1 << 60])
def test_count_that_cannot_be_is_refused(count: int) -> None:
    a, b = urpc.pair()
    with a, b, pytest.raises(ValueError, match="count"):
        a.ping(count)


@pytest.mark.parametrize("floor", [urpc.bare_ping_pong, urpc.futex_ping_pong, urpc.ordering_costs])
def test_floors_refuse_one_core_and_cores_that_are_not_there(floor: Callable[[int, int, int], object]) -> None:
    core = min(os.sched_getaffinity(0))
    with pytest.raises(ValueError, match="two different"):
        floor(core, core, 10)
    for absent in (-1, 1023, 1 << 20):
        with pytest.raises(ValueError, match="cannot both be used"):
            floor(core, absent, 10)


@two_cores
def test_floors_have_a_time() -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    assert urpc.bare_ping_pong(first, second, 1000) > 0
    assert urpc.futex_ping_pong(first, second, 20) > 0
    unfenced, fenced, membarrier = urpc.ordering_costs(first, second, 1000)
    assert unfenced > 0
    assert fenced > 0
    assert membarrier >= 0


@two_cores
def test_floor_leaves_the_callers_affinity_alone() -> None:
    before = os.sched_getaffinity(0)
    first, second = sorted(before)[:2]
    urpc.bare_ping_pong(first, second, 100)
    assert os.sched_getaffinity(0) == before
