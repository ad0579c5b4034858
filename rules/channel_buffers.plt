:- use_module(library(plunit)).
:- use_module(channel_buffers).
:- use_module(numa).
:- use_module(testing).

:- begin_tests(channel_buffers).

rings(Cores, Rings) :-
    findall(ring(Sender, Receiver, Node, Lines, PageSize, Source),
            channel_buffers(Cores, Sender, Receiver, Node, Lines, PageSize, Source), Rings).

%   Two packages, each a node, each with two physical cores of two threads; 1 MiB of private cache each.

machine(Facts) :-
    imagined_machine(shape(2, 1, 2, 2), Facts).

on_machine(More, Goal) :-
    machine(Facts),
    append(More, Facts, All),
    given(All, Goal).

measured(Cores, Trip, Send, Receive, Facts) :-
    findall(Fact,
            ( member(From, Cores), member(To, Cores), From \== To,
              member(Fact, [message_rtt(From, To, Trip, 1, Trip, Trip), message_cost(From, To, Send, Receive)]) ),
            Facts).

test(every_ordered_pair_has_a_ring, Pairs == [2-0, 2-1, 0-2, 0-1, 1-2, 1-0]) :-
    on_machine([], ( rings([2, 0, 1], Rings), findall(S-R, member(ring(S, R, _, _, _, _), Rings), Pairs) )).
test(a_core_named_twice_counts_once, Count == 2) :-
    on_machine([], ( rings([0, 1, 0], Rings), length(Rings, Count) )).
test(one_core_has_no_ring, Rings == []) :-
    on_machine([], rings([3], Rings)).
test(a_core_that_is_not_there_is_an_error, throws(error(existence_error(core, 99), _))) :-
    on_machine([], rings([0, 99], _)).

test(nodes_are_those_of_channel_node) :-
    on_machine([], ( rings([0, 1, 2, 3, 4, 5, 6, 7], Rings),
                     forall(member(ring(S, R, Node, _, _, _), Rings), channel_node(S, R, Node, _)) )).
test(nodes_are_those_of_channel_node_where_memory_was_measured_in_part) :-
    on_machine([memory_access(0, 0, 90, 5), memory_access(0, 1, 80, 5), memory_access(2, 0, 100, 5), memory_access(2, 1, 70, 5), memory_access(1, 0, 9, 5)],
               ( rings([0, 1, 2, 3], Rings),
                 forall(member(ring(S, R, Node, _, _, _), Rings), channel_node(S, R, Node, _)),
                 memberchk(ring(2, 0, 1, _, _, _), Rings) )).
test(where_nothing_tells_of_nodes_the_node_is_unknown, Nodes == [unknown, unknown]) :-
    given([core(0, 0, 1), core(1, 1, 1)], ( rings([0, 1], Rings), findall(N, member(ring(_, _, N, _, _, _), Rings), Nodes) )).
test(nodes_without_memory_are_none, Nodes == [0, 0]) :-
    given([core(0, 0, 1), core(1, 1, 1), numa_core(0, 0), numa_core(1, 1), numa_node(0, 5), numa_node(1, 0)],
          ( rings([0, 1], Rings), findall(N, member(ring(_, _, N, _, _, _), Rings), Nodes) )).
test(a_kernel_in_excess_stands_where_its_host_does, Rings == [ring(0, 8, 1, 128, 4096, default), ring(8, 0, 0, 128, 4096, default)]) :-
    on_machine([virtual_core(8, 2)], rings([0, 8], Rings)).

test(unmeasured_rings_have_the_usual_length, All == [128-default, 128-default]) :-
    on_machine([], findall(Lines-Source, channel_buffers([0, 2], _, _, _, Lines, _, Source), All)).
