"""Interrupts, graphics processors and Arm processors, as the kernel and NVIDIA's library tell of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Fact, Survey, addr
from probes.kernel import arm, gpus, interrupts
from probes.machine import survey
from probes.reading import Reading
from probes.source import Files

DISK = "/sys/devices/pci0000:00/0000:00:02.0"
CARD = "/sys/devices/pci0000:00/0000:00:03.0"

INTERRUPTS = """           CPU0       CPU2
  1:          0          9  IR-IO-APIC    1-edge      i8042
 16:          5          0   IO-APIC  16-fasteoi   ehci_hcd:usb1, uhci_hcd:usb3
 24:    1034          7  IR-PCI-MSIX-0000:00:02.0    0-edge      virtio0-config
 25:          0          0     GICv3  25 Level     arch_timer
 26:          3          4
NMI:          0          0   Non-maskable interrupts
LOC:     123456     123456   Local timer interrupts
ERR:          0
"""


def machine(files: dict[str, str], links: dict[str, str] | None = None) -> Files:
    return Files({path: content.encode() for path, content in files.items()}, links=links)


def told(text: str) -> Survey:
    files = {"/proc/interrupts": text, f"{DISK}/msi_irqs/24": "msix", f"{DISK}/irq": "11", f"{CARD}/irq": "16"}
    links = {"/sys/bus/pci/devices/0000:00:02.0": DISK, "/sys/bus/pci/devices/0000:00:03.0": CARD}
    return interrupts.probe(machine(files, links))


def test_interrupts_have_listeners_functions_and_counts_by_core() -> None:
    found = told(INTERRUPTS)
    assert found.problems == ()
    assert [fact.args for fact in found.facts if fact.name == "os_interrupt"] == [
        (1, "i8042", "unknown"),
        (16, "ehci_hcd:usb1, uhci_hcd:usb3", addr(0, 0, 3, 0)),
        (24, "virtio0-config", addr(0, 0, 2, 0)),
        (25, "arch_timer", "unknown"),
        (26, "", "unknown"),
    ]
    assert {fact.args for fact in found.facts if fact.name == "os_interrupt_count"} == {
        (1, 2, 9),
        (16, 0, 5),
        (24, 0, 1034),
        (24, 2, 7),
        (26, 0, 3),
        (26, 2, 4),
    }


@pytest.mark.parametrize(
    "text",
    ["nonsense\n  1: 2\n", "  CPU0 something\n 1: 2 3\n", "  CPU0 CPU1\n 1: 2\n", "  CPU0\n 1: 2 x\n 1: 3 y\n"],
)
def test_what_is_wrong_with_the_list_is_a_problem(text: str) -> None:
    assert told(text).problems


def test_a_machine_of_many_cores_and_lines_is_read() -> None:
    cores, lines = 400, 1000
    header = "".join(f" CPU{core}" for core in range(cores))
    rows = [f"{number}:" + " 1" * cores + f"  PCI-MSI {number}-edge  eth{number}" for number in range(lines)]
    found = interrupts.probe(machine({"/proc/interrupts": "\n".join([header, *rows])}))
    assert len(found.facts) == lines + lines * cores


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="CPU0123 :\nx-edg", max_size=200))
def test_any_list_of_interrupts_is_read_without_an_exception(text: str) -> None:
    told(text)


# Graphics processors

NVML = {
    "devices": [
        {
            "index": 0,
            "address": "0000:17:00.0",
            "name": "NVIDIA H100",
            "memory": 85899345920,
            "links": [
                {"link": 0, "version": 4, "remote": "0000:2a:00.0"},
                {"link": 1, "version": 4, "remote": "0000:c0:00.0"},
                {"link": 2, "version": 4, "remote": None},
            ],
        },
        {"index": 1, "address": "0000:2a:00.0", "name": "NVIDIA H100", "links": []},
    ]
}


def gpu_facts(content: Any, **links: str) -> Survey:
    files = {"/nvml/devices.json": content if isinstance(content, str) else json.dumps(content)}
    return gpus.probe(machine(files, links))


def test_nvidia_processors_and_their_links_are_told() -> None:
    assert set(gpu_facts(NVML).facts) == {
        Fact("gpu", (0, addr(0, 0x17, 0, 0), "NVIDIA H100")),
        Fact("gpu", (1, addr(0, 0x2A, 0, 0), "NVIDIA H100")),
        Fact("gpu_memory", (0, 85899345920)),
        Fact("gpu_link", (0, 0, addr(0, 0x2A, 0, 0), 1, 4)),
        Fact("gpu_link", (0, 1, addr(0, 0xC0, 0, 0), "unknown", 4)),
        Fact("gpu_link", (0, 2, "unknown", "unknown", 4)),
    }


def test_processors_that_only_the_kernel_knows_come_behind() -> None:
    files = {
        "/nvml/devices.json": json.dumps({"devices": NVML["devices"][1:]}),
        f"{CARD}/drm/card1/dev": "",
        f"{DISK}/drm/card0/dev": "",
    }
    links = {
        "/sys/class/drm/card0": f"{DISK}/drm/card0",
        "/sys/class/drm/card1": f"{CARD}/drm/card1",
        f"{CARD}/drm/card1/device": CARD,
        f"{CARD}/driver": "/sys/bus/pci/drivers/amdgpu",
    }
    found = gpus.probe(machine(files, links))
    assert [fact.args for fact in found.facts if fact.name == "gpu"] == [
        (1, addr(0, 0x2A, 0, 0), "NVIDIA H100"),
        (2, addr(0, 0, 2, 0), "unknown"),
        (3, addr(0, 0, 3, 0), "amdgpu"),
    ]


def test_a_library_that_does_not_answer_is_a_problem() -> None:
    found = gpu_facts({"devices": [], "failure": "NVML: driver/library version mismatch"})
    assert "version mismatch" in found.problems[0].cause


@pytest.mark.parametrize(
    "content", ["nonsense", "[]", '{"devices": 1}', '{"devices": [{}]}', '{"devices": [{"index": "x", "address": 1}]}']
)
def test_a_recording_of_the_library_that_is_wrong_is_a_problem(content: str) -> None:
    found = gpu_facts(content)
    assert found.facts == ()
    assert len(found.problems) == 1


# Arm


def midrs(files: dict[str, str], online: range) -> dict[int, arm.Midr]:
    return arm.midrs(Reading(machine(files)), online)


CPUINFO = """processor\t: {0}
BogoMIPS\t: 200.00
CPU implementer\t: 0x48
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd01
CPU revision\t: 0

