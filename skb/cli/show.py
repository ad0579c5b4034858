"""How answers look on a terminal."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as RichTree

from skb.client import Answer, Explanation, Machine, Predicate, Step


def value(term: Any) -> str:
    """Write a value in JSON form the way people write it: addresses like lspci, terms like Prolog."""
    match term:
        case {"f": "addr", "args": [segment, bus, device, function]}:
            return f"{segment:04x}:{bus:02x}:{device:02x}.{function:x}"
        case {"f": "-", "args": [one, other]}:
            return f"{value(one)}-{value(other)}"
        case {"f": name, "args": arguments}:
            return f"{name}({', '.join(value(argument) for argument in arguments)})"
        case {"var": name}:
            return str(name)
        case list():
            return f"[{', '.join(value(element) for element in term)}]"
        case _:
            return str(term)


def table(rows: list[dict[str, Any]], title: str = "") -> RenderableType:
    """Show rows, a column for each field."""
    if not rows:
        return Text(f"no rows of {title}" if title else "no rows", style="dim")
    shown = Table(title=f"{title} ({len(rows)} rows)" if title else None, title_justify="left", box=None)
    for name in rows[0]:
        shown.add_column(name, justify="right" if all(isinstance(row[name], int) for row in rows) else "left")
    for row in rows:
        shown.add_row(*(Text(value(cell)) for cell in row.values()))
    return shown


def predicates(declared: list[Predicate]) -> RenderableType:
    """List facts."""
    shown = Table(box=None)
    shown.add_column("fact", style="bold")
    shown.add_column("rows", justify="right")
    shown.add_column("fields")
    shown.add_column("meaning")
    for predicate in declared:
        fields = Text(", ").join(Text(field.name, style="underline" if field.key else "") for field in predicate.fields)
        shown.add_row(predicate.name, str(predicate.rows), fields, predicate.doc)
    return shown


def probed(facts: list[dict[str, Any]], console: Console) -> None:
    """Show facts by name."""
    by_name: defaultdict[str, list[list[Any]]] = defaultdict(list)
    for fact in facts:
        by_name[fact["name"]].append(fact["args"])
    for name, rows in by_name.items():
        console.print(Text(f"{name} ({len(rows)})", style="bold"))
        for row in rows:
            console.print(Text("  " + ", ".join(value(argument) for argument in row)), soft_wrap=True)


def answer(found: Answer) -> RenderableType:
    """Show solutions."""
    if not found.solutions:
        return Text("false: no solution", style="dim")
    if not found.solutions[0]:
        return Text("true")
    shown = table(found.solutions)
    return Group(shown, Text("... and more: raise --limit", style="dim")) if found.more else shown


def machines(known: list[Machine]) -> RenderableType:
    """List machines."""
    shown = Table(box=None)
    for column in ("machine", "revision", "engines", "from"):
        shown.add_column(column, justify="right" if column in ("revision", "engines") else "left")
    for machine in known:
        shown.add_row(
            machine.name, str(machine.revision), str(machine.engines), Text(str(machine.about.get("source", "")))
        )
    return shown


def explanation(found: Explanation) -> RenderableType:
    """Show why a goal holds, as a tree of what it follows from."""
    if not found.holds:
        return Text("false: there is no proof", style="dim")
    top = RichTree(Text(", ".join(f"{name} = {value(term)}" for name, term in found.bindings.items()) or "true"))

    def grow(branch: RichTree, steps: list[Step]) -> None:
        for step in steps:
            words = Text(step.goal)
            if step.by != "fact":
                words.append(f"  {step.rule or step.by}", style="dim")
            grow(branch.add(words), step.because)

    grow(top, found.proof)
    return top


def time(seconds: float) -> str:
    """Write a time, in seconds since 1970, as people here do."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
