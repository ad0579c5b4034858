:- module(address_space,
          [ machine_net/1,              % -Net
            core_resolves/4,            % +Core, +Address, -Target, -Offset
            device_resolves/4,          % +Device, +Address, -Target, -Offset
            core_sees/5,                % +Core, -Low, -High, -Target, -Offset
            device_sees/5,              % +Device, -Low, -High, -Target, -Offset
            port_resolves/3,            % +Port, -Target, -Offset
            shared_memory/7             % +Cores, +Devices, +Size, -Target, -Offset, -Length, -Bases
          ]).

/** <module> Address spaces: what an address means to a core, and to a device

The machine as a decoding net (decoding_net.pl), put together from what ACPI, PCI and the operating system tell:

| node                      | decodes                                                                                   |
|---------------------------|-------------------------------------------------------------------------------------------|
| `core(Core)`              | its own local APIC; the rest, as wide as its physical addresses are, is the system's         |
| `system`                  | memory, root bridges' windows, configuration space, I/O APICs, timers, IOMMUs' registers     |
| `ports`                   | I/O ports: root bridges' windows of ports                                                   |
| `bus(Space, Segment, Bus)`| BARs of the functions on a PCI bus and windows of bridges, from above; Space is `memory` or `io` |
| `device(Addr)`            | what a function says when it reads and writes memory: its own bus, then what is above         |
| `upstream(Segment, Bus)`  | that, of a bus: its BARs and windows, then the bus above; at the top interrupts and the system |

and where addresses end:

| target                | offset is                                                          |
|-----------------------|---------------------------------------------------------------------|
| `ram(Node)`           | in the memory of a NUMA node, its ranges one after the other         |
| `bar(Addr, Index)`    | in what a base address register maps; `vf_bar` for virtual functions  |
| `config(Segment)`     | in extended configuration space, 1 MiB a bus                          |
| `ioapic(Id)`, `local_apic(Core)`, `hpet(Number)`, `iommu_unit(Number)` | in their registers  |
| `interrupts`          | a message-signaled interrupt, 0xFEE00000 and what follows it           |
| `iommu(Group)`        | what the page tables of a device's IOMMU group make of it: no fact tells that |
*/

:- use_module(facts).
:- use_module(decoding_net).
:- use_module(devices).
:- use_module(queries).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(core_resolves(+core: core, +address: address, -target: any, -offset: address),
         [ doc("What a physical address means to a core: memory, a device's BAR, configuration space, registers of interrupt controllers.") ]).
:- query(device_resolves(+device: addr, +address: address, -target: any, -offset: address),
         [ doc("What an address means that a device reads or writes: memory, another device's BAR, an interrupt; or what its IOMMU makes of it.") ]).
:- query(core_sees(+core: core, -low: address, -high: address, -target: any, -offset: address),
         [ doc("All ranges of physical addresses that mean something to a core, in order, ends included.") ]).
:- query(device_sees(+device: addr, -low: address, -high: address, -target: any, -offset: address),
         [ doc("All ranges of addresses that mean something when a device says them, in order, ends included.") ]).
:- query(port_resolves(+port: address, -target: any, -offset: address),
         [ doc("The BAR that an I/O port belongs to.") ]).
:- query(shared_memory(+cores: list(core), +devices: list(addr), +size: bytes, -target: any, -offset: address, -length: bytes, -bases: list(address)),
         [ doc("Regions of so many bytes that all of these cores and devices see, largest first, and by which address each says the first byte."),
           default(devices, []), default(size, 4096) ]).

%!  core_resolves(+Core, +Address, -Target, -Offset) is nondet.

core_resolves(Core, Address, Target, Offset) :-
    machine_net(Net),
    resolve(Net, core(Core), Address, Target, Offset).

%!  device_resolves(+Device, +Address, -Target, -Offset) is nondet.

device_resolves(Device, Address, Target, Offset) :-
    machine_net(Net),
    resolve(Net, device(Device), Address, Target, Offset).

%!  port_resolves(+Port, -Target, -Offset) is nondet.

port_resolves(Port, Target, Offset) :-
    machine_net(Net),
    resolve(Net, ports, Port, Target, Offset).

%!  core_sees(+Core, -Low, -High, -Target, -Offset) is nondet.

core_sees(Core, Low, High, Target, Offset) :-
    machine_net(Net),
    views(Net, core(Core), Views),
    member(view(Low, High, Target, Offset), Views).

%!  device_sees(+Device, -Low, -High, -Target, -Offset) is nondet.

device_sees(Device, Low, High, Target, Offset) :-
    machine_net(Net),
    views(Net, device(Device), Views),
    member(view(Low, High, Target, Offset), Views).

%!  shared_memory(+Cores, +Devices, +Size, -Target, -Offset, -Length, -Bases) is nondet.

