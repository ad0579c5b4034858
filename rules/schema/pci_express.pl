:- module(schema_pci_express, []).
:- use_module('../schema').

/** <module> PCI Express: ports, links, virtual functions, errors, CXL

A PCI function is `addr(Segment, Bus, Device, Function)`.
*/

:- fact(pcie_port(addr: addr,
                  kind: oneof([endpoint, legacy_endpoint, root_port, upstream_port, downstream_port, bridge_to_pci,
                               bridge_from_pci, root_endpoint, root_event_collector, unknown]),
                  version: count),
        [ doc("What a PCI Express function is in the hierarchy, and the version of its capability."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pcie_link(addr: addr, speed: or(mts, oneof([unknown])), width: count,
                  max_speed: or(mts, oneof([unknown])), max_width: count),
        [ doc("A link as it was trained, and what this end of it can: MT/s (2.5 GT/s is 2500) and lanes. \c
               A link that is down has width 0 or keeps what it had."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pcie_aspm(addr: addr, supported: list(oneof([l0s, l1])), enabled: list(oneof([l0s, l1]))),
        [ doc("Power states that a link can enter on its own, and those switched on."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pcie_payload(addr: addr, supported: or(bytes, oneof([unknown])), payload: or(bytes, oneof([unknown])),
                     read_request: or(bytes, oneof([unknown]))),
        [ doc("The largest packet's data: what a function can, what is set, and the most it asks for in one read."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pcie_slot(addr: addr, number: count, hotplug: flag, present: flag),
        [ doc("The slot behind a port: number on the chassis (0: none), whether cards may come and go, whether one is there."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pcie_feature(addr: addr,
                     feature: oneof([extended_tags, ten_bit_tags, ari_forwarding, latency_tolerance_reporting,
                                     atomics_32_completer, atomics_64_completer, atomics_128_completer,
                                     atomics_requester, function_level_reset]),
                     supported: flag, enabled: flag),
        [ doc("Something that a PCI Express function may be able to do, and whether it is switched on; what has no \c
               switch is on where it is supported."),
          key([addr, feature]), source("PCI configuration space") ]).

:- fact(sriov(addr: addr, total: count, active: count),
        [ doc("SR-IOV: virtual functions that a physical function can have, and that exist now."),
          key([addr]), source("PCI configuration space") ]).

:- fact(sriov_numbering(addr: addr, initial: count, configured: count, first: count, stride: count, device: count),
        [ doc("How virtual functions are numbered: how many there are at first and as configured, how far the first is \c
               after the physical function and the others from each other (in routing identifiers), their device id."),
          key([addr]), source("PCI configuration space") ]).

:- fact(sriov_pages(addr: addr, size: or(bytes, oneof([unknown])), supported: list(bytes)),
        [ doc("The size of page that the registers of virtual functions are aligned by, and those there are."),
          key([addr]), source("PCI configuration space") ]).

:- fact(vf_bar(addr: addr, index: count, base: address, size: or(bytes, oneof([unknown])), space: oneof([memory, io]),
               width: count, prefetchable: flag),
        [ doc("A base address register of virtual functions, at their physical function: base and size of the first one's; \c
               the others' follow."),
          key([addr, index]), source("PCI configuration space; sysfs resource") ]).

:- fact(virtual_function(addr: addr, physical: addr),
        [ doc("A virtual function and the physical one that it belongs to."),
          key([addr]), source("sysfs physfn; PCI configuration space") ]).

:- fact(pci_acs(addr: addr,
                supported: list(oneof([source_validation, translation_blocking, request_redirect, completion_redirect,
                                       upstream_forwarding, egress_control, direct_translated])),
                enabled: list(oneof([source_validation, translation_blocking, request_redirect, completion_redirect,
                                     upstream_forwarding, egress_control, direct_translated]))),
        [ doc("Access control services of a PCI function, and those switched on."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_ats(addr: addr, queue: count, enabled: flag, smallest: bytes),
        [ doc("Address translation services: invalidations that are queued, whether it is on, the smallest translation."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_ari(addr: addr, next_function: count),
        [ doc("Alternative routing: a device has up to 256 functions, and this is the next one (0 after the last)."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_page_request(addr: addr, capacity: count, granted: count, enabled: flag),
        [ doc("Page requests that can be outstanding and that may be, and whether they are on."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_pasid(addr: addr, width: count, enabled: flag, execute: flag, privileged: flag),
        [ doc("Process address space ids: width in bits, whether they are on, whether they can ask to execute and as whom."),
          key([addr]), source("PCI configuration space") ]).

:- fact(resizable_bar(addr: addr, index: count, size: or(bytes, oneof([unknown])), sizes: list(bytes)),
        [ doc("A base address register whose size can be chosen: size now, and the sizes there are."),
          key([addr, index]), source("PCI configuration space") ]).

:- fact(vf_resizable_bar(addr: addr, index: count, size: or(bytes, oneof([unknown])), sizes: list(bytes)),
        [ doc("A base address register of virtual functions whose size can be chosen: size now, and the sizes there are."),
          key([addr, index]), source("PCI configuration space") ]).

:- fact(data_link_feature(addr: addr, local: count, exchange: flag, remote: or(count, oneof([unknown]))),
        [ doc("Data link features as bits (bit 0: scaled flow control): here, whether they are exchanged, at the other end."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_doe(addr: addr, offset: count, interrupts: flag, vector: or(count, oneof([unknown])), busy: flag,
                error: flag),
        [ doc("A mailbox for data objects in configuration space, and the vector that it interrupts with."),
          key([addr, offset]), source("PCI configuration space") ]).

:- fact(pci_errors(addr: addr, kind: oneof([uncorrectable, correctable]), seen: list(atom), masked: list(atom)),
        [ doc("Errors that a PCI function saw since they were cleared, and those that it does not report."),
          key([addr, kind]), source("PCI configuration space") ]).

:- fact(pci_fatal_errors(addr: addr, errors: list(atom)),
        [ doc("Uncorrectable errors that a PCI function reports as fatal."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_ecrc(addr: addr, can_make: flag, makes: flag, can_check: flag, checks: flag),
        [ doc("End-to-end checksums of packets: whether a function can make and check them, and does."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_dpc(addr: addr, trigger: oneof([off, fatal, non_fatal, unknown]), triggered: flag,
                reason: oneof([none, unmasked_uncorrectable, non_fatal_message, fatal_message,
                               root_port_programmed_io, software, unknown]),
                root_port_extensions: flag),
        [ doc("Downstream port containment: the errors that close the port, whether it is closed now, and why."),
          key([addr]), source("PCI configuration space") ]).

:- fact(pci_dvsec(addr: addr, offset: count, vendor: count, id: count, revision: count, length: bytes),
        [ doc("A vendor's extended capability; those of CXL are of vendor 0x1e98 (7832)."),
          key([addr, offset]), source("PCI configuration space") ]).

:- fact(cxl_device(addr: addr, supported: list(oneof([cache, io, mem])), enabled: list(oneof([cache, io, mem])),
                   ranges: count),
        [ doc("A CXL device: protocols that it speaks, those switched on, and its number of memory ranges."),
          key([addr]), source("PCI configuration space") ]).

:- fact(cxl_device_range(addr: addr, index: count, base: address, size: bytes, valid: flag, active: flag,
                         media: oneof([volatile, nonvolatile, from_cdat, unknown])),
        [ doc("Memory of a CXL device: where the host sees it, its size, whether that is told and usable, what it is."),
          key([addr, index]), source("PCI configuration space") ]).

:- fact(cxl_port(addr: addr, supported: list(atom), enabled: list(atom), negotiated: list(atom)),
        [ doc("A CXL port: protocols and kinds of packets that it has, those switched on, those agreed with the other end."),
          key([addr]), source("PCI configuration space") ]).

:- fact(cxl_registers(addr: addr, index: count,
                      kind: oneof([component, bar_virtualization_acl, device, performance_monitor, vendor_specific,
                                   unknown]),
                      bar: count, offset: bytes),
        [ doc("A block of CXL registers: the base address register that it is behind, and the offset from its base."),
          key([addr, index]), source("PCI configuration space") ]).
