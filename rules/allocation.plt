:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(allocation).
:- use_module(testing).

:- begin_tests(allocation).

%   Two nodes of 64 GiB with four physical cores each, two threads a core.

on_machine(More, Goal) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    append(Facts, More, All),
    given(All, Goal).

allocated(Tasks, Allocated) :-
    on_machine([], findall(Name-Cores, core_allocation(Tasks, Name, Cores, _), Allocated)).

test(a_task_alone_has_what_it_can_use, Allocated == [a-[0, 1, 2, 3]]) :-
    allocated([task(a, 4, compute, 0)], Allocated).
test(compute_fills_a_node, Nodes == [[0], [1]]) :-
    on_machine([], findall(N, core_allocation([task(a, 8, compute, 0), task(b, 8, compute, 0)], _, _, N), Nodes)).
test(memory_spreads, Nodes == [[0, 1]]) :-
    on_machine([], findall(N, core_allocation([task(a, 4, memory, 0)], _, _, N), Nodes)).
test(first_threads_come_first, Allocated == [a-[0, 1, 4, 5]]) :-
    allocated([task(a, 4, memory, 0)], Allocated).
test(shares_are_fair, Counts == [2, 7, 7]) :-
    on_machine([], findall(Count, ( core_allocation([task(a, 2, compute, 0), task(b, 99, compute, 0), task(c, 99, compute, 0)], _, Cores, _),
                                    length(Cores, Count) ), Counts)).
test(no_core_is_given_twice, forall(member(Policies, [[compute, memory, compute], [memory, memory, memory], [compute, compute, compute]]))) :-
    findall(task(Name, Most, Policy, 0), ( nth0(Index, Policies, Policy), nth0(Index, [a-5, b-7, c-9], Name-Most) ), Tasks),
    allocated(Tasks, Allocated),
    pairs_values(Allocated, Lists),
    append(Lists, All),
    assertion(is_set(All)),
    assertion(length(All, 16)).
test(performance_cores_first, Allocated == [a-[2, 3]]) :-
    given([ core(0, 0, 1), core(1, 1, 1), core(2, 2, 1), core(3, 3, 1), cpu_kind(0, efficiency), cpu_kind(1, efficiency),
            cpu_kind(2, performance), cpu_kind(3, performance) ],
          findall(Name-Cores, core_allocation([task(a, 2, compute, 0)], Name, Cores, _), Allocated)).
test(cores_that_are_set_apart_are_nobodys, Allocated == [a-[1]]) :-
    given([core(0, 0, 1), core(1, 1, 1), core(2, 2, 0), isolated_core(0)],
          findall(Name-Cores, core_allocation([task(a, 9, compute, 0)], Name, Cores, _), Allocated)).
test(a_working_set_goes_where_it_fits, Nodes == [[0, 1]]) :-
    on_machine([], findall(N, core_allocation([task(a, 4, memory, 100_000_000_000)], _, _, N), Nodes)).
test(one_that_fits_no_node_splits, Nodes == [0, 1]) :-
    on_machine([], core_allocation([task(a, 16, compute, 100_000_000_000)], a, _, Nodes)).
test(one_that_fits_nowhere, error(resource_error(memory))) :-
    on_machine([], core_allocation([task(a, 4, memory, 1_000_000_000_000)], _, _, _)).
test(more_tasks_than_cores, error(resource_error(cores))) :-
    given([core(0, 0, 1)], core_allocation([task(a, 1, compute, 0), task(b, 1, compute, 0)], _, _, _)).
test(nonsense, forall(member(Task, [task(a, 0, compute, 0), task(a, 1, fast, 0), task("a", 1, compute, 0), task(a, 1, compute, -1), x])),
     error(type_error(task, Task))) :-
    on_machine([], core_allocation([Task], _, _, _)).
test(two_of_a_name, error(domain_error(distinct_names, [a, a]))) :-
    on_machine([], core_allocation([task(a, 1, compute, 0), task(a, 1, compute, 0)], _, _, _)).

test(perfect_is_told, Cost-Bound == 0-0) :-
    on_machine([], allocation_cost([task(a, 4, compute, 0), task(b, 4, compute, 0)], Cost, Bound)).
test(what_cannot_be_helped_is_in_the_bound, Cost-Bound == 1-1) :-
    on_machine([], allocation_cost([task(a, 16, compute, 0)], Cost, Bound)).
test(the_bound_holds, forall(member(Tasks, [[task(a, 16, compute, 0), task(b, 16, memory, 0)], [task(a, 3, memory, 0), task(b, 9, compute, 0), task(c, 2, memory, 0)],
                                            [task(a, 5, compute, 0), task(b, 5, compute, 0), task(c, 5, compute, 0)]]))) :-
    on_machine([], allocation_cost(Tasks, Cost, Bound)),
    assertion(Cost >= Bound).

test(changes, All == [a-[2, 3]-[9, 10]]) :-
    on_machine([], findall(Name-Added-Removed, allocation_changes([task(a, 4, compute, 0)], [a-[0, 1, 9, 10]], Name, Added, Removed), All)).
test(no_change, fail) :-
    on_machine([], allocation_changes([task(a, 4, compute, 0)], [a-[0, 1, 2, 3]], _, _, _)).

test(gangs_run_at_once, Slots == [0-[a-16], 1-[b-10, d-6], 2-[c-9]]) :-
    on_machine([], findall(Slot-Counts,
                           ( gang_schedule([task(a, 99, compute, 0), task(b, 10, compute, 0), task(c, 9, compute, 0), task(d, 6, compute, 0)], Slot, Running, _),
                             findall(Name-Count, ( member(Name-Cores, Running), length(Cores, Count) ), Counts) ),
                           Slots)).
test(idle_cores_are_told, Idles == [0, 0, 7]) :-
    on_machine([], findall(Idle, gang_schedule([task(a, 99, compute, 0), task(b, 10, compute, 0), task(c, 9, compute, 0), task(d, 6, compute, 0)], _, _, Idle), Idles)).
test(every_gang_has_one_slot, forall(member(Sizes, [[8, 8, 8], [1, 2, 3, 4, 5, 6, 7], [16, 1, 16]]))) :-
    findall(task(Name, Size, memory, 0), ( nth0(Index, Sizes, Size), atom_number(Number, Index), atom_concat(t, Number, Name) ), Tasks),
    on_machine([], findall(Name, ( gang_schedule(Tasks, _, Running, _), member(Name-_, Running) ), Names)),
    msort(Names, Sorted),
    findall(Name, member(task(Name, _, _, _), Tasks), Expected0),
    msort(Expected0, Expected),
    assertion(Sorted == Expected).

:- end_tests(allocation).