shared_memory(Cores, Devices, Size, Target, Offset, Length, Bases) :-
    machine_net(Net),
    maplist([Core, core(Core)]>>true, Cores, CoreNodes),
    maplist([Device, device(Device)]>>true, Devices, DeviceNodes),
    append(CoreNodes, DeviceNodes, Nodes),
    shared(Net, Nodes, Size, Target, shared(Offset, Length, Bases)),
    memory(Target).

memory(ram(_)).
memory(bar(_, _)).
memory(vf_bar(_, _)).

%!  machine_net(-Net) is det.

machine_net(Net) :-
    findall(Node, machine_node(Node), Nodes),
    net(Nodes, Net).

machine_node(node(core(Core), [], [map(0, Last, system, 0)|Own], none)) :-
    core(Core, _, _),
    \+ local_apic_address(_),
    width(Core, Last),
    Own = [].
machine_node(node(core(Core), [], [map(Base, End, local_apic(Core), 0)|Around], none)) :-
    core(Core, _, _),
    local_apic_address(Base),
    End is Base + 0xfff,
    width(Core, Last),
    around(Base, End, Last, Around).
machine_node(node(local_apic(Core), [range(0, 0xfff)], [], none)) :-
    once(local_apic_address(_)),
    core(Core, _, _).
machine_node(node(system, [], Maps, none)) :-
    findall(map(Low, High, Target, Offset), system_range(Low, High, Target, Offset), Maps).
machine_node(node(ports, [], Maps, none)) :-
    findall(map(Low, High, bus(io, Segment, Bus), Low), root_window(io, Low, High, Segment, Bus), Maps).
machine_node(node(ram(Node), [range(0, Last)], [], none)) :-
    findall(N-Size, ram_range(N, _, Size), Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Node-Sizes, Groups),
    sum_list(Sizes, Sum),
    Last is Sum - 1.
machine_node(node(config(Segment), [range(0, 0xfffffff)], [], none)) :-
    findall(S, pcie_confspace(S, _, _, _), Found),
    sort(Found, Segments),
    member(Segment, Segments).
machine_node(node(ioapic(Id), [range(0, 0xfff)], [], none)) :-
    distinct_ids(Id, ioapic(Id, _, _)).
machine_node(node(hpet(Number), [range(0, 0x3ff)], [], none)) :-
    distinct_ids(Number, hpet(Number, memory, _, _, _, _, _, _, _)).
machine_node(node(iommu_unit(Number), [range(0, Last)], [], none)) :-
    dmar_unit(Number, _, _, Size, _),
    Last is max(Size, 0x1000) - 1.
machine_node(node(interrupts, [range(0, 0xfffff)], [], none)).
machine_node(node(bus(Space, Segment, Bus), [], Maps, none)) :-
    member(Space, [memory, io]),
    known_bus(Segment, Bus),
    findall(Map, below(Space, Segment, Bus, Map), Maps).
machine_node(node(upstream(Segment, Bus), [], Maps, overlay(Above))) :-
    known_bus(Segment, Bus),
    findall(Map, below(memory, Segment, Bus, Map), Maps),
    (   above(Segment, Bus, Parent)
    ->  Above = upstream(Segment, Parent)
    ;   Above = root
    ).
machine_node(node(root, [], [map(0xfee00000, 0xfeefffff, interrupts, 0)], overlay(system))).
machine_node(node(device(Addr), [], [], overlay(Above))) :-
    function(Addr),
    Addr = addr(Segment, Bus, _, _),
    (   iommu_group(Group, Addr),
        translated
    ->  Above = translating(Group)
    ;   Above = upstream(Segment, Bus)
    ).
machine_node(node(translating(Group), [], [map(0xfee00000, 0xfeefffff, interrupts, 0)], overlay(iommu(Group)))) :-
    translated,
    groups(Group).
machine_node(node(iommu(Group), [range(0, 0xffffffffffffffff)], [], none)) :-
    translated,
    groups(Group).
machine_node(node(bar(Addr, Index), [range(0, Last)], [], none)) :-
    a_bar(_, Addr, Index, _, Last).
machine_node(node(vf_bar(Addr, Index), [range(0, Last)], [], none)) :-
    a_vf_bar(_, Addr, Index, _, Last).

groups(Group) :-
    findall(G, iommu_group(G, _), Found),
    sort(Found, Groups),
    member(Group, Groups).

translated :-
    once(( dmar_unit(_, _, _, _, _) ; ivrs_unit(_, _, _, _, _, _) )).

distinct_ids(Id, Fact) :-
    findall(Id, Fact, Found),
    sort(Found, Ids),
    member(Id, Ids).

%   The last physical address of a core; where its width is not known, all are taken to be the system's.

width(Core, Last) :-
    (   addrspace(Core, Bits, _)
    ->  Last is (1 << Bits) - 1
    ;   Last = 0xffffffffffffffff
    ).

