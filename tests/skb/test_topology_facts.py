"""The tree of facts: the same as the rules make, and what only other tools' files tell."""

from __future__ import annotations

from typing import Any

from skb.topology import facts_tree, text
from skb.topology.facts import Facts, bits, lowest, members
from skb.topology.nesting import Part, nest


def fact(name: str, *args: Any) -> dict[str, Any]:
    return {"name": name, "args": [*args]}


def at(bus: int, device: int, function: int = 0) -> dict[str, Any]:
    return {"f": "addr", "args": [0, bus, device, function]}


def parts(tree: Any) -> list[Any]:
    return [tree, *(inner for child in tree["children"] for inner in parts(child))]


def shape(tree: Any) -> Any:
    """Types and ids, nested."""
    return (tree["type"], tree["id"], [shape(child) for child in tree["children"]])


CORES = [fact("core", core, core, 1) for core in range(4)]
PLACES = [fact("cpu_thread", core, core // 2, core % 2, 0) for core in range(4)]


def test_cores_alone_are_a_machine() -> None:
    assert shape(facts_tree(CORES)) == ("machine", "unknown", [("core", core, []) for core in range(4)])


def test_nothing_is_an_empty_machine() -> None:
    assert shape(facts_tree([])) == ("machine", "unknown", [])


def test_groups_stand_where_their_cores_are() -> None:
    group = [fact("cpu_group", 5, 222, 0, ""), *(fact("cpu_group_core", 5, core) for core in (0, 1))]
    (made,) = [part for part in parts(facts_tree([*CORES, *PLACES, *group])) if part["type"] == "group"]
    assert made["attributes"] == {"label": "Cluster"}
    assert [(child["type"], child["id"]) for child in made["children"]] == [("physical_core", 0), ("physical_core", 1)]
    assert "Cluster" in text(facts_tree([*CORES, *PLACES, *group]))


def test_memory_without_cores_of_its_own_hangs_where_it_is_near() -> None:
    nodes = [fact("numa_core", core // 2, core) for core in range(4)]
    nodes += [fact("numa_node", node, 1 << 30) for node in (0, 1, 4, 9)] + [fact("numa_kind", 4, "HBM")]
    nodes += [fact("numa_local", 4, core) for core in (2, 3)]
    tree = facts_tree([*CORES, *PLACES, *nodes])
    (package,) = [part for part in parts(tree) if part["type"] == "package" and part["id"] == 1]
    beside = package["children"][0]
    assert (beside["type"], beside["id"], beside["attributes"]) == (
        "node",
        4,
        {"memory": 1 << 30, "memory_kind": "HBM"},
    )
    assert [child["id"] for child in tree["children"] if child["type"] == "node"] == [
        9
    ]  # nobody knows where that one is
    assert len([part for part in parts(tree) if part["type"] == "node"]) == 4


def test_devices_have_all_names_that_the_system_gives_them() -> None:
    devices = [fact("device", at(0, 3), 0x15B3, 0x1003, 2, 7, 0, 0), fact("net_interface", "ib0", at(0, 3))]
    devices += [
        fact("os_device", "ib0", ["network"], "", at(0, 3)),
        fact("os_device", "mlx4_0", ["openfabrics"], "", at(0, 3)),
    ]
    (device,) = [part for part in parts(facts_tree([*CORES, *devices])) if part["type"] == "device"]
    assert device["attributes"]["name"] == ["ib0", "mlx4_0"]


def test_functions_stand_below_the_narrowest_bridge_that_leads_to_their_bus() -> None:
    devices = [fact("bridge", at(0, 1), 0, 1, 9), fact("bridge", at(1, 0), 1, 2, 4)]
    devices += [fact("device", at(*place), 1, 1, 1, 1, 1, 1) for place in ((3, 0), (7, 0), (20, 0))]
    tree = facts_tree([*CORES, *devices])
    assert [shape(child) for child in tree["children"] if child["type"] == "pci_bus"] == [
        (
            "pci_bus",
            "0000:00",
            [
                (
                    "bridge",
                    "0000:00:01.0",
                    [("bridge", "0000:01:00.0", [("device", "0000:03:00.0", [])]), ("device", "0000:07:00.0", [])],
                )
            ],
        ),
        ("pci_bus", "0000:14", [("device", "0000:14:00.0", [])]),
    ]


def test_a_bridge_that_claims_its_own_bus_leads_nowhere() -> None:
    tree = facts_tree([*CORES, fact("bridge", at(5, 0), 5, 5, 5), fact("bridge", at(6, 0), 6, 9, 3)])
    assert [child["id"] for child in tree["children"] if child["type"] == "pci_bus"] == ["0000:05", "0000:06"]


def test_parts_that_overlap_are_leaves_that_say_what_they_claim() -> None:
    root = Part("machine", 0, 0b1111)
    nest(
        root,
        [Part("package", 0, 0b0011), Part("cache", 1, 0b0110, 90), *(Part("core", n, 1 << n, 300) for n in range(4))],
    )
    assert [(part.type, part.crossing) for part in root.children] == [
        ("package", False),
        ("cache", True),
        ("core", False),
        ("core", False),
    ]
    assert [part.id for part in root.children[0].children] == [0, 1]


def test_facts_of_another_shape_are_passed_over() -> None:
    odd = [
        fact("core", "x", 1, 1),
        fact("cpu_thread", 1),
        fact("device", "0000:00:00.0", 1, 1, 1, 1, 1, 1),
        fact("odd"),
    ]
    odd += [fact("core", 1 << 40, 0, 1), fact("numa_core", 0, -1), fact("bridge", {"f": "addr", "args": [1]}, 0, 1, 2)]
    assert shape(facts_tree([*CORES, *odd])) == shape(facts_tree(CORES))


def test_sets_are_bits() -> None:
    assert members(bits([70, 0, 3])) == [0, 3, 70]
    assert lowest(bits([70, 3])) == 3
    assert members(0) == []


def test_a_fact_that_stands_twice_counts_once() -> None:
    known = Facts([fact("cpu_vendor", 0, "first"), fact("cpu_vendor", 0, "second")])
    assert known.first("cpu_vendor", int, str) == {0: "first"}
