:- module(schema_topology, []).
:- use_module('../schema').

/** <module> What descriptions of whole machines say beyond what probes read

hwloc's XML holds conclusions: groups of cores, what is near to what, annotations. Names and units are hwloc's; the
numbers of nodes are the operating system's.
*/

:- fact(machine_info(name: atom, value: text),
        [ doc("An annotation of the machine, such as its board (DMIBoardName) or its firmware (DMIBIOSVersion)."),
          source("hwloc XML") ]).

:- fact(package_info(package: count, name: atom, value: text),
        [ doc("An annotation of a package."), key([package, name]), source("hwloc XML") ]).

:- fact(cpu_group(group: count, kind: count, subkind: count, subtype: text),
        [ doc("Cores that belong together for a reason that is none of package, die, node and cache. Kind is hwloc's number of the reason: 0 said by a user, 102 module, 103 tile, 110 book, 120 compute unit, 121 complex, 222 cluster, 900 distance."),
          key([group]), source("hwloc XML") ]).

:- fact(cpu_group_core(group: count, core: core),
        [ doc("A hardware thread of a group."), source("hwloc XML") ]).

:- fact(cpu_core_type(core: core, type: atom),
        [ doc("What a hybrid processor says a core is: IntelCore, IntelAtom, IntelLowPower."), key([core]),
          source("hwloc XML") ]).

:- fact(cpu_efficiency(core: core, rank: count),
        [ doc("Rank of a core's kind; a lower one needs less energy, a higher one computes faster."), key([core]),
          source("hwloc XML") ]).

:- fact(cpu_kind_info(core: core, name: atom, value: text),
        [ doc("An annotation of the kind that a core is of, such as LinuxCapacity."), key([core, name]),
          source("hwloc XML") ]).

:- fact(numa_local(node: node, core: core),
        [ doc("A hardware thread that a node's memory is near to, although it belongs to another node: memory without processors."),
          source("hwloc XML") ]).

:- fact(numa_kind(node: node, kind: atom),
        [ doc("What the memory of a node is: DRAM, HBM, NVM, SPM, MCDRAM, CXL-DRAM, GPUMemory."), key([node]),
          source("hwloc XML") ]).

:- fact(numa_cache(node: node, level: count, size: or(bytes, oneof([unknown])), ways: or(count, oneof([unknown])),
                   line_size: or(bytes, oneof([unknown]))),
        [ doc("A cache before the memory of a node. Ways is its associativity, 0 if fully associative."),
          key([node, level]), source("hwloc XML") ]).

:- fact(page_size(size: bytes),
        [ doc("The size of ordinary pages of memory."), source("hwloc XML") ]).

:- fact(node_latency(initiator: node, target: node, kind: oneof([access, read, write]), latency: ps),
        [ doc("Time of one access from the cores of a node to memory of another. Access: reads and writes alike."),
          key([initiator, target, kind]), source("hwloc XML") ]).

:- fact(node_bandwidth(initiator: node, target: node, kind: oneof([access, read, write]), bandwidth: mbs),
        [ doc("Bandwidth from the cores of a node to memory of another. Access: reads and writes alike."),
          key([initiator, target, kind]), source("hwloc XML") ]).

:- fact(host_bridge(segment: count, bus_low: count, bus_high: count, cores: list(core)),
        [ doc("A range of PCI buses behind one host bridge, and the cores that it is near to; none: near to all, or not known."),
          key([segment, bus_low]), source("hwloc XML") ]).

:- fact(pci_bandwidth(addr: addr, bandwidth: mbs),
        [ doc("Bandwidth of the link of a PCI function, in one direction, after the link's encoding."), key([addr]),
          source("hwloc XML") ]).

:- fact(device_info(addr: addr, name: atom, value: text),
        [ doc("An annotation of a PCI function, such as its slot (PCISlot)."), key([addr, name]),
          source("hwloc XML") ]).

:- fact(os_device(name: atom, kinds: list(oneof([storage, memory, gpu, coprocessor, network, openfabrics, dma])),
                  subtype: text, addr: or(addr, oneof([none]))),
        [ doc("What the operating system calls a device, and the PCI function behind it. Subtype: Disk, NVM, CUDA, ..."),
          key([name, kinds]), source("hwloc XML") ]).

:- fact(os_device_node(name: atom, node: node),
        [ doc("The node that a device without a PCI function is near to."), key([name]), source("hwloc XML") ]).

:- fact(os_device_info(device: atom, name: atom, value: text),
        [ doc("An annotation of a device of the operating system, such as its size or its address."),
          source("hwloc XML") ]).

:- fact(memory_module(module: count, name: atom, value: text),
        [ doc("What firmware says of a memory module: DeviceLocation, Size, Rank, Type, ..."), key([module, name]),
          source("hwloc XML") ]).
