:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(locality).
:- use_module(testing).

:- begin_tests(locality).

%   Two packages, two groups of two cores that share a level-3 cache in each, two threads a core; devices below a bridge.

on_imagined(More, Goal) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    append(Facts, More, All),
    given(All, Goal).

nic(addr(0, 3, 0, 0)).
nic_facts([ bridge(addr(0, 0, 1, 0), 0, 3, 4), device(addr(0, 0, 1, 0), 1, 1, 6, 4, 0, 0),
            device(Nic, 1, 2, 2, 0, 0, 0), device(addr(0, 4, 0, 7), 1, 2, 2, 0, 0, 0), device(addr(1, 0, 0, 0), 1, 2, 2, 0, 0, 0) ]) :-
    nic(Nic).

with_nic(More, Goal) :-
    nic_facts(Facts),
    append(Facts, More, All),
    on_imagined(All, Goal).

test(a_device_says_where_it_is, Node == 1) :-
    nic(Nic),
    with_nic([device_node(Nic, 1)], device_home(Nic, Node)).
test(or_its_bridge_does, Node == 1) :-
    nic(Nic),
    with_nic([device_node(addr(0, 0, 1, 0), 1)], device_home(Nic, Node)).
test(or_its_root_bridge, Node == 1) :-
    nic(Nic),
    with_nic([rootbridge(addr(0, 0, 0, 0), 0, 255), rootbridge_proximity(addr(0, 0, 0, 0), 5), node_domain(1, 5)], device_home(Nic, Node)).
test(a_virtual_function_is_where_its_device_is, Node == 1) :-
    nic(Nic),
    with_nic([virtual_function(addr(0, 4, 0, 7), Nic), device_node(Nic, 1)], device_home(addr(0, 4, 0, 7), Node)).
test(nothing_tells, fail) :-
    nic(Nic),
    with_nic([], device_home(Nic, _)).
test(no_such_device, error(existence_error(device, addr(9, 9, 9, 9)))) :-
    with_nic([], device_home(addr(9, 9, 9, 9), _)).

test(near_cores_come_first, Cores == [4, 5, 6, 7, 12, 13, 14, 15, 0, 1, 2, 3, 8, 9, 10, 11]) :-
    nic(Nic),
    with_nic([device_node(Nic, 1)], cores_near_device(Nic, Cores)).
test(all_cores_where_nothing_tells, Cores == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) :-
    nic(Nic),
    with_nic([], cores_near_device(Nic, Cores)).
test(cores_that_are_offline_are_near_nothing, Cores == [1]) :-
    given([core(0, 0, 0), core(1, 1, 1), device(addr(0, 0, 0, 0), 1, 1, 1, 1, 1, 1)], cores_near_device(addr(0, 0, 0, 0), Cores)).

test(the_least_loaded_is_chosen_among_the_near, Core-Load == 5-0) :-
    nic(Nic),
    with_nic([device_node(Nic, 1), dispatcher(a, 0, 4), dispatcher(a, 1, 4), dispatcher(b, 0, 6)], least_loaded_core_near(Nic, Core, Load)).
test(the_near_one_even_if_loaded, Core-Load == 4-1) :-
    nic(Nic),
    findall(dispatcher(a, Core, Core), member(Core, [4, 5, 6, 7, 12, 13, 14, 15]), Busy),
    with_nic([device_node(Nic, 1)|Busy], least_loaded_core_near(Nic, Core, Load)).

test(cores_that_share_a_cache, Cores == [0, 1, 8, 9]) :-
    on_imagined([], cores_sharing_cache(1, 3, Cores)).
test(threads_share_the_first, Cores == [0, 8]) :-
    on_imagined([], cores_sharing_cache(8, 1, Cores)).
test(no_cache_of_that_level, Cores == []) :-
    on_imagined([], cores_sharing_cache(8, 4, Cores)).
test(groups, Groups == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 12, 13], [6, 7, 14, 15]]) :-
    on_imagined([], findall(Group, cache_groups(3, Group), Groups)).
test(those_that_share_none, Cores == [2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15]) :-
    on_imagined([], cores_sharing_no_cache(0, Cores)).
test(no_such_core, error(existence_error(core, 77))) :-
    on_imagined([], cores_sharing_no_cache(77, _)).
test(sharing_and_not_sharing_are_all, forall(member(Core, [0, 5, 15]))) :-
    on_imagined([], ( cores_sharing_no_cache(Core, Others), cores_sharing_cache(Core, 3, Sharing),
                      append(Others, Sharing, All0), msort(All0, All), numlist(0, 15, All) )).

test(why_so_far, Causes == [itself, physical_core, cache, package, machine]) :-
    on_imagined([], findall(Cause, ( member(To, [0, 8, 1, 2, 4]), distance_between(0, To, _, Cause) ), Causes)).
test(measured_is_a_cause, Distance-Cause == 50-measured) :-
    on_imagined([message_rtt(0, 1, 100, 1, 90, 110)], distance_between(0, 1, Distance, Cause)).
test(the_die_is_nearer_than_the_package, Cause == die) :-
    given([core(0, 0, 1), core(1, 1, 1), cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_die(0, 0), cpu_die(1, 0)],
          distance_between(0, 1, _, Cause)).

test(clusters_of_x2apic, All == [0-0b11-[0, 1], 2-0b1000000000000001-[2, 3]]) :-
    given([core(0, 0, 1), core(1, 1, 1), core(2, 0x20, 1), core(3, 0x2f, 1), core(4, 0x30, 0), core(5, unknown, 1)],
          findall(Cluster-Mask-Cores, ipi_groups(Cluster, Mask, Cores), All)).

test(kinds, All == [efficiency-[2], performance-[0, 1]]) :-
    given([cpu_kind(0, performance), cpu_kind(1, performance), cpu_kind(2, efficiency)],
          findall(Kind-Cores, core_kinds(Kind, Cores), All)).
test(set_apart, All == [offline-[3], isolated-[1, 2], no_tick-[2]]) :-
    given([core(1, 1, 1), core(3, 3, 0), isolated_core(2), isolated_core(1), tickless_core(2)],
          findall(Reason-Cores, cores_set_apart(Reason, Cores), All)).

:- end_tests(locality).
