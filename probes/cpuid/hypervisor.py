"""The hypervisor that a processor is a guest of.

Leaf 1 ECX[31] is set under a hypervisor and never by a processor; leaf 0x40000000 then holds a signature of twelve
characters in EBX, ECX, EDX (convention of Microsoft, VMware, KVM and Xen, which all others follow). Without the bit the
leaf means nothing: a processor answers it with another leaf's registers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from probes.cpuid.registers import Lookup, bits

UNKNOWN = "unknown"

NAMES: Mapping[str, str] = {
    "ACRNACRNACRN": "acrn",
    "Apple VZ": "apple",
    "BHyVE BHyVE": "bhyve",
    "EVMMEVMMEVMM": "evmm",
    "HAXMHAXMHAXM": "haxm",
    "Jailhouse": "jailhouse",
    "KVMKVMKVM": "kvm",
    "LKVMLKVMLKVM": "kvm",
    "Linux KVM Hv": "kvm",
    "Microsoft Hv": "hyperv",
    "MicrosoftXTA": "microsoft_xta",
    "OpenBSDVMM58": "openbsd_vmm",
    "QNXQVMBSQG": "qnx",
    "SRESRESRESRE": "sre",
    "TCGTCGTCGTCG": "qemu",
    "UnisysSpar64": "spar",
    "VBoxVBoxVBox": "virtualbox",
    "VMwareVMware": "vmware",
    "VirtualApple": "apple",
    "XenVMMXenVMM": "xen",
    "___ NVMM ___": "nvmm",
    "bhyve bhyve": "bhyve",
    "lrpepyh  vr": "parallels",
    "lrpepyh vr": "parallels",
    "prl hyperv": "parallels",
}
"""Names by signature, which is compared without zero bytes and without spaces around it."""


class Hypervisor(NamedTuple):
    """A hypervisor's name, `unknown` if its signature is not known, and the signature as it is spelled."""

    name: str
    signature: str


def hypervisor(cpuid: Lookup) -> Hypervisor | None:
    """Return what the processor is a guest of, None if it is none."""
    features = cpuid(1, 0)
    if features is None or not bits(features.ecx, 31, 31):
        return None
    leaf = cpuid(0x40000000, 0)
    if leaf is None:
        return Hypervisor(UNKNOWN, "")
    raw = struct.pack("<III", leaf.ebx, leaf.ecx, leaf.edx).replace(b"\0", b"").decode("ascii", "replace")
    signature = "".join(letter if letter.isprintable() else "\ufffd" for letter in raw)
    return Hypervisor(NAMES.get(signature.strip(), UNKNOWN), signature)
