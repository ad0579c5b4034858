"""Base addresses for PCI: plans keep the rules, the best ones are found, what has no plan is said to have none, and why."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pci_brute_force import least_used
from pci_judge import Judge, judging

from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.pci_plan import packed, plan
from skb.solver.pci_plan_cpsat import solve
from skb.solver.pci_plan_greedy import greedy
from skb.solver.pci_plan_problem import Address, Bar, Bridge, DeviceSet, Reserved, Spare, Window
from skb.solver.pci_plan_regions import pools
from skb.solver.pci_plan_search import least_span, search, span

MIB = 1 << 20
GIB = 1 << 30
LOW = Window(0, 0, "memory", 0x8000_0000, 0x8FFF_FFFF)
HIGH = Window(0, 0, "memory", 4 * GIB, 8 * GIB - 1)
PORTS = Window(0, 0, "io", 0x1000, 0xFFFF)

needs_swipl = pytest.mark.skipif(
    shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)"
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judging(tmp_path_factory.mktemp("judge")) as one:
        yield one


def bar(bus: int, device: int, size: int, index: int = 0, **more: object) -> Bar:
    return Bar(Address(0, bus, device, 0), str(index), size, **more)  # type: ignore[arg-type]


def bridge(bus: int, device: int, secondary: int, **more: object) -> Bridge:
    return Bridge(Address(0, bus, device, 0), secondary, **more)  # type: ignore[arg-type]


# Random trees

SIZES = [1 << k for k in range(4, 27)]


@st.composite
def device_sets(draw: st.DrawFn) -> DeviceSet:
    """Trees of bridges with registers of all kinds, in windows that may be tight, with reserved ranges and head-room."""
    bridges: list[Bridge] = []
    buses = [0]
    for number in range(draw(st.integers(0, 5))):
        above = draw(st.sampled_from(buses))
        headroom = Spare(*(draw(st.sampled_from([0, 0, 256, 4096, MIB, 3 * MIB])) for _ in range(3)))
        width = draw(st.sampled_from([0, 32, 64]))
        headroom = headroom if width else headroom._replace(prefetchable=0)
        bridges.append(bridge(above, number, number + 1, prefetchable_width=width, headroom=headroom))
        buses.append(number + 1)
    bars = []
    for number in range(draw(st.integers(0, 12))):
        space = draw(st.sampled_from(["memory", "memory", "memory", "io"]))
        size = draw(st.sampled_from(SIZES if space == "memory" else [4, 8, 32, 64, 256]))
        times = draw(st.sampled_from([1, 1, 1, 3])) if space == "memory" else 1
        prefetchable = space == "memory" and draw(st.booleans())
        width = draw(st.sampled_from([32, 64])) if space == "memory" else 32
        where = draw(st.sampled_from(buses))
        bars.append(
            Bar(Address(0, where, 8 + number, 0), "0", size * times, space, width, prefetchable, size)  # type: ignore[arg-type]
        )
    low = draw(st.integers(0, 0x7FF)) * MIB
    length = draw(st.sampled_from([4, 64, 256, 1024])) * MIB
    windows = [Window(0, 0, "memory", low, low + length - 1), PORTS]
    if draw(st.booleans()):
        windows.append(HIGH)
    reserved = []
    for number in range(draw(st.integers(0, 2))):
        at = low + draw(st.integers(0, length // 4096 - 1)) * 4096
        reserved.append(Reserved(f"r{number}", at, at + draw(st.sampled_from([4095, MIB - 1]))))
    return DeviceSet(tuple(windows), tuple(bridges), tuple(bars), tuple(reserved))


@needs_swipl
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(devices=device_sets(), share=st.booleans())
def test_every_plan_keeps_the_rules_of_pci(judge: Judge, devices: DeviceSet, share: bool) -> None:
    found = plan(devices, share=share, seconds=1)
    if found.status in ("infeasible", "unknown"):
        assert found.reason
        assert (found.bars, found.windows) == ((), ())
        return
    violations, uses = judge.judge(devices, found)
    assert violations == "[]"
    for use in found.uses:
        assert uses[0, 0, use.space] == (use.wanted, use.used)
        assert use.wanted <= use.bound <= use.used
    assert (found.status == "optimal") == (found.used == found.bound)


@settings(max_examples=100, deadline=None)
@given(devices=device_sets())
def test_greedy_never_finds_what_is_said_not_to_exist_nor_anything_better(devices: DeviceSet) -> None:
    for raw in pools(devices, (0, 0), pages=False):
        (paged,) = (one for one in pools(devices, (0, 0)) if one.space == raw.space)
        found = packed(devices, paged, Deadline.after(1), share=False)
        for largest_first in (False, True):
            theirs = greedy(raw, largest_first=largest_first)
            if theirs is not None:
                assert found.windows is not None
                assert found.cost <= span(theirs)
                assert found.bound <= span(theirs)


# The best

UNIT = MIB // 2


@st.composite
def small_sets(draw: st.DrawFn) -> DeviceSet:
    """So little that everything can be tried, in units of 512 KiB."""
    count = draw(st.integers(1, 5))
    depth = draw(st.integers(0, 2))
    bridges = [bridge(draw(st.integers(0, number)), number, number + 1) for number in range(depth)]
    two = draw(st.booleans()) and count <= 3
    bars = [
        bar(
            draw(st.integers(0, depth)),
            8 + number,
            draw(st.sampled_from([UNIT, MIB, 2 * MIB, 4 * MIB])),
            width=draw(st.sampled_from([32, 64])),
            prefetchable=draw(st.booleans()),
        )
        for number in range(count)
    ]
    low = draw(st.integers(0, 7)) * MIB
    length = draw(st.integers(4, 16)) * MIB
    windows = [Window(0, 0, "memory", low, low + length - 1)]
    if two:
        windows.append(Window(0, 0, "memory", 4 * GIB + MIB, 4 * GIB + 7 * MIB - 1))
    reserved = []
    if draw(st.booleans()):
        at = low + draw(st.integers(0, length // UNIT - 1)) * UNIT
        reserved.append(Reserved("r", at, at + UNIT - 1))
    return DeviceSet(tuple(windows), tuple(bridges), tuple(bars), tuple(reserved))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(devices=small_sets(), share=st.booleans())
def test_small_sets_get_the_best_plan_that_there_is(devices: DeviceSet, share: bool) -> None:
    (pool,) = pools(devices, (0, 0), share=share, pages=False)
    best = least_used(pool, UNIT)
    found = plan(devices, share=share, seconds=20)
    if best is None:
        assert found.status == "infeasible"
    else:
        assert (found.status, found.used, found.bound) == ("optimal", best, best)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(devices=small_sets())
def test_both_ways_of_solving_agree(devices: DeviceSet) -> None:
    (pool,) = pools(devices, (0, 0))
    in_order = search(pool, Deadline.after(20))
    assume(in_order.proved)
    answer = solve(pool, None, None, 0, Deadline.after(20))
    assert answer.proved
    if in_order.windows is None:
        assert answer.windows is None
    else:
        assert answer.windows is not None
        assert span(answer.windows) == answer.bound == in_order.cost


@given(
    steps=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    low=st.integers(0, 5),
    known=st.integers(1, 60),
)
def test_no_beginning_has_a_lesser_span_than_the_one_found(steps: list[int], low: int, known: int) -> None:
    ends = [low + 1]
    for step in steps:
        ends.append(ends[-1] + step)
    ends = [max(end, at + low + 1) for at, end in enumerate(ends)]
    for at in range(1, len(ends)):
        ends[at] = max(ends[at], ends[at - 1])
    start, length = least_span(lambda at: ends[at - low], [(low, low + len(ends))], 1, 0, known)
    best = min(end - at for at, end in enumerate(ends, start=low))
    assert (length if start is not None else known) == min(best, known)


# Cases


def test_registers_that_are_larger_than_their_neighbours_leave_no_holes() -> None:
    bars = tuple(bar(1, number, MIB << size) for number, size in enumerate((0, 4, 1, 3, 0, 2)))
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), bars))
    assert (found.status, found.wasted) == ("optimal", 0)


def test_two_bridges_share_a_boundary_where_one_begins_with_its_small_registers() -> None:
    bars = tuple(bar(bus, device, size * MIB) for bus in (1, 2) for device, size in enumerate((64, 1)))
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1), bridge(0, 2, 2)), bars))
    assert (found.status, found.wasted) == ("optimal", 0)


def test_a_third_one_cannot_and_the_hole_is_proved_to_be_needed() -> None:
    bars = tuple(bar(bus, device, size * MIB) for bus in (1, 2, 3) for device, size in enumerate((64, 1)))
    devices = DeviceSet((replace(LOW, high=0x9FFF_FFFF),), tuple(bridge(0, bus, bus) for bus in (1, 2, 3)), bars)
    found = plan(devices, seconds=20)
    assert (found.status, found.wasted) == ("optimal", 62 * MIB)


def test_large_prefetchable_registers_lie_above_4_gib() -> None:
    gpu = bar(1, 0, 2 * GIB, width=64, prefetchable=True)
    found = plan(DeviceSet((LOW, HIGH), (bridge(0, 1, 1),), (gpu, bar(1, 0, 16 * MIB, 1))))
    assert found.status == "optimal"
    assert [one.base >= 4 * GIB for one in found.bars] == [True, False]
    assert [(window.kind, window.base >= 4 * GIB) for window in found.windows] == [
        ("memory", False),
        ("prefetchable", True),
    ]


def test_a_32_bit_register_beside_them_goes_with_what_cannot_be_prefetched() -> None:
    gpu = bar(1, 0, 2 * GIB, width=64, prefetchable=True)
    small = bar(1, 0, MIB, 2, prefetchable=True)
    found = plan(DeviceSet((LOW, HIGH), (bridge(0, 1, 1),), (gpu, small)))
    assert found.status == "optimal"
    assert {window.kind: window.base for window in found.windows}["memory"] == found.bars[1].base < 4 * GIB


def test_a_bridge_without_a_prefetchable_window_passes_all_through_the_other() -> None:
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1, prefetchable_width=0),), (bar(1, 0, MIB, prefetchable=True),)))
    assert [window.kind for window in found.windows] == ["memory"]


def test_a_narrow_window_on_the_way_keeps_all_behind_it_below_4_gib() -> None:
    devices = DeviceSet(
        (LOW, HIGH),
        (bridge(0, 1, 1, prefetchable_width=32), bridge(1, 1, 2)),
        (bar(2, 0, MIB, width=64, prefetchable=True),),
    )
    assert all(window.limit < 4 * GIB for window in plan(devices).windows)


def test_headroom_is_kept_free() -> None:
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1, headroom=Spare(32 * MIB)),), ()))
    assert [(one.size, one.base % (32 * MIB)) for one in found.kept] == [(32 * MIB, 0)]
    assert found.windows[0].limit - found.windows[0].base + 1 == 32 * MIB


def test_what_is_fixed_stays_and_the_rest_goes_around_it() -> None:
    fixed = bar(1, 0, MIB, fixed=0x8070_0000)
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), (fixed, bar(1, 1, 4 * MIB), bar(0, 2, MIB))))
    assert found.status == "optimal"
    assert found.bars[1].base == 0x8070_0000
    assert found.wasted == 0


def test_reserved_ranges_are_not_spanned_by_windows() -> None:
    taken = Reserved("ioapic", 0x8080_0000, 0x8080_0FFF)
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), (bar(1, 0, 8 * MIB), bar(1, 1, 4 * MIB)), (taken,)))
    (window,) = found.windows
    assert window.limit < taken.low or window.base > taken.high


def test_virtual_functions_are_aligned_to_one_of_them() -> None:
    vf = Bar(Address(0, 1, 0, 0), "vf0", 7 * 16384, "memory", 64, True, 16384)
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), (vf,)))
    assert found.status == "optimal"
    assert found.bars[0].base % 16384 == 0


def test_what_is_lost_beside_a_reserved_range_is_known_to_be() -> None:
    taken = Reserved("ioapic", 0x8800_0000, 0x8800_0FFF)
    bars = tuple(bar(0, number, 64 * MIB) for number in range(3))
    found = plan(DeviceSet((LOW,), (), bars, (taken,)))
    assert (found.status, found.wasted, found.bound) == ("optimal", 64 * MIB, 256 * MIB)


def test_windows_up_to_the_last_address_are_no_trouble() -> None:
    devices = DeviceSet(
        (LOW, Window(0, 0, "memory", 4 * GIB, (1 << 64) - 1)),
        (bridge(0, 1, 1), bridge(0, 2, 2, headroom=Spare(1, 1, 0))),
        tuple(
            bar(bus, 0, 3 << 60, index, width=64, prefetchable=True, alignment=1 << 60)
            for bus in (1, 2)
            for index in (0, 1)
        ),
    )
    found = plan(devices, seconds=1)
    assert found.status in ("optimal", "feasible")
    (pool,) = pools(devices, (0, 0))
    assert not solve(pool, None, None, 0, Deadline.after(1)).proved


def test_nothing_needs_nothing() -> None:
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), ()))
    assert (found.status, found.used, found.windows) == ("optimal", 0, ())


def test_an_answer_comes_soon_however_much_there_is() -> None:
    bridges = tuple(bridge(0, number, number + 1) for number in range(20))
    bars = tuple(
        bar(1 + number % 20, number // 20, 4096 << (number * 7 % 13), index=number % 6) for number in range(400)
    )
    found = plan(DeviceSet((replace(LOW, high=0xEFFF_FFFF),), bridges, bars), seconds=1)
    assert found.status in ("optimal", "feasible")
    assert found.bound <= found.used


# No plan


def test_too_much_is_said_with_figures_and_what_would_help() -> None:
    bars = tuple(bar(1, number, 128 * MIB) for number in range(3))
    found = plan(DeviceSet((LOW,), (bridge(0, 1, 1),), bars))
    assert found.status == "infeasible"
    assert "384 MiB" in found.reason
    assert "256 MiB free" in found.reason
    assert "memory window of bridge 0000:00:01.0" in found.reason
    assert "a window of 384 MiB" in found.reason


def test_what_could_lie_higher_counts_where_nothing_higher_is() -> None:
    bars = (bar(0, 1, 256 * MIB), bar(0, 2, 256 * MIB, width=64))
    assert "needs at least 512 MiB of memory, " in plan(DeviceSet((LOW,), (), bars)).reason
    assert plan(DeviceSet((LOW, HIGH), (), bars)).status == "optimal"


def test_a_register_that_fits_nowhere_is_named() -> None:
    window = Window(0, 0, "memory", 0x8400_0000, 0x93FF_FFFF)
    found = plan(DeviceSet((window,), (), (bar(0, 3, 256 * MIB), bar(0, 4, 4096))))
    assert found.status == "infeasible"
    assert found.reason.startswith("what is below")
    found = plan(DeviceSet((window,), (), (bar(0, 3, 256 * MIB),)))
    assert found.status == "infeasible"
    assert "BAR 0 of 0000:00:03.0" in found.reason
    assert "256 MiB" in found.reason


def test_things_that_do_not_fit_together_are_named_and_no_others() -> None:
    window = Window(0, 0, "memory", 0x8000_0000, 0x809F_FFFF)
    taken = Reserved("x", 0x8050_0000, 0x805F_FFFF)
    bars = (bar(0, 1, 4 * MIB), bar(0, 2, 4 * MIB), bar(0, 3, 4096))
    found = plan(DeviceSet((window,), (), bars, (taken,)))
    assert found.status == "infeasible"
    assert "BAR 0 of 0000:00:03.0" not in found.reason
    assert "together" in found.reason


def test_no_ports_at_all_is_said() -> None:
    found = plan(DeviceSet((LOW,), (), (bar(0, 3, 32, space="io"),)))
    assert found.status == "infeasible"
    assert "no io window" in found.reason


def test_sharing_windows_is_proposed_where_it_helps() -> None:
    window = Window(0, 0, "memory", 0x8000_0000, 0x800F_FFFF)
    devices = DeviceSet((window,), (bridge(0, 1, 1),), (bar(1, 0, 4096), bar(1, 0, 4096, 1, prefetchable=True)))
    assert "(share)" in plan(devices).reason
    assert plan(devices, share=True).status == "optimal"


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (DeviceSet((LOW,), (), (bar(0, 3, 3000),)), "power of two"),
        (DeviceSet((LOW,), (), (bar(0, 3, 8),)), "smallest"),
        (DeviceSet((LOW,), (), (bar(0, 3, 4096), bar(0, 3, 4096))), "2 times"),
        (DeviceSet((LOW,), (), (bar(7, 3, 4096),)), "no bridge leads to"),
        (DeviceSet((LOW,), (bridge(0, 1, 1), bridge(0, 2, 1)), ()), "lead to one bus"),
        (DeviceSet((LOW,), (bridge(1, 1, 2), bridge(2, 1, 1)), ()), "no bridge leads to"),
        (DeviceSet((LOW,), (bridge(0, 1, 0),), ()), "the bus that it is on"),
        (DeviceSet((LOW, replace(LOW, high=0x8000_0FFF)), (), ()), "overlap"),
        (DeviceSet((replace(LOW, high=1),), (), ()), "no range"),
        (DeviceSet((LOW,), (bridge(0, 1, 1, headroom=Spare(-1)),), ()), "-1 bytes"),
        (DeviceSet((LOW,), (bridge(0, 1, 1, prefetchable_width=16),), ()), "16 bits"),
        (DeviceSet((LOW,), (), (bar(0, 1, 8 * GIB),)), "32 bits cannot address"),
        (DeviceSet((LOW,), (), (bar(0, 1, 4096, fixed=1 << 40),)), "cannot hold"),
        (DeviceSet((LOW,), (), (bar(0, 1, 4096, fixed=0x8000_0800),)), "no multiple of 4096"),
    ],
)
def test_nonsense_is_refused_by_name(devices: DeviceSet, words: str) -> None:
    with pytest.raises(SolverError, match=words):
        plan(devices)
