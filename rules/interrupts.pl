:- module(interrupts,
          [ gsi_input/5,                % +Gsi, -Controller, -Input, -Polarity, -Trigger
            interrupt_paths/4,          % +Device, -Kind, -Vectors, -Path
            interrupt_plan/8,           % +Locality, +Consumers, -Irq, -Device, -Core, -Weight, -Remote, -Write
            interrupt_balance/6         % +Locality, +Consumers, -MaxLoad, -Bound, -RemoteLoad, -MaxLoadNow
          ]).

/** <module> Interrupts: from a device's pin or message to a core, and which cores should take them

How an interrupt travels:

  * MSI-X and MSI are writes of the device, through the remapping unit where there is one, to a core's local APIC.
  * A pin is wired to a global system interrupt (`_PRT`), which is an input of an I/O APIC; overrides say how it is triggered.

Which core should take it is a choice. The model:

  * *Variables*: a core for each interrupt that the operating system has given to a PCI function, of those that are online and not
    set apart from the scheduler.
  * *Weights*: how often it has come since the system started, and one more.
  * *Objective*: the least load of the core with the most first, then the least weight that is taken far from its device.
  * `locality` decides what may be traded: `strict` takes only the nearest cores, `balanced` any. Nearest are those on the node of the
    device; to an interrupt that has a consumer, that core, or those on its node if it takes none.

Placing the heaviest first on the core with the least load, the nearest of those, is at most 4/3 of the best (Graham 1969); moves and swaps
that help follow. `interrupt_balance/6` says how near the bound it is: no plan loads its busiest core less than the heaviest interrupt, or
than the average.
*/

:- use_module(facts).
:- use_module(locality).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(gsi_input(+gsi: count, -controller: count, -input: count, -polarity: oneof([high, low, bus, unknown]), -trigger: oneof([edge, level, bus, unknown])),
         [ doc("The I/O APIC and its input that a global system interrupt is, and how it is triggered: as an override says, or as its bus does.") ]).
:- query(interrupt_paths(+device: addr, -kind: oneof([msix, msi, pin]), -vectors: count, -path: list(any)),
         [ doc("The ways in which a device can interrupt: kind, number of vectors, and what it passes: link(Path), gsi(Number), ioapic(Id, Input), remapping(Unit), local_apic.") ]).
