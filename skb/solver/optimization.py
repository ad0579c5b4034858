"""Constrained optimisation: a model in JSON form in; the best solution, its bound, conflicts out.

What is here needs no solver, so that the service can look at questions and answers without loading one; `optimize` loads OR-Tools CP-SAT.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any, Literal

from skb.solver.language import MOST, Check, Model, ModelError, at, read
from skb.solver.terms import Compound, Term, json_of, key_of, short, term_of

Status = Literal["optimal", "feasible", "infeasible", "unknown"]

MOST_SOLUTIONS = 100_000
EASY = 256
"""Assignments up to which CLP(FD) is the quicker one; bench/bench_optimize.py measures that."""

_OPTIONS = "backend, seconds, hint, all_optimal, explain_infeasible, workers and seed"


@dataclass(frozen=True)
class Options:
    """What `rules/optimize.pl` says of each."""

    seconds: float = 10.0
    hint: Mapping[str, int] = field(default_factory=dict)
    """Values to look at first, by the names that answers use."""
    all_optimal: int = 0
    explain_infeasible: bool = False
    workers: int = 1
    seed: int = 0
    backend: str = "auto"


@dataclass(frozen=True)
class Optimum:
    """The answer; what is not known, or was not asked for, is None."""

    status: Status
    """`optimal`: none is better. `feasible`: time ran out. `infeasible`: there is none. `unknown`: time ran out before one was found."""
    cost: int | None
    bound: int | None
    """No solution is better than this."""
    gap: float | None
    """abs(cost - bound) / max(1, abs(cost))."""
    values: Mapping[str, int] | None
    seconds: float
    backend: str
    solutions: Sequence[Mapping[str, int]] | None = None
    complete: bool | None = None
    """Whether `solutions` has all optimal ones."""
    conflict: Sequence[str] | None = None
    """Names of constraints that contradict each other and what has no name."""
    minimal: bool | None = None
    """Whether the conflict is none without any of its names; time may run out before that."""


def optimize(model: Any, objective: Any = "satisfy", options: Options | None = None) -> Optimum:
    """Solve a model by CP-SAT. Raises ModelError for what is no model, objective or option, with its place."""
    from skb.solver import cpsat  # takes a second to load, and is loaded where it solves only

    options = options or Options()
    check_options(options)
    checked = read(model)
    kind, expression = checked_objective(objective, checked)
    check_hint(options.hint, checked)
    return cpsat.solve(checked, kind, expression, options)


# What was asked


def check_options(options: Options) -> None:
    """Raise ModelError unless each option is what it must be."""

    def must(name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ModelError(f"option {name}: must be {wanted}, not {getattr(options, name)!r}")

    must("backend", options.backend in ("auto", "clpfd", "cpsat"), "auto, clpfd or cpsat")
    must("seconds", 0 < options.seconds <= 600, "a number over 0 and up to 600")
    must("all_optimal", 0 <= options.all_optimal <= MOST_SOLUTIONS, f"an integer from 0 to {MOST_SOLUTIONS}")
    must("workers", 1 <= options.workers <= 64, "an integer from 1 to 64")
    must("seed", 0 <= options.seed < 2**31, "an integer from 0 to 2147483647")


def checked_objective(objective: Any, model: Model) -> tuple[str, Term]:
    """Read an objective: `minimize`, `maximize` or `satisfy`, and an expression. Raises ModelError."""
    term: Term = at("objective", lambda: term_of(objective))
    match term:
        case "satisfy":
            return "satisfy", 0
        case Compound("minimize" | "maximize" as kind, (expression,)):
            at("objective", lambda: Check(model.domains).magnitude(expression))
            return kind, expression
    raise ModelError(
        f"objective: {short(term)} is none; there are minimize(Expression), maximize(Expression) and satisfy"
    )


def check_hint(hint: Mapping[str, int], model: Model) -> None:
    """Raise ModelError unless a hint gives integers to declared variables."""
    known = {key_of(name) for name in model.domains}
    if len(known) < len(model.domains):
        raise ModelError("model: two names of variables are written alike; call one of them otherwise")
    for name, value in hint.items():
        if name not in known:
            raise ModelError(f"option hint: {name} is not declared")
        if abs(value) > MOST:
            raise ModelError(f"option hint: {value} is beyond 2^60")


def options_of(terms: Any) -> dict[str, Any]:
    """Read options as a goal gives them, a list of terms like seconds(5), in JSON form. Raises ModelError."""
    if not isinstance(terms, list):
        raise ModelError("options: are no list")
    options: dict[str, Any] = {}
    for value in terms:
        match value:
            case {"f": "seconds", "args": [float() | int() as seconds]}:
                options["seconds"] = seconds
                continue
        term: Term = at("options", lambda value=value: term_of(value))  # type: ignore[misc]  # mypy loses the type of the default
        match term:
            case Compound("hint", (tuple() as pairs,)):
                options["hint"] = dict(map(_pair, pairs))
            case Compound("explain_infeasible", ("true" | "false" as truth,)):
                options["explain_infeasible"] = truth == "true"
            case Compound("backend", (str() as backend,)):
                options["backend"] = backend
            case Compound("all_optimal" | "workers" | "seed" as name, (int() as number,)):
                options[name] = number
            case _:
                raise ModelError(f"options: {short(term)} is none; there are {_OPTIONS}")
    return options


def _pair(term: Term) -> tuple[str, int]:
    match term:
        case Compound("=", (name, int() as value)):
            return key_of(name), value
    raise ModelError(f"option hint: {short(term)} is no Name=Value")


def easy(model: Model) -> bool:
    """Tell whether CLP(FD) is likely to be quicker: the variables have few assignments."""
    return prod(sum(high - low + 1 for low, high in domain) for domain in model.domains.values()) <= EASY


# To the rules, and back


def option_terms(options: Options, model: Model) -> list[Any]:
    """Give options as rules/optimize.pl takes them, in JSON form. Raises ModelError."""
    check_options(options)
    check_hint(options.hint, model)
    hint = [
        {"f": "=", "args": [json_of(name), options.hint[key_of(name)]]}
        for name in model.domains
        if key_of(name) in options.hint
    ]
    given = asdict(options) | {"hint": hint, "explain_infeasible": str(options.explain_infeasible).lower()}
    return [{"f": name, "args": [value]} for name, value in given.items()]


def optimum_of(result: Any) -> Optimum:
    """Read what rules/optimize.pl answers, result(...), in JSON form."""
    status, cost, bound, gap, values, seconds, backend, details = result["args"]
    more = {detail["f"]: detail["args"][0] for detail in details}
    return Optimum(
        status,
        _known(cost),
        _known(bound),
        _known(gap),
        None if values == "none" else _values(values),
        seconds,
        backend,
        solutions=None if "solutions" not in more else [_values(solution) for solution in more["solutions"]],
        complete=_truth(more.get("complete")),
        conflict=None if "conflict" not in more else [short(term_of(name)) for name in more["conflict"]],
        minimal=_truth(more.get("minimal")),
    )


def _values(pairs: Iterable[Any]) -> dict[str, int]:
    return {key_of(term_of(pair["args"][0])): pair["args"][1] for pair in pairs}


def _known(value: Any) -> Any:
    return None if value == "none" else value


def _truth(value: str | None) -> bool | None:
    return None if value is None else value == "true"
