"""A checked model as a model of OR-Tools CP-SAT.

Formulas are posted under *enforcement*: `state(P, [a, b])` says that P holds where a and b do. A formula that is needed as a truth value
gets a literal that implies it, and whose negation implies its negation; so auxiliary variables are determined by the declared ones, and
every solution is found once. What has two forms, like a disjunction of conjunctions, needs no more than that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from skb.solver.language import COMPARISONS, Intervals, Model, domain_of, elements, products
from skb.solver.terms import Compound, Term

Literal = Any
"""A Boolean variable of CP-SAT, or the negation of one."""

_OPPOSITE = {"#=": "#\\=", "#\\=": "#=", "#<": "#>=", "#>=": "#<", "#>": "#=<", "#=<": "#>"}


@dataclass(frozen=True)
class Affine:
    """A sum of variables, by number, times factors, and a constant."""

    factors: tuple[tuple[int, int], ...]
    constant: int

    def __add__(self, other: "Affine") -> "Affine":
        factors = dict(self.factors)
        for variable, factor in other.factors:
            factors[variable] = factors.get(variable, 0) + factor
        return _affine(factors, self.constant + other.constant)

    def times(self, factor: int) -> "Affine":
        """Give the product with an integer."""
        return _affine({variable: own * factor for variable, own in self.factors}, self.constant * factor)

    def __sub__(self, other: "Affine") -> "Affine":
        return self + other.times(-1)


def _affine(factors: dict[int, int], constant: int) -> Affine:
    return Affine(tuple(sorted((variable, factor) for variable, factor in factors.items() if factor)), constant)


def _constant(value: int) -> Affine:
    return Affine((), value)


class Posting:
    """A model of CP-SAT that grows by constraints."""

    def __init__(self, model: Model) -> None:
        self.cp = cp_model.CpModel()
        self._variables: list[cp_model.IntVar] = []
        self._bounds: list[tuple[int, int]] = []
        self._number: dict[Term, int] = {}
        self._number_of: dict[int, int] = {}
        self._literals: dict[tuple[Affine, Intervals] | Term, Literal] = {}
        self._true = self.cp.new_constant(1)
        for name, domain in model.domains.items():
            self._number[name] = self._new(domain)

    @property
    def declared(self) -> Sequence[cp_model.IntVar]:
        """The declared variables, in their order."""
        return self._variables[: len(self._number)]

    @property
    def size(self) -> int:
        """How large the model is: variables and constraints."""
        return len(self.cp.proto.variables) + len(self.cp.proto.constraints)

    def variable(self, name: Term) -> cp_model.IntVar:
        """Give the variable of a name."""
        return self._variables[self._number[name]]

    def _new(self, domain: Intervals) -> int:
        flat = [end for interval in domain for end in interval]
        variable = self.cp.new_int_var_from_domain(cp_model.Domain.from_flat_intervals(flat), "")
        number = len(self._variables)
        self._variables.append(variable)
        self._number_of[variable.index] = number
        self._bounds.append((domain[0][0], domain[-1][1]))
        return number

    def new(self, low: int, high: int) -> Affine:
        """Give a variable of its own."""
        return Affine(((self._new(((low, high),)), 1),), 0)

    # Expressions

    def bounds(self, affine: Affine) -> tuple[int, int]:
        """Give the least and greatest that a sum can be by the domains of its variables."""
        low = high = affine.constant
        for variable, factor in affine.factors:
            ends = [factor * end for end in self._bounds[variable]]
            low += min(ends)
            high += max(ends)
        return low, high

    def affine(self, term: Term) -> Affine:
        """Give an expression as a sum; products, least and greatest become variables."""
        match term:
            case int():
                return _constant(term)
            case Compound("+", (left, right)):
                return self.affine(left) + self.affine(right)
            case Compound("-", (left, right)):
                return self.affine(left) - self.affine(right)
            case Compound("-", (part,)):
                return self.affine(part).times(-1)
            case Compound("sum", (list_,)):
                return self._sum(map(self.affine, elements(list_)))
            case Compound("*", (left, right)):
                return self._product(self.affine(left), self.affine(right))
            case Compound("abs", (part,)):
                affine = self.affine(part)
                low, high = self.bounds(affine)
                result = self.new(0, max(-low, high, 0))
                self.cp.add_abs_equality(self.built(result), self.simple(affine))
                return result
            case Compound("min" | "max" as which, (_, _) as parts):
                return self._extreme(which, [self.affine(part) for part in parts])
            case Compound("min" | "max" as which, (list_,)):
                return self._extreme(which, [self.affine(part) for part in elements(list_)])
        return Affine(((self._number[term], 1),), 0)

    @staticmethod
    def _sum(parts: Iterable[Affine]) -> Affine:
        factors: dict[int, int] = {}
        constant = 0
        for part in parts:
            constant += part.constant
            for variable, factor in part.factors:
                factors[variable] = factors.get(variable, 0) + factor
        return _affine(factors, constant)

    def _product(self, left: Affine, right: Affine) -> Affine:
        if not left.factors:
            return right.times(left.constant)
        if not right.factors:
            return left.times(right.constant)
        corners = [a * b for a in self.bounds(left) for b in self.bounds(right)]
        result = self.new(min(corners), max(corners))
        self.cp.add_multiplication_equality(self.built(result), [self.simple(left), self.simple(right)])
        return result

    def _extreme(self, which: str, parts: list[Affine]) -> Affine:
        bounds = [self.bounds(part) for part in parts]
        choose = min if which == "min" else max
        result = self.new(choose(low for low, _ in bounds), choose(high for _, high in bounds))
        equality = self.cp.add_min_equality if which == "min" else self.cp.add_max_equality
        equality(self.built(result), [self.simple(part) for part in parts])
        return result

    def built(self, affine: Affine) -> Any:
        """Give a sum as CP-SAT writes it."""
        if not affine.factors:
            return affine.constant
        variables = [self._variables[variable] for variable, _ in affine.factors]
        return cp_model.LinearExpr.weighted_sum(variables, [factor for _, factor in affine.factors]) + affine.constant

    def simple(self, affine: Affine) -> Any:
        """Give a sum as CP-SAT wants it in most constraints: with one variable at most."""
        if len(affine.factors) > 1:
            affine = self._name(affine, self.bounds(affine))
        if not affine.factors:
            return affine.constant
        ((variable, factor),) = affine.factors
        return factor * self._variables[variable] + affine.constant

    def _name(self, affine: Affine, bounds: tuple[int, int]) -> Affine:
        result = self.new(*bounds)
        self.within(affine - result, ((0, 0),))
        return result

    def at_least_0(self, term: Term) -> Affine:
        """Give an expression as a sum of one variable at most, whose domain has nothing negative; say that it is so."""
        affine = self.affine(term)
        low, high = self.bounds(affine)
        if low >= 0:
            return affine if len(affine.factors) < 2 else self._name(affine, (low, high))
        return self._name(affine, (0, max(high, 0)))

    # Formulas

    def within(self, affine: Affine, domain: Intervals, enforced: Sequence[Literal] = ()) -> None:
        """Say that a sum is within a domain where all these literals hold."""
        if affine.factors:
            flat = [end for interval in domain for end in interval]
            constraint = self.cp.add_linear_expression_in_domain(
                self.built(affine), cp_model.Domain.from_flat_intervals(flat)
            )
            if enforced:
                constraint.only_enforce_if(*enforced)
        elif not any(low <= affine.constant <= high for low, high in domain):
            self.never(enforced)

    def never(self, enforced: Sequence[Literal] = ()) -> None:
        """Say that these literals do not all hold."""
        self.cp.add_bool_or([literal.negated() for literal in enforced] or [self._true.negated()])

    def _complement(self, affine: Affine, domain: Intervals) -> Intervals:
        """Give what a sum may be outside a domain."""
        low, high = self.bounds(affine)
        outside = []
        for least, greatest in domain:
            if low < least:
                outside.append((low, least - 1))
            low = max(low, greatest + 1)
        if low <= high:
            outside.append((low, high))
        return tuple(outside)

    def _assert_within(self, affine: Affine, domain: Intervals, enforced: Sequence[Literal]) -> None:
        if domain:
            self.within(affine, domain, enforced)
        else:
            self.never(enforced)

    def _compared(self, operator: str, affine: Affine) -> Intervals:
        """Give what a sum must be to compare so with 0."""
        low, high = self.bounds(affine)
        least, greatest = min(low, -1), max(high, 1)
        return {
            "#=": ((0, 0),),
            "#\\=": ((least, -1), (1, greatest)),
            "#<": ((least, -1),),
            "#>": ((1, greatest),),
            "#=<": ((least, 0),),
            "#>=": ((0, greatest),),
        }[operator]

    def literal_within(self, affine: Affine, domain: Intervals) -> Literal:
        """Give a literal that is true where a sum is within a domain, and false elsewhere."""
        key = affine, domain
        if key not in self._literals:
            literal = self._boolean()
            self._assert_within(affine, domain, [literal])
            self._assert_within(affine, self._complement(affine, domain), [literal.negated()])
            self._literals[key] = literal
        return self._literals[key]

    def _boolean(self) -> Literal:
        return self._variables[self._new(((0, 1),))]

    def literal(self, term: Term) -> Literal:
        """Give a literal that is true where a formula is, and false elsewhere."""
        if isinstance(term, int):
            return self._true if term else self._true.negated()
        if term in self._number and self._bounds[self._number[term]] == (0, 1):
            return self.variable(term)
        condition = self._condition(term)
        if condition is not None:
            return self.literal_within(*condition)
        if term not in self._literals:
            literal = self._boolean()
            self.state(term, [literal])
            self.state(Compound("#\\", (term,)), [literal.negated()])
            self._literals[term] = literal
        return self._literals[term]

    def _condition(self, term: Term) -> tuple[Affine, Intervals] | None:
        """Give a formula as a sum and the domain that it must be in, if it is of that kind."""
        match term:
            case Compound(operator, (left, right)) if operator in COMPARISONS:
                affine = self.affine(left) - self.affine(right)
                return affine, self._compared(operator, affine)
            case Compound("in", (expression, domain)):
                return self.affine(expression), domain_of(domain)
            case Compound("sum", (list_, str(operator), right)):
                return self._condition(Compound(operator, (Compound("sum", (list_,)), right)))
            case Compound("scalar_product", (factors, list_, str(operator), right)):
                sum_ = Compound("sum", (products(factors, list_),))
                return self._condition(Compound(operator, (sum_, right)))
            case Compound("count", (value, list_, str(operator), right)):
                affine = self._count(self.affine(value), list_) - self.affine(right)
                return affine, self._compared(operator, affine)
            case _ if term in self._number:
                return self.affine(term), ((1, 1),)
        return None

    def _count(self, value: Affine, list_: Term) -> Affine:
        return self.how_many([self.affine(element) for element in elements(list_)], value)

    def how_many(self, sums: Iterable[Affine], value: Affine) -> Affine:
        """Give how many of these equal a value."""
        return self._sum(self.of_literal(self.literal_within(one - value, ((0, 0),))) for one in sums)

    def of_literal(self, literal: Literal) -> Affine:
        """Give a literal, which is no negation, as the number 0 or 1."""
        return Affine(((self._number_of[literal.index], 1),), 0)

    def state(self, term: Term, enforced: Sequence[Literal]) -> None:
        """Say that a formula holds where all these literals do."""
        match term:
            case 1:
                return
            case 0:
                self.never(enforced)
            case Compound("#/\\", (left, right)):
                self.state(left, enforced)
                self.state(right, enforced)
            case Compound("#\\/", (left, right)):
                self._some([self.literal(left), self.literal(right)], enforced)
            case Compound("#==>", (left, right)):
                self.state(right, [*enforced, self.literal(left)])
            case Compound("#<==", (left, right)):
                self.state(left, [*enforced, self.literal(right)])
            case Compound("#<==>", (left, right)):
                self.same(self.literal(left), self.literal(right), enforced)
            case Compound("#\\", (left, right)):
                self.same(self.literal(left), self.literal(right).negated(), enforced)
            case Compound("#\\", (part,)):
                self._refute(part, enforced)
            case _:
                condition = self._condition(term)
                assert condition is not None
                self.within(*condition, enforced)

    def _refute(self, term: Term, enforced: Sequence[Literal]) -> None:
        match term:
            case 0 | 1:
                self.state(1 - term, enforced)
            case Compound("#/\\", (left, right)):
                self._some([self.literal(left).negated(), self.literal(right).negated()], enforced)
            case Compound("#\\/", (left, right)):
                self._refute(left, enforced)
                self._refute(right, enforced)
            case Compound("#==>", (left, right)) | Compound("#<==", (right, left)):
                self.state(left, enforced)
                self._refute(right, enforced)
            case Compound("#<==>", (left, right)):
                self.same(self.literal(left), self.literal(right).negated(), enforced)
            case Compound("#\\", (left, right)):
                self.same(self.literal(left), self.literal(right), enforced)
            case Compound("#\\", (part,)):
                self.state(part, enforced)
            case _:
                condition = self._condition(term)
                assert condition is not None
                affine, domain = condition
                self._assert_within(affine, self._complement(affine, domain), enforced)

    def _some(self, literals: list[Literal], enforced: Sequence[Literal]) -> None:
        self.cp.add_bool_or([*literals, *(literal.negated() for literal in enforced)])

    def all_of(self, literals: Sequence[Literal]) -> Literal:
        """Give a literal that is true where all of these are, and false elsewhere."""
        together = self._boolean()
        for literal in literals:
            self._some([together.negated(), literal], [])
        self._some([together], literals)
        return together

    def same(self, one: Literal, other: Literal, enforced: Sequence[Literal] = ()) -> None:
        """Say that two literals are both true or both false where all these hold."""
        self._some([one, other.negated()], enforced)
        self._some([one.negated(), other], enforced)
