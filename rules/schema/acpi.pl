:- module(schema_acpi, []).
:- use_module('../schema').

/** <module> What the firmware's ACPI tables say

Field names follow the ACPI specification, 6.5.
*/

:- fact(acpi_table(signature: atom, revision: count, length: bytes, oem_id: text),
        [ doc("A table that the firmware provides."), source("ACPI table headers") ]).

:- fact(apic(processor_uid: count, apic_id: count, enabled: flag),
        [ doc("A processor's local APIC or x2APIC. Disabled processors are kept, with enabled 0."),
          key([processor_uid, apic_id]), source("MADT") ]).

:- fact(ioapic(id: count, base: address, gsi_base: count),
        [ doc("An I/O APIC, its registers and its first global system interrupt."), key([id, base]), source("MADT") ]).

:- fact(interrupt_override(bus: count, irq: count, gsi: count, polarity: oneof([high, low, bus]),
                           trigger: oneof([edge, level, bus])),
        [ doc("An ISA interrupt that is wired to another global system interrupt."),
          key([bus, irq]), source("MADT") ]).

:- fact(nmi(processor_uid: or(count, oneof([all])), lint: count, polarity: oneof([high, low, bus]),
            trigger: oneof([edge, level, bus])),
        [ doc("The local interrupt pin of a processor, or of all, that NMI is wired to."), source("MADT") ]).

:- fact(cpu_affinity(apic_id: count, domain: count),
        [ doc("The proximity domain of a processor."), key([apic_id]), source("SRAT") ]).

:- fact(processor_affinity(processor_uid: count, domain: count),
        [ doc("The proximity domain of a processor that has no APIC, by its ACPI processor UID."),
          key([processor_uid]), source("SRAT, GICC affinity") ]).

:- fact(node_domain(node: node, domain: count),
        [ doc("The proximity domain of the firmware that a NUMA node is; the two are not always numbered alike."),
          key([node]), source("SRAT joined with sysfs") ]).

:- fact(memory_affinity(base: address, size: bytes, domain: count, flags: list(oneof([hot_pluggable, non_volatile]))),
        [ doc("The proximity domain of a range of memory."), key([base]), source("SRAT") ]).

:- fact(node_distance(from: count, to: count, distance: count),
        [ doc("Relative distance between NUMA nodes, or between proximity domains where no nodes are known; 10 is one to itself."),
          key([from, to]), source("SLIT; sysfs node distance") ]).

:- fact(pcie_confspace(segment: count, bus_low: count, bus_high: count, base: address),
        [ doc("Memory-mapped PCI Express configuration space of a range of buses."),
          key([segment, bus_low]), source("MCFG") ]).
