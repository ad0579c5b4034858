:- module(schema_acpi_iommu, []).
:- use_module('../schema').

/** <module> DMA remapping, as firmware describes it: Intel's DMAR and AMD's IVRS

A structure is named by its place among the structures of its table, from 0.
*/

:- fact(dmar_platform(address_width: count,
                      flags: list(oneof([interrupt_remapping, x2apic_opt_out, dma_control_opt_in]))),
        [ doc("Bits of addresses that DMA can reach, and what holds for all remapping units."), source("DMAR") ]).

:- fact(dmar_unit(structure: count, segment: count, base: address, size: bytes, include_all: flag),
        [ doc("A DMA remapping unit and its registers. Include_all: it serves all of the segment that no other does."),
          key([structure]), source("DMAR, DRHD") ]).

:- fact(dmar_reserved_memory(structure: count, segment: count, base: address, size: bytes),
        [ doc("Memory that some devices must reach whatever is remapped."), key([structure]),
          source("DMAR, RMRR") ]).

:- fact(dmar_root_ports(structure: count, segment: count, all_ports: flag),
        [ doc("Root ports that support address translation services: those that dmar_device lists, or all."),
          key([structure]), source("DMAR, ATSR") ]).

:- fact(dmar_translation_caches(structure: count, segment: count, required: flag),
        [ doc("Devices inside the processor with a translation cache. Required: they work with it only."),
          key([structure]), source("DMAR, SATC") ]).

:- fact(dmar_device_properties(structure: count, segment: count),
        [ doc("Devices inside the processor that have a dmar_device_property."), key([structure]),
          source("DMAR, SIDP") ]).

:- fact(dmar_device(structure: count,
                    type: oneof([pci_endpoint, pci_bridge, ioapic, hpet, acpi_namespace]), enumeration: count,
                    addr: or(addr, oneof([unknown])), bus: count, path: list(count)),
        [ doc("A device in the scope of a structure. Path: device and function at each bridge, from bus on; with one step the function is known. Enumeration: I/O APIC id, HPET number or ACPI device number."),
          source("DMAR, device scopes") ]).

:- fact(dmar_device_property(structure: count, bus: count, path: list(count),
                             property: oneof([nested_not_allowed, pwsnp_not_allowed, pgsnp_not_allowed,
                                              atc_hardened, atc_required])),
        [ doc("What requests of a device without PASID may not use, or what is known of its translation cache."),
          source("DMAR, SIDP") ]).

:- fact(dmar_unit_affinity(base: address, domain: count),
        [ doc("The proximity domain of a remapping unit, by its registers."), key([base]), source("DMAR, RHSA") ]).

:- fact(dmar_acpi_device(number: count, name: text),
        [ doc("The ACPI name of a device that scopes speak of by number."), key([number]), source("DMAR, ANDD") ]).

:- fact(ivrs_platform(guest_address_width: or(count, oneof([unknown])), physical_address_width: count,
                      virtual_address_width: count,
                      flags: list(oneof([extended_features, dma_remapping_opt_in, ht_ats_reserved]))),
        [ doc("Bits of guest virtual, physical and virtual addresses that all units support."), source("IVRS") ]).

:- fact(ivrs_unit(structure: count, type: count, addr: addr, capability: count, base: address,
                  flags: list(oneof([ht_tunnel, pass_posted_writes, response_pass_posted_writes, isochronous, iotlb,
                                     coherent, prefetch, page_requests]))),
        [ doc("An AMD I/O memory management unit. Of several structures for one unit, that of the highest type counts."),
          key([structure]), source("IVRS, IVHD") ]).

:- fact(ivrs_unit_features(structure: count, features: count, features_2: count),
        [ doc("The unit's extended feature registers, as firmware states them."), key([structure]),
          source("IVRS, IVHD of types 0x11 and 0x40") ]).

:- fact(ivrs_device(structure: count,
                    kind: oneof([all, select, range, alias_select, alias_range, extended_select, extended_range]),
                    first: addr, last: addr, alias: or(addr, oneof([none])),
                    settings: list(oneof([init_pass, external_interrupt_pass, nmi_pass, system_management_0,
                                          system_management_1, lint0_pass, lint1_pass, ats_disabled]))),
        [ doc("Functions behind a unit. Alias: the function that their requests appear to come from."),
          source("IVRS, device entries") ]).

:- fact(ivrs_special_device(structure: count, variety: oneof([ioapic, hpet, unknown]), handle: count, addr: addr,
                            settings: list(oneof([init_pass, external_interrupt_pass, nmi_pass,
                                                  system_management_0, system_management_1, lint0_pass,
                                                  lint1_pass]))),
        [ doc("An I/O APIC or HPET behind a unit, by its id, and the function that its interrupts appear to come from."),
          source("IVRS, device entries") ]).

:- fact(ivrs_acpi_device(structure: count, addr: addr, hid: text, cid: text,
                         uid: or(count, or(text, oneof([none])))),
        [ doc("A device that only ACPI knows, and the function that its requests appear to come from."),
          source("IVRS, device entries") ]).

:- fact(ivrs_memory(structure: count, first: addr, last: addr, base: address, size: bytes,
                    flags: list(oneof([unity, read, write, exclusion]))),
        [ doc("Memory that functions must reach untranslated (unity), or that is excluded from translation."),
          key([structure]), source("IVRS, IVMD") ]).
