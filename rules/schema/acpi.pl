:- module(schema_acpi, []).
:- use_module('../schema').

/** <module> What the firmware's ACPI tables say: interrupts, domains, memory

Field names follow the ACPI specification, 6.5. Processors, timers and other parts of the machine that tables
describe are in acpi_platform, DMA remapping in acpi_iommu.
*/

:- fact(acpi_table(signature: atom, revision: count, length: bytes, oem_id: text),
        [ doc("A table that the firmware provides."), source("ACPI table headers") ]).

:- fact(rsdp(revision: count, rsdt: or(address, oneof([none])), xsdt: or(address, oneof([none])), oem_id: text),
        [ doc("The root pointer, and where the lists of tables are that it leads to."), source("RSDP") ]).

:- fact(local_apic_address(base: address),
        [ doc("The registers of every processor's local APIC; the 64-bit override counts if there is one."),
          source("MADT") ]).

:- fact(pcat_compatible(present: flag),
        [ doc("Whether the machine has two 8259 interrupt controllers besides its others."), source("MADT") ]).

:- fact(apic(processor_uid: count, apic_id: count, enabled: flag),
        [ doc("A processor's local APIC or x2APIC. Disabled processors are kept, with enabled 0."),
          key([processor_uid, apic_id]), source("MADT") ]).

:- fact(apic_online_capable(processor_uid: count, apic_id: count),
        [ doc("A processor that is disabled and may be brought online while the system runs."),
          source("MADT from revision 5") ]).

:- fact(ioapic(id: count, base: address, gsi_base: count),
        [ doc("An I/O APIC, its registers and its first global system interrupt."), key([id, base]), source("MADT") ]).

:- fact(interrupt_override(bus: count, irq: count, gsi: count, polarity: oneof([high, low, bus, unknown]),
                           trigger: oneof([edge, level, bus, unknown])),
        [ doc("An ISA interrupt that is wired to another global system interrupt."),
          key([bus, irq]), source("MADT") ]).

:- fact(nmi(processor_uid: or(count, oneof([all])), lint: count, polarity: oneof([high, low, bus, unknown]),
            trigger: oneof([edge, level, bus, unknown])),
        [ doc("The local interrupt pin of a processor, or of all, that NMI is wired to."), source("MADT") ]).

:- fact(nmi_source(gsi: count, polarity: oneof([high, low, bus, unknown]), trigger: oneof([edge, level, bus, unknown])),
        [ doc("A global system interrupt that is a non-maskable one."), key([gsi]), source("MADT") ]).

:- fact(io_sapic(id: count, base: address, gsi_base: count),
        [ doc("An I/O SAPIC (Itanium), its registers and its first global system interrupt."),
          key([id, base]), source("MADT") ]).

:- fact(local_sapic(processor_id: count, sapic_id: count, sapic_eid: count,
                    processor_uid: or(count, oneof([unknown])), enabled: flag),
        [ doc("A processor's local SAPIC (Itanium)."), key([processor_id, sapic_id, sapic_eid]), source("MADT") ]).

:- fact(platform_interrupt(type: oneof([pmi, init, corrected_platform_error, unknown]), gsi: count,
                           processor_id: count, processor_eid: count, vector: count,
                           polarity: oneof([high, low, bus, unknown]), trigger: oneof([edge, level, bus, unknown])),
        [ doc("A platform management, INIT or corrected error interrupt, and the processor that takes it."),
          key([type, gsi, processor_id, processor_eid, vector]), source("MADT") ]).

:- fact(gic_cpu_interface(processor_uid: count, interface: count, mpidr: or(count, oneof([unknown])), enabled: flag,
                          online_capable: flag),
        [ doc("A processor's interface to an Arm generic interrupt controller (GICC)."),
          key([processor_uid]), source("MADT") ]).

:- fact(gic_cpu_registers(processor_uid: count, base: or(address, oneof([unknown])),
                          virtual: or(address, oneof([unknown])), hypervisor: or(address, oneof([unknown])),
                          redistributor: or(address, oneof([unknown]))),
        [ doc("Registers of a GICC: the interface, its virtual one (GICV), their control (GICH), the redistributor."),
          key([processor_uid]), source("MADT") ]).

:- fact(gic_cpu_interrupt(processor_uid: count,
                          kind: oneof([performance, maintenance, statistical_profiling, trace_buffer]),
                          gsi: count, trigger: oneof([edge, level])),
        [ doc("An interrupt that a processor raises for itself."), key([processor_uid, kind]), source("MADT") ]).

:- fact(gic_cpu_efficiency(processor_uid: count, class: count),
        [ doc("The power efficiency class of a processor; a lower class needs less energy for the same work."),
          key([processor_uid]), source("MADT, GICC of 80 bytes and more") ]).

:- fact(gic_cpu_parking(processor_uid: count, version: count, mailbox: address),
        [ doc("The parking protocol that a processor waits in until it is started, and its mailbox."),
          key([processor_uid]), source("MADT") ]).

:- fact(gic_distributor(id: count, base: address, gsi_base: count, version: or(count, oneof([unknown]))),
        [ doc("A GIC distributor and the version of the GIC architecture it has."), key([id]), source("MADT") ]).

