:- module(schema_acpi_platform, []).
:- use_module('../schema').

/** <module> Processors, timers and fixed hardware, as ACPI tables describe them

Processors of PPTT are named by the offset of their structure in the table, and so are its caches: structures refer
to each other by it.
*/

:- fact(processor_node(node: count, parent: or(count, oneof([none, unknown])),
                       processor_uid: or(count, oneof([none])), package: flag,
                       thread: or(flag, oneof([unknown])), leaf: or(flag, oneof([unknown])),
                       identical: or(flag, oneof([unknown]))),
        [ doc("A processor, or a group of them: package says that it is a physical one, leaf that nothing is below it, identical that all below are of one kind. Revision 1 knows neither thread nor leaf nor identical."),
          key([node]), source("PPTT") ]).

:- fact(processor_cache(cache: count, type: oneof([data, instruction, unified, unknown]),
                        size: or(bytes, oneof([unknown])), sets: or(count, oneof([unknown])),
                        ways: or(count, oneof([unknown])), line_size: or(bytes, oneof([unknown])),
                        next: or(count, oneof([none, unknown]))),
        [ doc("A cache, and the cache of the next level behind it. What the firmware does not state is unknown: the processor's registers tell it."),
          key([cache]), source("PPTT") ]).

:- fact(processor_cache_policy(cache: count, write: oneof([write_back, write_through, unknown]),
                               allocation: oneof([read, write, read_write, unknown])),
        [ doc("What a cache does with writes, and which accesses allocate a line."), key([cache]),
          source("PPTT") ]).

:- fact(processor_cache_id(cache: count, id: count),
        [ doc("The number of a cache that other tables speak of it by."), key([cache]),
          source("PPTT from revision 3") ]).

:- fact(processor_node_cache(node: count, cache: count),
        [ doc("A cache that is private to a processor or group of processors."), source("PPTT") ]).

:- fact(processor_node_id(node: count, id: count),
        [ doc("The identity that a processor or group of processors has."), source("PPTT to revision 2") ]).

:- fact(processor_id(id: count, vendor: text, level_1: count, level_2: count, major: count, minor: count,
                     spin: count),
        [ doc("Vendor (its ACPI id), product and revision of a processor, as firmware numbers them."),
          key([id]), source("PPTT to revision 2") ]).

:- fact(fadt_version(major: count, minor: or(count, oneof([unknown]))),
        [ doc("The version of the ACPI specification that the fixed description table follows, from 5.1 on; before, the table's revision."),
          source("FADT") ]).

:- fact(pm_profile(profile: oneof([unspecified, desktop, mobile, workstation, enterprise_server, soho_server,
                                   appliance_pc, performance_server, tablet, unknown])),
        [ doc("What kind of machine the firmware takes this for."), source("FADT") ]).

:- fact(fadt_flag(name: oneof([wbinvd, wbinvd_flush, proc_c1, p_lvl2_up, pwr_button, slp_button, fix_rtc, rtc_s4,
                               tmr_val_ext, dck_cap, reset_reg_sup, sealed_case, headless, cpu_sw_slp, pci_exp_wak,
                               use_platform_clock, s4_rtc_sts_valid, remote_power_on_capable,
                               force_apic_cluster_model, force_apic_physical_destination_mode, hw_reduced_acpi,
                               low_power_s0_idle_capable])),
        [ doc("A fixed feature flag that is set, by the specification's name."), source("FADT") ]).

:- fact(persistent_cpu_caches(state: oneof([not_persistent, persistent])),
        [ doc("Whether what is in processor caches survives a power failure, where the firmware says."),
          source("FADT") ]).

:- fact(boot_architecture(name: oneof([legacy_devices, i8042, vga_not_present, msi_not_supported,
                                       pcie_aspm_controls, cmos_rtc_not_present, psci_compliant, psci_use_hvc])),
        [ doc("A boot architecture flag of x86 or Arm that is set. pcie_aspm_controls: leave ASPM alone."),
          source("FADT") ]).

:- fact(sci_interrupt(gsi: count),
        [ doc("The system control interrupt; on a machine with 8259 controllers their input."), source("FADT") ]).

