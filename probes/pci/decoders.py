"""Which decoder reads which capability, and which fact each record is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from probes.pci import allocation, bridges, cxl, errors, express, extended, msi, sriov
from probes.pci.config import Decoded

Decoder = Callable[[bytes, int, int], Decoded]
"""Takes configuration space, the capability's offset, and where the next capability begins."""

DECODERS: Mapping[str, Decoder] = {
    "pm": msi.decode_power,
    "msi": msi.decode_msi,
    "msix": msi.decode_msix,
    "exp": express.decode_express,
    "ssvid": allocation.decode_subsystem_capability,
    "ea": allocation.decode_allocation,
}

EXTENDED_DECODERS: Mapping[str, Decoder] = {
    "aer": errors.decode_aer,
    "dpc": errors.decode_dpc,
    "acs": extended.decode_acs,
    "ats": extended.decode_ats,
    "ari": extended.decode_ari,
    "pri": extended.decode_pri,
    "pasid": extended.decode_pasid,
    "rebar": extended.decode_rebar,
    "vf_rebar": extended.decode_vf_rebar,
    "dlf": extended.decode_dlf,
    "doe": extended.decode_doe,
    "dvsec": cxl.decode_dvsec,
    "sriov": sriov.decode_sriov,
}


class FactShape(NamedTuple):
    """A fact's name, and how many of the record's first fields tell one row of a function from another."""

    name: str
    key: int


FACTS: Mapping[type, FactShape] = {
    bridges.Buses: FactShape("bridge", 0),
    bridges.Window: FactShape("bridge_window", 1),
    allocation.Subsystem: FactShape("device_subsystem", 0),
    allocation.Range: FactShape("enhanced_allocation", 1),
    express.Port: FactShape("pcie_port", 0),
    express.Link: FactShape("pcie_link", 0),
    express.Aspm: FactShape("pcie_aspm", 0),
    express.Payload: FactShape("pcie_payload", 0),
    express.Slot: FactShape("pcie_slot", 0),
    express.Feature: FactShape("pcie_feature", 1),
    msi.Msi: FactShape("msi", 0),
    msi.MsiState: FactShape("msi_state", 0),
    msi.Msix: FactShape("msix", 0),
    msi.MsixState: FactShape("msix_state", 0),
    msi.MsixTable: FactShape("msix_table", 0),
    msi.Power: FactShape("pci_power", 0),
    sriov.Sriov: FactShape("sriov", 0),
    sriov.Numbering: FactShape("sriov_numbering", 0),
    sriov.Pages: FactShape("sriov_pages", 0),
    extended.Acs: FactShape("pci_acs", 0),
    extended.Ats: FactShape("pci_ats", 0),
    extended.Ari: FactShape("pci_ari", 0),
    extended.Pri: FactShape("pci_page_request", 0),
    extended.Pasid: FactShape("pci_pasid", 0),
    extended.Resizable: FactShape("resizable_bar", 1),
    extended.VfResizable: FactShape("vf_resizable_bar", 1),
    extended.DataLinkFeature: FactShape("data_link_feature", 0),
    extended.Doe: FactShape("pci_doe", 1),
    errors.Errors: FactShape("pci_errors", 1),
    errors.Fatal: FactShape("pci_fatal_errors", 0),
    errors.Ecrc: FactShape("pci_ecrc", 0),
    errors.Dpc: FactShape("pci_dpc", 0),
    cxl.Dvsec: FactShape("pci_dvsec", 1),
    cxl.Device: FactShape("cxl_device", 0),
    cxl.Range: FactShape("cxl_device_range", 1),
    cxl.Port: FactShape("cxl_port", 0),
    cxl.Registers: FactShape("cxl_registers", 1),
}
