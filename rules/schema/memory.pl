:- module(schema_memory, []).
:- use_module('../schema').

/** <module> Memory and NUMA nodes */

:- fact(memory_region(base: address, size: bytes, type: atom),
        [ doc("A range of physical addresses and what it holds, as /proc/iomem names it (system_ram, reserved, ...)."),
          key([base, size]), source("/proc/iomem; /sys/firmware/memmap") ]).

:- fact(firmware_memory(base: address, size: bytes, type: atom),
        [ doc("A range of physical addresses as firmware told it to the kernel (system_ram, acpi_tables, reserved, ...)."),
          key([base, size]), source("/sys/firmware/memmap") ]).

:- fact(numa_node(node: node, size: bytes),
        [ doc("A NUMA node and the memory it has."), key([node]), source("sysfs node meminfo") ]).

:- fact(numa_core(node: node, core: core),
        [ doc("A hardware thread that belongs to a NUMA node."), source("sysfs node cpulist") ]).

:- fact(hugepages(node: node, page_size: bytes, count: count),
        [ doc("Huge pages of one size reserved on a NUMA node."),
          key([node, page_size]), source("sysfs node hugepages") ]).

:- fact(node_memory(node: node, base: address, size: bytes),
        [ doc("A range of physical addresses whose memory is on a NUMA node."), key([base]), source("sysfs node memory blocks") ]).
