"""Tables of every kind that ACPICA's disassembler knows, with fields at random, against what it prints of them.

The recorded machines lack many structures. Here each layout is filled with bytes, and `iasl -d` says where every field is, how long, what
it is called and what is in it. Lengths, counts and offsets are set right, since the disassembler follows them.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import probes_dsl
import probes_dsl_fields
import pytest

from probes.acpi import dmar, fadt, gtdt, hmat, hpet, ivrs, madt_structures, mcfg, msct, pptt, spcr, srat
from probes.acpi.probe import DECODERS
from probes.acpi.table import Table, open_table
from probes.layout import Layout

pytestmark = pytest.mark.skipif(shutil.which("iasl") is None, reason="iasl, ACPICA's disassembler, is not installed")

Compare = Callable[..., None]

SEEDS = range(12)


def table(signature: str, body: bytes, revision: int) -> bytes:
    head = struct.pack(
        "<4sIBB6s8sI4sI", signature.encode(), 36 + len(body), revision, 0, b"HOUSE", b"TABLE", 1, b"ASL", 1
    )
    data = bytearray(head + body)
    data[9] = -sum(data) & 0xFF
    return bytes(data)


def filled(layout: Layout, chance: random.Random, **fixed: int) -> bytes:
    """A structure with fields at random, but for those that are given; reserved bytes are 0."""
    assert fixed.keys() <= {name for name, _ in layout.fields}, (layout.name, fixed)
    values = [
        fixed.get(name, chance.randrange(1 << 8 * probes_dsl_fields.SIZES[code]))
        for name, code in layout.fields
        if name != "-"
    ]
    return layout.packer.pack(*values)


def sized(layout: Layout, chance: random.Random, after: bytes = b"", **fixed: int) -> bytes:
    """A structure that states its length, with bytes that follow its fields."""
    return filled(layout, chance, length=layout.size + len(after), **fixed) + after


def shuffled(chance: random.Random, parts: list[bytes]) -> bytes:
    chance.shuffle(parts)
    return b"".join(parts)


def madt(chance: random.Random) -> bytes:
    kinds = madt_structures
    known = [kind for kind in kinds.STRUCTURES if kind < kinds.WAKEUP]  # later than the disassembler
    inti = {"inti": chance.choice((0, 5, 0xD, 0xF))}
    parts = []
    for kind in known:
        layout = kinds.STRUCTURES[kind][-1]
        if kind == kinds.GICC:
            layout = kinds.STRUCTURES[kind][-2]
        wired = inti if "inti" in dict(layout.fields) else {}
        wired = {**wired, "version": chance.randrange(5)} if kind == kinds.GICD else wired
        parts.append(sized(layout, chance, b"\\CPU0\0" if kind == kinds.LOCAL_SAPIC else b"", type=kind, **wired))
    return table("APIC", filled(kinds.HEAD[0], chance) + shuffled(chance, parts), 5)


def srat_table(chance: random.Random) -> bytes:
    parts = [sized(srat.STRUCTURES[kind][0], chance, type=kind) for kind in range(srat.INITIATOR)]
    parts.append(
        sized(srat.STRUCTURES[srat.INITIATOR][0], chance, type=srat.INITIATOR, handle_type=chance.randrange(2))
    )
    return table("SRAT", struct.pack("<I8x", 1) + shuffled(chance, parts), 3)


def slit_table(chance: random.Random) -> bytes:
    count = chance.randrange(1, 9)
    rows = [[10 if row == column else chance.randrange(11, 255) for column in range(count)] for row in range(count)]
    return table("SLIT", struct.pack("<Q", count) + b"".join(map(bytes, rows)), 1)


def mcfg_table(chance: random.Random) -> bytes:
    parts = [filled(mcfg.ALLOCATION[0], chance, segment=number, bus_low=3) for number in range(4)]
    return table("MCFG", bytes(8) + b"".join(parts), 1)


def hmat_table(chance: random.Random) -> bytes:
    parts = [sized(hmat.STRUCTURES[hmat.ATTRIBUTES][0], chance, type=hmat.ATTRIBUTES, base=0, size=0)]
    for data_type in range(6):
        initiators, targets = chance.randrange(1, 4), chance.randrange(1, 5)
        domains = chance.sample(range(100), initiators + targets)
        cells = [chance.randrange(1 << 16) for _ in range(initiators * targets)]
        after = struct.pack(f"<{len(domains)}I{len(cells)}H", *domains, *cells)
        shape = {"initiators": initiators, "targets": targets, "flags": chance.randrange(4), "min_transfer_size": 0}
        shape |= {"data_type": data_type, "base_unit": chance.randrange(1, 1 << 40)}
        parts.append(sized(hmat.STRUCTURES[hmat.LOCALITY][0], chance, after, type=hmat.LOCALITY, **shape))
    attributes = chance.randrange(1 << 16) << 16 | chance.randrange(3) << 12 | chance.randrange(3) << 8 | 0x21
    fixed = {"type": hmat.SIDE_CACHE, "attributes": attributes, "address_mode": 0, "smbios_handles": 0}
    parts.append(sized(hmat.STRUCTURES[hmat.SIDE_CACHE][0], chance, **fixed))
    return table("HMAT", bytes(4) + b"".join(parts), 2)


def pptt_table(chance: random.Random) -> bytes:
    identity = sized(pptt.STRUCTURES[pptt.ID][0], chance, type=pptt.ID, vendor=int.from_bytes(b"ACME", "little"))
    body, caches, nodes = identity, [0], [0]
    for _ in range(5):
        caches.append(36 + len(body))
        fixed = {"type": pptt.CACHE, "next": chance.choice(caches[:-1]), "flags": chance.randrange(128)}
        body += sized(pptt.STRUCTURES[pptt.CACHE][0], chance, **fixed)
    for _ in range(5):
        nodes.append(36 + len(body))
        resources = chance.sample([36, *caches[1:]], chance.randrange(4))
        after = struct.pack(f"<{len(resources)}I", *resources)
        fixed = {"type": pptt.NODE, "parent": chance.choice(nodes[:-1]), "resources": len(resources)}
        body += sized(pptt.STRUCTURES[pptt.NODE][0], chance, after, **fixed)
    return table("PPTT", body, chance.choice((1, 2)))


def scopes(chance: random.Random) -> bytes:
    parts = []
    for kind in range(1, 6):
        path = bytes(chance.randrange(limit) for _ in range(chance.randrange(1, 2)) for limit in (32, 8))
        parts.append(sized(dmar.SCOPE[0], chance, path, type=kind, flags=0))
    return b"".join(parts)


def dmar_table(chance: random.Random) -> bytes:
    parts = []
    for kind in range(dmar.ANDD):
        after = scopes(chance) if kind in dmar.WITH_SCOPES else b""
        fixed = {"type": kind, **({"size": 0} if kind == dmar.DRHD else {})}
        if kind == dmar.RMRR:
            fixed |= {"base": chance.randrange(1 << 40), "limit": (1 << 40) + chance.randrange(1 << 40)}
        parts.append(sized(dmar.STRUCTURES[kind][0], chance, after, **fixed))
    head = filled(dmar.HEAD[0], chance, host_address_width=45)
    return table("DMAR", head + shuffled(chance, parts), 1)


def ivrs_table(chance: random.Random) -> bytes:
    entry = ivrs.DEVICES
    parts = []
    for kind in (ivrs.IVHD_10, ivrs.IVHD_11):
        layout = ivrs.STRUCTURES[kind][0]
        devices = filled(entry[2][0], chance, type=2, settings=0x83)
        devices += filled(entry[3][0], chance, type=3, device=8, settings=0)
        devices += filled(entry[4][0], chance, type=4, device=0xFFFE, settings=0)
        devices += filled(entry[67][0], chance, type=67, device=0x100, settings=0)
        devices += filled(entry[4][0], chance, type=4, device=0x1FF, settings=0)
        devices += filled(entry[72][0], chance, type=72, variety=chance.choice((1, 2)))
        fixed = {"type": kind, **({"features_image_2": 0} if kind == ivrs.IVHD_11 else {})}
        parts.append(sized(layout, chance, devices, **fixed))
    return table("IVRS", filled(ivrs.HEAD[0], chance) + shuffled(chance, parts), 2)


def fadt_table(chance: random.Random) -> bytes:
    fixed: dict[str, int] = {"profile": chance.randrange(9)}
    for name, _ in fadt.HEAD[-1].fields:
        if name.endswith("_space"):
            fixed[name] = chance.randrange(2)
        elif name.endswith("_access"):
            fixed[name] = chance.randrange(5)
    return table("FACP", filled(fadt.HEAD[-1], chance, **fixed), 6)


def hpet_table(chance: random.Random) -> bytes:
    fixed = {"block_space": chance.randrange(2), "block_access": 0, "flags": chance.randrange(3)}
    return table("HPET", filled(hpet.HEAD[0], chance, **fixed), 1)


def spcr_table(chance: random.Random) -> bytes:
    fixed = {"port_space": chance.randrange(2), "port_access": 0, "interface": chance.choice((0, 1, 3))}
    fixed |= {"terminal": chance.randrange(4), "pci_slot": chance.randrange(32), "pci_function": chance.randrange(8)}
    fixed |= {"language": 0, "clock_frequency": 0, "interrupt_type": chance.randrange(16)}
    return table("SPCR", filled(spcr.HEAD[1], chance, **fixed), 2)


def gtdt_table(chance: random.Random) -> bytes:
    frames = b"".join(filled(gtdt.FRAME[0], chance, number=number) for number in range(3))
    layout = gtdt.STRUCTURES[gtdt.BLOCK][0]
    parts = [
        sized(layout, chance, frames, type=gtdt.BLOCK, frames=3, frames_offset=layout.size),
        sized(gtdt.STRUCTURES[gtdt.WATCHDOG][0], chance, type=gtdt.WATCHDOG),
    ]
    head = gtdt.HEAD[chance.choice((1, 2))]
    revision = gtdt.HEAD.index(head) + 1
    body = filled(head, chance, timers=2, timers_offset=36 + head.size)
    return table("GTDT", body + b"".join(parts), revision)


def msct_table(chance: random.Random) -> bytes:
    size = msct.PROXIMITY[0].size
    parts = [filled(msct.PROXIMITY[0], chance, length=size, low=number, high=number) for number in range(3)]
    return table("MSCT", filled(msct.HEAD[0], chance, offset=36 + msct.HEAD[0].size) + b"".join(parts), 1)


TABLES = {
    "apic": madt,
    "dmar": dmar_table,
    "facp": fadt_table,
    "gtdt": gtdt_table,
    "hmat": hmat_table,
    "hpet": hpet_table,
    "ivrs": ivrs_table,
    "mcfg": mcfg_table,
    "msct": msct_table,
    "pptt": pptt_table,
    "slit": slit_table,
    "spcr": spcr_table,
    "srat": srat_table,
}

NOT_COMPARED: Mapping[str, frozenset[str]] = {
    "apic": frozenset({"io_sapic", "local_sapic", "platform_interrupt"}),
    "srat": frozenset({"generic_initiator", "generic_initiator_acpi"}),
    "facp": frozenset(
        {
            "acpi_register",
            "reset_value",
            "pm_timer_width",
            "sci_interrupt",
            "processor_idle_latency",
            "persistent_cpu_caches",
        }
    ),
}
"""Facts that are tested with the decoders: here the fields that they are made of are compared."""


def disassembled(data: bytes, kind: str, directory: Path) -> str:
    path = directory / f"{kind}.dat"
    path.write_bytes(data)
    subprocess.run(["iasl", "-d", path.name], cwd=directory, capture_output=True, check=True, timeout=60)
    return path.with_suffix(".dsl").read_text(errors="replace")


def opened(data: bytes) -> Table:
    found, problems = open_table("generated", data)
    assert found is not None
    assert problems == ()
    return found


def cases() -> list[tuple[str, int]]:
    return [(kind, seed) for kind in TABLES for seed in SEEDS]


@pytest.mark.parametrize(("kind", "seed"), cases())
def test_generated_tables_are_read_as_the_disassembler_reads_them(
    kind: str, seed: int, tmp_path: Path, compare: Compare
) -> None:
    found = opened(TABLES[kind](random.Random(f"{kind} {seed}")))
    text = disassembled(found.data, kind, tmp_path)
    assert "terminates in the middle" not in text
    name = f"generated {seed}"
    compare(f"ACPI {kind.upper()}: fields", name, probes_dsl_fields.told(kind, found), probes_dsl_fields.expected(text))
    told = DECODERS[found.signature](found)
    assert told.problems == ()
    facts = {(fact.name, fact.args): True for fact in told.facts if fact.name not in NOT_COMPARED.get(kind, ())}
    expected = dict.fromkeys(probes_dsl.READERS[kind](text), True)
    compare(f"ACPI {kind.upper()}: facts", name, facts, expected)
