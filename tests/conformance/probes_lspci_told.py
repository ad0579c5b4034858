"""Our facts of PCI functions in the form in which `probes_lspci` has lspci's."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from probes_lspci import CORRECTABLE, FLEX_BUS, UNCORRECTABLE, Fields
from probes_recorded import address

from probes.fact import Survey

SHOWN_FLEX_BUS = frozenset(FLEX_BUS.values())
SHOWN_UNCORRECTABLE = frozenset(UNCORRECTABLE.values())
SHOWN_CORRECTABLE = frozenset(CORRECTABLE.values())

PLAIN = {
    "device": ("identity", "device"),
    "device_subsystem": ("identity", "subsystem"),
    "interrupt_pin": ("identity", "pin"),
    "bridge": ("bridges", "buses"),
    "expansion_rom": ("registers", "rom"),
    "pci_power": ("power management", "power"),
    "msi": ("MSI", "msi"),
    "msi_state": ("MSI", "state"),
    "msix": ("MSI-X", "msix"),
    "msix_state": ("MSI-X", "state"),
    "msix_table": ("MSI-X", "table"),
    "pcie_port": ("PCI Express", "port"),
    "pcie_payload": ("PCI Express", "payload"),
    "pcie_slot": ("PCI Express", "slot"),
    "pcie_link": ("links", "link"),
    "pcie_aspm": ("links", "aspm"),
    "sriov": ("SR-IOV", "sriov"),
    "sriov_numbering": ("SR-IOV", "numbering"),
    "sriov_pages": ("SR-IOV", "pages"),
    "pci_acs": ("ACS, ATS, ARI", "acs"),
    "pci_ats": ("ACS, ATS, ARI", "ats"),
    "pci_ari": ("ACS, ATS, ARI", "ari"),
    "pci_page_request": ("PASID, PRI", "pri"),
    "pci_pasid": ("PASID, PRI", "pasid"),
    "pci_ecrc": ("AER, DPC", "ecrc"),
    "pci_dpc": ("AER, DPC", "dpc"),
    "cxl_device": ("DOE, DVSEC, CXL", "device"),
}
"""Facts of which a function has one, by the subject and the field that they are."""

INDEXED = {
    "resizable_bar": ("resizable BAR", "rebar"),
    "vf_resizable_bar": ("resizable BAR", "vf rebar"),
    "pci_doe": ("DOE, DVSEC, CXL", "doe"),
    "pci_dvsec": ("DOE, DVSEC, CXL", "dvsec"),
    "cxl_registers": ("DOE, DVSEC, CXL", "registers"),
}
"""Facts of which a function has several, told apart by their first field."""


def told(survey: Survey) -> dict[str, Fields]:
    """What our facts say, by subject."""
    found: dict[str, Fields] = defaultdict(dict)
    cardbus = set()
    for fact in survey.facts:
        if fact.name in ("iommu_group", "machine", "physical_slot"):
            continue
        slot = address(fact.args[0])  # type: ignore[arg-type]
        row: tuple[Any, ...] = tuple(frozenset(arg) if isinstance(arg, tuple) else arg for arg in fact.args[1:])
        if fact.name in PLAIN:
            subject, name = PLAIN[fact.name]
            if fact.name == "device" and row[2:4] == (6, 7):
                cardbus.add(slot)
            if fact.name == "expansion_rom":
                row = (row[0], row[2])
            found[subject][slot, name] = row[0] if len(row) == 1 else row
        elif fact.name in INDEXED:
            subject, name = INDEXED[fact.name]
            found[subject][slot, name, row[0]] = row[1:]
        else:
            _others(found, slot, fact.name, row, slot in cardbus)
    return found


def _others(found: dict[str, Fields], slot: str, name: str, row: tuple[Any, ...], cardbus: bool) -> None:
    if name == "bar":
        found["registers"][slot, "bar", row[0]] = (row[1], *row[3:])
    elif name == "vf_bar":
        found["SR-IOV"][slot, "bar", row[0]] = (row[1], *row[3:])
    elif name == "bridge_window":
        index, space, base, limit, width, prefetchable = row
        if cardbus:
            found["bridges"][slot, "cardbus window", index] = (base, limit, bool(prefetchable))
        else:
            found["bridges"][slot, "window", index] = (space, base, limit, width, prefetchable)
    elif name == "pci_capability":
        found["capabilities"][slot, row[1]] = True
    elif name == "pcie_feature":
        found["PCI Express"][slot, row[0]] = True if row[0] == "function_level_reset" else row[1:]
    elif name == "pci_errors":
        shown = SHOWN_UNCORRECTABLE if row[0] == "uncorrectable" else SHOWN_CORRECTABLE
        found["AER, DPC"][slot, row[0]] = (row[1] & shown, row[2] & shown)
    elif name == "pci_fatal_errors":
        found["AER, DPC"][slot, "fatal"] = row[0] & SHOWN_UNCORRECTABLE
    elif name == "cxl_device_range":
        found["DOE, DVSEC, CXL"][slot, "range", row[0]] = (row[1], row[2])
    elif name == "cxl_port":
        found["DOE, DVSEC, CXL"][slot, "port"] = tuple(names & SHOWN_FLEX_BUS for names in row)
