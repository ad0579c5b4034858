"""Frequencies that CPUID states, in Hz.

* Leaf 0x15 (SDM volume 2A): the crystal, and the time stamp counter as a multiple of it. Where the crystal is not
  stated, the manual gives it by model (volume 3B, 20.7.3, "Determining the Processor Base Frequency").
* Leaf 0x16: base, maximum and bus frequency in MHz. They are those of the specification, not measured.
* Leaf 0x40000010 under a hypervisor (VMware's convention, which KVM, bhyve and VirtualBox follow): time stamp counter
  and APIC timer in kHz. It counts before leaf 0x15, which may be the host's. Hyper-V has another meaning for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from probes.cpuid.hypervisor import hypervisor
from probes.cpuid.identity import vendor, version
from probes.cpuid.registers import Lookup, bits

KHZ, MHZ = 1000, 1000 * 1000

TIMING_HYPERVISORS = frozenset({"vmware", "kvm", "bhyve", "virtualbox", "acrn", "qemu"})
"""Hypervisors whose leaf 0x40000010 states frequencies."""

CRYSTALS: Mapping[int, int] = MappingProxyType(
    {
        0x4E: 24 * MHZ,
        0x5E: 24 * MHZ,
        0x8E: 24 * MHZ,
        0x9E: 24 * MHZ,
        0x55: 25 * MHZ,
        0x5F: 25 * MHZ,
        0x5C: 19_200 * KHZ,
    }
)
"""Crystals of Intel's family 6 by model, where leaf 0x15 leaves them out.

0x5F (Atom C3000) is not in the manual's table; its crystal is that of Linux, arch/x86/kernel/tsc.c.
"""


def frequencies(cpuid: Lookup) -> dict[str, int]:
    """Return frequencies by clock: `tsc`, `crystal`, `base`, `maximum`, `bus`, `apic_timer`; those that are stated."""
    found = _ratio(cpuid) | _nominal(cpuid) | _virtual(cpuid)
    return {clock: hertz for clock, hertz in found.items() if hertz}


def _ratio(cpuid: Lookup) -> dict[str, int]:
    leaf = cpuid(0x15, 0)
    if leaf is None or not leaf.eax or not leaf.ebx:
        return {}
    crystal = leaf.ecx or _crystal(cpuid)
    return {"crystal": crystal, "tsc": crystal * leaf.ebx // leaf.eax}


def _crystal(cpuid: Lookup) -> int:
    processor = version(cpuid)
    if processor is None or processor.family != 6 or vendor(cpuid) != "GenuineIntel":
        return 0
    return CRYSTALS.get(processor.model, 0)


def _nominal(cpuid: Lookup) -> dict[str, int]:
    leaf = cpuid(0x16, 0)
    if leaf is None:
        return {}
    stated = {"base": leaf.eax, "maximum": leaf.ebx, "bus": leaf.ecx}
    return {clock: bits(megahertz, 15, 0) * MHZ for clock, megahertz in stated.items()}


def _virtual(cpuid: Lookup) -> dict[str, int]:
    above = hypervisor(cpuid)
    if above is None or above.name not in TIMING_HYPERVISORS:
        return {}
    leaf, first = cpuid(0x40000010, 0), cpuid(0x40000000, 0)
    # Some of them answer beyond their highest leaf, with registers of another.
    if leaf is None or first is None or first.eax < 0x40000010:
        return {}
    stated = {"tsc": leaf.eax * KHZ, "apic_timer": leaf.ebx * KHZ}
    return {clock: hertz for clock, hertz in stated.items() if hertz}
