:- module(schema_os, []).
:- use_module('../schema').

/** <module> The operating system's names for devices */

:- fact(net_interface(name: atom, addr: addr),
        [ doc("A network interface and the PCI function behind it."), key([name]), source("sysfs class/net") ]).

:- fact(block_device(name: atom, addr: addr),
        [ doc("A block device and the PCI function behind it."), key([name]), source("sysfs class/block") ]).

:- fact(nvme_controller(name: atom, addr: addr),
        [ doc("An NVMe controller and its PCI function."), key([name]), source("sysfs class/nvme") ]).

:- fact(infiniband_device(name: atom, addr: addr),
        [ doc("An InfiniBand or RoCE device and its PCI function."), key([name]), source("sysfs class/infiniband") ]).

:- fact(gpu(index: count, addr: addr, name: text),
        [ doc("A graphics processor. Those that NVIDIA's library knows come first, with its numbers and names; of others the name is the driver's."),
          key([index]), source("NVML; sysfs class/drm") ]).

:- fact(gpu_memory(index: count, size: bytes),
        [ doc("The memory of a graphics processor."), key([index]), source("NVML") ]).

:- fact(gpu_link(index: count, link: count, remote: or(addr, oneof([unknown])), peer: or(count, oneof([unknown])), version: count),
        [ doc("An NVLink of a graphics processor that is up: the PCI function at its other end, and which graphics processor that is, if it is one."),
          key([index, link]), source("NVML") ]).

:- fact(os_interrupt(irq: count, name: text, addr: or(addr, oneof([unknown]))),
        [ doc("An interrupt of a device: its number, who listens, and the PCI function that raises it."),
          key([irq]), source("/proc/interrupts; sysfs msi_irqs") ]).

:- fact(os_interrupt_count(irq: count, core: core, count: count),
        [ doc("How often a core has taken an interrupt since the system started; never is left out."),
          key([irq, core]), source("/proc/interrupts") ]).
