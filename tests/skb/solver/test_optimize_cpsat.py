"""CP-SAT on models that are too large to try everything: time limits, hints, the same answer each time."""

import itertools
import random
from typing import Any

import pytest
from optimize_models import Truth, c, prolog

from skb.solver.optimization import Options, optimize


def golomb(marks: int, longest: int) -> tuple[list[Any], Any]:
    """Marks on a ruler whose distances all differ: hard to prove."""
    names = [c("mark", number) for number in range(marks)]
    gaps = [c("-", later, names[i]) for i in range(marks) for later in names[i + 1 :]]
    increasing = [c("#<", before, after) for before, after in itertools.pairwise(names)]
    model = [c("ins", names, c("..", 0, longest)), c("#=", names[0], 0), *increasing, c("all_different", gaps)]
    return model, c("minimize", names[-1])


def test_time_that_runs_out_leaves_the_best_so_far_and_a_bound() -> None:
    model, objective = golomb(14, 400)
    found = optimize(model, objective, Options(seconds=2))
    assert found.status == "feasible"
    assert found.cost is not None
    assert found.bound is not None
    assert found.values is not None
    assert 13 <= found.bound <= 127 <= found.cost  # 127 is the shortest
    assert found.gap == (found.cost - found.bound) / found.cost
    marks = list(found.values.values())
    assert marks[-1] == found.cost
    gaps = [later - mark for i, mark in enumerate(marks) for later in marks[i + 1 :]]
    assert len(set(gaps)) == len(gaps)


def test_no_time_to_find_anything_is_unknown_and_no_claim() -> None:
    model, objective = golomb(30, 800)
    found = optimize(model, objective, Options(seconds=0.001))
    assert (found.status, found.cost, found.values, found.gap) == ("unknown", None, None, None)
    assert found.bound is not None
    assert 0 <= found.bound <= 680  # what is known to be possible


def test_a_conflict_that_no_time_is_left_for_is_said_not_to_be_minimal() -> None:
    names = [c("x", number) for number in range(3)]
    model = [
        c("ins", names, c("..", 1, 2)),
        c("named", "apart", c("all_different", names)),
        c("named", "idle", c("#>", names[0], 0)),
    ]
    found = optimize(model, "satisfy", Options(explain_infeasible=True))
    assert (found.status, found.conflict, found.minimal) == ("infeasible", ["apart"], True)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_answer_is_the_same_each_time(workers: int) -> None:
    model, objective = golomb(7, 40)
    answers = [optimize(model, objective, Options(seconds=60, workers=workers, seed=3)) for _ in range(3)]
    assert {answer.cost for answer in answers} == {25}
    if workers == 1:
        assert all(answer.values == answers[0].values for answer in answers)


def test_an_earlier_answer_is_where_the_next_one_starts() -> None:
    model, objective = golomb(11, 150)
    shortest = [0, 1, 4, 13, 28, 33, 47, 54, 64, 70, 72]
    hint = {f"mark({number})": mark for number, mark in enumerate(shortest)}
    found = optimize(model, objective, Options(seconds=3, hint=hint))
    assert found.cost == 72


def test_large_numbers_keep_their_last_digit() -> None:
    """Addresses are of this size, and floating point would round them."""
    base = 2**59 - 7
    model = [c("in", "x", c("..", 0, base)), c("#=<", "x", base - 2)]
    found = optimize(model, c("maximize", "x"), Options())
    assert (found.status, found.cost, found.bound) == ("optimal", base - 2, base - 2)


def test_products_of_chance_agree_with_trying_everything() -> None:
    draw = random.Random(5)
    for _ in range(40):
        names = ["a", "b", "c"]
        product = c("*", c("+", "a", draw.randint(-4, 4)), c("*", c("-", "b", "c"), "a"))
        model = [c("ins", names, c("..", -4, 4)), c("#\\=", product, draw.randint(-9, 9))]
        declared = [c("in", name, c("..", -4, 4)) for name in names]
        objective = c("minimize", c("abs", c("-", product, draw.randint(-50, 50))))
        assert optimize(model, objective).cost == Truth([*declared, model[1]], objective).cost, prolog(model)


def knapsack(count: int) -> tuple[list[Any], Any]:
    draw = random.Random(1)
    take = [c("take", number) for number in range(count)]
    weights = [draw.randint(5, 60) for _ in take]
    worth = [c("*", draw.randint(5, 60), one) for one in take]
    room = c("scalar_product", weights, take, "#=<", sum(weights) // 2)
    return [c("ins", take, c("..", 0, 1)), room], c("maximize", c("sum", worth))


def test_a_large_model_has_a_solution_when_time_runs_out() -> None:
    """Simplifying it would take all of the time."""
    model, objective = knapsack(5000)
    found = optimize(model, objective, Options(seconds=5))
    assert found.status in ("optimal", "feasible")
    assert found.cost is not None
    assert found.bound is not None
    assert 125_000 < found.cost <= 125_602 <= found.bound


def test_a_bound_that_was_not_proved_is_not_told() -> None:
    """CP-SAT calls its bound 0 when it was stopped before it had one."""
    model, objective = knapsack(1900)
    found = optimize(model, objective, Options(seconds=0.05))
    assert found.bound is not None
    assert found.bound >= 47_000  # what some solution costs
