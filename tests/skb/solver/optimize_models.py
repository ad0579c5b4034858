"""Small models by chance, and what they mean, found by trying every assignment: for tests that hold the back ends against that."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

Json = Any

COMPARE = {
    "#=": lambda a, b: a == b,
    "#\\=": lambda a, b: a != b,
    "#<": lambda a, b: a < b,
    "#>": lambda a, b: a > b,
    "#=<": lambda a, b: a <= b,
    "#>=": lambda a, b: a >= b,
}
CONNECT = {
    "#/\\": lambda a, b: a and b,
    "#\\/": lambda a, b: a or b,
    "#\\": lambda a, b: a != b,
    "#==>": lambda a, b: not a or b,
    "#<==": lambda a, b: a or not b,
    "#<==>": lambda a, b: a == b,
}


def c(name: str, *arguments: Json) -> Json:
    """A compound term in JSON form."""
    return {"f": name, "args": list(arguments)}


def key(name: Json) -> str:
    """What answers call a name of these models."""
    return name if isinstance(name, str) else f"{name['f']}({', '.join(str(a) for a in name['args'])})"


def prolog(term: Json) -> str:
    """A term in canonical Prolog text."""
    if isinstance(term, int):
        return f"({term})" if term < 0 else str(term)
    if isinstance(term, str):
        return "'" + term.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(term, list):
        return f"[{','.join(map(prolog, term))}]"
    return f"{prolog(term['f'])}({','.join(map(prolog, term['args']))})"


# Models by chance


class Chance:
    """Draws one model."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: list[Json] = []
        self.model: list[Json] = []

    def domain(self, low: int, high: int, size: int) -> Json:
        start = self.random.randint(low, high)
        end = min(high, start + self.random.randint(0, size - 1))
        interval = c("..", start, end) if end > start or self.random.random() < 0.5 else start
        if self.random.random() < 0.2:
            return c("\\/", interval, self.random.randint(low, high))
        return interval

    def declare(self) -> None:
        count = self.random.randint(2, 4)
        size = {2: 7, 3: 6, 4: 4}[count]
        for number in range(count):
            name = self.random.choice([f"x{number}", c("y", number), c("z", f"a{number}", -number)])
            self.names.append(name)
            low, high = self.random.choice([(0, 1), (1, count), (0, 5), (-3, 3)])
            self.model.append(c("in", name, self.domain(low, high, size)))

    def expression(self, depth: int) -> Json:
        kind = self.random.random()
        if depth == 0 or kind < 0.45:
            return self.random.choice(self.names) if self.random.random() < 0.8 else self.random.randint(-3, 5)
        if kind < 0.7:
            return c(self.random.choice("+-"), self.expression(depth - 1), self.expression(depth - 1))
        if kind < 0.78:
            return c("*", self.random.randint(-3, 3), self.expression(depth - 1))
        operator = self.random.choice(["*", "abs", "min", "max", "-", "sum", "min_of", "max_of"])
        if operator in ("abs", "-"):
            return c(operator, self.expression(depth - 1))
        if operator in ("sum", "min_of", "max_of"):
            least = 0 if operator == "sum" else 1
            return c(operator[:3], [self.expression(depth - 1) for _ in range(self.random.randint(least, 3))])
        return c(operator, self.expression(depth - 1), self.expression(depth - 1))

    def expressions(self, least: int, most: int, depth: int = 1) -> list[Json]:
        return [self.expression(self.random.randint(0, depth)) for _ in range(self.random.randint(least, most))]

    def formula(self, depth: int) -> Json:
        kind = self.random.random()
        operator = self.random.choice(list(COMPARE))
        if depth > 0 and kind < 0.5:
            if self.random.random() < 0.2:
                return c("#\\", self.formula(depth - 1))
            return c(self.random.choice(list(CONNECT)), self.formula(depth - 1), self.formula(depth - 1))
        if kind < 0.85:
            return c(operator, self.expression(2), self.expression(1))
        truths = [
            name
            for name, declared in zip(self.names, self.model, strict=False)
            if all(value in (0, 1) for value in domain(declared["args"][1]))
        ]
        choices = [
            lambda: c("in", self.expression(1), self.domain(-3, 5, 4)),
            lambda: c("sum", self.expressions(0, 3), operator, self.expression(1)),
            lambda: c("count", self.expression(1), self.expressions(0, 4), operator, self.expression(0)),
            lambda: self.random.randint(0, 1),
            lambda: self.random.choice(truths) if truths else 1,
            self.scalar_product,
        ]
        return self.random.choice(choices)()

    def scalar_product(self) -> Json:
        elements = self.expressions(1, 3)
        factors = [self.random.randint(-2, 3) for _ in elements]
        return c("scalar_product", factors, elements, self.random.choice(list(COMPARE)), self.expression(1))

    def together(self) -> Json:
        """A constraint that stands by itself."""
        kind = self.random.randrange(11)
        if kind == 0:
            return c(self.random.choice(["all_different", "all_distinct"]), self.expressions(0, 4))
        if kind == 1:
            return c("element", self.expression(1), self.expressions(1, 4), self.expression(1))
        if kind in (2, 3):
            width = self.random.randint(0, 3)
            rows = [[self.random.randint(-1, 4) for _ in range(width)] for _ in range(self.random.randint(0, 12))]
            lists = [self.expressions(width, width) for _ in range(self.random.randint(1, 2))]
            return c("table", lists[0], rows) if kind == 2 else c("tuples_in", lists, rows)
        if kind == 4:
            values = self.random.sample(range(-2, 5), self.random.randint(0, 5))
            pairs = [c("-", value, self.expression(self.random.randint(0, 1))) for value in values]
            return c("global_cardinality", self.expressions(0, 3), pairs)
        if kind in (5, 6):
            tasks = [
                c(
                    "task",
                    start,
                    duration,
                    c("+", start, duration) if self.random.random() < 0.7 else self.expression(1),
                    need,
                    0,
                )
                for start, duration, need in (self.expressions(3, 3, 0) for _ in range(self.random.randint(0, 3)))
            ]
            return c("cumulative", tasks, [c("limit", self.expression(0))]) if kind == 5 else c("cumulative", tasks)
        if kind == 7:
            starts = self.expressions(0, 3)
            return c("disjunctive", starts, self.expressions(len(starts), len(starts)))
        if kind == 8:
            return c("disjoint2", [c("r", *self.expressions(4, 4, 0)) for _ in range(self.random.randint(0, 3))])
        if kind == 9:
            return c("circuit", self.expressions(1, 4) if self.random.random() < 0.3 else self.names)
        return c("tree", self.expressions(1, 4) if self.random.random() < 0.3 else self.names, self.expression(0))

    def constraints(self) -> None:
        for number in range(self.random.randint(0, 5)):
            constraint = self.together() if self.random.random() < 0.35 else self.formula(2)
            is_declaration = isinstance(constraint, dict) and constraint["f"] == "in"
            if is_declaration or self.random.random() < 0.7:
                constraint = c("named", c("c", self.random.randint(0, number)), constraint)
            self.model.append(constraint)


