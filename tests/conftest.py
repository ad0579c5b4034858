"""The table of conformance: how many machines were tried, how many fields compared, and every difference with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long a case takes depends on what else the machine does
settings.load_profile("untimed")

PROPERTY = "conformance"

Compare = Callable[..., None]


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Compare:
    """A function that compares what was told with what a reference says, field by field, and notes both in the table.

    `compare(what, machine, told, expected, known)`: `told` and `expected` map a field to its value (a field that one of them lacks is a
    difference); `known` maps a field to the reason why it differs. A difference without a reason fails the test, and so does a reason
    without a difference.
    """

    def compare(
        what: str,
        machine: str,
        told: Mapping[Any, Any],
        expected: Mapping[Any, Any],
        known: Mapping[Any, str] | None = None,
    ) -> None:
        reasons = known or {}
        fields = told.keys() | expected.keys()
        missing = object()
        differing = {field for field in fields if told.get(field, missing) != expected.get(field, missing)}
        listed = [(str(field), reasons[field]) for field in sorted(differing & reasons.keys(), key=str)]
        request.node.user_properties.append((PROPERTY, [what, machine, len(fields), listed]))
        unexplained = sorted(differing - reasons.keys(), key=str)
        shown = [f"{field}: told {told.get(field)!r}, expected {expected.get(field)!r}" for field in unexplained[:20]]
        assert not unexplained, f"{machine}, {what}: {len(unexplained)} differences:\n" + "\n".join(shown)
        assert not reasons.keys() - differing, f"{machine}, {what}: these do not differ: {reasons.keys() - differing}"

    return compare


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table; with pytest-xdist the rows come from the workers with their reports."""
    machines: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, int] = defaultdict(int)
    differences: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name != PROPERTY or getattr(report, "when", "") != "call":
                    continue
                what, machine, count, listed = value
                machines[what].add(machine)
                fields[what] += count
                for field, reason in listed:
                    differences[what][machine, reason].append(field)
    if not machines:
        return
    terminalreporter.section("conformance with recorded machines")
    terminalreporter.line(f"{'compared':<44}{'machines':>10}{'fields':>10}{'differences':>13}")
    for what in sorted(machines):
        count = sum(map(len, differences[what].values()))
        terminalreporter.line(f"{what:<44}{len(machines[what]):>10}{fields[what]:>10}{count:>13}")
    for what in sorted(differences):
        for (machine, reason), listed in sorted(differences[what].items()):
            shown = ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
            terminalreporter.line(f"  {what}, {machine}: {shown}: {reason}")
