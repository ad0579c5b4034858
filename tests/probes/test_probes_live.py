"""The machine this runs on: CPUID is executed where it should be, and the caller notices nothing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes import _cpuid
from probes.live import Live, record_cores
from probes.machine import live, survey

x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "i686"), reason="CPUID is an instruction of x86")


def allowed() -> set[int]:
    return os.sched_getaffinity(0)


@x86
def test_the_instruction_answers_with_four_registers() -> None:
    answer = _cpuid.execute(0, 0)
    assert answer is not None
    assert all(0 <= register <= 0xFFFFFFFF for register in answer)


@pytest.mark.skipif(platform.machine() in ("x86_64", "i686"), reason="this processor has the instruction")
def test_elsewhere_there_is_no_answer_and_no_error() -> None:
    assert _cpuid.execute(0, 0) is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((0,), TypeError), ((0, 0, 0), TypeError), (("a", 0), TypeError), ((0, None), TypeError)]
    + [((leaf, subleaf), OverflowError) for leaf, subleaf in ((-1, 0), (0, -1), (1 << 32, 0), (0, 1 << 64))],
)
def test_wrong_arguments_of_the_instruction_are_errors(arguments: tuple[object, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        _cpuid.execute(*arguments)  # type: ignore[arg-type, call-arg]  # wrong on purpose


def test_here_is_a_core_that_this_thread_may_run_on() -> None:
    assert _cpuid.here() in allowed()


@x86
def test_each_core_answers_with_an_apic_id_of_its_own() -> None:
    dumps = record_cores(allowed())
    assert dumps.keys() == allowed()
    answers = [dump.lookup(1, 0) for dump in dumps.values()]
    assert len({answer.ebx >> 24 for answer in answers if answer}) == min(len(answers), 256)


def test_the_affinity_of_the_caller_is_untouched() -> None:
    before = allowed()
    record_cores(before)
    assert allowed() == before


def test_the_affinity_of_other_threads_is_untouched() -> None:
    before, after = allowed(), []
    done = threading.Event()

    def wait() -> None:
        done.wait(30)
        after.append(allowed())

    other = threading.Thread(target=wait)
    other.start()
    record_cores(before)
    done.set()
    other.join(30)
    assert after == [before]


@x86
def test_a_core_that_does_not_exist_is_left_out() -> None:
    first = min(allowed())
    assert record_cores({first, 60000, 1 << 40}).keys() == {first}


@x86
def test_cores_that_do_not_answer_in_time_are_left_out() -> None:
    assert record_cores(allowed(), deadline=0).keys() <= allowed()


@pytest.fixture
def one_core_only() -> Iterator[tuple[Path, int]]:
    """A cpuset that holds all cores of this test but one, and that one."""
    *kept, closed = sorted(allowed())
    if not kept:
        pytest.skip("needs two cores to keep one from")
    old, new = Path("/sys/fs/cgroup/cpuset"), Path("/sys/fs/cgroup")
    parent = old if (old / "cpuset.cpus").exists() else new
    group = parent / f"probes-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"cannot make a cpuset in {parent}: {error.strerror}")
    try:
        try:
            (group / "cpuset.cpus").write_text(",".join(map(str, kept)))
            (group / "cpuset.mems").write_text((parent / "cpuset.mems").read_text() if parent == old else "")
        except OSError as error:
            pytest.skip(f"cannot fill a cpuset in {parent}: {error.strerror}")
        yield group, closed
    finally:
        group.rmdir()


IN_CPUSET = """
import json, os, sys
from pathlib import Path
from importlib import import_module
from probes.machine import SUBJECTS, live, survey
[import_module(name) for names in SUBJECTS.values() for name in names]  # which nobody may not be allowed to read
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
if sys.argv[2] == "nobody":
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = survey(live())
print(json.dumps([found.facts, [problem.cause for problem in found.problems]]))
"""


@x86
def test_a_core_outside_the_cpuset_is_reported_and_told_of_by_the_kernel(one_core_only: tuple[Path, int]) -> None:
    group, closed = one_core_only
    command = [sys.executable, "-c", IN_CPUSET, str(group), "nobody"]  # who may not read the core's device
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    facts, causes = json.loads(ran.stdout)
    for told in ("core", "cpu_thread", "cpu_vendor", "cpu_feature", "addrspace"):
        assert closed in [args[0] for name, args in facts if name == told]
    assert closed in [args[1] for name, args in facts if name == "cache_shared"]
    assert any(cause.startswith(f"not executed on cores {closed}:") for cause in causes)


@x86
def test_a_core_outside_the_cpuset_is_told_of_by_its_device(one_core_only: tuple[Path, int]) -> None:
    group, closed = one_core_only
    if not os.access(f"/dev/cpu/{closed}/cpuid", os.R_OK):
        pytest.skip(f"/dev/cpu/{closed}/cpuid may not be read here, or is not there")
    command = [sys.executable, "-c", IN_CPUSET, str(group), "root"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    facts, causes = json.loads(ran.stdout)
    assert closed in [args[0] for name, args in facts if name == "tlb"]  # which the kernel does not tell
    assert not any(cause.startswith("not executed") for cause in causes)


def test_a_live_machine_is_named_by_uname() -> None:
    assert Live().uname() == (os.uname().nodename, os.uname().machine, f"Linux {os.uname().release}")


def test_a_survey_says_the_same_twice_of_what_does_not_change() -> None:
    steady = {"core", "cpu_thread", "cache", "cache_shared", "device", "pci_capability", "apic", "cpu_feature"}
    first, second = ([fact for fact in survey(live()).facts if fact.name in steady] for _ in range(2))
    assert first == second


AS_NOBODY = """
import json, os
from importlib import import_module
from probes.machine import SUBJECTS, live, survey
[import_module(name) for names in SUBJECTS.values() for name in names]  # which nobody may not be allowed to read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = survey(live())
problems = [[problem.place, problem.remedy] for problem in found.problems]
print(json.dumps([[fact.name for fact in found.facts], problems]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without its rights")
def test_without_root_what_is_missing_is_told_and_the_rest_is_there() -> None:
    command = [sys.executable, "-c", AS_NOBODY]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    names, problems = json.loads(found.stdout)
    assert {"machine", "core", "cpu_thread", "cache", "numa_node"} <= set(names)
    assert not {"acpi_table", "pci_capability"} & set(names)
    refused = {place for place, remedy in problems if remedy.startswith("run as root")}
    places = ("/sys/firmware/acpi/tables", "/sys/bus/pci/devices", "/proc/iomem")
    assert refused == {place for place in places if Path(place).exists()}
