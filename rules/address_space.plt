:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(address_space).
:- use_module(testing).

:- begin_tests(address_space).

nic(addr(0, 1, 0, 0)).

machine([ core(0, 0, 1), core(1, 1, 1), addrspace(0, 40, 48), addrspace(1, 40, 48), local_apic_address(0xfee00000),
          node_memory(0, 0, 0x8000_0000), node_memory(0, 0x1_0000_0000, 0x8000_0000), node_memory(1, 0x1_8000_0000, 0x8000_0000),
          ioapic(2, 0xfec00000, 0), hpet(0, memory, 0xfed00000, 3, 1, 1, 0, 1, none), pcie_confspace(0, 0, 255, 0xe000_0000),
          rootbridge(addr(0, 0, 0, 0), 0, 255), rootbridge_address_window(addr(0, 0, 0, 0), memory, 0xc000_0000, 0xdfff_ffff),
          rootbridge_address_window(addr(0, 0, 0, 0), io, 0x1000, 0xffff),
          bridge(addr(0, 0, 1, 0), 0, 1, 1), device(addr(0, 0, 1, 0), 1, 1, 6, 4, 0, 0),
          bridge_window(addr(0, 0, 1, 0), 1, memory, 0xc000_0000, 0xc00f_ffff, 32, 0),
          bridge_window(addr(0, 0, 1, 0), 0, io, 0x2000, 0x2fff, 32, 0),
          device(Nic, 1, 1, 2, 0, 0, 0), bar(Nic, 0, 0xc000_4000, 0x4000, memory, 32, 0), bar(Nic, 2, 0x2020, 0x20, io, 32, 0),
          device(addr(0, 0, 2, 0), 1, 1, 3, 0, 0, 0), bar(addr(0, 0, 2, 0), 0, 0xd000_0000, 0x1000_0000, memory, 64, 1) ]) :-
    nic(Nic).

on_machine(More, Goal) :-
    machine(Facts),
    append(Facts, More, All),
    given(All, Goal).

test(memory_of_the_first_node, Target-Offset == ram(0)-0x1000) :-
    on_machine([], core_resolves(0, 0x1000, Target, Offset)).
test(memory_above_the_hole_goes_on, Target-Offset == ram(0)-0x8000_0000) :-
    on_machine([], core_resolves(0, 0x1_0000_0000, Target, Offset)).
test(memory_of_the_second_node, Target-Offset == ram(1)-1) :-
    on_machine([], core_resolves(1, 0x1_8000_0001, Target, Offset)).
test(a_bar_behind_a_bridge, Target-Offset == bar(Nic, 0)-0x10) :-
    nic(Nic),
    on_machine([], core_resolves(0, 0xc000_4010, Target, Offset)).
test(in_the_window_and_no_bar, fail) :-
    on_machine([], core_resolves(0, 0xc000_0000, _, _)).
test(a_bar_on_the_root_bus, Target == bar(addr(0, 0, 2, 0), 0)) :-
    on_machine([], core_resolves(0, 0xd000_0000, Target, 0)).
test(a_bar_outside_of_its_bridge_is_not_reached, fail) :-
    on_machine([device(addr(0, 1, 1, 0), 1, 1, 1, 1, 1, 1), bar(addr(0, 1, 1, 0), 0, 0xc020_0000, 0x1000, memory, 32, 0)],
               core_resolves(0, 0xc020_0000, _, _)).
test(configuration_space, Target-Offset == config(0)-0x10_8000) :-
    on_machine([], core_resolves(0, 0xe010_8000, Target, Offset)).
test(each_core_has_its_own_apic, Targets == [local_apic(0), local_apic(1)]) :-
    on_machine([], findall(Target, ( member(Core, [0, 1]), core_resolves(Core, 0xfee0_0030, Target, 0x30) ), Targets)).
test(registers, Targets == [ioapic(2), hpet(0)]) :-
    on_machine([], findall(Target, ( member(Address, [0xfec00010, 0xfed000f0]), core_resolves(0, Address, Target, _) ), Targets)).
test(beyond_what_a_core_can_say, fail) :-
    on_machine([node_memory(2, 0x200_0000_0000, 0x1000)], core_resolves(0, 0x200_0000_0000, _, _)).
