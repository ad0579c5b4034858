"""The benchmark of trees runs, and leaves its processes and its core behind as they were."""

from __future__ import annotations

import os

import pytest

from multikernel.urpc.bench_relay import measure


def test_every_figure_is_taken() -> None:
    before = os.sched_getaffinity(0)
    report = measure(4, rounds=2, count=20)
    assert report.members == 4
    assert min(report.relay_broadcast, report.python_broadcast, report.relay_reduce, report.python_reduce) > 0
    assert report.as_dict()["broadcast_ratio"] == report.broadcast_ratio > 0
    assert os.sched_getaffinity(0) == before


def test_tree_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="2 members"):
        measure(1)
