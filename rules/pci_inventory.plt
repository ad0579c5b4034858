:- use_module(library(plunit)).
:- use_module(library(apply)).
:- use_module(library(yall)).
:- use_module(library(lists)).
:- use_module(pci_inventory).
:- use_module(testing).

%   A root bridge with windows, a port with a slot behind it, and in that a device with a register, a ROM and virtual functions.

machine([ rootbridge(addr(0, 0, 0, 0), 0, 255),
          rootbridge_address_window(addr(0, 0, 0, 0), memory, 0x80000000, 0xfebfffff),
          rootbridge_address_window(addr(0, 0, 0, 0), io, 0x1000, 0xffff),
          device(addr(0, 0, 1, 0), 1, 1, 6, 4, 0, 0), bridge(addr(0, 0, 1, 0), 0, 1, 1),
          bridge_window(addr(0, 0, 1, 0), 1, memory, 0x80000000, 0x800fffff, 32, 0),
          bridge_window(addr(0, 0, 1, 0), 2, memory, 0x90000000, 0x900fffff, 64, 1),
          pcie_slot(addr(0, 0, 1, 0), 4, 1, 1),
          device(addr(0, 1, 0, 0), 1, 2, 2, 0, 0, 0),
          bar(addr(0, 1, 0, 0), 0, 0x80000000, 0x10000, memory, 32, 0),
          expansion_rom(addr(0, 1, 0, 0), 0x80080000, 0x40000, 0),
          sriov(addr(0, 1, 0, 0), 7, 2),
          vf_bar(addr(0, 1, 0, 0), 0, 0x90000000, 0x4000, memory, 64, 1) ]).

inventory(More, Windows, Source, Reserved, Bridges, Bars) :-
    machine(Facts),
    append(Facts, More, All),
    given(All, pci_inventory(Windows, Source, Reserved, Bridges, Bars)).

:- begin_tests(pci_inventory).

test(windows_are_firmwares, Windows-Source == [window(0, 0, io, 0x1000, 0xffff), window(0, 0, memory, 0x80000000, 0xfebfffff)]-firmware) :-
    inventory([], Windows, Source, _, _, _).
test(or_what_is_in_use, Windows-Source == [window(0, 0, io, 0x3000, 0x3fff), window(0, 0, memory, 0x80000000, 0x805fffff)]-in_use) :-
    given([ device(addr(0, 0, 2, 0), 1, 1, 1, 0, 0, 0), bar(addr(0, 0, 2, 0), 0, 0x80080000, 0x1000, memory, 32, 0),
            bar(addr(0, 0, 2, 0), 1, 0x80500000, 0x1000, memory, 32, 0), bar(addr(0, 0, 2, 0), 4, 0x3020, 0x20, io, 32, 0) ],
          pci_inventory(Windows, Source, _, _, _)).
test(a_bus_that_nothing_leads_to_is_no_root_bus, Windows == [window(0, 0, memory, 0x80000000, 0x8fffffff)]) :-
    given([ rootbridge(addr(0, 0, 0, 0), 0, 255), rootbridge_address_window(addr(0, 0, 0, 0), memory, 0x80000000, 0x8fffffff),
            device(addr(0, 7, 0, 0), 1, 1, 1, 0, 0, 0), bar(addr(0, 7, 0, 0), 0, 0x90000000, 0x1000, memory, 32, 0) ],
          pci_inventory(Windows, _, _, _, _)).
test(bridges_with_slots, Bridges == [pci_bridge(addr(0, 0, 1, 0), 1, 64, 1)]) :-
    inventory([], _, _, _, Bridges, _).
test(a_closed_window_of_a_conventional_bridge_has_32_bits, Bridges == [pci_bridge(addr(0, 0, 3, 0), 5, 32, 0)]) :-
    given([device(addr(0, 0, 3, 0), 1, 1, 6, 4, 0, 0), bridge(addr(0, 0, 3, 0), 0, 5, 5)], pci_inventory(_, _, _, Bridges, _)).
