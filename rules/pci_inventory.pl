:- module(pci_inventory,
          [ pci_inventory/5,            % -Windows, -Source, -Reserved, -Bridges, -Bars
            pci_assignment_problems/1,  % -Violation
            pci_address_use/6           % -Segment, -Bus, -Space, -Wanted, -Used, -Wasted
          ]).

/** <module> What a machine's PCI functions need addresses for, and what they have been given

The set that pci_resources.pl speaks of, from the facts of a machine, and firmware's own plan for it, judged by the same rules.

  * Windows of root bridges are what firmware says (`rootbridge_address_window/4`). Where it says nothing of a root bus, they are what is in
    use on that bus: from the first address to the last, below 4 GiB and above, to whole MiB; of ports, to whole 4 KiB.
  * Reserved is what lies in such windows without being a PCI function's: I/O APICs, interrupt messages, timers, IOMMUs, configuration space,
    and ranges of memory that firmware or the operating system name, unless functions are there today: some firmware reserves its windows whole.
  * A bridge's prefetchable window has the width that its registers tell; one that is closed tells none, and is taken for 64 bits behind
    PCI Express, else for 32.
  * Registers of virtual functions count with their physical function, as many as there may be. What Enhanced Allocation tells is fixed.
*/

:- use_module(facts).
:- use_module(pci_resources).
:- use_module(queries).
:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(lists)).

:- query(pci_assignment_problems(-violation: any),
         [ doc("Rules of PCI that the base addresses and bridge windows of today break, each with what breaks it.") ]).
:- query(pci_address_use(-segment: count, -bus: count, -space: oneof([memory, io]), -wanted: bytes, -used: bytes, -wasted: bytes),
         [ doc("What the functions below each root bridge ask for today, and the addresses from first to last that they use, in bytes.") ]).

%!  pci_inventory(-Windows, -Source, -Reserved, -Bridges, -Bars) is det.
%
%   Windows, Reserved: as in a set. Source is `firmware`, `in_use`, `both`, or `none` where there are no windows. Bridges are
%   pci_bridge(Addr, Secondary, Width, Hotplug), Hotplug 1 where cards may come and go. Bars are pci_bar(Addr, Index, Size, Alignment, Space,
%   Width, Prefetchable, Base, Fixed): Base is today's, 0 for none, Fixed is 1 where it cannot change; Size may be `unknown`.

pci_inventory(Windows, Source, Reserved, Bridges, Bars) :-
    findall(Bar, needed_bar(Bar), Bars0),
    findall(Root, root_bus(Root), Found),
    sort(Found, Roots),
    findall(From-Window, ( member(Root, Roots), root_window(Root, Bars0, From, Window) ), Pairs),
    findall(Window, member(_-Window, Pairs), Windows0),
    sort(Windows0, Windows),
    findall(From, member(From-_, Pairs), Froms0),
    sort(Froms0, Froms),
    source(Froms, Source),
    exclude(hardwired_elsewhere(Roots, Windows), Bars0, Bars),
    findall(Bridge, needed_bridge(Bridge), Bridges0),
    sort(Bridges0, Bridges),
    findall(Range, reserved_range(Windows, Bars, Range), Ranges),
    sort(Ranges, Reserved).

source([], none).
source([Source], Source).
source([firmware, in_use], both).

%   Bridges that lead somewhere: a bridge that firmware has not set up has bus numbers 0.

needed_bridge(pci_bridge(Addr, Secondary, Width, Hotplug)) :-
    Addr = addr(_, Bus, _, _),
    bridge(Addr, _, Secondary, _),
    Bus < Secondary,
    \+ cardbus(Addr),
    (   bridge_window(Addr, 2, memory, _, _, Told, _)
    ->  Width = Told
    ;   express(Addr)
    ->  Width = 64
    ;   Width = 32
    ),
    (   pcie_slot(Addr, _, 1, _)
    ->  Hotplug = 1
    ;   Hotplug = 0
    ).

