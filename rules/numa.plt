:- use_module(library(plunit)).
:- use_module(numa).
:- use_module(testing).

:- begin_tests(numa).

%   Two nodes with two cores each, a third with memory only.

three_nodes([ core(0, 0, 1), core(1, 1, 1), core(2, 2, 1), core(3, 3, 1),
              numa_core(0, 0), numa_core(0, 1), numa_core(1, 2), numa_core(1, 3),
              numa_node(0, 1_000), numa_node(1, 2_000), numa_node(2, 8_000),
              node_distance(0, 0, 10), node_distance(0, 1, 21), node_distance(0, 2, 17),
              node_distance(1, 0, 21), node_distance(1, 1, 10), node_distance(1, 2, 28),
              node_distance(2, 0, 17), node_distance(2, 1, 28), node_distance(2, 2, 10) ]).

on_three_nodes(More, Goal) :-
    three_nodes(Facts),
    append(Facts, More, All),
    given(All, Goal).

test(cores_belong_where_the_system_says, Cores == [2, 3]) :-
    on_three_nodes([cpu_affinity(0, 1)], findall(Core, core_node(Core, 1), Cores)).
test(or_where_firmware_says, Node == 7) :-
    given([core(0, 5, 1), cpu_affinity(5, 3), node_domain(7, 3)], core_node(0, Node)).

test(nearest_memory_comes_first, All == [0-10, 2-17, 1-21]) :-
    on_three_nodes([], findall(Node-Cost, nearest_memory(1, Node, Cost, distance), All)).
test(what_was_measured_counts_more, All == [2-80, 0-90, 1-130]) :-
    on_three_nodes([memory_access(0, 0, 90, 5), memory_access(0, 1, 130, 4), memory_access(0, 2, 80, unknown)],
                   findall(Node-Cost, nearest_memory(0, Node, Cost, measured), All)).
test(a_measurement_that_is_not_whole_is_not_mixed_in, Source == distance) :-
    on_three_nodes([memory_access(0, 0, 90, 5), memory_access(0, 1, 130, 4)], once(nearest_memory(0, _, _, Source))).
test(firmware_tells_by_domain, All == [0-100, 1-200]) :-
    given([ core(0, 0, 1), numa_core(0, 0), numa_node(0, 5), numa_node(1, 5), node_domain(0, 4), node_domain(1, 6),
            memory_latency(4, 4, access, 100), memory_latency(4, 6, read, 200) ],
          findall(Node-Cost, nearest_memory(0, Node, Cost, firmware), All)).
test(memory_without_memory_is_none, Nodes == [0]) :-
    given([core(0, 0, 1), numa_core(0, 0), numa_node(0, 5), numa_node(1, 0)], findall(Node, nearest_memory(0, Node, _, _), Nodes)).
test(distances_that_make_no_sense_are_twenty, Distance == 20) :-
    given([node_distance(0, 1, 3)], relative_distance(0, 1, Distance)).

test(bandwidth_most_first, All == [2-400, 0-300]) :-
    given([ core(0, 0, 1), numa_core(0, 0), numa_node(0, 5), numa_node(2, 5),
            memory_bandwidth(0, 0, access, 300), memory_bandwidth(0, 2, read, 400) ],
          findall(Node-Bandwidth, best_bandwidth_node(0, Node, Bandwidth, firmware), All)).
test(no_bandwidth_no_answer, fail) :-
    on_three_nodes([], best_bandwidth_node(0, _, _, _)).

test(a_summary_has_all_nodes, All == [0-[0, 1]-1_000, 1-[2, 3]-2_000, 2-[]-8_000]) :-
    on_three_nodes([], findall(Node-Cores-Memory, numa_summary(Node, Cores, Memory, _), All)).

test(a_buffer_is_near_to_all_who_use_it, Node == 0) :-
    on_three_nodes([], buffer_node([0, 1, 2], 0, Node, _)).
test(a_buffer_goes_where_there_is_room, Node == 2) :-
    on_three_nodes([], buffer_node([0, 1], 5_000, Node, _)).
test(a_buffer_too_large_for_any_node_has_none, fail) :-
    on_three_nodes([], buffer_node([0], 9_000, _, _)).
test(buffer_nodes_are_the_best_of_all, forall(member(Cores, [[0], [2], [0, 2], [0, 1, 2, 3], [1, 3]]))) :-
    on_three_nodes([], ( buffer_node(Cores, 0, Node, _),
                         findall(Sum-Each, ( member(Each, [0, 1, 2]), sum_of_distances(Cores, Each, Sum) ), Sums),
                         keysort(Sums, [Least-_|_]),
                         sum_of_distances(Cores, Node, Least) )).

sum_of_distances(Cores, Node, Sum) :-
    findall(Distance, ( member(Core, Cores), core_node(Core, Home), relative_distance(Home, Node, Distance) ), Distances),
    sum_list(Distances, Sum).

test(streams_are_spread_by_bandwidth, Weights-Source == [0-3, 1-1]-firmware) :-
    given([ core(0, 0, 1), numa_core(0, 0), numa_node(0, 500), numa_node(1, 500),
            memory_bandwidth(0, 0, access, 90_000), memory_bandwidth(0, 1, access, 30_000) ],
          interleave_nodes([0], 100, Weights, Source)).
test(without_bandwidths_over_the_nodes_of_the_cores, Weights == [0-1, 1-1]) :-
    on_three_nodes([], interleave_nodes([0, 1, 2], 100, Weights, distance)).
test(parts_have_room, fail) :-
    on_three_nodes([], interleave_nodes([0, 2], 3_000, _, _)).

test(a_channel_within_a_node_stays_there, Node == 1) :-
    on_three_nodes([], channel_node(2, 3, Node, _)).
test(a_channel_between_nodes_is_at_the_receiver, Node == 1) :-
    on_three_nodes([], channel_node(0, 2, Node, _)).
test(unless_another_is_nearer_to_both, Node == 2) :-
    given([ core(0, 0, 1), core(1, 1, 1), numa_core(0, 0), numa_core(1, 1), numa_node(0, 5), numa_node(1, 5), numa_node(2, 5),
            memory_access(0, 0, 100, 1), memory_access(0, 1, 200, 1), memory_access(0, 2, 110, 1),
            memory_access(1, 0, 200, 1), memory_access(1, 1, 100, 1), memory_access(1, 2, 110, 1) ],
          channel_node(0, 1, Node, measured)).

:- end_tests(numa).
