"""PCI buses: which bridge each function is below, and which buses have no bridge above them.

A function belongs below the bridge whose range of buses is the narrowest to hold its own; the bus need not be the bridge's secondary one,
since virtual functions may sit on buses of their own. A bridge that is not set up, or claims its own bus, leads nowhere.
"""

from collections import defaultdict
from dataclasses import dataclass

from skb.topology.facts import Address, Facts


@dataclass(frozen=True)
class Buses:
    """Functions by what they are below: a bridge, or a root bus given as (segment, bus)."""

    roots: dict[tuple[int, int], list[Address]]
    below: dict[Address, list[Address]]
    bridges: dict[Address, tuple[int, int, int]]

    def within(self, root: tuple[int, int]) -> list[Address]:
        """Return all functions below a root bus, at any depth."""
        found: list[Address] = []
        todo = [*self.roots[root]]
        while todo:
            address = todo.pop()
            found.append(address)
            todo += self.below.get(address, ())
        return found


def buses(facts: Facts) -> Buses:
    """Find what is below what."""
    bridges: dict[Address, tuple[int, int, int]] = {}
    for address, *numbers in facts.rows("bridge", Address, int, int, int):
        bridges.setdefault(address, (numbers[0], numbers[1], numbers[2]))
    functions = {row[0] for row in facts.rows("device", Address, *[object] * 6)} | bridges.keys()
    leading: dict[tuple[int, int], tuple[int, Address]] = {}
    for address, (_, secondary, subordinate) in sorted(bridges.items()):
        if address.bus < secondary <= subordinate < 256:
            width = subordinate - secondary
            for bus in range(secondary, subordinate + 1):
                place = (address.segment, bus)
                if place not in leading or (width, secondary, address) < (
                    leading[place][0],
                    bridges[leading[place][1]][1],
                    leading[place][1],
                ):
                    leading[place] = (width, address)
    roots: dict[tuple[int, int], list[Address]] = defaultdict(list)
    below: dict[Address, list[Address]] = defaultdict(list)
    for address in sorted(functions):
        place = (address.segment, address.bus)
        if place in leading:
            below[leading[place][1]].append(address)
        else:
            roots[place].append(address)
    return Buses({root: roots[root] for root in sorted(roots)}, dict(below), bridges)
