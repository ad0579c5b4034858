"""Requests that the API's description shows as examples. The tests send each."""

from pydantic.config import JsonDict

UPDATE: JsonDict = {
    "assert": [{"name": "core", "args": [0, 0, 1]}, {"name": "core", "args": [1, 2, 1]}],
    "retract": [{"name": "numa_core", "args": [0, {"var": "_"}]}],
}

QUERY: JsonDict = {"goal": "core(Core, Apic, 1), Apic > Least", "params": {"Least": 1}, "limit": 10, "timeout_ms": 1000}

PLACEMENT: JsonDict = {"dispatchers": 2, "traffic": [[0, 5], [5, 0]], "seconds": 0.5}

OPTIMIZE: JsonDict = {
    "model": "[X in 0..10, Y in 0..10, named(budget, 3*X + 2*Y #=< 12)]",
    "objective": "maximize(2*X + Y)",
    "options": {"seconds": 1},
}

TREE: JsonDict = {"root": 0, "seconds": 0.5}

PCI_PLAN: JsonDict = {
    "devices": {
        "windows": [{"bus": 0, "low": 0x8000_0000, "high": 0x8FFF_FFFF}],
        "bridges": [{"function": "0000:00:01.0", "secondary": 1, "hotplug": True}],
        "bars": [
            {"function": "0000:01:00.0", "index": "0", "size": 0x100_0000},
            {"function": "0000:01:00.0", "index": "2", "size": 0x4000, "width": 64, "prefetchable": True},
        ],
        "reserved": [{"name": "ioapic", "low": 0x8F00_0000, "high": 0x8F00_0FFF}],
    },
    "headroom": {"memory": 0x20_0000},
    "seconds": 0.5,
}
SHARED_TREE: JsonDict = {"roots": [0, 1], "max_degree": 4, "seconds": 0.5}

ROUTES: JsonDict = {"max_neighbours": 4, "seconds": 0.5}

EXPLAIN: JsonDict = {"goal": "core(Core, _, 1)", "depth": 5}

ASK: JsonDict = {"params": {"core": 0}}

_NEIGHBOURS = (
    ":- module(neighbours, [package_mates/2]).\n"
    ':- query(package_mates(+core: core, -mates: list(core)), [doc("Cores of the same package, in order.")]).\n'
    "package_mates(Core, Mates) :-\n"
    "    cpu_thread(Core, Package, _, _),\n"
    "    findall(Mate, cpu_thread(Mate, Package, _, _), Found),\n"
    "    sort(Found, Mates).\n"
)

RULE_CHECK: JsonDict = {"text": _NEIGHBOURS}

RULE_PUSH: JsonDict = {"text": _NEIGHBOURS, "tests": ""}
