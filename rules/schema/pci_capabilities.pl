:- module(schema_pci_capabilities, []).
:- use_module('../schema').

/** <module> What PCI functions can do, and what of it is in use

From the capabilities of configuration space, which is readable beyond 64 bytes for root only.
*/

:- fact(pci_subsystem(addr: addr, vendor: count, device: count),
        [ doc("Who made the card or board that a PCI function is on, and what they call it."),
          key([addr]), source("PCI configuration space") ]).

:- fact(expansion_rom(addr: addr, base: address, size: or(bytes, oneof([unknown])), enabled: flag),
        [ doc("The expansion ROM of a PCI function that has an address."), key([addr]), source("PCI configuration space; sysfs resource") ]).

:- fact(bridge_window(addr: addr, space: oneof([io, memory, prefetchable]), low: address, high: address),
        [ doc("Addresses that a bridge forwards to its secondary bus, the last included. A closed window is left out."),
          key([addr, space, low]), source("PCI configuration space") ]).

:- fact(power_management(addr: addr, state: oneof([d0, d1, d2, d3]), has_d1: flag, has_d2: flag),
        [ doc("The power state of a PCI function, and whether it has the states between on and off."),
          key([addr]), source("PCI power management capability") ]).

:- fact(msi(addr: addr, vectors: count),
        [ doc("Message signalled interrupts that a function can use."), key([addr]), source("PCI MSI capability") ]).

:- fact(msi_state(addr: addr, enabled: flag, vectors: count, width: count, maskable: flag),
        [ doc("Whether MSI is in use, with how many vectors; the width of message addresses; whether vectors can be masked one by one."),
          key([addr]), source("PCI MSI capability") ]).

:- fact(msix(addr: addr, vectors: count),
        [ doc("Entries of a function's MSI-X table."), key([addr]), source("PCI MSI-X capability") ]).

:- fact(msix_table(addr: addr, enabled: flag, table_bar: count, table_offset: count, pending_bar: count,
                   pending_offset: count),
        [ doc("Whether MSI-X is in use, and where its table and its pending bits are: base address register and offset in bytes."),
          key([addr]), source("PCI MSI-X capability") ]).

:- fact(pcie_function(addr: addr, type: oneof([endpoint, legacy_endpoint, root_port, upstream_port, downstream_port, bridge_to_pci,
                                               bridge_from_pci, integrated_endpoint, event_collector]),
                      max_payload: bytes, payload: bytes, read_request: bytes),
        [ doc("What a PCI Express function is; the payload of a packet that it can take, that it is set to, and the largest read that it requests."),
          key([addr]), source("PCI Express capability") ]).

:- fact(pcie_link(addr: addr, speed: or(mts, oneof([unknown])), width: count, max_speed: or(mts, oneof([unknown])), max_width: count),
        [ doc("The link of a PCI Express function: speed of a lane and number of lanes now, and at most. A width of 0 is a link that is down."),
          key([addr]), source("PCI Express capability") ]).

:- fact(pcie_slot(addr: addr, slot: count, hotplug: flag, occupied: flag),
        [ doc("The slot below a PCI Express port: its number in the chassis, whether cards can come and go, whether one is there."),
          key([addr]), source("PCI Express capability") ]).

:- fact(sriov(addr: addr, total: count, active: count),
        [ doc("Virtual functions that a function can have, and has."), key([addr]), source("PCI SR-IOV capability") ]).

:- fact(sriov_layout(addr: addr, initial: count, first: count, stride: count, device: count),
        [ doc("Virtual functions at the start; the distance to the first and between them, in routing ids; their device number."),
          key([addr]), source("PCI SR-IOV capability") ]).

:- fact(vf_bar(addr: addr, index: count, base: address, size: or(bytes, oneof([unknown])), width: count, prefetchable: flag),
        [ doc("A base address register of virtual functions: where the first one's memory is, and how much each has."),
          key([addr, index]), source("PCI SR-IOV capability; sysfs resource") ]).

:- fact(acs(addr: addr, control: oneof([source_validation, translation_blocking, request_redirect, completion_redirect,
                                        upstream_forwarding, egress_control, direct_translated]),
            enabled: flag),
        [ doc("An access control that a function has, and whether it is on: what keeps devices from reaching each other unseen."),
          key([addr, control]), source("PCI ACS capability") ]).

:- fact(ats(addr: addr, queue: count, enabled: flag),
        [ doc("Address translation services: invalidations that may be under way, and whether the device caches translations."),
          key([addr]), source("PCI ATS capability") ]).

:- fact(ari(addr: addr, next: count),
        [ doc("Alternative routing ids: the next function of the device, 0 after the last."), key([addr]), source("PCI ARI capability") ]).

:- fact(aer_error(addr: addr, severity: oneof([correctable, non_fatal, fatal]), error: atom),
        [ doc("An error that a function has reported and nobody has cleared."),
          key([addr, severity, error]), source("PCI AER capability") ]).

:- fact(dpc(addr: addr, trigger: oneof([disabled, fatal, non_fatal]), triggered: flag,
            reason: oneof([none, unmasked, non_fatal, fatal, extended])),
        [ doc("Downstream port containment: on which errors a port cuts off what is below it, and whether and why it has."),
          key([addr]), source("PCI DPC capability") ]).

:- fact(pasid(addr: addr, width: count, execute: flag, privileged: flag, enabled: flag),
        [ doc("Process address space ids: their bits, whether they can ask for execution and privilege, whether they are in use."),
          key([addr]), source("PCI PASID capability") ]).

:- fact(resizable_bar(addr: addr, index: count, size: bytes, sizes: list(bytes)),
        [ doc("A base address register that can be resized: its size, and those that it can have."),
          key([addr, index]), source("PCI resizable BAR capability") ]).

:- fact(data_link_feature(addr: addr, scaled_flow_control: flag, remote: or(flag, oneof([unknown]))),
        [ doc("Whether a port has scaled flow control, and whether the other end of its link has."),
          key([addr]), source("PCI Data Link Feature capability") ]).

:- fact(doe(addr: addr, offset: count, interrupts: flag),
        [ doc("A mailbox for data objects, and whether it can interrupt."), key([addr, offset]), source("PCI DOE capability") ]).

:- fact(dvsec(addr: addr, offset: count, vendor: count, id: count, revision: count, length: bytes),
        [ doc("A structure that a vendor has defined."), key([addr, offset]), source("PCI DVSEC capability") ]).

:- fact(cxl_structure(addr: addr, structure: atom, offset: count),
        [ doc("A structure of Compute Express Link."), key([addr, offset]), source("PCI DVSEC capability") ]).

:- fact(cxl_protocol(addr: addr, protocol: oneof([cache, io, mem]), enabled: flag),
        [ doc("A protocol that a CXL device speaks, and whether it is on."), key([addr, protocol]), source("CXL device DVSEC") ]).

:- fact(cxl_range(addr: addr, index: count, base: address, size: bytes, active: flag),
        [ doc("Memory that a CXL device offers, and whether it is initialised."), key([addr, index]), source("CXL device DVSEC") ]).

:- fact(iommu_group(group: count, addr: addr),
        [ doc("The IOMMU group that a PCI function is in: the least that can be given away together."),
          key([group, addr]), source("sysfs iommu_group") ]).

:- fact(physical_slot(name: atom, segment: count, bus: count, device: count),
        [ doc("A slot that firmware names, and the PCI device that is or would be in it."), key([name]), source("sysfs slots") ]).
