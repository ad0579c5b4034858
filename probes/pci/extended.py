"""Extended capabilities of PCI Express, but for virtual functions and CXL, which have files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.layout import layout
from probes.pci.function import Decoder, Found, Function, bits

ACS = layout("ACS capability", "PCI Express 6.0, 7.7.11", "- 4x, capabilities H, control H")
ATS = layout("ATS capability", "PCI Express 6.0, 10.5.1", "- 4x, capabilities H, control H")
ARI = layout("ARI capability", "PCI Express 6.0, 7.8.8", "- 4x, capabilities H, control H")
AER = layout(
    "AER capability",
    "PCI Express 6.0, 7.8.4",
    "- 4x, uncorrectable I, uncorrectable_mask I, severity I, correctable I, correctable_mask I, control I",
)
DPC = layout("DPC capability", "PCI Express 6.0, 7.9.14", "- 4x, capabilities H, control H, status H, source H")
PASID = layout("PASID capability", "PCI Express 6.0, 7.8.9", "- 4x, capabilities H, control H")
REBAR = layout("resizable BAR capability", "PCI Express 6.0, 7.8.6", "capabilities I, control I")
DLF = layout("Data Link Feature capability", "PCI Express 6.0, 7.7.4", "- 4x, capabilities I, status I")
DOE = layout("DOE capability", "PCI Express 6.0, 7.9.24", "- 4x, capabilities I, control I, status I")

ACS_CONTROLS = (
    "source_validation",
    "translation_blocking",
    "request_redirect",
    "completion_redirect",
    "upstream_forwarding",
    "egress_control",
    "direct_translated",
)
"""By bit of both registers."""

UNCORRECTABLE: Mapping[int, str] = {
    4: "data_link_protocol",
    5: "surprise_down",
    12: "poisoned_tlp",
    13: "flow_control_protocol",
    14: "completion_timeout",
    15: "completer_abort",
    16: "unexpected_completion",
    17: "receiver_overflow",
    18: "malformed_tlp",
    19: "ecrc",
    20: "unsupported_request",
    21: "acs_violation",
    22: "uncorrectable_internal",
    23: "mc_blocked_tlp",
    24: "atomicop_egress_blocked",
    25: "tlp_prefix_blocked",
    26: "poisoned_tlp_egress_blocked",
}

CORRECTABLE: Mapping[int, str] = {
    0: "receiver",
    6: "bad_tlp",
    7: "bad_dllp",
    8: "replay_number_rollover",
    12: "replay_timer_timeout",
    13: "advisory_non_fatal",
    14: "corrected_internal",
    15: "header_log_overflow",
}

DPC_TRIGGERS = ("disabled", "fatal", "non_fatal")
DPC_REASONS = ("unmasked", "non_fatal", "fatal", "extended")

LEAST_BAR, MORE_SIZES = 20, 28
"""Resizable BARs begin at 2^20 bytes; the first register has 28 sizes, and the other register those above."""


def acs(function: Function, offset: int) -> Iterator[Found]:
    """Yield the controls that are there, and whether they are on."""
    fields = function.read(ACS, offset)
    for bit, name in enumerate(ACS_CONTROLS):
        if fields["capabilities"] >> bit & 1:
            yield function.fact("acs", name, fields["control"] >> bit & 1)


def ats(function: Function, offset: int) -> Iterator[Found]:
    """Yield how many invalidations may be under way, and whether addresses are translated."""
    fields = function.read(ATS, offset)
    yield function.fact("ats", bits(fields["capabilities"], 4, 0) or 32, fields["control"] >> 15)


def ari(function: Function, offset: int) -> Iterator[Found]:
    """Yield the next function of the device; 0 is none."""
    yield function.fact("ari", bits(function.read(ARI, offset)["capabilities"], 15, 8))


def aer(function: Function, offset: int) -> Iterator[Found]:
    """Yield the errors that have been seen and not cleared."""
    fields = function.read(AER, offset)
    for bit, name in UNCORRECTABLE.items():
        if fields["uncorrectable"] >> bit & 1:
            yield function.fact("aer_error", "fatal" if fields["severity"] >> bit & 1 else "non_fatal", name)
    for bit, name in CORRECTABLE.items():
        if fields["correctable"] >> bit & 1:
            yield function.fact("aer_error", "correctable", name)


def dpc(function: Function, offset: int) -> Iterator[Found]:
    """Yield on which errors the port contains what is below it, and whether it has."""
    fields = function.read(DPC, offset)
    trigger = fields["control"] & 3
    if trigger == 3:
        yield f"DPC at {offset:#x} has the reserved trigger 3"
        return
    triggered = fields["status"] & 1
    reason = DPC_REASONS[bits(fields["status"], 2, 1)] if triggered else "none"
    yield function.fact("dpc", DPC_TRIGGERS[trigger], triggered, reason)


def pasid(function: Function, offset: int) -> Iterator[Found]:
    """Yield the width of process address space ids, and whether they are used."""
    fields = function.read(PASID, offset)
    capabilities = fields["capabilities"]
    yield function.fact(
        "pasid",
        bits(capabilities, 12, 8),
        bits(capabilities, 1, 1),
        bits(capabilities, 2, 2),
        fields["control"] & 1,
    )


def resizable_bar(function: Function, offset: int) -> Iterator[Found]:
    """Yield the sizes that base address registers have and could have."""
    count = bits(function.read(REBAR, offset + 4)["control"], 7, 5)
    for number in range(min(count, 6)):
        fields = function.read(REBAR, offset + 4 + 8 * number)
        sizes = tuple(
            1 << LEAST_BAR + bit
            for bit in range(MORE_SIZES + 16)
            if (fields["capabilities"] >> 4 + bit if bit < MORE_SIZES else fields["control"] >> 16 + bit - MORE_SIZES)
            & 1
        )
        control = fields["control"]
        yield function.fact("resizable_bar", control & 7, 1 << LEAST_BAR + bits(control, 13, 8), sizes)


def data_link_feature(function: Function, offset: int) -> Iterator[Found]:
    """Yield whether both ends of the link have scaled flow control, as far as the other has told."""
    fields = function.read(DLF, offset)
    remote = fields["status"] & 1 if fields["status"] >> 31 else "unknown"
    yield function.fact("data_link_feature", fields["capabilities"] & 1, remote)


def doe(function: Function, offset: int) -> Iterator[Found]:
    """Yield a mailbox for data objects, and whether it can interrupt."""
    yield function.fact("doe", offset, function.read(DOE, offset)["capabilities"] & 1)


DECODERS: Mapping[str, Decoder] = {
    "acs": acs,
    "aer": aer,
    "ari": ari,
    "ats": ats,
    "dlf": data_link_feature,
    "doe": doe,
    "dpc": dpc,
    "pasid": pasid,
    "rebar": resizable_bar,
}
