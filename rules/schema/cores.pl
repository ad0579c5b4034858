:- module(schema_cores, []).
:- use_module('../schema').

/** <module> Cores: hardware threads and where they sit

A *core* is a hardware thread, numbered as the operating system numbers it.
*/

:- fact(core(core: core, apic_id: or(count, oneof([unknown])), online: flag),
        [ doc("A hardware thread. On an architecture without APICs apic_id is the core's own number; it is unknown for most offline cores and for processors before the APIC."),
          key([core]), source("CPUID leaf 0x1F, 0xB, 0x80000026 or 1; sysfs") ]).

:- fact(isolated_core(core: core),
        [ doc("A hardware thread that the scheduler leaves alone, for whoever pins work to it (isolcpus)."), source("sysfs isolated") ]).

:- fact(tickless_core(core: core),
        [ doc("A hardware thread without a scheduling tick while it runs a single task (nohz_full)."), source("sysfs nohz_full") ]).

:- fact(cpu_thread(core: core, package: count, core_in_package: count, thread: count),
        [ doc("Where a hardware thread sits: package, physical core inside the package, thread inside the core."),
          key([core]), source("CPUID topology leaves; sysfs topology") ]).

:- fact(cpu_module(core: core, module: count),
        [ doc("The module, inside its package, that a hardware thread belongs to: cores that share a second level of cache or a front end; AMD's compute unit."),
          key([core]), source("CPUID leaf 0x1F; leaf 0x8000001E of AMD families 15h and 16h") ]).

:- fact(cpu_tile(core: core, tile: count),
        [ doc("The tile, inside its package, that a hardware thread belongs to."),
          key([core]), source("CPUID leaf 0x1F") ]).

:- fact(cpu_die(core: core, die: count),
        [ doc("The die, inside its package, that a hardware thread sits on."),
          key([core]), source("CPUID leaf 0x1F or 0x80000026; sysfs topology") ]).

:- fact(cpu_die_group(core: core, die_group: count),
        [ doc("The group of dies, inside its package, that a hardware thread belongs to."),
          key([core]), source("CPUID leaf 0x1F") ]).

:- fact(cpu_complex(core: core, complex: count),
        [ doc("The core complex, inside its package, that a hardware thread belongs to: AMD's cores with an L3 in common."),
          key([core]), source("CPUID leaf 0x80000026, else the L3 of leaf 0x8000001D; AMD from family 17h on") ]).

:- fact(cpu_node(core: core, node: count),
        [ doc("The node that the processor itself says it belongs to, numbered as firmware did; not the operating system's, which is numa_core."),
          key([core]), source("CPUID leaf 0x8000001E; AMD from family 15h on") ]).

:- fact(cpu_vendor(core: core, vendor: atom),
        [ doc("Vendor string, as CPUID leaf 0 spells it (GenuineIntel, AuthenticAMD, ...). On Arm the name of the implementer (ARM, Ampere, ...), or its number where it has none."),
          key([core]), source("CPUID leaf 0; MIDR") ]).

:- fact(cpu_family(core: core, family: count, model: count, stepping: count),
        [ doc("Family, model and stepping, with the extended fields folded in."),
          key([core]), source("CPUID leaf 1") ]).

:- fact(cpu_midr(core: core, implementer: count, variant: count, part: count, revision: count),
        [ doc("What an Arm processor says it is, by number: MIDR_EL1."), key([core]), source("sysfs regs/identification; /proc/cpuinfo") ]).

:- fact(cpu_name(core: core, brand: text),
        [ doc("Brand string; on Arm the name of the part."),
          key([core]), source("CPUID leaves 0x80000002 to 0x80000004; MIDR") ]).

:- fact(cpu_feature(core: core, feature: atom),
        [ doc("An instruction-set feature that the core reports, by the name Linux gives it in /proc/cpuinfo."),
          source("CPUID feature leaves; /proc/cpuinfo") ]).

:- fact(cpu_kind(core: core, kind: oneof([performance, efficiency, uniform])),
        [ doc("Kind of core in a hybrid processor; uniform where all cores are alike. Low-power cores are efficiency."),
          key([core]), source("CPUID leaf 0x1A or 0x80000026") ]).

:- fact(cpu_frequency(core: core, clock: oneof([tsc, crystal, base, maximum, bus, apic_timer]), frequency: count),
        [ doc("A frequency in Hz, as the processor or its hypervisor states it; not measured. The time stamp counter is tsc."),
          key([core, clock]), source("CPUID leaves 0x15, 0x16 and 0x40000010") ]).

:- fact(hypervisor(name: atom, signature: text),
        [ doc("The machine is a guest of this hypervisor; name is unknown where its signature is."),
          source("CPUID leaves 1 and 0x40000000") ]).

:- fact(addrspace(core: core, phys_bits: count, virt_bits: count),
        [ doc("Widths of physical and virtual addresses, in bits."),
          key([core]), source("CPUID leaf 0x80000008") ]).