test(rings_cover_a_round_trip,
     forall(member(Trip/Busy-Lines, [ 500_000/100_000-64,  % 5 messages
                                      4_800_000/100_000-64, % 48 messages are three quarters of 64 lines
                                      4_900_000/100_000-128,
                                      9_600_000/100_000-128,
                                      50_000_000/100_000-1024 ]))) :-
    Send is Busy // 2,
    measured([0, 2], Trip, Send, Busy, Facts),
    on_machine(Facts, ( rings([0, 2], Rings), Rings = [ring(0, 2, 1, Lines, 4096, measured)|_] )).
test(the_busier_end_counts, Lines == 64) :-
    measured([0, 2], 4_800_000, 100_000, 10, Facts),
    on_machine(Facts, ( rings([0, 2], [ring(_, _, _, Lines, _, measured)|_]) )).
test(a_pair_that_was_not_measured_leaves_all_unmeasured, Sources == [default]) :-
    measured([0, 2], 50_000_000, 50_000, 100_000, Facts),
    on_machine(Facts, ( findall(Source, channel_buffers([0, 2, 1], _, _, _, _, _, Source), All), sort(All, Sources) )).
test(no_cost_at_all_is_no_division_by_zero, Lines == 4096) :-
    measured([0, 2], 50_000_000, 0, 0, Facts),
    on_machine(Facts, ( rings([0, 2], [ring(_, _, _, Lines, _, measured)|_]) )).

test(rings_fit_a_quarter_of_the_private_cache, Lines == 4096) :-  % 256 KiB of the megabyte
    measured([0, 2], 90_000_000_000, 50_000, 100_000, Facts),
    on_machine(Facts, ( rings([0, 2], [ring(_, _, _, Lines, _, _)|_]) )).
test(all_that_a_core_reads_fit_in_it, Lines == 1024) :-  % a third of them
    measured([0, 1, 2, 3], 90_000_000_000, 50_000, 100_000, Facts),
    on_machine(Facts, ( rings([0, 1, 2, 3], [ring(_, _, _, Lines, _, _)|_]) )).
test(threads_of_a_core_part_its_cache, Lines == 2048) :-
    measured([0, 4], 90_000_000_000, 50_000, 100_000, Facts),
    on_machine(Facts, ( rings([0, 4], [ring(_, _, _, Lines, _, _)|_]) )).
test(kernels_that_share_a_core_part_its_cache, Lines == 2048) :-
    measured([0, 8], 90_000_000_000, 50_000, 100_000, Facts),
    on_machine([virtual_core(8, 0)|Facts], ( rings([0, 8], [ring(_, _, _, Lines, _, _)|_]) )).
test(a_cache_that_many_share_is_not_private, Lines == 128) :-
    measured([0, 1], 90_000_000_000, 50_000, 100_000, Measured),
    given([ core(0, 0, 1), core(1, 1, 1), cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cache(7, 3, unified, 8_388_608, 16, 64, 0),
            cache_shared(7, 0), cache_shared(7, 1)|Measured ],
          ( rings([0, 1], [ring(_, _, _, Lines, _, _)|_]) )).
test(no_ring_is_longer_than_the_longest, Lines == 16_384) :-
    measured([0, 1], 90_000_000_000, 50_000, 100_000, Measured),
    given([ core(0, 0, 1), core(1, 1, 1), cache(1, 2, unified, 67_108_864, 16, 64, 0), cache(2, 2, unified, 67_108_864, 16, 64, 0),
            cache_shared(1, 0), cache_shared(2, 1)|Measured ],
          ( rings([0, 1], [ring(_, _, _, Lines, _, _)|_]) )).
test(nor_shorter_than_a_page, Lines == [64]) :-
    imagined_machine(shape(4, 2, 8, 1), Facts),
    numlist(0, 63, Cores),
    given(Facts, ( rings(Cores, Rings), findall(L, member(ring(_, _, _, L, _, _), Rings), All), sort(All, Lines) )).

%   Eight cores on two nodes: seven channels of 2 + 2 + 1 pages each are 35.

