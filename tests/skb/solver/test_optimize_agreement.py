"""Thousands of small models by chance: CLP(FD), CP-SAT and trying everything agree on all that is best, or on why nothing is."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from optimize_models import Truth, c, chance, key, prolog, split

from skb.solver.optimization import Options, optimize

DRIVER = Path(__file__).with_name("optimize_driver.pl")
CHUNKS, CHUNK = 8, 300
ALL = 3000

needs_swipl = pytest.mark.skipif(
    shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)"
)


def clpfd(problems: list[tuple[Any, Any, list[Any]]]) -> list[dict[str, Any]]:
    """What rules/optimize.pl makes of problems, run as a rule author would."""
    text = "".join(
        f"problem({prolog(model)}, {prolog(objective)}, {prolog(options)}).\n" for model, objective, options in problems
    )
    done = subprocess.run(
        ["swipl", "-g", "main", "-t", "halt", str(DRIVER)],
        input=text,
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def cpsat(model: Any, objective: Any, **options: Any) -> dict[str, Any]:
    """The same, by CP-SAT."""
    found = optimize(model, objective, Options(seconds=60, **options))
    return {
        "status": found.status,
        "cost": found.cost,
        "bound": found.bound,
        "values": found.values and list(found.values.values()),
        "solutions": None if found.solutions is None else [list(values.values()) for values in found.solutions],
        "complete": found.complete,
        "minimal": found.minimal,
        "conflict": found.conflict,
    }


def judge(truth: Truth, found: dict[str, Any], told: str) -> None:
    """Hold an answer against the truth."""
    assert "error" not in found, (told, found)
    if truth.best:
        assert (found["status"], found["cost"], found["bound"]) == ("optimal", truth.cost, truth.cost), told
        best = [list(of.values()) for of in truth.best]
        assert found["values"] in best, told
        assert found["complete"] is True, told
        assert found["solutions"] == sorted(best), told
    else:
        assert (found["status"], found["values"], found["minimal"]) == ("infeasible", None, True), told
        conflict = set(found["conflict"])
        assert len(conflict) == len(found["conflict"]), told
        assert truth.conflict(conflict), told
        for label in conflict:
            assert not truth.conflict(conflict - {label}), f"{told}: {label} is not needed"


OPTIONS = [c("all_optimal", ALL), c("explain_infeasible", "true"), c("seconds", 60)]


@needs_swipl
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_both_back_ends_agree_with_trying_everything(chunk: int) -> None:
    seeds = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    problems = [chance(seed) for seed in seeds]
    by_rules = clpfd([(model, objective, OPTIONS) for model, objective in problems])
    infeasible = 0
    for seed, (model, objective), answer in zip(seeds, problems, by_rules, strict=True):
        truth = Truth(model, objective)
        infeasible += not truth.best
        told = f"model {seed}: {prolog(model)}, {prolog(objective)}"
        judge(truth, answer, f"CLP(FD), {told}")
        judge(truth, cpsat(model, objective, all_optimal=ALL, explain_infeasible=True), f"CP-SAT, {told}")
    assert CHUNK // 10 < infeasible < CHUNK * 9 // 10  # both kinds were tried


@needs_swipl
def test_hints_never_change_what_is_best() -> None:
    draw = random.Random(7)
    problems = []
    for seed in range(200):
        model, objective = chance(seed)
        names = [item["args"][0] for item in split(model)[0]]
        hint = [c("=", name, draw.randint(-5, 9)) for name in names if draw.random() < 0.7]
        problems.append((model, objective, hint))
    hinted = clpfd([(model, objective, [c("hint", hint)]) for model, objective, hint in problems])
    for (model, objective, hint), answer in zip(problems, hinted, strict=True):
        values = {key(pair["args"][0]): pair["args"][1] for pair in hint}
        for found in (answer, cpsat(model, objective, hint=values)):
            truth = Truth(model, objective)
            assert found["status"] == ("optimal" if truth.best else "infeasible")
            assert found["cost"] == truth.cost