cardbus(Addr) :-
    device(Addr, _, _, 6, 7, _, _).

express(Addr) :-
    ( pcie_port(Addr, _, _) ; pcie_link(Addr, _, _, _, _) ; pci_capability(Addr, pci_express, _) ),
    !.

needed_bar(pci_bar(Addr, Index, Size, Size, Space, Width, Prefetchable, Base, 0)) :-
    bar(Addr, Index, Base, Size, Space, Width, Prefetchable),
    \+ virtual_function(Addr, _),
    Size \== 0.
needed_bar(pci_bar(Addr, rom, Size, Size, memory, 32, 0, Base, 0)) :-
    expansion_rom(Addr, Base, Size, _),
    \+ virtual_function(Addr, _),
    Size \== 0.
needed_bar(pci_bar(Addr, Name, Total, Size, Space, Width, Prefetchable, Base, 0)) :-
    vf_bar(Addr, Index, Base, Size, Space, Width, Prefetchable),
    Size \== 0,
    sriov(Addr, Count, _),
    Count > 0,
    atom_concat(vf, Index, Name),
    (   integer(Size)
    ->  Total is Size * Count
    ;   Total = unknown
    ).
needed_bar(pci_bar(Addr, Name, Size, 4, Space, 64, Prefetchable, Base, 1)) :-
    enhanced_allocation(Addr, Number, Equivalent, Base, Size, Kind, 1),
    ( between(0, 5, Equivalent) ; Equivalent =:= 8 ),
    allocated(Kind, Space, Prefetchable),
    Size > 0,
    atom_concat(ea, Number, Name).

allocated(memory, memory, 0).
allocated(prefetchable_memory, memory, 1).

hardwired_elsewhere(Roots, Windows, pci_bar(addr(Segment, Bus, _, _), _, Size, _, Space, _, _, Base, 1)) :-
    memberchk(Segment-Bus, Roots),
    Last is Base + Size - 1,
    \+ ( member(window(Segment, Bus, Space, Low, High), Windows),
         Low =< Base,
         Last =< High ).

%   Buses that no bridge leads to, though functions are there; those that firmware has behind a root bridge with another number are none.

root_bus(Segment-Bus) :-
    ( rootbridge(addr(Segment, Bus, _, _), Bus, _) ; device(addr(Segment, Bus, _, _), _, _, _, _, _, _) ; bridge(addr(Segment, Bus, _, _), _, _, _) ),
    \+ ( bridge(addr(Segment, Own, _, _), _, Secondary, Subordinate),
         Own < Secondary,
         Secondary =< Bus,
         Bus =< Subordinate ),
    \+ ( rootbridge(addr(Segment, _, _, _), Low, High),
         integer(High),
         Low < Bus,
         Bus =< High,
         \+ rootbridge(addr(Segment, Bus, _, _), Bus, _) ).

