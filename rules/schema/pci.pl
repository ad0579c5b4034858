:- module(schema_pci, []).
:- use_module('../schema').

/** <module> PCI functions

A PCI function is `addr(Segment, Bus, Device, Function)`. What PCI Express
calls capabilities is in `pci_express.pl`.
*/

:- fact(device(addr: addr, vendor: count, device: count, class: count, sub_class: count,
               prog_if: or(count, oneof([unknown])),
               revision: count),
        [ doc("A PCI function and what it says it is."), key([addr]), source("PCI configuration space") ]).

:- fact(device_subsystem(addr: addr, vendor: count, device: count),
        [ doc("Who made the board that a PCI function is on, and what they call it."),
          key([addr]), source("PCI configuration space") ]).

:- fact(bar(addr: addr, index: count, base: address, size: or(bytes, oneof([unknown])), space: oneof([memory, io]),
            width: count, prefetchable: flag),
        [ doc("A base address register that is implemented. Width is that of the address; I/O spaces have 32."),
          key([addr, index]), source("PCI configuration space; sysfs resource") ]).

:- fact(expansion_rom(addr: addr, base: address, size: or(bytes, oneof([unknown])), enabled: flag),
        [ doc("The expansion ROM of a PCI function, and whether it answers."),
          key([addr]), source("PCI configuration space; sysfs resource") ]).

:- fact(bridge(addr: addr, primary: count, secondary: count, subordinate: count),
        [ doc("A PCI-to-PCI bridge and its bus numbers."), key([addr]), source("PCI configuration space") ]).

:- fact(bridge_window(addr: addr, index: count, space: oneof([memory, io]), base: address, limit: address,
                      width: count, prefetchable: flag),
        [ doc("Addresses on the bus, limit included, that a bridge passes on. A PCI bridge has I/O as 0, memory as 1 and \c
               prefetchable memory as 2; a CardBus bridge memory as 0 and 1, I/O as 2 and 3. Width is that of the address."),
          key([addr, index]), source("PCI configuration space") ]).

:- fact(enhanced_allocation(addr: addr, index: count, equivalent: count, base: address, size: bytes,
                            kind: oneof([memory, prefetchable_memory, io, vf_prefetchable_memory, vf_memory,
                                         bridge_memory, bridge_prefetchable_memory, bridge_io, unavailable_memory,
                                         unavailable_io, unavailable]),
                            enabled: flag),
        [ doc("A fixed range of addresses in place of a register: 0 to 5 are base address registers, 6 is behind the \c
               bridge, 8 the expansion ROM, 9 to 14 the registers of virtual functions."),
          key([addr, index]), source("PCI configuration space") ]).

:- fact(pci_capability(addr: addr, name: atom, offset: count),
        [ doc("A capability; offsets from 256 are extended capabilities."),
          key([addr, offset]), source("PCI configuration space") ]).

:- fact(pci_power(addr: addr, version: count, state: oneof([d0, d1, d2, d3hot]),
                  states: list(oneof([d0, d1, d2, d3hot])), wakes_from: list(oneof([d0, d1, d2, d3hot, d3cold]))),
        [ doc("Power management of a PCI function: the state it is in, those it has, and those it can wake from."),
          key([addr]), source("PCI configuration space") ]).

:- fact(msi(addr: addr, vectors: count),
        [ doc("Message-signaled interrupts: the vectors that a PCI function can use."),
          key([addr]), source("PCI configuration space") ]).

:- fact(msi_state(addr: addr, enabled: flag, granted: count, width: count, maskable: flag),
        [ doc("Whether MSI is on, the vectors granted, the width of its address in bits, whether vectors can be masked."),
          key([addr]), source("PCI configuration space") ]).

:- fact(msix(addr: addr, vectors: count),
        [ doc("MSI-X: the vectors in the table of a PCI function."), key([addr]), source("PCI configuration space") ]).

:- fact(msix_state(addr: addr, enabled: flag, masked: flag),
        [ doc("Whether MSI-X is on, and whether all vectors are masked together."),
          key([addr]), source("PCI configuration space") ]).

:- fact(msix_table(addr: addr, bar: count, offset: bytes, pba_bar: count, pba_offset: bytes),
        [ doc("Where the MSI-X table and its pending bits are: base address register, and offset from its base in bytes."),
          key([addr]), source("PCI configuration space") ]).

:- fact(device_node(addr: addr, domain: node),
        [ doc("The NUMA node that a PCI function is attached to."), key([addr]), source("sysfs numa_node") ]).

:- fact(device_driver(addr: addr, driver: atom),
        [ doc("The kernel driver bound to a PCI function."), key([addr]), source("sysfs driver") ]).

:- fact(iommu_group(group: count, addr: addr),
        [ doc("The IOMMU group of a PCI function: what can only be given away together."),
          key([addr]), source("sysfs iommu_group") ]).

:- fact(physical_slot(addr: addr, slot: atom),
        [ doc("The slot, as firmware names it, that a PCI function is plugged into."),
          key([addr]), source("sysfs slots") ]).

:- fact(interrupt_pin(addr: addr, pin: oneof([a, b, c, d]), line: count),
        [ doc("The legacy interrupt pin of a PCI function and the line that firmware noted for it (255: none)."),
          key([addr]), source("PCI configuration space") ]).
