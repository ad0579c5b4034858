"""The figures of waiting are taken, and say what they should."""

from __future__ import annotations

from multikernel.urpc import bench_asyncio, bench_waiting


def test_every_figure_is_taken_and_compared() -> None:
    report = bench_waiting.measure(rounds=1, scale=0.05)
    assert all(value > 0 for value in report.figures.values())
    assert {f"wait, 1 ready of {count}" for count in bench_waiting.COUNTS} <= set(report.figures)
    for loop in bench_asyncio.loops():
        assert {f"round trip of two {loop} loops, {way}" for way in bench_asyncio.WAYS} <= set(report.figures)
    assert {
        f"round trip, {spin}, receiver's core {phase}" for spin in bench_waiting.SPINS for phase in bench_waiting.PHASES
    } <= set(report.figures)
    assert len(report.ratios) == 7 + 4 * len(bench_asyncio.loops())