:- fact(processor_idle_latency(state: oneof([c2, c3]), latency: ps),
        [ doc("The worst time to enter and leave an idle state that fixed hardware supports."), key([state]),
          source("FADT") ]).

:- fact(acpi_register(name: oneof([pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0,
                                   gpe1, reset, sleep_control, sleep_status]),
                      space: oneof([memory, io, pci_config, embedded_controller, smbus, cmos, pci_bar, ipmi, gpio,
                                    generic_serial_bus, platform_communications_channel,
                                    platform_runtime_mechanism, functional_fixed_hardware, unknown]),
                      address: address, bits: count),
        [ doc("A fixed hardware register and its width in bits."), key([name]), source("FADT") ]).

:- fact(reset_value(value: count),
        [ doc("What to write to the reset register."), source("FADT") ]).

:- fact(pm_timer_width(bits: count),
        [ doc("Bits that the power management timer counts in, at 3.579545 MHz."), source("FADT") ]).

:- fact(hpet(number: count,
             space: oneof([memory, io, pci_config, embedded_controller, smbus, cmos, pci_bar, ipmi, gpio,
                           generic_serial_bus, platform_communications_channel, platform_runtime_mechanism,
                           functional_fixed_hardware, unknown]),
             base: address, comparators: count, wide: flag, legacy_routing: flag, vendor: count, min_tick: count,
             protection: oneof([none, page_4k, page_64k, unknown])),
        [ doc("A block of high-precision timers. Wide: it counts in 64 bits. Min_tick: the shortest period in periodic mode that loses no interrupt, in its ticks."),
          key([number, space, base]), source("HPET") ]).

:- fact(serial_console(interface: oneof([uart_16550, uart_16450, max311xe_spi, arm_pl011, msm8x60, nvidia_16550, ti_omap,
                                         apm88xxxx, msm8974, sam5250, intel_usif, imx6, arm_sbsa_32, arm_sbsa, arm_dcc,
                                         bcm2835, sdm845_1_8432mhz, uart_16550_gas, sdm845_7_372mhz, intel_lpss,
                                         riscv_sbi, unknown]),
                       space: oneof([memory, io, pci_config, embedded_controller, smbus, cmos, pci_bar, ipmi, gpio,
                                     generic_serial_bus, platform_communications_channel,
                                     platform_runtime_mechanism, functional_fixed_hardware, unknown]),
                       address: address, baud_rate: or(count, oneof([unknown])),
                       terminal: oneof([vt100, vt100_extended, vt_utf8, ansi, unknown])),
        [ doc("The serial port that the firmware's console is on. An unknown rate is to be left as it is."),
          source("SPCR") ]).

:- fact(serial_console_interrupt(controller: oneof([pic, io_apic, io_sapic, gic, plic]), interrupt: count),
        [ doc("The interrupt of the console's port: an input of the 8259 controllers, else a global system interrupt."),
          source("SPCR") ]).

:- fact(serial_console_device(addr: addr),
        [ doc("The PCI function that the console's port is."), source("SPCR") ]).

:- fact(serial_console_name(name: text),
        [ doc("The ACPI name of the console's port."), source("SPCR from revision 4") ]).

:- fact(generic_timer_counter(block: oneof([counter, counter_read]), base: address),
        [ doc("A memory-mapped counter of the Arm generic timer."), key([block]), source("GTDT") ]).

:- fact(generic_timer(kind: oneof([secure_el1, el1, virtual, el2, el2_virtual]), gsi: count,
                      polarity: oneof([high, low]), trigger: oneof([edge, level]), always_on: flag),
        [ doc("A timer that every Arm processor has, and its interrupt."), key([kind]), source("GTDT") ]).

:- fact(generic_timer_frame(block: address, frame: count, base: address, el0_base: or(address, oneof([unknown])),
                            gsi: count, polarity: oneof([high, low]), trigger: oneof([edge, level]), secure: flag,
                            always_on: flag),
        [ doc("A frame of a memory-mapped timer block."), key([block, frame]), source("GTDT") ]).

:- fact(generic_watchdog(refresh: address, control: address, gsi: count, polarity: oneof([high, low]),
                         trigger: oneof([edge, level]), secure: flag),
        [ doc("An Arm generic watchdog."), key([refresh, control]), source("GTDT") ]).
