"""The language of models: what a model says, and what is wrong with one that says nothing.

The language is that of `rules/optimize.pl`, in which terms are JSON: integers, atoms as strings, lists as arrays, compound terms as
`{"f": "#=<", "args": [...]}`. Everything is checked before anything is solved: what comes out of here has declared names, finite domains,
lists where lists belong, and numbers that stay within bounds, so that nothing overflows in 64 bits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from skb.solver.errors import SolverError
from skb.solver.terms import Compound, Term, Wrong, short, term_of, text_of

MOST = 2**60
"""What no step of computing an expression may exceed, whatever the values of the variables."""


Intervals = tuple[tuple[int, int], ...]
"""A domain: least and greatest of each interval, in order, with gaps between them."""


@dataclass(frozen=True)
class Constraint:
    """A constraint of a model. `label` is its name, if it has one; `place` names it to people."""

    label: Term | None
    place: str
    term: Term


@dataclass(frozen=True)
class Model:
    """A model that was checked. Domains stand in the order of declaration."""

    domains: Mapping[Term, Intervals]
    constraints: tuple[Constraint, ...]


class ModelError(SolverError):
    """A model, an objective or an option is none: place and what is wrong there."""


COMPARISONS = ("#=", "#\\=", "#<", "#>", "#=<", "#>=")
CONNECTIVES = {("#\\", 1), ("#/\\", 2), ("#\\/", 2), ("#\\", 2), ("#==>", 2), ("#<==", 2), ("#<==>", 2)}
STANDING_ALONE = {
    ("all_different", 1),
    ("all_distinct", 1),
    ("element", 3),
    ("table", 2),
    ("tuples_in", 2),
    ("global_cardinality", 2),
    ("cumulative", 1),
    ("cumulative", 2),
    ("disjunctive", 2),
    ("disjoint2", 1),
    ("circuit", 1),
    ("tree", 2),
}
_OPERATIONS = {
    *(("+", 2), ("-", 2), ("-", 1), ("*", 2), ("abs", 1), ("min", 1), ("min", 2), ("max", 1), ("max", 2), ("sum", 1)),
    *(("sum", 3), ("..", 2), ("\\/", 2), ("in", 2), ("ins", 2), ("named", 2), ("scalar_product", 4), ("count", 4)),
}
RESERVED = STANDING_ALONE | CONNECTIVES | _OPERATIONS | {(name, 2) for name in COMPARISONS}


def read(items: Any) -> Model:
    """Read a model in JSON form. Raises ModelError."""
    if not isinstance(items, list | tuple):
        raise ModelError("model: is no list of declarations and constraints")
    domains: dict[Term, Intervals] = {}
    constraints: list[Constraint] = []
    for number, item in enumerate(items, start=1):
        _read_item(number, item, domains, constraints)
    if not domains:
        raise ModelError("model: declares no variables; begin with one, like x in 0..9")
    check = Check(domains)
    for constraint in constraints:
        at(constraint.place, partial(check.constraint, constraint.term))
    return Model(domains, tuple(constraints))


def at(place: str, what: Callable[[], Any]) -> Any:
    """Do something; a Wrong in it becomes a ModelError that names the place."""
    try:
        return what()
    except Wrong as wrong:
        raise ModelError(f"{place}: {wrong}") from None
    except RecursionError:
        raise ModelError(f"{place}: is nested too deeply; add many things with sum([...])") from None


def _read_item(number: int, item: Any, domains: dict[Term, Intervals], constraints: list[Constraint]) -> None:
    term: Term = at(f"item {number} of the model", partial(term_of, item))
    place = f"item {number} of the model, {at('model', partial(short, term))}"
    match term:
        case Compound("in", (name, domain)) if is_name(name):
            at(place, partial(_declare, (name,), domain, domains))
        case Compound("ins", (names, domain)):
            at(place, partial(_declare, names, domain, domains))
        case Compound("named", (label, constraint)):
            if not is_label(label):
                use = "use an atom, or a ground term of atoms and integers"
                raise ModelError(f"{place}: {short(label)} is no name for a constraint; {use}")
            constraints.append(Constraint(label, f"constraint {text_of(label)}", constraint))
        case _:
            constraints.append(Constraint(None, place, term))


def _declare(names: Term, domain: Term, domains: dict[Term, Intervals]) -> None:
    intervals = domain_of(domain)
    for name in elements(names):
        if not is_name(name):
            raise Wrong(
                f"{short(name)} cannot name a variable; use an atom, or a ground term like core(0) that is no expression"
            )
        if name in domains:
            raise Wrong(f"{short(name)} is declared twice")
        domains[name] = intervals


def is_label(term: Term) -> bool:
    """Tell whether a term may name a constraint: an atom, or a compound term of such and integers."""
    if isinstance(term, str):
        return True
    return isinstance(term, Compound) and all(isinstance(argument, int) or is_label(argument) for argument in term.args)


def is_name(term: Term) -> bool:
    """Tell whether a term may name a variable."""
    return is_label(term) and (not isinstance(term, Compound) or (term.f, len(term.args)) not in RESERVED)


def domain_of(term: Term) -> Intervals:
    """Read a domain. Raises Wrong."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(_intervals(term)):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _intervals(term: Term) -> Iterator[tuple[int, int]]:
    match term:
        case int():
            yield number(term), term
        case Compound("..", (low, high)):
            least, greatest = number(low), number(high)
            if least > greatest:
                raise Wrong(f"the domain {short(term)} is empty")
            yield least, greatest
        case Compound("\\/", (left, right)):
            yield from _intervals(left)
            yield from _intervals(right)
        case _:
            raise Wrong(f"{short(term)} is no domain; write one like 0..7 or 1 \\/ 3..5")


