:- use_module(library(plunit)).
:- use_module(costs).
:- use_module(testing).

:- begin_tests(costs).

rtt(From, To, RoundTrip, message_rtt(From, To, RoundTrip, 0, RoundTrip, RoundTrip)).

two_cores([core(0, 0, 1), core(1, 1, 1)]).

test(half_the_round_trip_is_the_distance, true(Distance-Source == [[0, 50], [60, 0]]-measured)) :-
    rtt(0, 1, 100, Forth),
    rtt(1, 0, 120, Back),
    given([Forth, Back], core_distance([0, 1], Distance, Source)).

test(rows_stand_in_the_order_of_the_cores_asked_for, true(Distance == [[0, 2, 3], [2, 0, 1], [3, 1, 0]])) :-
    rtt(5, 7, 2, A),
    rtt(5, 9, 4, B),
    rtt(7, 9, 6, C),
    given([A, B, C], core_distance([9, 5, 7], Distance, measured)).

test(a_round_trip_counts_for_both_directions, true(Distance == [[0, 50], [50, 0]])) :-
    rtt(1, 0, 100, Back),
    given([Back], core_distance([0, 1], Distance, measured)).

test(send_and_receive_stand_in_for_a_round_trip, true(Distance == [[0, 30], [9, 0]])) :-
    given([message_cost(0, 1, 10, 20), message_cost(1, 0, 4, 5)], core_distance([0, 1], Distance, measured)).

test(a_round_trip_is_preferred_to_send_and_receive, true(Distance == [[0, 50], [50, 0]])) :-
    rtt(0, 1, 100, Forth),
    given([message_cost(0, 1, 10, 20), Forth], core_distance([0, 1], Distance, measured)).

test(a_core_asked_for_twice_is_no_distance_from_itself, true(Distance == [[0, 0], [0, 0]])) :-
    two_cores(Facts),
    given(Facts, core_distance([1, 1], Distance, _)).

test(one_missing_pair_gives_the_topology_of_all, true(Distance-Source == Expected-topology)) :-
    rtt(0, 1, 100, Forth),
    two_cores(Facts),
    Expected = [[0, 80_000, 80_000], [80_000, 0, 80_000], [80_000, 80_000, 0]],
    given([core(2, 2, 1), Forth|Facts], core_distance([0, 1, 2], Distance, Source)).

test(no_core_is_no_matrix, true(Distance-Send == []-[])) :-
    given([], ( core_distance([], Distance, _), tree_costs([], Send, [], _) )).

%   Machine of 2 packages x 2 groups x 2 cores x 2 threads: threads of core 0 are 0 and 8.
test(the_scale_rises_from_threads_to_packages,
     true(Row == [0, 10_000, 40_000, 80_000, 168_000])) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    given(Facts, core_distance([0, 8, 1, 2, 4], [Row|_], topology)).

test(a_shared_level_2_cache_is_nearer_than_a_shared_level_3, true(Row == [0, 20_000, 40_000])) :-
    Facts = [ core(0, 0, 1), core(1, 1, 1), core(2, 2, 1),
              cache(1, 2, unified, 1, 1, 64, 0), cache(2, 3, unified, 1, 1, 64, 0),
              cache_shared(1, 0), cache_shared(1, 1),
              cache_shared(2, 0), cache_shared(2, 1), cache_shared(2, 2) ],
    given(Facts, core_distance([0, 1, 2], [Row|_], topology)).

test(a_shared_die_is_nearer_than_a_shared_package, true(Row == [0, 70_000, 80_000])) :-
    Facts = [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 0, 2, 0),
              cpu_die(0, 0), cpu_die(1, 0), cpu_die(2, 1) ],
    given(Facts, core_distance([0, 1, 2], [Row|_], topology)).

test(nodes_are_as_far_as_they_say, true(Row == [0, 96_000, 248_000])) :-
    Facts = [ core(0, 0, 1), core(1, 1, 1), core(2, 2, 1),
              numa_core(0, 0), numa_core(1, 1), numa_core(2, 2),
              node_distance(0, 1, 12), node_distance(0, 2, 31) ],
    given(Facts, core_distance([0, 1, 2], [Row|_], topology)).

