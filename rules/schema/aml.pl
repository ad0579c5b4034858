:- module(schema_aml, []).
:- use_module('../schema').

/** <module> What AML tells of host bridges and of the wiring of interrupts

A device of ACPI is named by its path, like `\_SB.PCI0`. A host bridge is named by the first function of its first bus.
*/

:- fact(rootbridge(addr: addr, low: count, high: or(count, oneof([unknown]))),
        [ doc("A host bridge, and the buses that it leads to."), key([addr]), source("ACPI _CRS, _SEG and _BBN") ]).

:- fact(rootbridge_path(addr: addr, path: text),
        [ doc("The name that ACPI has for a host bridge."), key([addr]), source("ACPI namespace") ]).

:- fact(rootbridge_present(addr: addr, present: flag),
        [ doc("Whether firmware says that a host bridge is there: tables describe sockets that may be empty. 1 where it does not say."),
          key([addr]), source("ACPI _STA") ]).

:- fact(rootbridge_proximity(addr: addr, domain: node),
        [ doc("The proximity domain that a host bridge is near."), key([addr]), source("ACPI _PXM") ]).

:- fact(rootbridge_address_window(addr: addr, space: oneof([memory, io]), low: address, high: address),
        [ doc("Addresses that a host bridge forwards to its buses, the last included, as processors see them; ports that processors reach through memory, as the buses see them."),
          key([addr, space, low, high]), source("ACPI _CRS") ]).

:- fact(interrupt_route(bridge: text, device: count, pin: oneof([a, b, c, d]), link: text, gsi: or(count, oneof([unknown]))),
        [ doc("Where the interrupt pin of a device below a bridge leads: to a global system interrupt, or, where link is not empty, to a link device and what that is set to."),
          key([bridge, device, pin]), source("ACPI _PRT") ]).

:- fact(pci_interrupt(addr: addr, pin: oneof([a, b, c, d]), gsi: count),
        [ doc("The global system interrupt of a PCI device's pin. Function 0 stands for all functions of the device."),
          key([addr, pin]), source("ACPI _PRT") ]).

:- fact(device_proximity(path: text, domain: node),
        [ doc("The proximity domain that a device of ACPI is near."), key([path]), source("ACPI _PXM") ]).