def elements(term: Term) -> tuple[Term, ...]:
    """Give the elements of a list. Raises Wrong."""
    if not isinstance(term, tuple):
        raise Wrong(f"{short(term)} is no list")
    return term


def number(term: Term) -> int:
    """Give an integer. Raises Wrong."""
    if not isinstance(term, int):
        raise Wrong(f"{short(term)} is no integer")
    if abs(term) > MOST:
        raise Wrong(f"{short(term)} is beyond 2^60")
    return term


def limit_of(options: Term) -> Term:
    """Give the limit that the options of cumulative/2 name. Raises Wrong."""
    match options:
        case ():
            return 1
        case (Compound("limit", (limit,)),):
            return limit
    raise Wrong(f"its options are [limit(Limit)], not {short(options)}")


class Check:
    """Checks constraints and expressions over declared variables. Every method raises Wrong."""

    def __init__(self, domains: Mapping[Term, Intervals]) -> None:
        self._domains = domains

    def constraint(self, term: Term) -> None:
        """Check a constraint."""
        match term:
            case Compound("all_different" | "all_distinct", (list_,)):
                self._all(list_)
            case Compound("element", (index, list_, value)):
                self._filled(list_)
                self._all((index, value, *elements(list_)))
            case Compound("table", (list_, rows)):
                self._all(list_)
                _rows(list_, rows)
            case Compound("tuples_in", (lists, rows)):
                for list_ in elements(lists):
                    self._all(list_)
                    _rows(list_, rows)
            case Compound("global_cardinality", (list_, pairs)):
                self._all(list_)
                self._counts(pairs)
            case Compound("cumulative", (tasks, *options)):
                limit = limit_of(options[0] if options else ())
                needs = [self._task(task) for task in elements(tasks)]
                self.magnitude(Compound("sum", ((limit, *needs),)))
            case Compound("disjunctive", (starts, durations)):
                self._all(starts)
                self._all(durations)
                _same_length(starts, durations)
                for start, duration in zip(elements(starts), elements(durations), strict=True):
                    self.magnitude(Compound("+", (start, duration)))
            case Compound("disjoint2", (rectangles,)):
                for rectangle in elements(rectangles):
                    self._rectangle(rectangle)
            case Compound("circuit", (list_,)):
                self._filled(list_)
            case Compound("tree", (parents, root)):
                self._filled(parents)
                self.magnitude(root)
            case _:
                self.formula(term)

    def _all(self, list_: Term) -> None:
        for element in elements(list_):
            self.magnitude(element)

    def _filled(self, list_: Term) -> None:
        if not elements(list_):
            raise Wrong("the list is empty")
        self._all(list_)

    def _counts(self, pairs: Term) -> None:
        values = []
        for pair in elements(pairs):
            match pair:
                case Compound("-", (value, count)):
                    values.append(number(value))
                    self.magnitude(count)
                case _:
                    raise Wrong(f"{short(pair)} is no Value-Count")
        if len(set(values)) < len(values):
            raise Wrong("a value has two counts")

    def _task(self, task: Term) -> Term:
        match task:
            case Compound("task", (start, duration, end, need, _)):
                self._all((start, duration, end, need))
                self.magnitude(Compound("sum", ((start, duration, end),)))
                return need
        raise Wrong(f"{short(task)} is no task(Start, Duration, End, Need, Name)")

    def _rectangle(self, rectangle: Term) -> None:
        match rectangle:
            case Compound(_, (x, width, y, height)):
                self.magnitude(Compound("+", (x, width)))
                self.magnitude(Compound("+", (y, height)))
            case _:
                raise Wrong(f"{short(rectangle)} is no rectangle F(X, Width, Y, Height)")

    def formula(self, term: Term) -> None:
        """Check what is true or false."""
        match term:
            case Compound(name, (left, right)) if name in COMPARISONS:
                self.magnitude(Compound("-", (left, right)))
            case Compound(name, parts) if (name, len(parts)) in CONNECTIVES:
                for part in parts:
                    self.formula(part)
            case Compound("in", (expression, domain)):
                self.magnitude(expression)
                for interval in domain_of(domain):
                    for end in interval:
                        self.magnitude(Compound("-", (expression, end)))
            case Compound("sum", (list_, operator, right)):
                _operator(operator)
                self.magnitude(Compound("-", (Compound("sum", (list_,)), right)))
            case Compound("scalar_product", (factors, list_, operator, right)):
                _operator(operator)
                for factor in elements(factors):
                    number(factor)
                elements(list_)
                _same_length(factors, list_)
                self.magnitude(Compound("-", (Compound("sum", (products(factors, list_),)), right)))
            case Compound("count", (value, list_, operator, right)):
                _operator(operator)
                for element in elements(list_):
                    self.magnitude(Compound("-", (element, value)))
                self._all((value, right))
                self.magnitude(Compound("-", (len(elements(list_)), right)))
            case _:
                self._truth(term)

    def _truth(self, term: Term) -> None:
        if isinstance(term, int):
            if term not in (0, 1):
                raise Wrong(f"{short(term)} is no truth value; 0 and 1 are")
        elif term in self._domains:
            domain = self._domains[term]
            if domain[0][0] < 0 or domain[-1][1] > 1:
                raise Wrong(f"{short(term)} is used as a truth value, and its domain is not within 0..1")
        elif isinstance(term, Compound) and (term.f, len(term.args)) in STANDING_ALONE:
            raise Wrong(f"{term.f}/{len(term.args)} is no part of a formula: it can only stand by itself")
        elif isinstance(term, str):
            raise Wrong(f"{short(term)} is not declared")
        else:
            raise Wrong(f"{short(term)} is no constraint")

    def magnitude(self, term: Term) -> int:
        """Give what the absolute value of an expression exceeds in no step of computing it."""
        match term:
            case int():
                most = abs(term)
            case Compound("+" | "-", (_, _) as parts) | Compound("-", (_,) as parts):
                most = sum(map(self.magnitude, parts))
            case Compound("sum", (list_,)):
                most = sum(map(self.magnitude, elements(list_)))
            case Compound("*", (left, right)):
                most = self.magnitude(left) * self.magnitude(right)
            case Compound("abs", (part,)):
                most = self.magnitude(part)
            case Compound("min" | "max", (_, _) as parts):
                most = max(map(self.magnitude, parts))
            case Compound("min" | "max", (list_,)):
                if not elements(list_):
                    raise Wrong("an empty list has no least or greatest element")
                most = max(map(self.magnitude, elements(list_)))
            case _ if term in self._domains:
                domain = self._domains[term]
                most = max(abs(domain[0][0]), abs(domain[-1][1]))
            case _ if is_name(term):
                raise Wrong(f"{short(term)} is not declared")
            case _:
                raise Wrong(f"{short(term)} is no expression")
        if most > MOST:
            raise Wrong(f"{short(term)} may exceed 2^60")
        return most


def products(factors: Term, list_: Term) -> tuple[Term, ...]:
    """Give the products of what stands at the same place in two lists."""
    return tuple(Compound("*", pair) for pair in zip(elements(factors), elements(list_), strict=True))


def _operator(term: Term) -> None:
    if term not in COMPARISONS:
        raise Wrong(f"{short(term)} is no comparison; there are #=, #\\=, #<, #>, #=< and #>=")


def _same_length(one: Term, other: Term) -> None:
    if len(elements(one)) != len(elements(other)):
        raise Wrong(f"{short(one)} and {short(other)} are not of the same length")


def _rows(list_: Term, rows: Term) -> None:
    for row in elements(rows):
        for value in elements(row):
            number(value)
        _same_length(list_, row)
