"""Statistics of measurements: interrupted samples are left out, and said to be."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from multikernel import urpc
from multikernel.link import CAPACITY
from multikernel.link import LONGEST as LONGEST_MESSAGE
from multikernel.measure import (
    AIM_NS,
    DOUBT,
    ENOUGH,
    FIRST,
    INTERRUPTED,
    LONGEST,
    PAIR_NS,
    SHORTEST,
    SLICES,
    WARM_UP,
    Pair,
    receive_cost,
    receiving,
    sending,
    statistics,
)
from multikernel.messages import Cost, Sending, Slice, Taken, encode
from multikernel.show_measure import as_json, pair_times, table


def test_interrupted_samples_are_left_out_and_counted() -> None:
    found = statistics([100, 110, 90, 100, 100 * INTERRUPTED + 1])
    assert (found.avg, found.min, found.max, found.samples, found.interrupted) == (100, 90, 110, 4, 1)


def test_equal_samples_have_no_deviation() -> None:
    assert statistics([7, 7, 7]) == (7, 0, 7, 7, 3, 0, 7)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        statistics([])


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200))
def test_the_average_lies_between_the_extremes(samples: list[int]) -> None:
    found = statistics(samples)
    assert found.min <= found.avg <= found.max
    assert found.samples + found.interrupted == len(samples)


def test_the_way_belongs_to_the_receiver() -> None:
    assert receive_cost(trip=600, send=100, receive=20) == 200
    assert receive_cost(trip=600, send=100, receive=500) == 500


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_hop_never_costs_less_than_the_one_way_latency(trip: int, send: int, receive: int) -> None:
    assert send + receive_cost(trip, send, receive) >= trip // 2


class Machine:
    """Two kernels and a console whose times are made up, in ns."""

    def __init__(self, trip: int, overhead: int = 300_000, line: int | None = None, block: int = 10_000) -> None:
        self.trip = trip
        self.overhead = overhead
        self.line = trip // 8 if line is None else line
        self.block = block
        self.now = 0
        self.slow = 1.0
        """How many times slower everything is at the moment."""

    def take(self, pair: Pair, part: Slice) -> None:
        """Measure a slice."""
        lines = CAPACITY + part.burst if part.burst else 0
        parts = (part.rounds * self.trip, lines * self.line, part.blocks * self.block)
        spent = tuple(int(ns * self.slow) for ns in parts)
        taken = Taken([self.trip * 1000] * part.rounds, [100] * part.burst, [50] * part.blocks, spent)  # type: ignore[arg-type]  # three
        all_ns = sum(spent) + int(self.overhead * self.slow)
        self.now += all_ns
        pair.add(taken, [7] * part.burst, all_ns)

    def measure(self, slices: int = SLICES) -> tuple[Pair, list[Slice]]:
        """Measure a pair as the console does, alone. The pair, and its slices but for the one that warms up."""
        pair, parts = Pair(slices), []
        for _ in range(slices + 1):
            if (part := pair.next) is not None:
                self.take(pair, part)
                parts.append(part)
        return pair, parts[1:]


FAST, ASLEEP, CROWDED = 300, 65_000, 200_000
"""Round trips in ns: between kernels that spin, that sleep, and that wait for each other's time slices."""


def test_the_slice_that_warms_up_does_not_count() -> None:
    pair, machine = Pair(), Machine(999_999)
    machine.take(pair, WARM_UP)
    assert pair.next is not None
    with pytest.raises(ValueError, match="no samples"):
        pair.cost()
    machine.trip = 1000
    machine.take(pair, pair.next)
    assert pair.cost().sending.max == 1_000_000


def test_fast_pairs_have_all_slices_and_soon_the_longest() -> None:
    pair, parts = Machine(FAST).measure()
    assert len(parts) == SLICES
    assert parts[1:] == [LONGEST] * (SLICES - 1)
    assert pair.cost().sending.samples > 4 * LONGEST.rounds


@given(st.integers(100, CROWDED), st.integers(50_000, 800_000), st.integers(1, 60_000), st.integers(10_000, 400_000))
def test_a_pair_keeps_within_its_time(trip: int, overhead: int, line: int, block: int) -> None:
    """Whenever what has to be measured once, in its shortest form, leaves any choice."""
    machine = Machine(trip, overhead, min(line, trip), block)
    pair, parts = machine.measure()
    necessary = (WARM_UP.rounds + FIRST.rounds) * trip + (CAPACITY + FIRST.burst) * machine.line + block + 2 * overhead
    assert pair.cost().measured_for == machine.now * 1000
    assert machine.now <= max(PAIR_NS, necessary)
    assert all(part.rounds >= SHORTEST.rounds for part in parts)


