"""A few hundred mutated recordings through each probe, the same ones every time; `make fuzz` goes on for minutes."""

from __future__ import annotations

import multiprocessing
import random

import pytest
from fuzz import Outcome, attempt, fuzz, limit_memory
from fuzz_mutations import mutate
from fuzz_targets import TARGETS, Target

CASES = 150


def _fuzz_limited(name: str) -> Outcome:
    limit_memory()
    return fuzz(TARGETS[name], seed=1, cases=CASES)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_mutated_recordings_never_raise_hang_or_swallow_memory(name: str) -> None:
    if next(TARGETS[name].seeds(), None) is None:
        pytest.skip(f"no recordings to mutate for {name}")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        outcome = pool.apply_async(_fuzz_limited, (name,)).get(timeout=100)
    assert outcome.cases >= CASES
    assert not outcome.findings, "\n".join(finding.words for finding in outcome.findings)


def test_the_same_seed_is_the_same_run() -> None:
    case = {"a": bytes(range(200)), "b": b"some text\n" * 9}
    runs = [[mutate(random.Random(seed), case, [b"donor"]) for seed in range(40)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert any(mutated != case for mutated in runs[0])


def test_what_raises_is_found() -> None:
    target = Target("raises", lambda: iter([{"a": b"x"}]), lambda _case: 1 // 0)
    assert "ZeroDivisionError" in attempt(target, {"a": b""})


def test_what_hangs_is_found() -> None:
    def hang(_case: object) -> None:
        while True:
            pass

    assert "TooLong" in attempt(Target("hangs", lambda: iter([]), hang), {})
