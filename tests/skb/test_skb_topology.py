import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.topology import Json, TopologyError, ranges, size, text, tree

RULES = Path(__file__).resolve().parents[2] / "rules"


def compound(functor: str, *args: Json) -> Json:
    return {"f": functor, "args": list(args)}


def part(kind: str, name: Json, children: list[Json] | None = None, /, **attributes: Json) -> Json:
    pairs: list[Json] = [compound("-", key, value) for key, value in attributes.items()]
    return compound("object", kind, name, pairs, children or [])


def physical_core(number: int, *threads: int) -> Json:
    cores = [part("core", thread, online=1, thread=index) for index, thread in enumerate(threads)]
    return part("cache", number, [part("physical_core", number, cores)], level=2, kind="unified", size=1310720)


MACHINE = part(
    "machine",
    "box",
    [
        part(
            "package",
            0,
            [
                part(
                    "node", 0, [part("cache", 9, [physical_core(0, 0, 2), physical_core(1, 1, 3)], level=3, size=2**25)]
                )
            ],
            vendor="GenuineIntel",
            name="Xeon(R)   8375C",
        ),
        part(
            "pci_bus",
            compound("bus", 0, 0),
            [
                part(
                    "bridge",
                    compound("addr", 0, 0, 1, 0),
                    [
                        part(
                            "device",
                            compound("addr", 0, 31, 2, 3),
                            vendor=0x8086,
                            device=0x10D3,
                            sub_class=0,
                            driver="e1000e",
                            name=["eth0"],
                            **{"class": 2},
                        )
                    ],
                    secondary=31,
                    subordinate=31,
                )
            ],
        ),
    ],
    arch="x86_64",
    memory=2**34,
)

TEXT = """\
Machine box (16 GiB) [cores 0-3]
  Package 0 (Xeon(R) 8375C) + Node 0 + L3 (32 MiB) [cores 0-3]
    L2 (1.25 MiB) + Physical core 0: core 0, core 2
    L2 (1.25 MiB) + Physical core 1: core 1, core 3
  PCI bus 0000:00
    Bridge 0000:00:01.0 (buses 1f-1f)
      Device 0000:1f:02.3 (8086:10d3, class 0200, driver e1000e, eth0)
"""


def test_term_becomes_nested_objects() -> None:
    assert tree(part("machine", "box", [part("core", 3, online=1)], arch="x86_64")) == {
        "type": "machine",
        "id": "box",
        "attributes": {"arch": "x86_64"},
        "children": [{"type": "core", "id": 3, "attributes": {"online": 1}, "children": []}],
    }


def test_pci_addresses_are_written_as_linux_writes_them() -> None:
    assert tree(part("device", compound("addr", 1, 0xAB, 31, 7)))["id"] == "0001:ab:1f.7"
    assert tree(part("pci_bus", compound("bus", 0, 0x80)))["id"] == "0000:80"


def test_text_shows_the_machine_as_lstopo_would() -> None:
    assert text(tree(MACHINE)) == TEXT


def test_cores_that_are_off_or_shared_say_so() -> None:
    core = part("core", 1, online=0, virtual_cores=[8, 9])
    assert text(tree(part("machine", "box", [core]))).splitlines()[1] == "  core 1 (offline, also kernels 8-9)"


def test_an_overlapping_node_says_what_it_claims() -> None:
    assert text(tree(part("node", 1, cores=[1, 2, 5]))) == "Node 1 (claims cores 1-2,5)\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1310720, "1.25 MiB"),
        (2**40, "1 TiB"),
        (2**70, "1048576 PiB"),
    ],
)
def test_sizes_are_written_in_the_largest_unit(value: int, written: str) -> None:
    assert size(value) == written


@given(st.sets(st.integers(0, 60)))
def test_ranges_can_be_read_back(numbers: set[int]) -> None:
    read: set[int] = set()
    for run in filter(None, ranges(numbers).split(",")):
        first, _, last = run.partition("-")
        read |= set(range(int(first), int(last or first) + 1))
    assert read == numbers


@pytest.mark.parametrize(
    "term",
    [
        None,
        [],
        "object",
        {"f": "object"},
        {"f": "object", "args": [1, 2]},
        {"f": "object", "args": [1, 2, [], []]},
        part("machine", {"f": "addr", "args": [1]}),
        part("machine", {"var": "_1"}),
        part("machine", "box", [7]),
        compound("object", "machine", "box", [3], []),
    ],
)
def test_what_is_no_topology_is_refused_with_its_place(term: Json) -> None:
    with pytest.raises(TopologyError, match=r"^topology"):
        tree(term)


JSON_OF_TERM = """
:- use_module(library(lists)).
json(X) :- is_list(X), !, write('['), forall(nth1(I, X, E), ((I > 1 -> write(',') ; true), json(E))), write(']').
json(X) :- integer(X), !, write(X).
json(X) :- atomic(X), !, format('"~w"', [X]).
json(X) :- X =.. [F|Args], format('{"f":"~w","args":', [F]), json(Args), write('}').
main :- imagined_machine(shape(2, 1, 2, 2), Facts),
    append(Facts, [device(addr(0, 0, 2, 0), 32902, 1, 2, 0, 0, 0), device_node(addr(0, 0, 2, 0), 1)], All),
    given(All, topology(Tree)), json(Tree).
"""

OF_THE_RULES = """\
Machine unknown (128 GiB) [cores 0-7]
  Package 0 + Node 0 (64 GiB) + L3 (32 MiB) [cores 0-1,4-5]
    L2 (1 MiB) + L1d (32 KiB) + L1i (32 KiB) + Physical core 0: core 0, core 4
    L2 (1 MiB) + L1d (32 KiB) + L1i (32 KiB) + Physical core 1: core 1, core 5
  Package 1 + Node 1 (64 GiB) + L3 (32 MiB) [cores 2-3,6-7]
    L2 (1 MiB) + L1d (32 KiB) + L1i (32 KiB) + Physical core 0: core 2, core 6
    L2 (1 MiB) + L1d (32 KiB) + L1i (32 KiB) + Physical core 1: core 3, core 7
  PCI bus 0000:00
    Device 0000:00:02.0 (8086:0001, class 0200)
"""


@pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")
def test_what_the_rules_answer_can_be_read(tmp_path: Path) -> None:
    script = tmp_path / "topology_as_json.pl"
    script.write_text(JSON_OF_TERM)
    command = ["swipl", "-g", "main", "-g", "halt", RULES / "topology.pl", RULES / "testing.pl", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert text(tree(json.loads(done.stdout))) == OF_THE_RULES