:- query(interrupt_plan(+locality: oneof([strict, balanced]), +consumers: list(pair(count, core)), -irq: count, -device: addr, -core: core, -weight: count, -remote: flag, -write: text),
         [ doc("A core for each interrupt of a PCI device, so that the busiest core has least, near the device. Weight is how often it has come, and one \c
more; remote is 1 where the core is not among the nearest; write is the command that sets it. Consumers are pairs of an interrupt and the core \c
that works on what it announces: that core takes it."), default(locality, strict), default(consumers, []) ]).
:- query(interrupt_balance(+locality: oneof([strict, balanced]), +consumers: list(pair(count, core)), -max_load: count, -bound: count, -remote_load: count, -max_load_now: count),
         [ doc("How good that plan is: the load of its busiest core, what no plan can undercut, the weight that is taken far away, and the busiest core's load \c
from these devices until now."), default(locality, strict), default(consumers, []) ]).

%!  gsi_input(+Gsi, -Controller, -Input, -Polarity, -Trigger) is semidet.
%
%   The I/O APIC with the highest first interrupt that is not above Gsi has it (ACPI 6.5, 5.2.13).

gsi_input(Gsi, Controller, Input, Polarity, Trigger) :-
    must_be(nonneg, Gsi),
    findall(Base-Id, ( ioapic(Id, _, Base), Base =< Gsi ), Found),
    sort(1, @>=, Found, [First-Controller|_]),
    Input is Gsi - First,
    (   interrupt_override(_, _, Gsi, Polarity0, Trigger0)
    ->  Polarity = Polarity0,
        Trigger = Trigger0
    ;   Gsi < 16
    ->  Polarity = high,                % ISA
        Trigger = edge
    ;   Polarity = low,                 % PCI
        Trigger = level
    ).

%!  interrupt_paths(+Device, -Kind, -Vectors, -Path) is nondet.

interrupt_paths(Device, Kind, Vectors, Path) :-
    (   member(Kind-Vectors, [msix-V1, msi-V2]),
        (   Kind == msix
        ->  msix(Device, V1)
        ;   msi(Device, V2)
        ),
        findall(Step, message_step(Device, Step), Path)
    ;   Kind = pin,
        Vectors = 1,
        interrupt_pin(Device, Pin, _),
        pci_interrupt(Device, Pin, Gsi),
        findall(Step, ( link_step(Device, Pin, Gsi, Step) ; pin_step(Gsi, Step) ), Path)
    ).

%   The link device between a pin and its global system interrupt, which firmware may set to another: of functions on a root bus, whose
%   pins are routed by the root bridge itself.

link_step(addr(Segment, Bus, Device, _), Pin, Gsi, link(Link)) :-
    rootbridge(Root, Bus, _),
    Root = addr(Segment, _, _, _),
    rootbridge_path(Root, Path),
    interrupt_route(Path, Device, Pin, Link, Known),
    Link \== "",
    ( Known == Gsi ; Known == unknown ),
    !.

message_step(Device, remapping(Unit)) :-
    once(remapping(Device, Unit)).
message_step(_, local_apic).

pin_step(Gsi, gsi(Gsi)).
pin_step(Gsi, ioapic(Controller, Input)) :-
    gsi_input(Gsi, Controller, Input, _, _).
pin_step(Gsi, remapping(Unit)) :-
    gsi_input(Gsi, Controller, _, _, _),
    once(( dmar_device(Unit, ioapic, Controller, _, _, _), dmar_unit(Unit, _, _, _, _) )).
pin_step(_, local_apic).

%   The unit whose scope names the device, or that of all others of its segment.

remapping(Device, Unit) :-
    dmar_device(Unit, pci_endpoint, _, Device, _, _),
    dmar_unit(Unit, _, _, _, _).
remapping(addr(Segment, _, _, _), Unit) :-
    dmar_unit(Unit, Segment, _, _, 1).

%!  interrupt_plan(+Locality, +Consumers, -Irq, -Device, -Core, -Weight, -Remote, -Write) is nondet.

interrupt_plan(Locality, Consumers, Irq, Device, Core, Weight, Remote, Write) :-
    plan(Locality, Consumers, Placed),
    member(placed(Irq, Device, Weight, Core, Remote), Placed),
    format(string(Write), "echo ~d > /proc/irq/~d/smp_affinity_list", [Core, Irq]).

%!  interrupt_balance(+Locality, +Consumers, -MaxLoad, -Bound, -RemoteLoad, -MaxLoadNow) is det.

interrupt_balance(Locality, Consumers, MaxLoad, Bound, RemoteLoad, MaxLoadNow) :-
    plan(Locality, Consumers, Placed),
    findall(Core-Weight, member(placed(_, _, Weight, Core, _), Placed), Loads),
    most(Loads, MaxLoad),
    findall(Weight, member(placed(_, _, Weight, _, 1), Placed), Remotes),
    sum_list(Remotes, RemoteLoad),
    bound(Locality, Consumers, Placed, Bound),
    findall(Core-Count, ( member(placed(Irq, _, _, _, _), Placed), os_interrupt_count(Irq, Core, Count) ), Now),
    most(Now, MaxLoadNow).

most(Pairs, Most) :-
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    findall(Sum, ( member(_-Loads, Groups), sum_list(Loads, Sum) ), Sums),
    foldl([Sum, M0, M]>>( M is max(Sum, M0) ), Sums, 0, Most).

%   Of all interrupts, the heaviest and the average; with `strict` also of those that only the cores of one node may take.

bound(Locality, Consumers, Placed, Bound) :-
    eligible(Cores),
    length(Cores, Count),
    findall(Weight, member(placed(_, _, Weight, _, _), Placed), Weights),
    foldl([Weight, M0, M]>>( M is max(Weight, M0) ), Weights, 0, Heaviest),
    sum_list(Weights, Total),
    Average is (Total + max(Count, 1) - 1) // max(Count, 1),
    (   Locality == strict
    ->  findall(Near-Weight, ( member(placed(Irq, Device, Weight, _, _), Placed), near_to(Consumers, Irq, Device, Cores, Near) ), Pairs),
        keysort(Pairs, Sorted),
        group_pairs_by_key(Sorted, Groups),
        findall(Share, ( member(Near-Some, Groups), length(Near, N), sum_list(Some, Sum), Share is (Sum + N - 1) // N ), Shares)
    ;   Shares = []
    ),
    foldl([Share, B0, B]>>( B is max(Share, B0) ), Shares, 0, Local),
    Bound is max(Local, max(Heaviest, Average)).

eligible(Cores) :-
    findall(Core, ( core(Core, _, 1), \+ isolated_core(Core) ), Found),
    sort(Found, Cores).

%   near_to(+Consumers, +Irq, +Device, +Cores, -Near).

near_to(Consumers, Irq, Device, Cores, Near) :-
    (   memberchk(Irq-Consumer, Consumers)
    ->  (   memberchk(Consumer, Cores)
        ->  Near = [Consumer]
        ;   core_node(Consumer, Node),
            findall(Core, ( member(Core, Cores), core_node(Core, Node) ), Near),
            Near \== []
        ->  true
        ;   Near = Cores
        )
    ;   near(Device, Cores, Near)
    ).

%   near(+Device, +Cores, -Near): those on the nearest node to a device; all where nothing tells where it is.

near(Device, Cores, Near) :-
    (   catch(device_home(Device, Home), error(existence_error(device, _), _), fail)
    ->  findall(Distance-Core, ( member(Core, Cores), distance(Core, Home, Distance) ), Pairs),
        keysort(Pairs, Sorted),
        Sorted = [Least-_|_],
        findall(Core, member(Least-Core, Sorted), Near)
    ;   Near = Cores
    ).

distance(Core, Home, Distance) :-
    (   core_node(Core, Node)
    ->  relative_distance(Node, Home, Distance)
    ;   Distance = 20
    ).

%   plan(+Locality, +Consumers, -Placed): placed(Irq, Device, Weight, Core, Remote) for each interrupt, by number.

plan(Locality, Consumers, Placed) :-
    must_be(oneof([strict, balanced]), Locality),
    eligible(Cores),
    findall(Weight-(Irq-Device), ( os_interrupt(Irq, _, Device), Device = addr(_, _, _, _), weight(Irq, Weight) ), Found),
    (   Cores == []
    ->  Placed = []
    ;   sort(0, @>=, Found, Unstable),
        heaviest_first(Unstable, Heaviest),
        findall(Irq-Near, ( member(_-(Irq-Device), Heaviest), near_to(Consumers, Irq, Device, Cores, Near) ), Nears),
        findall(0-Core, member(Core, Cores), Loads),
        foldl(place(Locality, Nears), Heaviest, Loads-[], Loaded-Unsorted),
        improved(Locality, Nears, Loaded, Unsorted, Better),
        sort(Better, Placed)
    ).

weight(Irq, Weight) :-
    findall(Count, os_interrupt_count(Irq, _, Count), Counts),
    sum_list(Counts, Sum),
    Weight is Sum + 1.

%   The heaviest first; of those alike the lowest number, so that the queues of a device go to its cores in order.

heaviest_first(Found, Heaviest) :-
    findall(Negative-(Irq-(Weight-Device)), ( member(Weight-(Irq-Device), Found), Negative is -Weight ), Keyed),
    sort(Keyed, Sorted),
    findall(Weight-(Irq-Device), member(_-(Irq-(Weight-Device)), Sorted), Heaviest).

place(Locality, Nears, Weight-(Irq-Device), Loads0-Placed, Loads-[placed(Irq, Device, Weight, Core, Remote)|Placed]) :-
    memberchk(Irq-Near, Nears),
    least(Locality, Near, Loads0, Load, Core),
    remote(Core, Near, Remote),
    select(Load-Core, Loads0, Others),
    Sum is Load + Weight,
    Loads = [Sum-Core|Others].

%   least(+Locality, +Near, +Loads, -Load, -Core): the core with the least load, the nearest of those, the lowest of those.

least(Locality, Near, Loads, Load, Core) :-
    findall(L-(Remote-C),
            ( member(L-C, Loads), remote(C, Near, Remote), ( Locality == strict -> Remote =:= 0 ; true ) ),
            Candidates),
    sort(Candidates, [Load-(_-Core)|_]).

remote(Core, Near, Remote) :-
    (   memberchk(Core, Near)
    ->  Remote = 0
    ;   Remote = 1
    ).

%   improved(+Locality, +Nears, +Loads, +Placed0, -Placed): moves from the busiest core that make the busier of the two less busy, and
%   swaps that bring two interrupts nearer at the same loads, until there are none.

improved(Locality, Nears, Loads, Placed0, Placed) :-
    (   better(Locality, Nears, Loads, Placed0, Loads1, Placed1)
    ->  improved(Locality, Nears, Loads1, Placed1, Placed)
    ;   Placed = Placed0
    ).

better(Locality, Nears, Loads0, Placed0, Loads, [placed(Irq, Device, Weight, To, Remote)|Others]) :-
    sort(1, @>=, Loads0, [Most-From|_]),
    select(placed(Irq, Device, Weight, From, _), Placed0, Others),
    memberchk(Irq-Near, Nears),
    member(Load-To, Loads0),
    To \== From,
    Load + Weight < Most,
    remote(To, Near, Remote),
    ( Locality == strict -> Remote =:= 0 ; true ),
    !,
    moved(Loads0, From, To, Weight, Loads).
better(balanced, Nears, Loads, Placed0, Loads, [placed(IrqA, DeviceA, Weight, CoreB, 0), placed(IrqB, DeviceB, Weight, CoreA, RemoteB)|Others]) :-
    member(placed(IrqA, DeviceA, Weight, CoreA, 1), Placed0),
    memberchk(IrqA-NearA, Nears),
    member(placed(IrqB, DeviceB, Weight, CoreB, OldB), Placed0),
    memberchk(CoreB, NearA),
    memberchk(IrqB-NearB, Nears),
    remote(CoreA, NearB, RemoteB),
    RemoteB =< OldB,
    !,
    exclude([placed(Irq, _, _, _, _)]>>memberchk(Irq, [IrqA, IrqB]), Placed0, Others).

moved([], _, _, _, []).
moved([Load0-Core|Loads0], From, To, Weight, [Load-Core|Loads]) :-
    (   Core == From
    ->  Load is Load0 - Weight
    ;   Core == To
    ->  Load is Load0 + Weight
    ;   Load = Load0
    ),
    moved(Loads0, From, To, Weight, Loads).