test(nodes_that_claim_no_distance_are_far_all_the_same, true(Row == [0, 160_000])) :-
    Facts = [ core(0, 0, 1), core(1, 1, 1), numa_core(0, 0), numa_core(1, 1), node_distance(0, 1, 10) ],
    given(Facts, core_distance([0, 1], [Row|_], topology)).

test(packages_are_far_without_nodes, true(Row == [0, 160_000])) :-
    given([cpu_thread(0, 0, 0, 0), cpu_thread(1, 1, 0, 0)], core_distance([0, 1], [Row|_], topology)).

test(nodes_are_looked_up_by_the_domains_they_are, true(Row == [0, 96_000])) :-
    Facts = [ core(0, 0, 1), core(1, 1, 1), numa_core(0, 0), numa_core(1, 1), node_domain(0, 0), node_domain(1, 4),
              node_distance(0, 4, 12), node_distance(0, 1, 31) ],
    given(Facts, core_distance([0, 1], [Row|_], topology)).

test(firmware_affinity_serves_where_the_system_names_no_node, true(Row == [0, 168_000])) :-
    Facts = [ core(0, 4, 1), core(1, 6, 1), cpu_affinity(4, 0), cpu_affinity(6, 1), node_distance(0, 1, 21) ],
    given(Facts, core_distance([0, 1], [Row|_], topology)).

test(a_virtual_core_stands_where_its_host_does, true(Distance == [[0, 80_000, 80_000], [80_000, 0, 0], [80_000, 0, 0]])) :-
    two_cores(Facts),
    given([virtual_core(2, 1)|Facts], core_distance([0, 1, 2], Distance, topology)).

test(a_virtual_core_that_was_measured_counts_as_measured, true(Distance == [[0, 7], [7, 0]])) :-
    rtt(1, 2, 14, Forth),
    two_cores(Facts),
    given([virtual_core(2, 1), Forth|Facts], core_distance([1, 2], Distance, measured)).

test(a_core_nobody_knows_is_named, error(existence_error(core, 7))) :-
    two_cores(Facts),
    given(Facts, core_distance([0, 7], _, _)).

test(cores_are_numbers, error(type_error(_, zero))) :-
    given([], core_distance([zero], _, _)).

test(measured_costs_are_given_as_they_are, true(Send-Receive == [[0, 10], [4, 0]]-[[0, 20], [5, 0]])) :-
    given([message_cost(0, 1, 10, 20), message_cost(1, 0, 4, 5)], tree_costs([0, 1], Send, Receive, measured)).

test(a_round_trip_is_split, true(Send-Receive == [[0, 111], [10, 0]]-[[0, 394], [20, 0]])) :-
    rtt(0, 1, 1011, Forth),
    given([message_cost(1, 0, 10, 20), Forth], tree_costs([0, 1], Send, Receive, measured)).

test(split_costs_add_up_to_the_distance) :-
    imagined_machine(shape(2, 2, 2, 2), Facts),
    numlist(0, 15, Cores),
    given(Facts, ( core_distance(Cores, Distance, topology),
                   tree_costs(Cores, Send, Receive, topology) )),
    maplist(maplist([D, S, R]>>( D =:= S + R, S =:= D * 22 // 100 )), Distance, Send, Receive).

%   The limit is in inferences, which do not depend on how busy this machine is.
test(topology_of_256_cores_takes_few_steps) :-
    imagined_machine(shape(2, 8, 8, 2), Facts),
    numlist(0, 255, Cores),
    given(Facts, call_with_inference_limit(core_distance(Cores, Distance, topology), 5_000_000, Outcome)),
    assertion(Outcome \== inference_limit_exceeded),
    length(Distance, 256).

test(measurements_of_256_cores_take_few_steps) :-
    findall(Fact,
            ( between(0, 255, From), between(0, 255, To), From \== To, rtt(From, To, 1000, Fact) ),
            Facts),
    numlist(0, 255, Cores),
    given(Facts, call_with_inference_limit(tree_costs(Cores, Send, _, measured), 10_000_000, Outcome)),
    assertion(Outcome \== inference_limit_exceeded),
    length(Send, 256).

:- end_tests(costs).
