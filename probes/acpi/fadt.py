"""FADT: what kind of machine the firmware says it is, and its fixed registers (ACPI 6.5, 5.2.9). Signature FACP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.acpi.register import place, register
from probes.acpi.table import Entries, Table, enabled_names, read_head, versions
from probes.fact import Fact, Survey, Term

BLOCKS = (
    ("pm1a_event", "pm1_event_length"),
    ("pm1b_event", "pm1_event_length"),
    ("pm1a_control", "pm1_control_length"),
    ("pm1b_control", "pm1_control_length"),
    ("pm2_control", "pm2_control_length"),
    ("pm_timer", "pm_timer_length"),
    ("gpe0", "gpe0_length"),
    ("gpe1", "gpe1_length"),
)
"""The register blocks with a 32-bit address in I/O space and, since revision 2, one in any space (table 5.9)."""

# 116 bytes in ACPI 1.0, 244 in 2.0 to 5.0 (revisions 3 and 4), 268 in 5.0, 276 since 6.0. The byte at 45 was reserved
# before ACPI 2.0, and ARM flags and minor version before 5.1.
HEAD = versions(
    "Fixed ACPI Description Table",
    "5.2.9, table 5.9",
    "facs_32 I, dsdt_32 I, model B, profile B, sci H, smi_command I, acpi_enable B, acpi_disable B, s4bios B,"
    " pstate_control B, pm1a_event_port I, pm1b_event_port I, pm1a_control_port I, pm1b_control_port I,"
    " pm2_control_port I, pm_timer_port I, gpe0_port I, gpe1_port I, pm1_event_length B, pm1_control_length B,"
    " pm2_control_length B, pm_timer_length B, gpe0_length B, gpe1_length B, gpe1_base B, cst_control B, c2_latency H,"
    " c3_latency H, flush_size H, flush_stride H, duty_offset B, duty_width B, day_alarm B, month_alarm B, century B,"
    " boot_flags H, - x, flags I",
    f"{register('reset')}, reset_value B",
    "arm_flags H, minor B",
    "facs Q, dsdt Q, " + ", ".join(register(name) for name, _ in BLOCKS),
    f"{register('sleep_control')}, {register('sleep_status')}",
    "hypervisor Q",
)

PROFILES = {
    0: "unspecified",
    1: "desktop",
    2: "mobile",
    3: "workstation",
    4: "enterprise_server",
    5: "soho_server",
    6: "appliance_pc",
    7: "performance_server",
    8: "tablet",
}

FLAGS: Mapping[int, str] = dict(
    enumerate(
        (
            "wbinvd",
            "wbinvd_flush",
            "proc_c1",
            "p_lvl2_up",
            "pwr_button",
            "slp_button",
            "fix_rtc",
            "rtc_s4",
            "tmr_val_ext",
            "dck_cap",
            "reset_reg_sup",
            "sealed_case",
            "headless",
            "cpu_sw_slp",
            "pci_exp_wak",
            "use_platform_clock",
            "s4_rtc_sts_valid",
            "remote_power_on_capable",
            "force_apic_cluster_model",
            "force_apic_physical_destination_mode",
            "hw_reduced_acpi",
            "low_power_s0_idle_capable",
        )
    )
)
"""Fixed feature flags, by the names of table 5.10."""

TMR_VAL_EXT, RESET_REG_SUP, HW_REDUCED = 8, 10, 20

PERSISTENT_CACHES = {1: "not_persistent", 2: "persistent"}
"""Flags 22 and 23 (ACPI 6.4): are CPU caches flushed when power fails?"""

X86_BOOT = {
    0: "legacy_devices",
    1: "i8042",
    2: "vga_not_present",
    3: "msi_not_supported",
    4: "pcie_aspm_controls",
    5: "cmos_rtc_not_present",
}
"""IA-PC boot architecture flags (table 5.11): bits 0 and 1 say what is there, the others what is not."""

ARM_BOOT = {0: "psci_compliant", 1: "psci_use_hvc"}
"""Arm boot architecture flags (table 5.12)."""

X86_BOOT_SINCE, PROFILE_SINCE = 2, 2
"""Revisions before had these bytes reserved."""

LATENCY_LIMITS = {"c2": 100, "c3": 1000}
"""A worst-case latency in microseconds above this says that the state is not supported (table 5.9)."""

PS_PER_MICROSECOND = 1_000_000


def decode(table: Table) -> Entries:
    """Read the longest version of the table that is there."""
    head, problems = read_head(table, HEAD)
    return Entries((head,) if head else (), problems)


def survey(table: Table) -> Survey:
    """Return version, power profile, flags and fixed registers of a FADT."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    return Survey(tuple(_facts(table.revision, found.entries[0].fields)), found.problems)


def _facts(revision: int, fields: Mapping[str, int]) -> Iterator[Fact]:
    # The minor version's high half is that of an erratum (ACPI 6.2); before 5.1 the byte was reserved.
    minor: Term = fields["minor"] & 15 if "minor" in fields and revision >= 5 else "unknown"
    yield Fact("fadt_version", (revision, minor))
    profile = PROFILES.get(fields["profile"], "unknown") if revision >= PROFILE_SINCE else "unspecified"
    yield Fact("pm_profile", (profile,))
    for name in enabled_names(fields["flags"], FLAGS):
        yield Fact("fadt_flag", (name,))
    caches = PERSISTENT_CACHES.get(fields["flags"] >> 22 & 3)
    if caches is not None:
        yield Fact("persistent_cpu_caches", (caches,))
    boot = enabled_names(fields["boot_flags"], X86_BOOT) if revision >= X86_BOOT_SINCE else ()
    arm = enabled_names(fields.get("arm_flags", 0), ARM_BOOT) if revision >= 5 else ()
    for name in (*boot, *arm):
        yield Fact("boot_architecture", (name,))
    if not fields["flags"] >> HW_REDUCED & 1:
        yield Fact("sci_interrupt", (fields["sci"],))
        for state, most in LATENCY_LIMITS.items():
            latency = fields[f"{state}_latency"]
            if latency <= most:
                yield Fact("processor_idle_latency", (state, latency * PS_PER_MICROSECOND))
        yield from _registers(fields)
    if fields["flags"] >> RESET_REG_SUP & 1 and "reset_value" in fields:
        yield Fact("acpi_register", ("reset", *place(fields, "reset")))
        yield Fact("reset_value", (fields["reset_value"],))
    for name in ("sleep_control", "sleep_status"):
        if fields.get(f"{name}_address"):
            yield Fact("acpi_register", (name, *place(fields, name)))


def _registers(fields: Mapping[str, int]) -> Iterator[Fact]:
    """Yield the register blocks: the address in any space counts, if there is one (5.2.9)."""
    for name, length in BLOCKS:
        if fields.get(f"{name}_address"):
            space, address, bits = place(fields, name)
            yield Fact("acpi_register", (name, space, address, bits or 8 * fields[length]))
        elif fields[f"{name}_port"]:
            yield Fact("acpi_register", (name, "io", fields[f"{name}_port"], 8 * fields[length]))
    if fields.get("pm_timer_address") or fields["pm_timer_port"]:
        yield Fact("pm_timer_width", (32 if fields["flags"] >> TMR_VAL_EXT & 1 else 24,))