around(Base, End, Last, Maps) :-
    findall(map(Low, High, system, Low),
            ( ( Low = 0, High is Base - 1 ; Low is End + 1, High = Last ), Low =< High ),
            Maps).

%   system_range(-Low, -High, -Target, -Offset) is nondet.

system_range(Low, High, ram(Node), Offset) :-
    findall(N-(Base-Size), ram_range(N, Base, Size), Pairs),
    sort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Node-Ranges, Groups),
    append(Before, [Low-Size|_], Ranges),
    pairs_values(Before, Sizes),
    sum_list(Sizes, Offset),
    High is Low + Size - 1.
system_range(Low, High, config(Segment), Offset) :-
    pcie_confspace(Segment, First, Last, Base),
    Offset is First << 20,
    Low is Base + Offset,
    High is Base + ((Last + 1) << 20) - 1.
system_range(Base, High, ioapic(Id), 0) :-
    ioapic(Id, Base, _),
    High is Base + 0xfff.
system_range(Base, High, hpet(Number), 0) :-
    hpet(Number, memory, Base, _, _, _, _, _, _),
    High is Base + 0x3ff.
system_range(Base, High, iommu_unit(Number), 0) :-
    dmar_unit(Number, _, Base, Size, _),
    High is Base + max(Size, 0x1000) - 1.
system_range(Low, High, bus(memory, Segment, Bus), Low) :-
    root_window(memory, Low, High, Segment, Bus).

%   ram_range(-Node, -Base, -Size) is nondet: by the operating system's blocks, or firmware's affinity, or else all memory as one node's.

ram_range(Node, Base, Size) :-
    once(node_memory(_, _, _)),
    !,
    node_memory(Node, Base, Size).
ram_range(Node, Base, Size) :-
    once(memory_affinity(_, _, _, _)),
    !,
    memory_affinity(Base, Size, Domain, Flags),
    Size > 0,
    \+ memberchk(hot_pluggable, Flags),
    (   node_domain(Node0, Domain)
    ->  Node = Node0
    ;   Node = Domain
    ).
ram_range(0, Base, Size) :-
    memory_region(Base, Size, system_ram),
    Size > 0.

%   root_window(+Space, -Low, -High, -Segment, -Bus) is nondet: what a root bridge forwards, as firmware says. Where it does not, what the
%   functions on root buses have been given.

root_window(Space, Low, High, Segment, Bus) :-
    once(rootbridge_address_window(_, _, _, _)),
    !,
    rootbridge(Root, Bus, _),
    Root = addr(Segment, _, _, _),
    rootbridge_address_window(Root, Space, Low, High).
root_window(Space, Low, High, Segment, Bus) :-
    known_bus(Segment, Bus),
    \+ above(Segment, Bus, _),
    below(Space, Segment, Bus, map(Low, High, _, _)).

%   below(+Space, +Segment, +Bus, -Map) is nondet: what a bus passes on.

below(Space, Segment, Bus, map(Base, High, bar(Addr, Index), 0)) :-
    Addr = addr(Segment, Bus, _, _),
    a_bar(Space, Addr, Index, Base, Last),
    High is Base + Last.
below(Space, Segment, Bus, map(Base, High, vf_bar(Addr, Index), 0)) :-
    Addr = addr(Segment, Bus, _, _),
    a_vf_bar(Space, Addr, Index, Base, Last),
    High is Base + Last.
below(Space, Segment, Bus, map(Base, Limit, bus(Space, Segment, Secondary), Base)) :-
    Bridge = addr(Segment, Bus, _, _),
    bridge(Bridge, _, Secondary, _),
    Bus < Secondary,
    bridge_window(Bridge, _, Space, Base, Limit, _, _),
    Base =< Limit.

a_bar(Space, Addr, Index, Base, Last) :-
    bar(Addr, Index, Base, Size, Space, _, _),
    integer(Size),
    Size > 0,
    Base > 0,
    Last is Size - 1.

a_vf_bar(Space, Addr, Index, Base, Last) :-
    vf_bar(Addr, Index, Base, Size, Space, _, _),
    integer(Size),
    Size > 0,
    Base > 0,
    (   sriov(Addr, _, Active),
        Active > 0
    ->  Last is Size * Active - 1
    ;   fail
    ).

function(Addr) :-
    findall(Each, ( device(Each, _, _, _, _, _, _) ; bridge(Each, _, _, _) ), Found),
    sort(Found, Functions),
    member(Addr, Functions).

known_bus(Segment, Bus) :-
    findall(S-B,
            ( function(addr(S, B, _, _))
            ; bridge(addr(S, Own, _, _), _, B, _), Own < B
            ; rootbridge(addr(S, _, _, _), B, _) ),
            Found),
    sort(Found, Buses),
    member(Segment-Bus, Buses).

above(Segment, Bus, Parent) :-
    upstream(addr(Segment, Bus, 0, 0), addr(Segment, Parent, _, _)).