def chance(seed: int) -> tuple[list[Json], Json]:
    """A model, and an objective, of one number."""
    draw = Chance(seed)
    draw.declare()
    draw.constraints()
    kind = draw.random.randrange(5)
    objective = "satisfy" if kind == 0 else c(("minimize", "maximize")[kind % 2], draw.expression(2))
    return draw.model, objective


# What a model means


def domain(term: Json) -> set[int]:
    """The values of a domain."""
    if isinstance(term, int):
        return {term}
    if term["f"] == "..":
        return set(range(term["args"][0], term["args"][1] + 1))
    return domain(term["args"][0]) | domain(term["args"][1])


def value(term: Json, of: dict[str, int]) -> int:
    """The value of an expression."""
    if isinstance(term, int):
        return term
    if isinstance(term, str) or key(term) in of:
        return of[key(term)]
    arguments = [
        [value(one, of) for one in part] if isinstance(part, list) else value(part, of) for part in term["args"]
    ]
    match term["f"], arguments:
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return a - b
        case "-", [a]:
            return -a
        case "*", [a, b]:
            return a * b
        case "abs", [a]:
            return abs(a)
        case "sum", [elements]:
            return sum(elements)
        case "min", parts:
            return min(parts[0] if isinstance(parts[0], list) else parts)
        case "max", parts:
            return max(parts[0] if isinstance(parts[0], list) else parts)
    raise AssertionError(term)


def holds(term: Json, of: dict[str, int]) -> bool:
    """Whether a constraint holds."""
    if isinstance(term, int):
        return term == 1
    if isinstance(term, str) or key(term) in of:
        return of[key(term)] == 1
    name, parts = term["f"], term["args"]
    if name in COMPARE:
        return COMPARE[name](value(parts[0], of), value(parts[1], of))
    if name == "#\\" and len(parts) == 1:
        return not holds(parts[0], of)
    if name in CONNECT:
        return bool(CONNECT[name](holds(parts[0], of), holds(parts[1], of)))
    if name == "in":
        return value(parts[0], of) in domain(parts[1])
    return stands(name, parts, of)


