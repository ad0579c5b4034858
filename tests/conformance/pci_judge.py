"""Has the rules of PCI (rules/pci_resources.pl) judge plans: one swipl that reads sets and plans and writes what is wrong with them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skb.solver.pci_plan import Plan
from skb.solver.pci_plan_problem import Address, DeviceSet

ROOT = Path(__file__).resolve().parents[2]

LOOP = """
:- initialization(main, main).
:- use_module('{rules}/pci_resources').
main :- repeat, read(Term), ( Term == end_of_file -> ! ; answer(Term), flush_output, fail ).
answer(judge(Set, Plan)) :-
    plan_violations(Set, Plan, Violations),
    findall(Root-Space-Use, plan_use(Set, Plan, Root, Space, Use), Uses),
    format("~q.~n", [Violations]),
    forall(member(root(S, B)-Space-use(Wanted, Used), Uses), format("~d ~d ~a ~d ~d~n", [S, B, Space, Wanted, Used])),
    format("end~n").
"""


class Judge:
    """Says what rules a plan breaks, and what it uses."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def judge(self, devices: DeviceSet, plan: Plan) -> tuple[str, dict[tuple[int, int, str], tuple[int, int]]]:
        """Give the violations as Prolog text, `[]` for none, and bytes wanted and used by segment, bus and space."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"judge({set_term(devices)}, {plan_term(plan)}).\n")
        self._process.stdin.flush()
        violations = self._process.stdout.readline().strip().removesuffix(".")
        uses = {}
        while (line := self._process.stdout.readline().strip()) != "end":
            assert line, "swipl ended"
            segment, bus, space, wanted, used = line.split()
            uses[int(segment), int(bus), space] = (int(wanted), int(used))
        return violations, uses


@contextmanager
def judging(folder: Path) -> Iterator[Judge]:
    """Start swipl with the rules, and end it."""
    script = folder / "judge.pl"
    script.write_text(LOOP.format(rules=ROOT / "rules"))
    command = ["swipl", "--on-error=status", str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Judge(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def set_term(devices: DeviceSet) -> str:
    """Write a device set as the term that the rules take."""
    windows = [f"window({w.segment}, {w.bus}, {w.space}, {w.low}, {w.high})" for w in devices.windows]
    reserved = [f"reserved({_atom(r.name)}, {r.space}, {r.low}, {r.high})" for r in devices.reserved]
    bridges = [
        f"pci_bridge({_addr(b.function)}, {b.secondary}, {b.prefetchable_width}, "
        f"{_list(f'headroom({kind}, {size})' for kind, size in b.headroom._asdict().items())})"
        for b in devices.bridges
    ]
    bars = [
        f"pci_bar({_addr(b.function)}, {_index(b.index)}, {b.size}, {b.aligned}, {b.space}, {b.width}, "
        f"{int(b.prefetchable)}, {'none' if b.fixed is None else b.fixed})"
        for b in devices.bars
    ]
    return f"pci_set({_list(windows)}, {_list(reserved)}, {_list(bridges)}, {_list(bars)})"


def plan_term(plan: Plan) -> str:
    """Write a plan as the term that the rules take."""
    bases = [f"base({_addr(a.bar.function)}, {_index(a.bar.index)}, {a.base})" for a in plan.bars]
    opened = [
        f"opened({_addr(w.bridge.function)}, {w.bridge.secondary}, {w.kind}, {w.base}, {w.limit})" for w in plan.windows
    ]
    kept = [f"kept({_addr(k.bridge.function)}, {k.bridge.secondary}, {k.kind}, {k.base}, {k.size})" for k in plan.kept]
    return f"pci_plan({_list(bases)}, {_list(opened)}, {_list(kept)})"


def _addr(address: Address) -> str:
    return f"addr({', '.join(map(str, address))})"


def _index(index: str) -> str:
    return index if index.isdecimal() else _atom(index)


def _atom(name: str) -> str:
    return "'" + json.dumps(name)[1:-1].replace("'", "\\'") + "'"


def _list(terms: Any) -> str:
    return f"[{', '.join(terms)}]"