crowded(Entries, Huge, HugeEntries, Reserved, Facts) :-
    imagined_machine(shape(2, 1, 4, 1), Machine),
    findall(tlb(Core, 2, unified, 4096, Entries, 8), between(0, 7, Core), Small),
    findall(tlb(Core, 2, unified, Huge, HugeEntries, 8), between(0, 7, Core), Large),
    findall(hugepages(Node, Huge, Count), member(Node-Count, Reserved), Pages),
    append([Machine, Small, Large, Pages], Facts).

page_sizes(Facts, PageSizes) :-
    given(Facts, ( rings([0, 1, 2, 3, 4, 5, 6, 7], Rings), findall(P, member(ring(_, _, _, _, P, _), Rings), All), sort(All, PageSizes) )).

test(pages_are_ordinary_as_long_as_the_tlb_holds_them, Sizes == [4096]) :-
    crowded(70, 2_097_152, 32, [0-100, 1-100], Facts),
    page_sizes(Facts, Sizes).
test(they_are_huge_where_it_does_not, Sizes == [2_097_152]) :-
    crowded(69, 2_097_152, 32, [0-100, 1-100], Facts),
    page_sizes(Facts, Sizes).
test(and_a_buffer_for_huge_ones_is_known, Sizes == [4096]) :-
    crowded(69, 2_097_152, 0, [0-100, 1-100], Facts),
    page_sizes(Facts, Sizes).
test(nothing_is_known_of_any_tlb, Sizes == [4096]) :-
    imagined_machine(shape(2, 1, 4, 1), Facts),
    page_sizes([hugepages(0, 2_097_152, 100), hugepages(1, 2_097_152, 100)|Facts], Sizes).
%   Six channels within each node, and sixteen between them, which have a page on both.
test(just_enough_are_reserved, Sizes == [2_097_152]) :-
    crowded(69, 2_097_152, 32, [0-22, 1-22], Facts),
    page_sizes(Facts, Sizes).
test(one_too_few_on_a_node_keeps_its_channels_ordinary, Rings-Between == [4096]-[4096]) :-
    crowded(69, 2_097_152, 32, [0-22, 1-21], Facts),
    given(Facts, ( rings([0, 1, 2, 3, 4, 5, 6, 7], All),
                   findall(P, ( member(ring(S, R, _, _, P, _), All), S > 3, R > 3 ), There), sort(There, Rings),
                   findall(P, ( member(ring(S, R, _, _, P, _), All), S > 3, R =< 3 ), Across), sort(Across, Between),
                   forall(( member(ring(S, R, _, _, P, _), All), S =< 3, R =< 3 ), P == 2_097_152) )).
test(pages_too_small_for_a_ring_are_none, Sizes == [4096]) :-
    crowded(69, 8192, 32, [0-100, 1-100], Facts),
    page_sizes(Facts, Sizes).
test(the_smallest_that_fit_are_taken, Sizes == [65_536]) :-
    crowded(69, 65_536, 32, [0-100, 1-100], Facts),
    page_sizes([hugepages(0, 2_097_152, 100), hugepages(1, 2_097_152, 100)|Facts], Sizes).
test(both_rings_of_a_channel_have_pages_of_one_size) :-
    crowded(69, 2_097_152, 32, [0-22, 1-21], Facts),
    given(Facts, ( rings([0, 1, 2, 3, 4, 5, 6, 7], Rings),
                   forall(member(ring(A, B, _, _, P, _), Rings), memberchk(ring(B, A, _, _, P, _), Rings)) )).

test(a_hundred_and_twenty_eight_cores_take_few_steps, Count == 16_256) :-
    imagined_machine(shape(8, 2, 8, 1), Facts),
    numlist(0, 127, Cores),
    measured(Cores, 500_000, 50_000, 100_000, Measured),
    append(Measured, Facts, All),
    given(All, ( call_with_inference_limit(rings(Cores, Rings), 10_000_000, Result), Result \== inference_limit_exceeded, length(Rings, Count) )).

:- end_tests(channel_buffers).
