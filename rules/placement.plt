:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(placement).
:- use_module(testing).

:- begin_tests(placement).

%   Two packages, two groups of two cores that share a level-3 cache in each, two threads a core; second threads are 8 to 15.

on_imagined(More, Goal) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    append(Facts, More, All),
    given(All, Goal).

part(Name, Cores, Ids) :-
    placement_parts(Cores, Parts, _),
    memberchk([Name, Ids], Parts).

alike(Name, Cores, Alike) :-
    on_imagined([], ( part(Name, Cores, [A, B]), ( A == B -> Alike = yes ; Alike = no ) )).

test(threads_share_a_physical_core, Alike == yes) :- alike(physical_core, [0, 8], Alike).
test(neighbours_do_not, Alike == no) :- alike(physical_core, [0, 1], Alike).
test(neighbours_share_a_cache, Alike == yes) :- alike(l3, [0, 1], Alike).
test(groups_do_not, Alike == no) :- alike(l3, [1, 2], Alike).
test(groups_share_a_package, Alike == yes) :- alike(package, [1, 2], Alike).
test(packages_are_nodes, Ids == [0, 1]) :- on_imagined([], part(node, [3, 4], Ids)).
test(what_no_fact_tells_of_is_no_part, fail) :- on_imagined([], part(kind, [0, 1], _)).
test(kinds_are_told, Ids == [efficiency, none]) :- on_imagined([cpu_kind(0, efficiency)], part(kind, [0, 1], Ids)).
test(a_kernel_in_excess_is_where_its_host_is, Ids == [1, 1]) :-
    on_imagined([virtual_core(16, 4)], part(node, [4, 16], Ids)).
test(memory_of_nodes, Memory == [[0, 68719476736], [1, 68719476736]]) :-
    on_imagined([], placement_parts([0], _, Memory)).
test(nothing_is_known, Parts-Memory == []-[]) :- given([core(0, 0, 1)], placement_parts([0], Parts, Memory)).

test(cores_by_a_device, Cores == [4, 5, 6, 7, 12, 13, 14, 15]) :-
    Nic = addr(0, 3, 0, 0),
    on_imagined([device(Nic, 1, 2, 2, 0, 0, 0), device_node(Nic, 1)], local_cores(Nic, Cores)).
test(nobody_knows_where_it_is, fail) :-
    Nic = addr(0, 3, 0, 0),
    on_imagined([device(Nic, 1, 2, 2, 0, 0, 0)], local_cores(Nic, _)).
test(no_such_device, error(existence_error(device, _))) :-
    on_imagined([], local_cores(addr(9, 9, 9, 9), _)).

test(hwloc_counts_threads_of_a_core_together, Cores == [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]) :-
    on_imagined([], hwloc_order(Cores)).
test(cores_that_are_offline_do_not_count, Cores == [0, 2]) :-
    given([core(0, 0, 1), core(1, 1, 0), core(2, 2, 1)], hwloc_order(Cores)).

:- end_tests(placement).
