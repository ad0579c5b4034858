:- module(pci_resources,
          [ plan_violation/3,           % +Set, +Plan, -Violation
            plan_violations/3,          % +Set, +Plan, -Violations
            plan_use/5                  % +Set, +Plan, -Root, -Space, -Use
          ]).

/** <module> PCI resources: what a plan of base addresses must keep to

The model of PCI resource assignment, as a judge of plans: it finds no plan, and says of any plan which rules it breaks. So it is
independent of whatever made the plan.

A *set* is what has to be given addresses, `pci_set(Windows, Reserved, Bridges, Bars)`:

| term                                                                       | is                                                       |
|----------------------------------------------------------------------------|----------------------------------------------------------|
| `window(Segment, Bus, Space, Low, High)`                                   | addresses that a root bridge forwards to its bus         |
| `reserved(Name, Space, Low, High)`                                         | addresses that nothing may be given                      |
| `pci_bridge(Addr, Secondary, Width, Headroom)`                             | a bridge, the bus behind it, the width of its prefetchable window (0: it has none), and a list of headroom(Kind, Bytes) to be kept free |
| `pci_bar(Addr, Index, Size, Alignment, Space, Width, Prefetchable, Fixed)` | a base address register; Fixed is an address, or `none`  |

A *plan* is `pci_plan(Bases, Opened, Kept)`:

| term                                       | is                                                              |
|--------------------------------------------|-----------------------------------------------------------------|
| `base(Addr, Index, Base)`                  | what a register is set to                                       |
| `opened(Addr, Secondary, Kind, Base, Limit)` | what a bridge passes on                                       |
| `kept(Addr, Secondary, Kind, Base, Size)`  | what stays free behind it                                       |

Space is `memory` or `io`, Kind is `memory`, `prefetchable` or `io`; High and Limit belong to their ranges. Bridges are told apart by the
bus behind them.

## Variables

The base of each register; base and limit of each window of each bridge.

## Constraints

By the PCI Local Bus Specification 3.0 (6.2.5), the PCI-to-PCI Bridge Architecture Specification 1.2 (3.2.5) and what is reserved. Each has
the name by which a violation tells it:

| violation                                 | rule                                                                                  |
|-------------------------------------------|---------------------------------------------------------------------------------------|
| `unassigned(What)`                        | every register has a base                                                             |
| `ambiguous(What)`                         | and one only; a bridge has one window of each kind                                    |
| `unknown(What)`                           | nothing else has                                                                      |
| `misaligned(What, Base, Alignment)`       | a base is a multiple of the alignment, which is the size unless told otherwise        |
| `moved(What, Base, Fixed)`                | what is fixed stays                                                                   |
| `too_high(What, Last, Highest)`           | a 32-bit register lies below 4 GiB; so do windows but prefetchable ones of 64 bits    |
| `grain(What, Base, Limit, Grain)`         | windows of memory are multiples of 1 MiB, of I/O of 4 KiB                             |
| `no_such_window(What)`                    | not every bridge has a prefetchable window                                            |
| `outside(What, Base, Last)`               | all that is on a bus lies in one window of the bridge above, or of the root bridge: what is prefetchable in either window of memory, other memory in that which is not prefetchable |
| `overlap(What, Other)`                    | things on one bus do not overlap                                                      |
| `taken(What, Name)`                       | nothing overlaps what is reserved: a bridge forwards all that is in its windows       |
| `headroom(What, Bytes)`                   | what a bridge is to keep free is there: a range that nothing overlaps, aligned to the largest power of two in it |

## Objective

The least `used`: for each window of a root bridge, the bytes from the first to the last that is used, summed. What is used and not wanted
is wasted.

## Complexity

Judging takes n * n steps at most for n registers and bridges. Finding the best plan is NP-hard: with reserved ranges, windows of bridges whose
size is no power of two have to be packed into gaps, which is bin packing.
*/

:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).

%!  plan_violations(+Set, +Plan, -Violations:list) is det.
%
%   All that is wrong with a plan, in order and once each.

plan_violations(Set, Plan, Violations) :-
    findall(Violation, plan_violation(Set, Plan, Violation), Found),
    sort(Found, Violations).

%!  plan_violation(+Set, +Plan, -Violation) is nondet.
%
%   A rule that Plan breaks, as the table above has them.
%
%   @error type_error(pci_set, Set) or type_error(pci_plan, Plan)

plan_violation(Set, Plan, Violation) :-
    must_have_shape(Set, pci_set, 4),
    must_have_shape(Plan, pci_plan, 3),
    (   completeness(Set, Plan, Violation)
    ;   placement(Set, Plan, Violation)
    ;   opening(Set, Plan, Violation)
    ;   disjointness(Set, Plan, Violation)
    ;   headroom(Set, Plan, Violation)
    ).

