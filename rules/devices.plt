:- use_module(library(plunit)).
:- use_module(devices).
:- use_module(testing).

:- begin_tests(devices).

%   A root port, a switch below it with two ports, and a device below one of them; another on the root bus.

switched([ bridge(addr(0, 0, 1, 0), 0, 1, 4), device(addr(0, 0, 1, 0), 1, 1, 6, 4, 0, 0), pcie_port(addr(0, 0, 1, 0), root_port, 2),
           bridge(addr(0, 1, 0, 0), 1, 2, 4), device(addr(0, 1, 0, 0), 1, 1, 6, 4, 0, 0), pcie_port(addr(0, 1, 0, 0), upstream_port, 2),
           bridge(addr(0, 2, 0, 0), 2, 3, 3), device(addr(0, 2, 0, 0), 1, 1, 6, 4, 0, 0), pcie_port(addr(0, 2, 0, 0), downstream_port, 2),
           bridge(addr(0, 2, 1, 0), 2, 4, 4), device(addr(0, 2, 1, 0), 1, 1, 6, 4, 0, 0), pcie_port(addr(0, 2, 1, 0), downstream_port, 2),
           device(addr(0, 3, 0, 0), 1, 1, 1, 8, 2, 0), pcie_port(addr(0, 3, 0, 0), endpoint, 2),
           device(addr(0, 0, 2, 0), 1, 1, 2, 0, 0, 0), device(addr(1, 3, 0, 0), 1, 1, 2, 0, 0, 0) ]).

with_switch(More, Goal) :-
    switched(Facts),
    append(Facts, More, All),
    given(All, Goal).

test(the_narrowest_bridge_is_above, Bridge == addr(0, 2, 0, 0)) :-
    with_switch([], upstream(addr(0, 3, 0, 0), Bridge)).
test(nothing_is_above_a_root_bus, fail) :-
    with_switch([], upstream(addr(0, 0, 2, 0), _)).
test(segments_are_apart, fail) :-
    with_switch([], upstream(addr(1, 3, 0, 0), _)).
test(behind_the_root_port_is_all_below, Devices == [addr(0, 1, 0, 0), addr(0, 2, 0, 0), addr(0, 2, 1, 0), addr(0, 3, 0, 0)]) :-
    with_switch([], devices_behind(addr(0, 0, 1, 0), Devices)).
test(behind_an_empty_slot_is_nothing, Devices == []) :-
    with_switch([], devices_behind(addr(0, 2, 1, 0), Devices)).
test(a_device_is_no_bridge, error(existence_error(bridge, addr(0, 3, 0, 0)))) :-
    with_switch([], devices_behind(addr(0, 3, 0, 0), _)).

test(groups, All == [1-[addr(0, 0, 2, 0)], 7-[addr(0, 2, 0, 0), addr(0, 3, 0, 0)]]) :-
    with_switch([iommu_group(7, addr(0, 3, 0, 0)), iommu_group(7, addr(0, 2, 0, 0)), iommu_group(1, addr(0, 0, 2, 0))],
                findall(Group-Devices, devices_in_group(Group, Devices), All)).
test(drivers, Devices == [addr(0, 3, 0, 0)]) :-
    with_switch([device_driver(addr(0, 3, 0, 0), nvme), device_driver(addr(0, 0, 2, 0), e1000e)], devices_bound_to(nvme, Devices)).

test(a_link_that_could_do_better_at_both_ends, All == [link(addr(0, 3, 0, 0), addr(0, 2, 0, 0), degraded)]) :-
    links([pcie_link(addr(0, 3, 0, 0), 2500, 4, 8000, 4), pcie_link(addr(0, 2, 0, 0), 2500, 4, 8000, 8)], All).
test(a_link_whose_slot_is_narrow, All == [link(addr(0, 3, 0, 0), addr(0, 2, 0, 0), port)]) :-
    links([pcie_link(addr(0, 3, 0, 0), 8000, 2, 8000, 4), pcie_link(addr(0, 2, 0, 0), 8000, 2, 8000, 2)], All).
test(a_link_at_its_best, All == []) :-
    links([pcie_link(addr(0, 3, 0, 0), 8000, 4, 8000, 4), pcie_link(addr(0, 2, 0, 0), 8000, 4, 16000, 16)], All).
test(a_link_that_is_down, All == []) :-
    links([pcie_link(addr(0, 3, 0, 0), 2500, 0, 8000, 4), pcie_link(addr(0, 2, 0, 0), 2500, 0, 8000, 4)], All).
test(what_is_not_known_is_no_finding, All == []) :-
    links([pcie_link(addr(0, 3, 0, 0), unknown, 4, 8000, 4), pcie_link(addr(0, 2, 0, 0), 2500, 4, 8000, 4)], All).
test(a_port_is_told_at_its_lower_end_only, All == [link(addr(0, 1, 0, 0), addr(0, 0, 1, 0), degraded)]) :-
    links([pcie_link(addr(0, 1, 0, 0), 2500, 4, 8000, 4), pcie_link(addr(0, 0, 1, 0), 2500, 4, 8000, 4)], All).
test(a_device_without_a_port_that_is_known, All == [link(addr(0, 0, 2, 0), none, degraded)]) :-
    links([pcie_link(addr(0, 0, 2, 0), 2500, 4, 8000, 4)], All).

links(Links, All) :-
    with_switch(Links, findall(link(Device, Port, Cause), slow_links(Device, _, _, _, _, Port, Cause), All)).

:- end_tests(devices).
