:- use_module(library(plunit)).
:- use_module(topology).
:- use_module(testing).

:- begin_tests(topology).

%!  child(+Tree, -Child) is nondet.

child(object(_, _, _, Children), Child) :-
    member(Child, Children).

%!  inside(+Tree, -Object) is nondet.
%
%   Object is Tree or below it.

inside(Tree, Tree).
inside(Tree, Object) :-
    child(Tree, Child),
    inside(Child, Object).

%!  outline(+Tree, -Outline) is det.
%
%   Outline is Type(Id, Outlines) throughout: the tree without attributes.

outline(object(Type, Id, _, Children), Outline) :-
    maplist(outline, Children, Outlines),
    Outline =.. [Type, Id|Outlines].

cores_of(Tree, Cores) :-
    findall(Core, inside(Tree, object(core, Core, _, _)), Cores).

test(nothing_known_is_a_machine_all_the_same, true(Tree == object(machine, unknown, [], []))) :-
    given([], topology(Tree)).

test(cores_alone_stand_below_the_machine, true(Outline == machine(unknown, core(0), core(1)))) :-
    given([core(1, 1, 1), core(0, 0, 1)], topology(Tree)),
    outline(Tree, Outline).

test(a_single_core_with_everything, true(Outline == Expected)) :-
    Facts = [ machine(box, x86_64, "Linux"), core(0, 0, 1), cpu_thread(0, 0, 0, 0), cpu_die(0, 0), numa_node(0, 1024),
              numa_core(0, 0), cache(7, 1, data, 32, 8, 64, 0), cache_shared(7, 0),
              cache(8, 1, instruction, 32, 8, 64, 0), cache_shared(8, 0),
              cache(9, 2, unified, 64, 8, 64, 0), cache_shared(9, 0) ],
    Expected = machine(box, package(0, node(0, cache(9, cache(7, cache(8, physical_core(0, core(0)))))))),
    given(Facts, topology(Tree)),
    outline(Tree, Outline).

%   The outline of a group of that machine that has one physical core.
group(Group-InPackage, cache(L3, cache(L2, cache(L1d, cache(L1i, physical_core(InPackage, core(Group), core(Sibling))))))) :-
    maplist([Base, Id]>>( Id is Base + Group ),
            [300_000, 200_000, 100_000, 150_000, 4],
            [L3, L2, L1d, L1i, Sibling]).

test(two_packages_with_groups_and_threads, true(Outline == Expected)) :-
    imagined_machine(shape(2, 2, 1, 2), Facts),
    maplist(group, [0-0, 1-1, 2-0, 3-1], [A, B, C, D]),
    Expected = machine(unknown, package(0, node(0, A, B)), package(1, node(1, C, D))),
    given(Facts, topology(Tree)),
    outline(Tree, Outline).

test(attributes_are_those_of_the_facts, true(Found == Expected)) :-
    Facts = [ machine(box, x86_64, "Linux"), core(3, 6, 0), cpu_thread(3, 1, 2, 1), cpu_vendor(3, 'GenuineIntel'),
              cpu_name(3, "Xeon"), cpu_kind(3, performance), numa_node(1, 4096), numa_core(1, 3), virtual_core(9, 3),
              cache(5, 2, unified, 1024, 8, 64, 1), cache_shared(5, 3) ],
    Expected = [ [arch-x86_64, os-"Linux", memory-4096],
                 [vendor-'GenuineIntel', name-"Xeon"],
                 [memory-4096],
                 [level-2, kind-unified, size-1024, ways-8, line_size-64],
                 [kind-performance],
                 [online-0, thread-1, virtual_cores-[9]] ],
    given(Facts, topology(Tree)),
    findall(Attributes, inside(Tree, object(_, _, Attributes, _)), Found).

test(what_is_unknown_of_a_cache_is_left_out, true(Attributes == [level-2, kind-unified, size-64])) :-
    given([core(0, 0, 1), cache(1, 2, unified, 64, unknown, unknown, unknown), cache_shared(1, 0)],
          topology(object(machine, _, _, [object(cache, 1, Attributes, _)]))).

test(without_nodes_packages_hold_caches, true(Outline == Expected)) :-
    Facts = [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cache(1, 3, unified, 1, 1, 64, 0), cache_shared(1, 0),
              cache_shared(1, 1) ],
    Expected = machine(unknown, package(0, cache(1, physical_core(0, core(0)), physical_core(1, core(1))))),
    given(Facts, topology(Tree)),
    outline(Tree, Outline).

test(a_node_may_hold_packages, true(Outline == Expected)) :-
    Facts = [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 1, 0, 0), cpu_thread(2, 2, 0, 0), numa_core(0, 0), numa_core(0, 1),
              numa_core(1, 2) ],
    Expected = machine(unknown,
                       node(0, package(0, physical_core(0, core(0))), package(1, physical_core(0, core(1)))),
                       package(2, node(1, physical_core(0, core(2))))),
    given(Facts, topology(Tree)),
    outline(Tree, Outline).