@given(st.integers(100, ASLEEP), st.integers(50_000, 300_000), st.integers(0, SLICES), st.floats(1.0, DOUBT - 0.1))
def test_a_machine_that_slows_down_breaks_no_promise(trip: int, overhead: int, when: int, slow: float) -> None:
    machine, pair = Machine(trip, overhead), Pair()
    for number in range(SLICES + 1):
        machine.slow = slow if number >= when else 1.0
        if (part := pair.next) is not None:
            machine.take(pair, part)
    assert machine.now <= PAIR_NS


def test_where_the_console_is_slow_there_are_fewer_slices_and_longer_ones() -> None:
    _, quick = Machine(ASLEEP, overhead=100_000).measure()
    _, slow = Machine(ASLEEP, overhead=600_000).measure()
    assert len(slow) < len(quick) == SLICES
    assert max(part.rounds for part in slow[1:]) > min(part.rounds for part in quick[1:])


def test_what_has_high_fixed_costs_is_not_in_every_slice() -> None:
    """A lap of the ring for each burst would leave no time for round trips."""
    pair, parts = Machine(ASLEEP, line=10_000).measure()
    assert parts[0].burst > 0
    assert sum(part.burst > 0 for part in parts) < len(parts)
    assert pair.cost().sending.samples >= ENOUGH


def test_a_pair_with_few_samples_goes_on_while_one_with_enough_of_them_ends() -> None:
    few, _ = Machine(ASLEEP, overhead=700_000).measure()
    enough, _ = Machine(ASLEEP // 4, overhead=700_000).measure()
    assert few.cost().sending.samples > ENOUGH * 3 / 4
    assert enough.cost().measured_for <= AIM_NS * 1000 < few.cost().measured_for < PAIR_NS * 1000


def test_a_pair_whose_time_is_over_is_measured_no_more_but_never_left_without_a_figure() -> None:
    pair, machine = Pair(), Machine(FAST)
    machine.slow = PAIR_NS
    machine.take(pair, WARM_UP)
    assert pair.next is not None, "nothing has been found yet"
    machine.take(pair, pair.next)
    assert pair.next is None
    assert pair.cost().sending.samples == FIRST.rounds


def test_all_pairs_have_a_slice_before_any_has_its_next() -> None:
    """Whatever a pair takes: it is asked for one slice at a time, and given nothing that the others' cost it."""
    fast, slow = Machine(FAST), Machine(CROWDED)
    pairs = [(Pair(), fast), (Pair(), slow)]
    for _ in range(2):
        for pair, machine in pairs:
            assert pair.next is not None
            machine.take(pair, pair.next)
    assert all(pair.cost().sending.samples > 0 for pair, _ in pairs)


def test_what_the_longest_slice_finds_fits_a_message_even_if_every_sample_is_slow() -> None:
    slow = 10**10
    for part in (WARM_UP, SHORTEST, LONGEST):
        taken = Taken([slow] * part.rounds, [slow] * part.burst, [slow] * part.blocks, (slow, slow, slow))
        assert len(encode(taken)) < LONGEST_MESSAGE


@pytest.mark.parametrize("part", [SHORTEST, WARM_UP], ids=["everything", "round trips"])
def test_both_ends_of_a_channel_measure_a_slice(part: Slice) -> None:
    here, there = urpc.pair(128)
    with here, there:
        received: list[int] = []
        answering = threading.Thread(target=lambda: received.extend(receiving(there, part)))
        answering.start()
        taken = sending(here, part)
        answering.join(60)
    assert tuple(map(len, taken_of(taken))) == (part.rounds, part.burst, part.blocks)
    assert len(received) == part.burst


def taken_of(taken: Taken) -> tuple[list[int], list[int], list[int]]:
    return taken.trips, taken.sends, taken.stream


def cost(measured_for_ns: int) -> Cost:
    return Cost(Sending(1, 0, 1, 1, 1, 1, 0, 1, 1), 1, 1, measured_for_ns * 1000)


def test_what_pairs_took_is_told_beside_what_is_promised() -> None:
    costs = {(0, 1): cost(2_000_000), (1, 0): cost(3_000_000), (0, 2): cost(PAIR_NS + 1)}
    assert pair_times(costs) == (3_000_000_000, PAIR_NS * 1000 + 1000, PAIR_NS * 1000, 1)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table(costs))
    assert "took 3.0 ms (median), 10.0 ms at worst; 1 of 3 over the 10 ms promised" in shown.get()
    assert as_json(costs)["pair_time"] == pair_times(costs)._asdict()
