:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(pci_resources).

%   One bridge on root bus 0 that leads to bus 1, a register of 1 MiB behind it and one of 4 KiB beside it.

set(pci_set([window(0, 0, memory, 0x80000000, 0x8fffffff), window(0, 0, memory, 0x100000000, 0x1ffffffff), window(0, 0, io, 0x1000, 0xffff)],
            [reserved(ioapic, memory, 0x80800000, 0x80800fff)],
            [pci_bridge(addr(0, 0, 1, 0), 1, 64, [])],
            [ pci_bar(addr(0, 1, 0, 0), 0, 0x100000, 0x100000, memory, 32, 0, none),
              pci_bar(addr(0, 0, 2, 0), 0, 0x1000, 0x1000, memory, 32, 0, none) ])).

plan([base(addr(0, 1, 0, 0), 0, 0x80000000), base(addr(0, 0, 2, 0), 0, 0x80100000)],
     [opened(addr(0, 0, 1, 0), 1, memory, 0x80000000, 0x800fffff)]).

judged(Bases, Opened, Kept, Violations) :-
    set(Set),
    plan_violations(Set, pci_plan(Bases, Opened, Kept), Violations).

%   The same with one base, or the window, changed.

with_base(Addr, Base, Violations) :-
    plan(Bases, Opened),
    selectchk(base(Addr, 0, _), Bases, base(Addr, 0, Base), Changed),
    judged(Changed, Opened, [], Violations).

with_window(Base, Limit, Violations) :-
    plan(Bases, Opened),
    selectchk(opened(Addr, 1, memory, _, _), Opened, opened(Addr, 1, memory, Base, Limit), Changed),
    judged(Bases, Changed, [], Violations).

%   A set of one register, or one bridge, and how a plan for it is judged.

alone(Bar, Base, Violations) :-
    Bar = pci_bar(Addr, Index, _, _, _, _, _, _),
    plan_violations(pci_set([window(0, 0, memory, 0, 0x7ffffffff), window(0, 0, io, 0, 0xffff)], [], [], [Bar]),
                    pci_plan([base(Addr, Index, Base)], [], []), Violations).

opened(Width, Kind, Base, Limit, Violations) :-
    Bridge = addr(0, 0, 1, 0),
    plan_violations(pci_set([window(0, 0, memory, 0, 0x7ffffffff), window(0, 0, io, 0, 0xffff)], [], [pci_bridge(Bridge, 1, Width, [])], []),
                    pci_plan([], [opened(Bridge, 1, Kind, Base, Limit)], []), Violations).

behind(Kind, Prefetchable, Violations) :-
    Bridge = addr(0, 0, 1, 0),
    Device = addr(0, 1, 0, 0),
    plan_violations(pci_set([window(0, 0, memory, 0, 0xffffffff)], [], [pci_bridge(Bridge, 1, 64, [])],
                            [pci_bar(Device, 0, 4096, 4096, memory, 32, Prefetchable, none)]),
                    pci_plan([base(Device, 0, 0x100000)], [opened(Bridge, 1, Kind, 0x100000, 0x1fffff)], []), Violations).

keeping(Kept, Violations) :-
    Bridge = addr(0, 0, 1, 0),
    plan_violations(pci_set([window(0, 0, memory, 0, 0xffffffff)], [], [pci_bridge(Bridge, 1, 64, [headroom(memory, 0x200000)])],
                            [pci_bar(addr(0, 1, 0, 0), 0, 4096, 4096, memory, 32, 0, none)]),
                    pci_plan([base(addr(0, 1, 0, 0), 0, 0x400000)], [opened(Bridge, 1, memory, 0x200000, 0x4fffff)], Kept), Violations).

:- begin_tests(pci_resources).

test(a_good_plan_breaks_nothing, Violations == []) :-
    plan(Bases, Opened),
    judged(Bases, Opened, [], Violations).
test(every_register_has_a_base, Violations == [unassigned(bar(addr(0, 0, 2, 0), 0))]) :-
    plan([One, _], Opened),
    judged([One], Opened, [], Violations).
test(and_one_only, true(memberchk(ambiguous(bar(addr(0, 0, 2, 0), 0)), Violations))) :-
    plan(Bases, Opened),
    judged([base(addr(0, 0, 2, 0), 0, 0x80200000)|Bases], Opened, [], Violations).
test(what_is_not_in_the_set_has_none, Violations == [unknown(bar(addr(0, 0, 3, 0), 0))]) :-
    plan(Bases, Opened),
    judged([base(addr(0, 0, 3, 0), 0, 0x80200000)|Bases], Opened, [], Violations).
test(nor_do_bridges_that_are_not_there_open_windows, true(memberchk(unknown(window(addr(0, 0, 9, 0), 9, memory)), Violations))) :-
    plan(Bases, Opened),
    judged(Bases, [opened(addr(0, 0, 9, 0), 9, memory, 0x80200000, 0x802fffff)|Opened], [], Violations).
test(bases_are_multiples_of_sizes, true(memberchk(misaligned(bar(addr(0, 0, 2, 0), 0), 0x80100800, 0x1000), Violations))) :-
    with_base(addr(0, 0, 2, 0), 0x80100800, Violations).