def stands(name: str, parts: list[Json], of: dict[str, int]) -> bool:
    def values(list_: Json) -> list[int]:
        return [value(one, of) for one in list_]

    match name, parts:
        case "sum", [elements, operator, right]:
            return COMPARE[operator](sum(values(elements)), value(right, of))
        case "scalar_product", [factors, elements, operator, right]:
            total = sum(factor * one for factor, one in zip(factors, values(elements), strict=True))
            return COMPARE[operator](total, value(right, of))
        case "count", [wanted, elements, operator, right]:
            return COMPARE[operator](values(elements).count(value(wanted, of)), value(right, of))
        case (("all_different" | "all_distinct"), [elements]):
            return len(set(values(elements))) == len(elements)
        case "element", [index, elements, right]:
            place = value(index, of)
            return 1 <= place <= len(elements) and value(elements[place - 1], of) == value(right, of)
        case "table", [elements, rows]:
            return values(elements) in rows
        case "tuples_in", [lists, rows]:
            return all(values(elements) in rows for elements in lists)
        case "global_cardinality", [elements, pairs]:
            counts = {pair["args"][0]: value(pair["args"][1], of) for pair in pairs}
            found = values(elements)
            return all(one in counts for one in found) and all(found.count(one) == n for one, n in counts.items())
        case "cumulative", [tasks, *options]:
            limit = value(options[0][0]["args"][0], of) if options else 1
            return cumulative([values(task["args"]) for task in tasks], limit)
        case "disjunctive", [starts, durations]:
            return apart([[start, long, 0, 1] for start, long in zip(values(starts), values(durations), strict=True)])
        case "disjoint2", [rectangles]:
            return apart([values(rectangle["args"]) for rectangle in rectangles])
        case "circuit", [elements]:
            return circuit(values(elements))
        case "tree", [parents, root]:
            return tree(values(parents), value(root, of))
    raise AssertionError(name)


def cumulative(tasks: list[list[int]], limit: int) -> bool:
    if limit < 0 or any(long < 0 or need < 0 or start + long != end for start, long, end, need, _ in tasks):
        return False
    times = {time for start, _, end, _, _ in tasks for time in range(start, end)}
    return all(sum(need for start, _, end, need, _ in tasks if start <= time < end) <= limit for time in times)


def apart(rectangles: list[list[int]]) -> bool:
    if any(width < 0 or height < 0 for _, width, _, height in rectangles):
        return False
    cells = [
        cell
        for x, width, y, height in rectangles
        for cell in itertools.product(range(x, x + width), range(y, y + height))
    ]
    return len(set(cells)) == len(cells)


def circuit(successors: list[int]) -> bool:
    count = len(successors)
    if any(not 1 <= successor <= count for successor in successors):
        return False
    node, seen = 1, set()
    while node not in seen:
        seen.add(node)
        node = successors[node - 1]
    return node == 1 and len(seen) == count


def tree(parents: list[int], root: int) -> bool:
    count = len(parents)
    if not 1 <= root <= count or any(not 1 <= parent <= count for parent in parents) or parents[root - 1] != root:
        return False
    for start in range(1, count + 1):
        node = start
        for _ in range(count):
            node = parents[node - 1]
        if node != root:
            return False
    return True


def split(model: list[Json]) -> tuple[list[Json], list[tuple[str | None, Json]]]:
    """The declarations of a model, and its constraints with their names."""
    declared = [item for item in model if isinstance(item, dict) and item["f"] == "in"]
    others = [item for item in model if not (isinstance(item, dict) and item["f"] == "in")]
    constraints = [
        (key(item["args"][0]), item["args"][1]) if isinstance(item, dict) and item["f"] == "named" else (None, item)
        for item in others
    ]
    return declared, constraints


def assignments(declared: list[Json]) -> Iterator[dict[str, int]]:
    names = [key(item["args"][0]) for item in declared]
    for chosen in itertools.product(*(sorted(domain(item["args"][1])) for item in declared)):
        yield dict(zip(names, chosen, strict=True))


class Truth:
    """All solutions of a model, and the best, by trying everything."""

    def __init__(self, model: list[Json], objective: Json) -> None:
        declared, self.constraints = split(model)
        broken = [
            (of, {label for label, constraint in self.constraints if not holds(constraint, of)})
            for of in assignments(declared)
        ]
        self._broken = [labels for _, labels in broken]
        solutions = [of for of, labels in broken if not labels]
        self.cost: int | None = None
        if objective != "satisfy" and solutions:
            choose = min if objective["f"] == "minimize" else max
            costs = [value(objective["args"][0], of) for of in solutions]
            self.cost = choose(costs)
            solutions = [of for of, cost in zip(solutions, costs, strict=True) if cost == self.cost]
        self.best = solutions

    def conflict(self, labels: set[str]) -> bool:
        """Whether the constraints of these names contradict each other and those without."""
        switched = labels | {None}
        return all(broken & switched for broken in self._broken)
