"""PCI plans for recorded machines and for sets in Barrelfish's vocabulary: they keep the rules, and greedy is never better."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pci_judge import Judge, judging
from pci_sets import DATA, barrelfish_sets, made_up, named, parts, read_barrelfish, recorded, recordings, widened

from skb.solver.pci_plan import plan
from skb.solver.pci_plan_greedy import greedy
from skb.solver.pci_plan_problem import DeviceSet, roots
from skb.solver.pci_plan_regions import pools
from skb.solver.pci_plan_search import span

SETS = barrelfish_sets()
NO_SETS = f"no sets of PCI devices in {DATA / 'pci-plan'} and {DATA / 'skb-facts'}"

MACHINES = recordings()

pytestmark = pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judging(tmp_path_factory.mktemp("judge")) as one:
        yield one


def greedily_used(devices: DeviceSet) -> int | None:
    """What greedy placement uses in the better of its orders; None if it fails in both."""
    used = []
    for largest_first in (False, True):
        packed = [
            greedy(pool, largest_first=largest_first)
            for root in roots(devices)
            for pool in pools(devices, root, pages=False)
        ]
        if all(one is not None for one in packed):
            used.append(sum(span(one) for one in packed if one is not None))
    return min(used, default=None)


def held(judge: Judge, devices: DeviceSet) -> Any:
    """Plan a set, have the plan judged, and hold it against greedy. It has more time than it needs: machines that test are busy."""
    found = plan(devices, seconds=60)
    assert found.status in ("optimal", "feasible"), found.reason
    violations, uses = judge.judge(devices, found)
    assert violations == "[]"
    assert sum(used for _, used in uses.values()) == found.used
    theirs = greedily_used(devices)
    assert theirs is None or found.used <= theirs
    assert found.bound <= found.used
    return found


@pytest.mark.skipif(not SETS, reason=NO_SETS)
@pytest.mark.parametrize("name", SETS)
def test_a_set_has_a_plan_or_more_is_wanted_than_its_windows_have(judge: Judge, name: str) -> None:
    devices = SETS[name]
    room = sum(window.high - window.low + 1 for window in devices.windows)
    if sum(bar.size for bar in devices.bars) > room:
        found = plan(devices)
        assert found.status == "infeasible"
        assert "too little" in found.reason
    else:
        held(judge, devices)


@pytest.mark.skipif("testdevices" not in SETS, reason=NO_SETS)
def test_the_large_set_wastes_hardly_anything_once_it_has_room(judge: Judge) -> None:
    devices = SETS["testdevices"]
    assert (len(devices.bridges), len(devices.bars)) == (15, 160)
    found = held(judge, widened(devices))
    assert (found.status, found.wasted < 2 << 20) == ("optimal", True)
    behind = {name: part for name, part in parts(devices).items() if plan(part).status != "infeasible"}
    assert len(behind) >= 12
    for part in behind.values():
        assert held(judge, part).status == "optimal"


@pytest.mark.skipif(not MACHINES, reason=f"no recorded machines in {DATA}")
@pytest.mark.parametrize("path", MACHINES, ids=named)
def test_a_recorded_machine_is_planned_where_its_functions_are_today(judge: Judge, path: Path) -> None:
    devices = recorded(path)
    if devices is None:
        pytest.skip(f"{path} does not tell the size of every register")
    held(judge, devices)


FIRMWARE = [path for path in MACHINES if path.name.startswith(("32em64t", "40intel64")) or "smelt" in str(path)]


@pytest.mark.skipif(not FIRMWARE, reason=f"no recorded machines in {DATA}")
@pytest.mark.parametrize(
    "path", FIRMWARE, ids=lambda path: path.parent.name if path.name == "config.txt" else path.name
)
def test_the_rules_accept_what_firmware_assigned(path: Path) -> None:
    command = [sys.executable, "-m", "skb", "ask", "pci_assignment_problems", "--from", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert json.loads(done.stdout)["solutions"] == [], done.stderr


@pytest.mark.parametrize("seed", range(6))
def test_sets_made_up_by_chance(judge: Judge, seed: int) -> None:
    held(judge, made_up(seed))


def test_barrelfishs_vocabulary_is_read() -> None:
    devices = read_barrelfish(
        "rootbridge(addr(0,0,0), childbus(0, 5), mem(16'80000000, 0x8fffffff)). % rootbridge(no)\n"
        "bridge(pcie, addr(0,1,0), 1, 2, 6, 4, 0, secondary(1)).\n"
        "device(pcie, addr(1,0,0), 1, 2, 3, 0, 0, -1).\n"
        "bar(addr(1,0,0), 2, 16'0, 4096, mem, prefetchable, 64).\nbar(addr(1,0,0), 3, 0, 32, io, nonprefetchable, 32).\n"
        "ioapic(1, 2147483648, 0). fixed_memory(16'80100000, 16'80200000)."
    )
    assert [(window.low, window.high) for window in devices.windows] == [(0x8000_0000, 0x8FFF_FFFF)]
    assert [(str(one.function), one.secondary) for one in devices.bridges] == [("0000:00:01.0", 1)]
    assert [(str(bar.function), bar.index, bar.size, bar.width, bar.prefetchable) for bar in devices.bars] == [
        ("0000:01:00.0", "2", 4096, 64, True)
    ]
    assert [(one.low, one.high) for one in devices.reserved] == [(0x8000_0000, 0x8000_0FFF), (0x8010_0000, 0x801F_FFFF)]