root_window(Segment-Bus, Bars, Source, window(Segment, Bus, Space, Low, High)) :-
    (   rootbridge(Root, Bus, _),
        Root = addr(Segment, _, _, _),
        once(rootbridge_address_window(Root, _, _, _))
    ->  Source = firmware,
        rootbridge_address_window(Root, Space, Low, High)
    ;   Source = in_use,
        member(part(Space, First, End, Grain),
               [part(memory, 1, 0x100000000, 0x100000), part(memory, 0x100000000, 0x10000000000000000, 0x100000), part(io, 1, 0x100000000, 0x1000)]),
        aggregate_all(r(min(Base), max(Last)),
                      ( used(Segment, Bus, Space, Bars, Base, Last), First =< Base, Last < End ),
                      r(Least, Most)),
        Low is max(Least // Grain * Grain, First),
        High is (Most // Grain + 1) * Grain - 1
    ).

%   used(+Segment, +Bus, +Space, +Bars, -Base, -Last) is nondet: ranges in use on a bus.

used(Segment, Bus, Space, Bars, Base, Last) :-
    member(pci_bar(addr(Segment, Bus, _, _), _, Size, _, Space, _, _, Base, _), Bars),
    integer(Size),
    Base > 0,
    Last is Base + Size - 1.
used(Segment, Bus, Space, _, Base, Last) :-
    Addr = addr(Segment, Bus, _, _),
    bridge(Addr, _, Secondary, _),
    Bus < Secondary,
    bridge_window(Addr, _, Space, Base, Last, _, _),
    Base =< Last.

%   reserved_range(+Windows, +Bars, -Reserved) is nondet: what others have in the windows.

reserved_range(Windows, Bars, reserved(Name, memory, Low, High)) :-
    others(Name, Low, High, Named),
    once(( member(window(_, _, memory, First, Last), Windows), Low =< Last, First =< High )),
    (   Named == 1
    ->  \+ ( used(_, _, memory, Bars, Base, End), Base =< High, Low =< End )
    ;   true
    ).

others(Name, Base, High, 0) :-
    ioapic(Id, Base, _),
    atom_concat(ioapic_, Id, Name),
    High is Base + 0xfff.
others(interrupt_messages, 0xfee00000, 0xfeefffff, 0) :-
    once(( ioapic(_, _, _) ; local_apic_address(_) )).
others(hpet, Base, High, 0) :-
    hpet(_, memory, Base, _, _, _, _, _, _),
    High is Base + 0x3ff.
others(iommu_unit, Base, High, 0) :-
    dmar_unit(_, _, Base, Size, _),
    High is Base + max(Size, 0x1000) - 1.
others(configuration_space, Low, High, 0) :-
    pcie_confspace(_, First, Last, Base),
    Low is Base + First << 20,
    High is Base + ((Last + 1) << 20) - 1.
others(Type, Base, High, 1) :-
    ( memory_region(Base, Size, Type) ; firmware_memory(Base, Size, Type) ),
    \+ sub_atom(Type, 0, _, _, pci_),
    Size > 0,
    High is Base + Size - 1.

%!  pci_assignment_problems(-Violation) is nondet.
%
%   As plan_violation/3 has them, of what is assigned today. A register that has no address is unassigned.

pci_assignment_problems(Violation) :-
    today(Set, Plan),
    plan_violations(Set, Plan, Violations),
    member(Violation, Violations).

%!  pci_address_use(-Segment, -Bus, -Space, -Wanted, -Used, -Wasted) is nondet.

pci_address_use(Segment, Bus, Space, Wanted, Used, Wasted) :-
    today(Set, Plan),
    plan_use(Set, Plan, root(Segment, Bus), Space, use(Wanted, Used)),
    Used > 0,
    Wasted is max(0, Used - Wanted).

today(pci_set(Windows, [], Bridges, Bars), pci_plan(Bases, Opened, [])) :-
    pci_inventory(Windows, _, _, Bridges0, Bars0),
    findall(pci_bridge(Addr, Secondary, Width, []), member(pci_bridge(Addr, Secondary, Width, _), Bridges0), Bridges),
    findall(pci_bar(Addr, Index, Size, Alignment, Space, Width, Prefetchable, none),
            ( member(pci_bar(Addr, Index, Size, Alignment, Space, Width, Prefetchable, _, _), Bars0), integer(Size) ),
            Bars),
    findall(base(Addr, Index, Base),
            ( member(pci_bar(Addr, Index, Size, _, _, _, _, Base, _), Bars0), integer(Size), Base > 0 ),
            Bases),
    findall(opened(Addr, Secondary, Kind, Base, Limit),
            ( member(pci_bridge(Addr, Secondary, _, _), Bridges),
              bridge_window(Addr, Index, _, Base, Limit, _, _),
              nth0(Index, [io, memory, prefetchable], Kind) ),
            Opened).