must_have_shape(Term, Name, Arity) :-
    (   compound(Term),
        compound_name_arity(Term, Name, Arity),
        Term =.. [_|Lists],
        maplist(is_list, Lists)
    ->  true
    ;   type_error(Name, Term)
    ).

%   Every register has one base, and nothing else has.

completeness(pci_set(_, _, _, Bars), pci_plan(Bases, _, _), unassigned(bar(Addr, Index))) :-
    member(pci_bar(Addr, Index, _, _, _, _, _, _), Bars),
    \+ memberchk(base(Addr, Index, _), Bases).
completeness(_, pci_plan(Bases, _, _), ambiguous(bar(Addr, Index))) :-
    findall(Addr-Index, member(base(Addr, Index, _), Bases), Keys),
    repeated(Keys, Addr-Index).
completeness(_, pci_plan(_, Opened, _), ambiguous(window(Addr, Secondary, Kind))) :-
    findall(w(Addr, Secondary, Kind), member(opened(Addr, Secondary, Kind, _, _), Opened), Keys),
    repeated(Keys, w(Addr, Secondary, Kind)).
completeness(pci_set(_, _, _, Bars), pci_plan(Bases, _, _), unknown(bar(Addr, Index))) :-
    member(base(Addr, Index, _), Bases),
    \+ memberchk(pci_bar(Addr, Index, _, _, _, _, _, _), Bars).
completeness(pci_set(_, _, Bridges, _), pci_plan(_, Opened, _), unknown(window(Addr, Secondary, Kind))) :-
    member(opened(Addr, Secondary, Kind, _, _), Opened),
    \+ ( memberchk(pci_bridge(Addr, Secondary, _, _), Bridges),
         memberchk(Kind, [memory, prefetchable, io]) ).

repeated(Keys, Key) :-
    msort(Keys, Sorted),
    append(_, [Key, Key|_], Sorted).

%   Registers are aligned, where they are fixed, within the width of their addresses, and in a window of what is above.

placement(pci_set(_, _, _, Bars), pci_plan(Bases, _, _), Violation) :-
    member(pci_bar(Addr, Index, Size, Alignment, _, Width, _, Fixed), Bars),
    memberchk(base(Addr, Index, Base), Bases),
    Last is Base + Size - 1,
    (   Base mod Alignment =\= 0,
        Violation = misaligned(bar(Addr, Index), Base, Alignment)
    ;   integer(Fixed),
        Base =\= Fixed,
        Violation = moved(bar(Addr, Index), Base, Fixed)
    ;   Highest is (1 << Width) - 1,
        Last > Highest,
        Violation = too_high(bar(Addr, Index), Last, Highest)
    ).
placement(Set, Plan, outside(What, Base, Last)) :-
    needed(Set, Plan, What, Segment-Bus, Kind, Base, Last),
    \+ within(Set, Plan, Segment-Bus, Kind, Base, Last).

%   needed(+Set, +Plan, -What, -Bus, -Kind, -Base, -Last) is nondet: what is on a bus, and where.

needed(pci_set(_, _, _, Bars), pci_plan(Bases, _, _), bar(Addr, Index), Segment-Bus, Kind, Base, Last) :-
    member(pci_bar(Addr, Index, Size, _, Space, _, Prefetchable, _), Bars),
    Addr = addr(Segment, Bus, _, _),
    memberchk(base(Addr, Index, Base), Bases),
    Last is Base + Size - 1,
    bar_kind(Space, Prefetchable, Kind).
needed(_, pci_plan(_, Opened, _), window(Addr, Secondary, Kind), Segment-Bus, Kind, Base, Last) :-
    member(opened(Addr, Secondary, Kind, Base, Last), Opened),
    Addr = addr(Segment, Bus, _, _).
needed(_, pci_plan(_, _, Kept), kept(Addr, Secondary, Kind), Segment-Secondary, Kind, Base, Last) :-
    member(kept(Addr, Secondary, Kind, Base, Size), Kept),
    Addr = addr(Segment, _, _, _),
    Last is Base + Size - 1.

bar_kind(io, _, io).
bar_kind(memory, 0, memory).
bar_kind(memory, 1, prefetchable).

within(pci_set(Windows, _, _, _), _, Segment-Bus, Kind, Base, Last) :-
    kind_space(Kind, Space),
    member(window(Segment, Bus, Space, Low, High), Windows),
    Low =< Base,
    Last =< High.
within(_, pci_plan(_, Opened, _), Segment-Bus, Kind, Base, Last) :-
    member(opened(addr(Segment, _, _, _), Bus, Through, Low, High), Opened),
    passes(Through, Kind),
    Low =< Base,
    Last =< High.

kind_space(memory, memory).
kind_space(prefetchable, memory).
kind_space(io, io).

passes(memory, memory).
passes(memory, prefetchable).
passes(prefetchable, prefetchable).
passes(io, io).

%   Windows are of whole grains, of kinds that the bridge has, and within its registers' width.