test(one_that_is_not_set_up_leads_nowhere, Bridges == []) :-
    given([device(addr(0, 0, 3, 0), 1, 1, 6, 4, 0, 0), bridge(addr(0, 0, 3, 0), 0, 0, 0)], pci_inventory(_, _, _, Bridges, _)).
test(registers_roms_and_virtual_functions, Bars ==
     [ pci_bar(addr(0, 1, 0, 0), 0, 0x10000, 0x10000, memory, 32, 0, 0x80000000, 0),
       pci_bar(addr(0, 1, 0, 0), rom, 0x40000, 0x40000, memory, 32, 0, 0x80080000, 0),
       pci_bar(addr(0, 1, 0, 0), vf0, 0x1c000, 0x4000, memory, 64, 1, 0x90000000, 0) ]) :-
    inventory([], _, _, _, _, Bars).
test(virtual_functions_do_not_count_twice, Count == 3) :-
    inventory([virtual_function(addr(0, 1, 0, 1), addr(0, 1, 0, 0)), bar(addr(0, 1, 0, 1), 0, 0x90000000, 0x4000, memory, 64, 1)], _, _, _, _, Bars),
    length(Bars, Count).
test(what_others_have_is_reserved, Reserved == [reserved(ioapic_2, memory, 0x80800000, 0x80800fff), reserved(reserved, memory, 0xa0000000, 0xa0000fff)]) :-
    inventory([ioapic(2, 0x80800000, 0), memory_region(0xa0000000, 0x1000, reserved)], _, _, All, _, _),
    exclude([reserved(Name, _, _, _)]>>(Name == interrupt_messages), All, Reserved).
test(unless_functions_are_there, Reserved == []) :-
    inventory([firmware_memory(0x80000000, 0x40000000, reserved)], _, _, Reserved, _, _).
test(ranges_outside_of_windows_do_not_matter, Reserved == []) :-
    inventory([memory_region(0, 0x1000000, system_ram)], _, _, Reserved, _, _).
test(what_is_hardwired_is_fixed, true(memberchk(pci_bar(_, ea0, 0x1000, 4, memory, 64, 0, 0x81000000, 1), Bars))) :-
    inventory([enhanced_allocation(addr(0, 0, 2, 0), 0, 0, 0x81000000, 0x1000, memory, 1)], _, _, _, _, Bars).
test(hardwired_on_the_root_bus_beside_its_windows_is_nobodys_business, Bars == []) :-
    given([ rootbridge(addr(0, 0, 0, 0), 0, 255), rootbridge_address_window(addr(0, 0, 0, 0), memory, 0x80000000, 0x8fffffff),
            device(addr(0, 0, 2, 0), 1, 1, 1, 0, 0, 0),
            enhanced_allocation(addr(0, 0, 2, 0), 0, 0, 0x10000000, 0x1000, memory, 1) ],
          pci_inventory(_, _, _, _, Bars)).

test(a_sound_machine_has_no_problems, All == []) :-
    machine(Facts),
    given(Facts, findall(Violation, pci_assignment_problems(Violation), All)).
test(a_register_beside_its_window_is_one, All == [outside(bar(addr(0, 1, 0, 0), 0), 0x88000000, 0x8800ffff)]) :-
    machine(Facts),
    selectchk(bar(Addr, 0, _, Size, memory, 32, 0), Facts, bar(Addr, 0, 0x88000000, Size, memory, 32, 0), Changed),
    given(Changed, findall(Violation, pci_assignment_problems(Violation), All)).
test(use_of_today, All == [use(memory, 0x6c000, 0x10100000)]) :-
    machine(Facts),
    given(Facts, findall(use(Space, Wanted, Used), pci_address_use(0, 0, Space, Wanted, Used, _), All)).

:- end_tests(pci_inventory).