test(a_port, Target-Offset == bar(Nic, 2)-3) :-
    nic(Nic),
    on_machine([], port_resolves(0x2023, Target, Offset)).

test(a_device_reads_memory, Target-Offset == ram(1)-0) :-
    nic(Nic),
    on_machine([], device_resolves(Nic, 0x1_8000_0000, Target, Offset)).
test(a_device_writes_an_interrupt, Target-Offset == interrupts-0x1000) :-
    nic(Nic),
    on_machine([], device_resolves(Nic, 0xfee0_1000, Target, Offset)).
test(a_device_reaches_a_peer, Target-Offset == bar(addr(0, 0, 2, 0), 0)-0x100) :-
    nic(Nic),
    on_machine([], device_resolves(Nic, 0xd000_0100, Target, Offset)).
test(behind_an_iommu_only_its_tables_tell, Target-Offset == iommu(7)-0x1000) :-
    nic(Nic),
    on_machine([dmar_unit(0, 0, 0xfed9_0000, 0x1000, 1), iommu_group(7, Nic)], device_resolves(Nic, 0x1000, Target, Offset)).
test(without_translation_groups_mean_nothing, Target == ram(0)) :-
    nic(Nic),
    on_machine([iommu_group(7, Nic)], device_resolves(Nic, 0x1000, Target, _)).

test(a_core_sees, Targets == [ram(0), bar(Nic, 0), bar(addr(0, 0, 2, 0), 0), config(0), ioapic(2), hpet(0), local_apic(0), ram(0), ram(1)]) :-
    nic(Nic),
    on_machine([], findall(Target, core_sees(0, _, _, Target, _), Targets)).
test(ranges_are_in_order_and_apart) :-
    on_machine([], findall(Low-High, core_sees(0, Low, High, _, _), Ranges)),
    assertion(in_order(Ranges)).
test(a_device_sees_no_apic, fail) :-
    nic(Nic),
    on_machine([], ( device_sees(Nic, _, _, Target, _), Target = local_apic(_) )).

test(memory_that_all_see, Target-Offset-Length-Bases == ram(0)-0x8000_0000-0x8000_0000-[0x1_0000_0000, 0x1_0000_0000, 0x1_0000_0000]) :-
    nic(Nic),
    on_machine([], once(( shared_memory([0, 1], [Nic], 4096, Target, Offset, Length, Bases), Offset > 0 ))).
test(no_such_core, error(existence_error(node, core(9)))) :-
    on_machine([], core_resolves(9, 0, _, _)).

test(without_windows_of_firmware_bars_tell, Target == bar(addr(0, 0, 2, 0), 0)) :-
    given([ core(0, 0, 1), device(addr(0, 0, 2, 0), 1, 1, 3, 0, 0, 0), bar(addr(0, 0, 2, 0), 0, 0xd000_0000, 0x1000, memory, 64, 1) ],
          core_resolves(0, 0xd000_0000, Target, 0)).
test(affinity_of_firmware, Target-Offset == ram(3)-5) :-
    given([core(0, 0, 1), memory_affinity(0x1000, 0x1000, 1, []), node_domain(3, 1)], core_resolves(0, 0x1005, Target, Offset)).
test(memory_of_no_node_is_of_the_first, Target-Offset == ram(0)-5) :-
    given([core(0, 0, 1), memory_region(0x1000, 0x1000, system_ram)], core_resolves(0, 0x1005, Target, Offset)).
test(virtual_functions, Target-Offset == vf_bar(addr(0, 0, 2, 0), 0)-0x1800) :-
    given([ core(0, 0, 1), device(addr(0, 0, 2, 0), 1, 1, 2, 0, 0, 0), vf_bar(addr(0, 0, 2, 0), 0, 0xd000_0000, 0x1000, memory, 64, 1),
            sriov(addr(0, 0, 2, 0), 8, 2) ], core_resolves(0, 0xd000_1800, Target, Offset)).

in_order([_]).
in_order([_-High, Low-Next|Ranges]) :-
    High < Low,
    in_order([Low-Next|Ranges]).

:- end_tests(address_space).
