:- module(schema_cores, []).
:- use_module('../schema').

/** <module> Cores: hardware threads and where they sit

A *core* is a hardware thread, numbered as the operating system numbers it.
*/

:- fact(core(core: core, apic_id: or(count, oneof([unknown])), online: flag),
        [ doc("A hardware thread. Without APICs apic_id is the core's own number; it is unknown for most offline cores."),
          key([core]), source("CPUID leaf 0x1F, 0xB, 0x80000026 or 1; sysfs") ]).

:- fact(cpu_thread(core: core, package: count, core_in_package: count, thread: count),
        [ doc("Where a hardware thread sits: package, physical core inside the package, thread inside the core."),
          key([core]), source("CPUID topology leaves; sysfs topology") ]).

:- fact(cpu_die(core: core, die: count),
        [ doc("The die, inside its package, that a hardware thread sits on."),
          key([core]), source("CPUID leaf 0x1F or 0x80000026; sysfs topology") ]).

:- fact(cpu_vendor(core: core, vendor: atom),
        [ doc("Vendor string, as CPUID leaf 0 spells it (GenuineIntel, AuthenticAMD, ...)."),
          key([core]), source("CPUID leaf 0") ]).

:- fact(cpu_family(core: core, family: count, model: count, stepping: count),
        [ doc("Family, model and stepping, with the extended fields folded in."),
          key([core]), source("CPUID leaf 1") ]).

:- fact(cpu_name(core: core, brand: text),
        [ doc("Brand string."), key([core]), source("CPUID leaves 0x80000002 to 0x80000004") ]).

:- fact(cpu_feature(core: core, feature: atom),
        [ doc("An instruction-set feature that the core reports, by the name Linux gives it in /proc/cpuinfo."),
          source("CPUID feature leaves") ]).

:- fact(cpu_kind(core: core, kind: oneof([performance, efficiency, uniform])),
        [ doc("Kind of core in a hybrid processor; uniform where all cores are alike."),
          key([core]), source("CPUID leaf 0x1A") ]).

:- fact(addrspace(core: core, phys_bits: count, virt_bits: count),
        [ doc("Widths of physical and virtual addresses, in bits."),
          key([core]), source("CPUID leaf 0x80000008") ]).
