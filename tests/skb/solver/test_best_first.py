from skb.solver.best_first import Branch, Expansion, prove
from skb.solver.deadline import Deadline

LEAVES = {"aa": 7, "ab": 4, "ba": 5, "bb": 9}


def expand(branch: Branch[str], limit: int) -> Expansion[str, str]:
    if len(branch.part) == 2:
        return Expansion([], (LEAVES[branch.part], branch.part))
    children = [branch.part + letter for letter in "ab"]
    bounds = {child: min(cost for leaf, cost in LEAVES.items() if leaf.startswith(child)) for child in children}
    return Expansion([Branch(bounds[child], len(child), child) for child in children], None)


def test_the_best_leaf_is_found_and_proved() -> None:
    proof = prove(Branch(0, 0, ""), expand, 10, Deadline.after(60))
    assert (proof.cost, proof.solution, proof.bound) == (4, "ab", 4)


def test_a_known_cost_that_is_best_is_proved_without_a_solution() -> None:
    proof = prove(Branch(0, 0, ""), expand, 4, Deadline.after(60))
    assert (proof.cost, proof.solution, proof.bound) == (4, None, 4)


def test_without_time_nothing_is_proved_but_what_was_known() -> None:
    proof = prove(Branch(3, 0, ""), expand, 10, Deadline.after(0))
    assert (proof.cost, proof.solution, proof.bound) == (10, None, 3)
