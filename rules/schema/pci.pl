:- module(schema_pci, []).
:- use_module('../schema').

/** <module> PCI functions

A PCI function is `addr(Segment, Bus, Device, Function)`.
*/

:- fact(device(addr: addr, vendor: count, device: count, class: count, sub_class: count,
               prog_if: or(count, oneof([unknown])),
               revision: count),
        [ doc("A PCI function and what it says it is."), key([addr]), source("PCI configuration space") ]).

:- fact(bar(addr: addr, index: count, base: address, size: or(bytes, oneof([unknown])), space: oneof([memory, io]),
            width: count, prefetchable: flag),
        [ doc("A base address register that is implemented. Width is that of the address; I/O spaces have 32."),
          key([addr, index]), source("PCI configuration space; sysfs resource") ]).

:- fact(bridge(addr: addr, primary: count, secondary: count, subordinate: count),
        [ doc("A PCI-to-PCI bridge and its bus numbers."), key([addr]), source("PCI configuration space") ]).

:- fact(pci_capability(addr: addr, name: atom, offset: count),
        [ doc("A capability; offsets from 256 are extended capabilities."),
          key([addr, offset]), source("PCI configuration space") ]).

:- fact(device_node(addr: addr, domain: node),
        [ doc("The NUMA node that a PCI function is attached to."), key([addr]), source("sysfs numa_node") ]).

:- fact(device_driver(addr: addr, driver: atom),
        [ doc("The kernel driver bound to a PCI function."), key([addr]), source("sysfs driver") ]).

:- fact(interrupt_pin(addr: addr, pin: oneof([a, b, c, d]), line: count),
        [ doc("The legacy interrupt pin of a PCI function and the line that firmware noted for it (255: none)."),
          key([addr]), source("PCI configuration space") ]).