:- fact(gic_msi_frame(id: count, base: address, spi_count: or(count, oneof([unknown])),
                      spi_base: or(count, oneof([unknown]))),
        [ doc("A GICv2m frame that turns messages into interrupts. Unknown numbers stand in its MSI_TYPER register."),
          key([id]), source("MADT") ]).

:- fact(gic_redistributor(base: address, size: bytes),
        [ doc("A range that GIC redistributors are in."), key([base]), source("MADT") ]).

:- fact(gic_its(id: count, base: address),
        [ doc("A GIC interrupt translation service."), key([id]), source("MADT") ]).

:- fact(multiprocessor_wakeup(mailbox: address, version: count, reset_vector: or(address, oneof([unknown]))),
        [ doc("The mailbox by which processors are started where no INIT can be sent."), key([mailbox]),
          source("MADT") ]).

:- fact(core_pic(processor_uid: count, core_id: count, enabled: flag),
        [ doc("A processor's own interrupt controller (LoongArch)."), key([processor_uid]), source("MADT") ]).

:- fact(legacy_io_pic(base: address, size: bytes, cascade: list(count), cascade_map: list(count)),
        [ doc("A LoongArch LIO-PIC, the core interrupts that it raises, and which of its inputs each serves."),
          key([base]), source("MADT") ]).

:- fact(hypertransport_pic(base: address, size: bytes, cascade: list(count)),
        [ doc("A LoongArch HT-PIC and the inputs of the LIO-PIC that it raises."), key([base]), source("MADT") ]).

:- fact(extended_io_pic(node: count, cascade: count, node_map: count),
        [ doc("A LoongArch EIO-PIC, the core interrupt that it raises, and a bit for each node that it serves."),
          key([node, cascade]), source("MADT") ]).

:- fact(msi_pic(message_address: address, start: count, count: count),
        [ doc("A LoongArch MSI-PIC and the interrupt vectors that it has."), key([message_address]),
          source("MADT") ]).

:- fact(bridge_io_pic(id: count, base: address, size: bytes, gsi_base: count),
        [ doc("A LoongArch BIO-PIC and its first global system interrupt."), key([id]), source("MADT") ]).

:- fact(lpc_pic(base: address, size: bytes, cascade: count),
        [ doc("A LoongArch LPC-PIC and the BIO-PIC's input that it raises."), key([base]), source("MADT") ]).

:- fact(riscv_intc(processor_uid: count, hart_id: count, enabled: flag, online_capable: flag,
                   external_id: or(count, oneof([unknown])), imsic_base: or(address, oneof([unknown])),
                   imsic_size: or(bytes, oneof([unknown]))),
        [ doc("A hart's own interrupt controller (RISC-V), the external one before it, and its incoming MSI file."),
          key([processor_uid]), source("MADT") ]).

:- fact(riscv_imsic(interrupts: count, guest_interrupts: count, guest_index_bits: count, hart_index_bits: count,
                    group_index_bits: count, group_index_shift: count),
        [ doc("What all incoming MSI controllers of the machine are like (RISC-V)."), source("MADT") ]).

:- fact(riscv_aplic(id: count, base: address, size: bytes, gsi_base: count, delivery_controllers: count,
                    sources: count),
        [ doc("A RISC-V advanced platform-level interrupt controller."), key([id]), source("MADT") ]).

:- fact(riscv_plic(id: count, base: address, size: bytes, gsi_base: count, sources: count, max_priority: count),
        [ doc("A RISC-V platform-level interrupt controller."), key([id]), source("MADT") ]).

:- fact(cpu_affinity(apic_id: count, domain: count),
        [ doc("The proximity domain of a processor."), key([apic_id]), source("SRAT") ]).

:- fact(processor_affinity(processor_uid: count, domain: count),
        [ doc("The proximity domain of a processor that has no APIC, by its ACPI processor UID."),
          key([processor_uid]), source("SRAT, GICC and RINTC affinity") ]).

:- fact(node_domain(node: node, domain: count),
        [ doc("The proximity domain of the firmware that a NUMA node is; the two are not always numbered alike."),
          key([node]), source("SRAT joined with sysfs") ]).

:- fact(memory_affinity(base: address, size: bytes, domain: count, flags: list(oneof([hot_pluggable, non_volatile]))),
        [ doc("The proximity domain of a range of memory."), key([base]), source("SRAT") ]).

:- fact(gic_its_affinity(its_id: count, domain: count),
        [ doc("The proximity domain of a GIC interrupt translation service."), key([its_id]), source("SRAT") ]).

:- fact(generic_initiator(addr: addr, domain: count),
        [ doc("The proximity domain of a PCI function that reads and writes memory by itself."),
          key([addr]), source("SRAT") ]).

:- fact(generic_initiator_acpi(hid: text, uid: count, domain: count),
        [ doc("The proximity domain of an initiator that is known by its ACPI _HID and _UID."),
          key([hid, uid]), source("SRAT") ]).

:- fact(generic_port(addr: addr, domain: count),
        [ doc("The proximity domain of a port that memory may be attached behind, such as a CXL root port."),
          key([addr]), source("SRAT") ]).

