"""Constraints over many variables at once, which stand by themselves, posted to OR-Tools CP-SAT.

CP-SAT's own are used where they mean what the language says. What takes no time, or has no width, overlaps nothing: such a task or
rectangle is one that need not be there.
"""

from collections.abc import Sequence
from typing import Any

from ortools.sat.python import cp_model

from skb.solver.language import STANDING_ALONE, elements, limit_of
from skb.solver.posting import Affine, Posting
from skb.solver.terms import Compound, Term


def is_global(term: Term) -> bool:
    """Tell whether a constraint is one of these."""
    return isinstance(term, Compound) and (term.f, len(term.args)) in STANDING_ALONE


def post(posting: Posting, term: Term) -> None:
    """Post a constraint, which was checked."""
    match term:
        case Compound("all_different" | "all_distinct", (list_,)):
            posting.cp.add_all_different(_simples(posting, list_))
        case Compound("element", (index, list_, value)):
            _element(
                posting, posting.affine(index), [posting.affine(one) for one in elements(list_)], posting.affine(value)
            )
        case Compound("table", (list_, rows)):
            _table(posting, list_, rows)
        case Compound("tuples_in", (lists, rows)):
            for list_ in elements(lists):
                _table(posting, list_, rows)
        case Compound("global_cardinality", (list_, pairs)):
            _cardinality(posting, list_, pairs)
        case Compound("cumulative", (tasks, *options)):
            _cumulative(posting, tasks, limit_of(options[0] if options else ()))
        case Compound("disjunctive", (starts, durations)):
            _disjunctive(posting, starts, durations)
        case Compound("disjoint2", (rectangles,)):
            _disjoint(posting, rectangles)
        case Compound("circuit", (list_,)):
            _circuit(posting, [posting.affine(one) for one in elements(list_)])
        case Compound("tree", (parents, root)):
            _tree(posting, [posting.affine(one) for one in elements(parents)], posting.affine(root))
        case _:
            raise AssertionError(term)


def _simples(posting: Posting, list_: Term) -> list[Any]:
    return [posting.simple(posting.affine(element)) for element in elements(list_)]


def _element(posting: Posting, index: Affine, list_: Sequence[Affine], value: Affine) -> None:
    posting.within(index, ((1, len(list_)),))
    low, high = posting.bounds(index)
    if low > len(list_) or high < 1:  # said already; CP-SAT's own must not be given such an index
        return
    from_zero = posting.simple(index + Affine((), -1))
    posting.cp.add_element(from_zero, [posting.simple(one) for one in list_], posting.simple(value))


def _table(posting: Posting, list_: Term, rows: Term) -> None:
    if not elements(rows):
        posting.never()
    elif elements(list_):
        posting.cp.add_allowed_assignments(_simples(posting, list_), rows)  # type: ignore[arg-type]  # rows of integers


def _cardinality(posting: Posting, list_: Term, pairs: Term) -> None:
    values = [posting.affine(element) for element in elements(list_)]
    counts: dict[int, Term] = {pair.args[0]: pair.args[1] for pair in elements(pairs)}  # type: ignore[union-attr,misc]  # checked
    allowed = tuple((value, value) for value in sorted(counts))
    for value in values:
        if allowed:
            posting.within(value, allowed)
        else:
            posting.never()
    for number, count in counts.items():
        many = posting.how_many(values, Affine((), number))
        posting.within(many - posting.affine(count), ((0, 0),))


def _cumulative(posting: Posting, tasks: Term, limit: Term) -> None:
    capacity = posting.at_least_0(limit)
    intervals, needs = [], []
    for task in elements(tasks):
        assert isinstance(task, Compound)
        start, duration, end, need = task.args[:4]
        long = posting.at_least_0(duration)
        needed = posting.at_least_0(need)
        posting.within(posting.affine(start) + long - posting.affine(end), ((0, 0),))
        if posting.bounds(long)[1] > 0:
            intervals.append(_interval(posting, posting.affine(start), long, [long]))
            needs.append(posting.simple(needed))
    posting.cp.add_cumulative(intervals, needs, posting.simple(capacity))


def _disjunctive(posting: Posting, starts: Term, durations: Term) -> None:
    intervals = []
    for start, duration in zip(elements(starts), elements(durations), strict=True):
        long = posting.at_least_0(duration)
        if posting.bounds(long)[1] > 0:
            intervals.append(_interval(posting, posting.affine(start), long, [long]))
    posting.cp.add_no_overlap(intervals)


def _disjoint(posting: Posting, rectangles: Term) -> None:
    across, along = [], []
    for rectangle in elements(rectangles):
        assert isinstance(rectangle, Compound)
        x, width, y, height = rectangle.args
        wide, high = posting.at_least_0(width), posting.at_least_0(height)
        if posting.bounds(wide)[1] > 0 and posting.bounds(high)[1] > 0:
            across.append(_interval(posting, posting.affine(x), wide, [wide, high]))
            along.append(_interval(posting, posting.affine(y), high, [wide, high]))
    posting.cp.add_no_overlap_2d(across, along)


def _interval(posting: Posting, start: Affine, size: Affine, sizes: Sequence[Affine]) -> cp_model.IntervalVar:
    """Give an interval that is there where all these sizes are positive."""
    end = start + size
    ends = posting.simple(start), posting.simple(size), posting.simple(end)
    unsure = [one for one in sizes if posting.bounds(one)[0] <= 0]
    if not unsure:
        return posting.cp.new_interval_var(*ends, "")
    there = [posting.literal_within(one, ((1, posting.bounds(one)[1]),)) for one in unsure]
    presence = there[0] if len(there) == 1 else posting.all_of(there)
    return posting.cp.new_optional_interval_var(*ends, presence, "")


def _circuit(posting: Posting, successors: Sequence[Affine]) -> None:
    count = len(successors)
    for successor in successors:
        posting.within(successor, ((1, count),))
    if count == 1:
        return
    for node, successor in enumerate(successors, start=1):
        posting.within(successor, tuple(part for part in ((1, node - 1), (node + 1, count)) if part[0] <= part[1]))
    arcs = [
        (node, to, posting.literal_within(successor, ((to + 1, to + 1),)))
        for node, successor in enumerate(successors)
        for to in range(count)
        if to != node and _can_be(posting, successor, to + 1)
    ]
    if arcs:
        posting.cp.add_circuit(arcs)


def _can_be(posting: Posting, affine: Affine, value: int) -> bool:
    low, high = posting.bounds(affine)
    return low <= value <= high


def _tree(posting: Posting, parents: Sequence[Affine], root: Affine) -> None:
    """The root has depth 0, every other node one more than its parent, so there are no cycles."""
    count = len(parents)
    posting.within(root, ((1, count),))
    depths = [posting.new(0, count - 1) for _ in parents]
    for node, (parent, depth) in enumerate(zip(parents, depths, strict=True), start=1):
        posting.within(parent, ((1, count),))
        is_root = posting.literal_within(root, ((node, node),))
        for other, value in ((parent, node), (depth, 0)):
            posting.same(is_root, posting.literal_within(other, ((value, value),)))
        _element(posting, parent, depths, depth + Affine((), -1) + posting.of_literal(is_root))