"""


def test_the_register_of_each_core_names_it() -> None:
    path = "/sys/devices/system/cpu/cpu{}/regs/identification/midr_el1"
    found = midrs({path.format(0): "0x00000000410fd080\n", path.format(1): "0x00000000413fd0c1\n"}, range(2))
    assert found == {0: (0x41, 0, 0xD08, 0), 1: (0x41, 3, 0xD0C, 1)}
    assert [(each.vendor, each.name) for each in found.values()] == [("ARM", "Cortex-A72"), ("ARM", "Neoverse-N1")]


def test_the_list_of_processors_stands_in_for_the_register() -> None:
    found = midrs({"/proc/cpuinfo": CPUINFO.format(0) + CPUINFO.format(1)}, range(2))
    assert {core: each.name for core, each in found.items()} == {0: "Kunpeng-920", 1: "Kunpeng-920"}


def test_old_kernels_tell_once_what_all_cores_are() -> None:
    text = "Processor\t: ARMv7\nprocessor\t: 0\nprocessor\t: 1\n\n"
    text += "CPU implementer\t: 0x41\nCPU variant\t: 0x2\nCPU part\t: 0xc09\nCPU revision\t: 1\n"
    found = midrs({"/proc/cpuinfo": text}, range(2))
    assert {core: each.name for core, each in found.items()} == {0: "Cortex-A9", 1: "Cortex-A9"}


def test_a_number_without_a_name_is_told_as_a_number() -> None:
    midr = arm.Midr(0x99, 0, 0xFFF, 0)
    assert (midr.vendor, midr.name) == ("0x99", "part 0xfff")


def test_an_arm_machine_has_vendor_name_and_number() -> None:
    files = {
        "/sys/devices/system/cpu/present": "0\n",
        "/sys/devices/system/cpu/online": "0\n",
        "/proc/cpuinfo": CPUINFO.format(0),
    }
    facts = survey(machine(files)).facts
    assert {
        Fact("cpu_vendor", (0, "HiSilicon")),
        Fact("cpu_name", (0, "Kunpeng-920")),
        Fact("cpu_midr", (0, 0x48, 1, 0xD01, 0)),
    } <= set(facts)