test(dies_show_where_a_package_has_several, true(Outline == Expected)) :-
    Facts = [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_die(0, 0), cpu_die(1, 1) ],
    Expected = machine(unknown, package(0, die(0, physical_core(0, core(0))), die(1, physical_core(1, core(1))))),
    given(Facts, topology(Tree)),
    outline(Tree, Outline).

test(children_stand_in_the_order_of_their_cores, true(Cores == [0, 1, 2, 3])) :-
    Facts = [ core(0, 0, 1), core(1, 1, 1), core(2, 2, 1), core(3, 3, 1), numa_core(1, 1), numa_core(1, 2),
              numa_core(0, 3) ],
    given(Facts, topology(Tree)),
    cores_of(Tree, Cores).

test(what_overlaps_becomes_a_leaf_that_lists_its_cores, true(Leaves == [[cores-[1, 2]]])) :-
    Facts = [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 1, 0, 0), cpu_thread(3, 1, 1, 0),
              numa_core(0, 0), numa_core(0, 3), numa_core(1, 1), numa_core(1, 2) ],
    given(Facts, topology(Tree)),
    findall(Attributes, inside(Tree, object(node, 1, Attributes, [])), Leaves),
    cores_of(Tree, [0, 1, 2, 3]).

test(memory_without_cores_is_a_node_of_the_machine, true(Child == object(node, 2, [memory-64], []))) :-
    given([core(0, 0, 1), numa_node(0, 32), numa_core(0, 0), numa_node(2, 64)], topology(Tree)),
    child(Tree, Child),
    Child = object(node, 2, _, _).

pci(Bus, Device, device(addr(0, Bus, Device, 0), 32902, 1, 2, 0, 0, 0)).

test(functions_stand_below_the_bridge_that_leads_to_them, true(Outlines == Expected)) :-
    maplist([Bus-Device, Fact]>>pci(Bus, Device, Fact), [0-0, 0-1, 1-0, 2-0, 128-3], Functions),
    Bridges = [ bridge(addr(0, 0, 1, 0), 0, 1, 2), bridge(addr(0, 1, 0, 0), 1, 2, 2) ],
    Nested = bridge(addr(0, 0, 1, 0), bridge(addr(0, 1, 0, 0), device(addr(0, 2, 0, 0)))),
    Expected = [ pci_bus(bus(0, 0), device(addr(0, 0, 0, 0)), Nested), pci_bus(bus(0, 128), device(addr(0, 128, 3, 0))) ],
    append(Functions, Bridges, Facts),
    given(Facts, topology(object(machine, _, _, Buses))),
    maplist(outline, Buses, Outlines).

test(a_bridge_that_is_not_set_up_leads_nowhere, true(Outlines == [Expected])) :-
    pci(0, 2, Function),
    Facts = [Function, bridge(addr(0, 0, 1, 0), 0, 0, 0), bridge(addr(0, 0, 3, 0), 0, 0, 255)],
    Expected = pci_bus(bus(0, 0), bridge(addr(0, 0, 1, 0)), device(addr(0, 0, 2, 0)), bridge(addr(0, 0, 3, 0))),
    given(Facts, topology(object(machine, _, _, Buses))),
    maplist(outline, Buses, Outlines).

test(a_function_on_a_bus_of_its_own_belongs_to_the_narrowest_bridge, true(Outline == Expected)) :-
    pci(4, 0, Function),
    Facts = [Function, bridge(addr(0, 0, 1, 0), 0, 1, 9), bridge(addr(0, 1, 0, 0), 1, 3, 5)],
    Expected = pci_bus(bus(0, 0), bridge(addr(0, 0, 1, 0), bridge(addr(0, 1, 0, 0), device(addr(0, 4, 0, 0))))),
    given(Facts, topology(object(machine, _, _, [Bus]))),
    outline(Bus, Outline).

test(a_device_tells_its_names_driver_and_node, true(Attributes-Bus == Expected-[node-1])) :-
    pci(0, 2, Function),
    Addr = addr(0, 0, 2, 0),
    Facts = [Function, net_interface(eth0, Addr), block_device(sda, Addr), device_driver(Addr, e1000), device_node(Addr, 1)],
    Expected = [vendor-32902, device-1, class-2, sub_class-0, driver-e1000, name-[eth0, sda], node-1],
    given(Facts, topology(object(machine, _, _, [object(pci_bus, _, Bus, [object(device, _, Attributes, [])])]))).

%   The limit is in inferences, which do not depend on how busy this machine is.
test(topology_of_256_cores_takes_few_steps) :-
    imagined_machine(shape(2, 8, 8, 2), Facts),
    given(Facts, call_with_inference_limit(topology(Tree), 5_000_000, Outcome)),
    assertion(Outcome \== inference_limit_exceeded),
    cores_of(Tree, Cores),
    length(Cores, 256).

:- end_tests(topology).