test(a_register_lies_in_the_window_of_its_bridge, Violations == [outside(bar(addr(0, 1, 0, 0), 0), 0x80200000, 0x802fffff)]) :-
    with_base(addr(0, 1, 0, 0), 0x80200000, Violations).
test(and_on_the_root_bus_in_one_of_the_root_bridge, true(memberchk(outside(bar(addr(0, 0, 2, 0), 0), 0x90000000, 0x90000fff), Violations))) :-
    with_base(addr(0, 0, 2, 0), 0x90000000, Violations).
test(things_on_a_bus_are_disjoint,
     Violations == [overlap(bar(addr(0, 0, 2, 0), 0), window(addr(0, 0, 1, 0), 1, memory))]) :-
    with_base(addr(0, 0, 2, 0), 0x80000000, Violations).
test(nothing_is_where_something_is_reserved, Violations == [taken(bar(addr(0, 0, 2, 0), 0), ioapic)]) :-
    with_base(addr(0, 0, 2, 0), 0x80800000, Violations).
test(windows_do_not_span_what_is_reserved, true(memberchk(taken(window(addr(0, 0, 1, 0), 1, memory), ioapic), Violations))) :-
    with_window(0x80000000, 0x80ffffff, Violations).
test(windows_are_of_whole_grains, true(memberchk(grain(window(addr(0, 0, 1, 0), 1, memory), 0x80000000, 0x800ffffe, 0x100000), Violations))) :-
    with_window(0x80000000, 0x800ffffe, Violations).

test(a_register_of_32_bits_stays_below_4_gib, Violations == [too_high(bar(addr(0, 0, 2, 0), 1), 0x100000fff, 0xffffffff)]) :-
    alone(pci_bar(addr(0, 0, 2, 0), 1, 4096, 4096, memory, 32, 0, none), 0x100000000, Violations).
test(one_of_64_bits_need_not, Violations == []) :-
    alone(pci_bar(addr(0, 0, 2, 0), 1, 4096, 4096, memory, 64, 0, none), 0x100000000, Violations).
test(what_is_fixed_stays, Violations == [moved(bar(addr(0, 0, 2, 0), 1), 0x2000, 0x1000)]) :-
    alone(pci_bar(addr(0, 0, 2, 0), 1, 4096, 4096, memory, 32, 0, 0x1000), 0x2000, Violations).
test(alignment_may_be_less_than_the_size, Violations == []) :-
    alone(pci_bar(addr(0, 0, 2, 0), vf0, 0x7000, 0x1000, memory, 64, 1, none), 0x3000, Violations).
test(ports_are_apart_from_memory, Violations == [outside(bar(addr(0, 0, 2, 0), 4), 0x10000, 0x1001f)]) :-
    alone(pci_bar(addr(0, 0, 2, 0), 4, 32, 32, io, 32, 0, none), 0x10000, Violations).

test(a_prefetchable_window_may_be_high, Violations == []) :-
    opened(64, prefetchable, 0x100000000, 0x1000fffff, Violations).
test(if_it_has_64_bits, Violations == [too_high(window(addr(0, 0, 1, 0), 1, prefetchable), 0x1000fffff, 0xffffffff)]) :-
    opened(32, prefetchable, 0x100000000, 0x1000fffff, Violations).
test(the_other_window_may_not, Violations == [too_high(window(addr(0, 0, 1, 0), 1, memory), 0x1000fffff, 0xffffffff)]) :-
    opened(64, memory, 0x100000000, 0x1000fffff, Violations).
test(some_have_none, Violations == [no_such_window(window(addr(0, 0, 1, 0), 1, prefetchable))]) :-
    opened(0, prefetchable, 0x100000, 0x1fffff, Violations).
test(windows_of_ports_have_grains_of_4_kib, Violations == []) :-
    opened(0, io, 0x2000, 0x2fff, Violations).

test(memory_goes_through_the_window_of_memory, Violations == []) :-
    behind(memory, 0, Violations).
test(what_is_prefetchable_through_either, Violations == []) :-
    behind(prefetchable, 1, Violations),
    behind(memory, 1, Violations).
test(what_is_not_only_through_that_one, Violations = [outside(bar(_, 0), _, _)]) :-
    behind(prefetchable, 0, Violations).

test(headroom_is_kept, Violations == []) :-
    keeping([kept(addr(0, 0, 1, 0), 1, memory, 0x200000, 0x200000)], Violations).
test(headroom_is_missed, Violations == [headroom(bridge(addr(0, 0, 1, 0), 1, memory), 0x200000)]) :-
    keeping([], Violations).
test(headroom_is_free, true(memberchk(overlap(_, _), Violations))) :-
    keeping([kept(addr(0, 0, 1, 0), 1, memory, 0x400000, 0x200000)], Violations).
test(headroom_is_aligned, true(memberchk(headroom(_, _), Violations))) :-
    keeping([kept(addr(0, 0, 1, 0), 1, memory, 0x300000, 0x200000)], Violations).

test(use_is_from_first_to_last, Use == use(0x101000, 0x101000)) :-
    set(Set),
    plan(Bases, Opened),
    plan_use(Set, pci_plan(Bases, Opened, []), root(0, 0), memory, Use),
    !.
test(what_is_no_plan_is_refused, error(type_error(pci_plan, none))) :-
    set(Set),
    plan_violations(Set, none, _).

:- end_tests(pci_resources).