:- fact(generic_port_acpi(hid: text, uid: count, domain: count),
        [ doc("The proximity domain of a port that is known by its ACPI _HID and _UID, such as a CXL host bridge."),
          key([hid, uid]), source("SRAT") ]).

:- fact(node_distance(from: count, to: count, distance: count),
        [ doc("Relative distance between NUMA nodes, or between proximity domains where no nodes are known; 10 is one to itself."),
          key([from, to]), source("SLIT; sysfs node distance") ]).

:- fact(node_unreachable(from: count, to: count),
        [ doc("A proximity domain that cannot reach another (distance 255)."), source("SLIT") ]).

:- fact(memory_initiator(domain: count, initiator: count),
        [ doc("The proximity domain of the processors or devices that a domain's memory is attached to."),
          key([domain]), source("HMAT") ]).

:- fact(memory_domain_range(base: address, size: bytes, domain: count),
        [ doc("A range of memory that latencies and bandwidths of its domain are stated for."),
          key([base]), source("HMAT of revision 1") ]).

:- fact(memory_latency(initiator: count, target: count, kind: oneof([access, read, write]), latency: ps),
        [ doc("Time of one access from a proximity domain to memory of another. Access: reads and writes alike."),
          key([initiator, target, kind]), source("HMAT") ]).

:- fact(memory_bandwidth(initiator: count, target: count, kind: oneof([access, read, write]), bandwidth: mbs),
        [ doc("Bandwidth from a proximity domain to memory of another. Access: reads and writes alike."),
          key([initiator, target, kind]), source("HMAT") ]).

:- fact(memory_side_cache_latency(initiator: count, target: count, level: count,
                                  kind: oneof([access, read, write]), latency: ps),
        [ doc("Time of one access that hits the memory-side cache of a level."),
          key([initiator, target, level, kind]), source("HMAT") ]).

:- fact(memory_side_cache_bandwidth(initiator: count, target: count, level: count,
                                    kind: oneof([access, read, write]), bandwidth: mbs),
        [ doc("Bandwidth of accesses that hit the memory-side cache of a level."),
          key([initiator, target, level, kind]), source("HMAT") ]).

:- fact(memory_side_cache(domain: count, level: count, levels: count, size: bytes,
                          associativity: oneof([none, direct_mapped, complex, unknown]),
                          write_policy: oneof([none, write_back, write_through, unknown]), line_size: bytes),
        [ doc("A cache before a domain's memory, and how many levels of them there are."),
          key([domain, level]), source("HMAT") ]).

:- fact(memory_side_cache_extends(domain: count, level: count),
        [ doc("A memory-side cache whose capacity adds to the memory's, at addresses that share its lines."),
          source("HMAT of ACPI 6.6") ]).

:- fact(pcie_confspace(segment: count, bus_low: count, bus_high: count, base: address),
        [ doc("Memory-mapped PCI Express configuration space of a range of buses."),
          key([segment, bus_low]), source("MCFG") ]).

:- fact(machine_limits(domains: count, clock_domains: count, last_address: address),
        [ doc("The most proximity and clock domains that the machine can ever have, and its last physical address."),
          source("MSCT") ]).

:- fact(domain_limits(first: count, last: count, processors: count, memory: bytes),
        [ doc("The most processors and memory that each of a range of proximity domains can ever have; 0: none."),
          key([first]), source("MSCT") ]).

:- fact(cxl_host_bridge(uid: count, version: oneof([cxl_1_1, cxl_2_0, unknown]), base: address, size: bytes),
        [ doc("A CXL host bridge by its ACPI _UID, and its component registers (cxl_1_1: its root complex registers)."),
          key([uid]), source("CEDT") ]).

:- fact(cxl_window(base: address, size: bytes, ways: or(count, oneof([unknown])),
                   granularity: or(bytes, oneof([unknown])), arithmetic: oneof([modulo, xor, unknown]),
                   restrictions: list(oneof([device_coherent, host_only_coherent, volatile, persistent,
                                             fixed_device_configuration, back_invalidate])),
                   qos_group: count),
        [ doc("A range of addresses that CXL memory may be put in, and how it is interleaved over host bridges."),
          key([base]), source("CEDT") ]).

:- fact(cxl_window_target(base: address, position: count, uid: count),
        [ doc("The host bridge, by its ACPI _UID, at a position of a window's interleaving."),
          key([base, position]), source("CEDT") ]).

:- fact(cxl_xor_map(granularity: or(bytes, oneof([unknown])), maps: list(count)),
        [ doc("For XOR interleaving of a granularity: the address bits that make each bit of the target's position."),
          source("CEDT") ]).

:- fact(cxl_event_collector(addr: addr, protocol: oneof([cxl_io, cxl_cachemem, unknown]), base: address),
        [ doc("The root complex event collector that a downstream port's errors go to, and the port's registers."),
          source("CEDT") ]).

:- fact(cxl_system_capabilities(bits: count),
        [ doc("What the system can do for CXL as a whole, as bits of the CXL specification."), source("CEDT") ]).