opening(pci_set(_, _, Bridges, _), pci_plan(_, Opened, _), Violation) :-
    member(opened(Addr, Secondary, Kind, Base, Limit), Opened),
    memberchk(pci_bridge(Addr, Secondary, Width, _), Bridges),
    What = window(Addr, Secondary, Kind),
    (   kind_grain(Kind, Grain),
        ( Base mod Grain =\= 0 ; (Limit + 1) mod Grain =\= 0 ; Limit < Base ),
        Violation = grain(What, Base, Limit, Grain)
    ;   Kind == prefetchable,
        Width =:= 0,
        Violation = no_such_window(What)
    ;   highest(Kind, Width, Highest),
        Limit > Highest,
        Violation = too_high(What, Limit, Highest)
    ).

kind_grain(memory, 0x100000).
kind_grain(prefetchable, 0x100000).
kind_grain(io, 0x1000).

highest(prefetchable, 64, 0xffffffffffffffff) :-
    !.
highest(_, _, 0xffffffff).

%   Things on one bus are disjoint, and nothing is where something is reserved.

disjointness(Set, Plan, overlap(What, Other)) :-
    findall(place(Segment-Bus, Space)-(Base-(Last-What)),
            ( needed(Set, Plan, What, Segment-Bus, Kind, Base, Last),
              kind_space(Kind, Space) ),
            Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(_-Ranges, Groups),
    keysort(Ranges, InOrder),
    overlapping(InOrder, What, Other).
disjointness(Set, Plan, taken(What, Name)) :-
    Set = pci_set(_, Reserved, _, _),
    Reserved \== [],
    needed(Set, Plan, What, _, Kind, Base, Last),
    kind_space(Kind, Space),
    member(reserved(Name, Space, Low, High), Reserved),
    Base =< High,
    Low =< Last.

%   Of ranges in order, each that begins before the furthest end so far overlaps the one that has it.

overlapping([_-(Last-What)|Ranges], One, Other) :-
    overlapping(Ranges, Last, What, One, Other).

overlapping([Base-(Last-What)|Ranges], Furthest, Owner, One, Other) :-
    (   Base =< Furthest,
        One = Owner,
        Other = What
    ;   (   Last > Furthest
        ->  overlapping(Ranges, Last, What, One, Other)
        ;   overlapping(Ranges, Furthest, Owner, One, Other)
        )
    ).

headroom(pci_set(_, _, Bridges, _), pci_plan(_, _, Kept), headroom(bridge(Addr, Secondary, Kind), Bytes)) :-
    member(pci_bridge(Addr, Secondary, _, Headroom), Bridges),
    member(headroom(Kind, Bytes), Headroom),
    Bytes > 0,
    Alignment is 1 << msb(Bytes),
    \+ ( member(kept(Addr, Secondary, Kind, Base, Size), Kept),
         Size >= Bytes,
         Base mod Alignment =:= 0 ).

%!  plan_use(+Set, +Plan, -Root, -Space, -Use) is nondet.
%
%   How much of each Space the things below a root bridge, root(Segment, Bus), use: use(Wanted, Used) in bytes.

plan_use(Set, Plan, root(Segment, Bus), Space, use(Wanted, Used)) :-
    Set = pci_set(Windows, _, Bridges, Bars),
    findall(Segment-Bus-Space, member(window(Segment, Bus, Space, _, _), Windows), Found),
    sort(Found, Roots),
    member(Segment-Bus-Space, Roots),
    findall(Span,
            ( member(window(Segment, Bus, Space, Low, High), Windows),
              aggregate_all(r(min(Base), max(Last)), on_root(Set, Plan, Segment-Bus, Space, Low, High, Base, Last), r(First, End)),
              Span is End - First + 1 ),
            Spans),
    sum_list(Spans, Used),
    buses_below(Bridges, Segment-Bus, Buses),
    findall(Size,
            ( member(pci_bar(addr(Segment, Own, _, _), _, Size, _, Space, _, _, _), Bars),
              memberchk(Own, Buses)
            ; member(pci_bridge(addr(Segment, _, _, _), Secondary, _, Headroom), Bridges),
              memberchk(Secondary, Buses),
              member(headroom(Kind, Size), Headroom),
              kind_space(Kind, Space) ),
            Sizes),
    sum_list(Sizes, Wanted).

on_root(Set, Plan, Bus, Space, Low, High, Base, Last) :-
    needed(Set, Plan, _, Bus, Kind, Base, Last),
    kind_space(Kind, Space),
    Low =< Base,
    Last =< High.

buses_below(Bridges, Segment-Bus, [Bus|Below]) :-
    findall(Buses,
            ( member(pci_bridge(addr(Segment, Bus, _, _), Secondary, _, _), Bridges),
              buses_below(Bridges, Segment-Secondary, Buses) ),
            Lists),
    append(Lists, Below).
