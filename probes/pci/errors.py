"""Extended capabilities of errors: advanced error reporting, downstream port containment.

PCI Express Base Specification 6.0, 7.8.4 and 7.9.14.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import UNKNOWN, Decoded, Known, bits, cut, flag, names

AER = layout(
    "AER capability",
    "PCI Express 6.0, 7.8.4",
    "header I, status I, mask I, severity I, correctable I, correctable_mask I, control I",
)
DPC = layout("DPC capability", "PCI Express 6.0, 7.9.14", "header I, capability H, control H, status H, source H")

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
    22: "internal",
    23: "multicast_blocked_tlp",
    24: "atomic_op_blocked",
    25: "tlp_prefix_blocked",
    26: "poisoned_tlp_blocked",
    27: "dmwr_blocked",
    28: "ide_check_failed",
    29: "misrouted_ide_tlp",
    30: "pcrc_check_failed",
    31: "tlp_translation_blocked",
}
"""Uncorrectable errors, 7.8.4.2."""

CORRECTABLE: Mapping[int, str] = {
    0: "receiver",
    6: "bad_tlp",
    7: "bad_dllp",
    8: "replay_rollover",
    12: "replay_timeout",
    13: "advisory_non_fatal",
    14: "internal",
    15: "header_log_overflow",
}
"""Correctable errors, 7.8.4.5."""

TRIGGERS: Mapping[int, str] = {0: "off", 1: "fatal", 2: "non_fatal"}
"""DPC Trigger Enable, 7.9.14.3."""

REASONS: Mapping[int, str] = {0: "unmasked_uncorrectable", 1: "non_fatal_message", 2: "fatal_message"}
"""DPC Trigger Reason, 7.9.14.4."""

EXTENDED_REASONS: Mapping[int, str] = {0: "root_port_programmed_io", 1: "software"}
"""DPC Trigger Reason Extension, for reason 3."""


class Errors(NamedTuple):
    """Errors of one kind that were seen, and those that are not reported."""

    kind: str
    seen: tuple[str, ...]
    masked: tuple[str, ...]


class Fatal(NamedTuple):
    """Uncorrectable errors that are reported as fatal."""

    errors: tuple[str, ...]


class Ecrc(NamedTuple):
    """End-to-end checksums: whether they can be made and are, whether they can be checked and are."""

    can_make: int
    makes: int
    can_check: int
    checks: int


class Dpc(NamedTuple):
    """What makes the port contain errors, whether it has now, and why."""

    trigger: str
    triggered: int
    reason: Known
    root_port_extensions: int


def decode_aer(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the AER capability at `offset`."""
    fields = AER.read(config, offset)
    if fields is None:
        yield cut(AER, offset)
        return
    control = fields["control"]
    yield Errors("uncorrectable", names(fields["status"], UNCORRECTABLE), names(fields["mask"], UNCORRECTABLE))
    yield Errors(
        "correctable", names(fields["correctable"], CORRECTABLE), names(fields["correctable_mask"], CORRECTABLE)
    )
    yield Fatal(names(fields["severity"], UNCORRECTABLE))
    yield Ecrc(flag(control, 5), flag(control, 6), flag(control, 7), flag(control, 8))


def decode_dpc(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the DPC capability at `offset`."""
    fields = DPC.read(config, offset)
    if fields is None:
        yield cut(DPC, offset)
        return
    status = fields["status"]
    trigger = TRIGGERS.get(bits(fields["control"], 1, 0))
    if trigger is None:
        yield f"the DPC capability at {offset:#05x} has a reserved trigger"
    code = bits(status, 2, 1)
    reason = REASONS.get(code) or EXTENDED_REASONS.get(bits(status, 6, 5)) or UNKNOWN
    triggered = flag(status, 0)
    yield Dpc(trigger or UNKNOWN, triggered, reason if triggered else "none", flag(fields["capability"], 5))
