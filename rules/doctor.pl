:- module(doctor,
          [ finding/4,                  % ?Severity, -Subject, -Finding, -Remedy
            unbalanced_memory/3         % -Kind, -Least, -Most
          ]).

/** <module> A doctor for machines: where ACPI, CPUID, PCI and the operating system contradict each other, or themselves

Every finding says what is so, of what, and what to do about it.

| severity  | is                                                                        |
|-----------|---------------------------------------------------------------------------|
| `error`   | two sources contradict each other, or a value cannot be: something decides wrongly because of it |
| `warning` | it works, and works worse than the hardware could                          |
| `note`    | worth knowing; may well be meant                                           |
*/

:- use_module(facts).
:- use_module(devices).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(finding(?severity: oneof([error, warning, note]), -subject: atom, -finding: text, -remedy: text),
         [ doc("What is wrong or odd about the machine: what contradicts what, and what to do.") ]).
:- query(unbalanced_memory(-kind: oneof([node, module]), -least: bytes, -most: bytes),
         [ doc("Nodes with cores, or memory modules, whose sizes differ: the least and the most, in bytes. Unequal channels halve bandwidth.") ]).

%!  finding(?Severity, -Subject, -Finding, -Remedy) is nondet.

finding(Severity, Subject, Finding, Remedy) :-
    findall(found(Rank, Severity, Subject, Finding, Remedy),
            ( check(Severity, Subject, Finding0, Remedy0), rank(Severity, Rank),
              text(Finding0, Finding), text(Remedy0, Remedy) ),
            All),
    sort(All, Sorted),
    member(found(_, Severity, Subject, Finding, Remedy), Sorted).

rank(error, 0).
rank(warning, 1).
rank(note, 2).

text(Format-Arguments, Text) :-
    !,
    format(string(Text), Format, Arguments).
text(Text, Text).

%   check(-Severity, -Subject, -Finding, -Remedy) is nondet.

% Processors: firmware, CPUID, operating system.

check(error, cores, "cores ~w have one APIC identifier, ~d"-[Cores, Apic], "update the firmware: interrupts for one reach another") :-
    findall(Id-Core, ( core(Core, Id, 1), integer(Id), x86 ), Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Apic-Cores, Groups),
    Cores = [_, _|_].
check(error, cores, "cores ~w are online with APIC identifiers that firmware does not list (MADT)"-[Cores],
      "update the firmware, or look whether its tables were overridden") :-
    once(apic(_, _, _)),
    findall(Core, ( core(Core, Apic, 1), integer(Apic), \+ apic(_, Apic, _) ), Cores),
    Cores \== [].
check(note, cores, "firmware enables ~d processors, the system shows ~d"-[Enabled, Shown],
      "look for maxcpus, nr_cpus or nosmt on the kernel's command line, or for processors that failed to start in its log") :-
    aggregate_all(count, apic(_, _, 1), Enabled),
    aggregate_all(count, core(_, _, _), Shown),
    Enabled > Shown,
    Shown > 0.
check(note, cores, "cores ~w are offline"-[Cores], "echo 1 to their file online in /sys/devices/system/cpu, if that is not meant") :-
    findall(Core, core(Core, _, 0), Cores),
    Cores \== [].
check(warning, cores, "cores of one kind (~w) differ in features: cores ~w lack ~w"-[Kind, Lacking, Features],
      "update the firmware or its microcode; programs that migrate may meet instructions that are not there") :-
    kind_of_cores(Kind, Cores),
    Cores = [_, _|_],
    maplist(features, Cores, Sets),
    foldl(ord_union, Sets, [], All),
    foldl([Set, I0, I]>>ord_intersection(Set, I0, I), Sets, All, Common),
    ord_subtract(All, Common, Features),
    Features \== [],
    findall(Core, ( member(Core, Cores), features(Core, Own), \+ ord_subset(All, Own) ), Lacking).
check(warning, cores, "processors of different steppings: ~w"-[Versions], "meant only if the maker allows the mix; update firmware and microcode") :-
    findall(Family/Model/Stepping, cpu_family(_, Family, Model, Stepping), All),
    sort(All, Versions),
    Versions = [_, _|_],
    \+ cpu_kind(_, efficiency).
check(error, cores, "cores ~d and ~d share a cache of level ~d and sit in packages ~d and ~d"-[A, B, Level, PackageA, PackageB],
      "firmware or a hypervisor describes caches wrongly; schedulers will be misled") :-
    cache(Id, Level, _, _, _, _, _),
    once(( cache_shared(Id, A), cpu_thread(A, PackageA, _, _), cache_shared(Id, B), cpu_thread(B, PackageB, _, _), PackageA < PackageB )).

% NUMA: SRAT and SLIT, and what the system made of them.

check(error, numa, "firmware puts cores ~w into node ~d, the system elsewhere"-[Cores, Node],
      "update the firmware, or look for numa= on the kernel's command line") :-
    once(numa_core(_, _)),
    findall(Home-Core,
            ( core(Core, Apic, 1), integer(Apic), cpu_affinity(Apic, Domain), node_of(Domain, Home),
              numa_core(Other, Core), Other \== Home ),
            Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Node-Cores, Groups).
check(error, numa, "SLIT gives ~d as the distance of ~d from itself; it is 10 by definition"-[Distance, Node], "update the firmware") :-
    node_distance(Node, Node, Distance),
    Distance =\= 10.
check(error, numa, "SLIT gives ~d from ~d to ~d, not more than within a node"-[Distance, From, To], "update the firmware") :-
    node_distance(From, To, Distance),
    From =\= To,
    Distance =< 10.
check(note, numa, "SLIT gives ~d from ~d to ~d, and ~d back"-[There, From, To, Back], "right only where links are one-sided; else update the firmware") :-
    node_distance(From, To, There),
    From < To,
    node_distance(To, From, Back),
    There =\= Back.
check(warning, numa, "firmware tells no distances between ~d nodes"-[Count], "update the firmware (SLIT); until then all nodes count as equally far") :-
    nodes_with_cores(Nodes),
    length(Nodes, Count),
    Count > 1,
    \+ ( node_distance(A, B, _), A =\= B ),
    \+ node_latency(_, _, _, _).
check(error, numa, "memory from 0x~16r to 0x~16r belongs to nodes ~d and ~d"-[Low, High, A, B], "update the firmware (SRAT)") :-
    memory_affinity(BaseA, SizeA, A, _),
    memory_affinity(BaseB, SizeB, B, _),
    A < B,
    Low is max(BaseA, BaseB),
    High is min(BaseA + SizeA, BaseB + SizeB),
    Low < High.
check(warning, numa, "nodes ~w have cores and no memory"-[Nodes],
      "every access of theirs is remote: look for a bank that is empty or failed, or for memory interleaving in the firmware's setup") :-
    nodes_with_cores(WithCores),
    findall(Node, ( member(Node, WithCores), numa_node(Node, 0) ), Nodes),
    Nodes \== [].
check(warning, memory, "nodes with cores have between ~d and ~d bytes of memory"-[Least, Most],
      "populate channels alike; bandwidth follows the smallest") :-
    unbalanced_memory(node, Least, Most).
check(warning, memory, "memory modules have between ~d and ~d bytes"-[Least, Most], "populate channels with modules alike") :-
    unbalanced_memory(module, Least, Most).
check(note, memory, "latencies were measured that contradict SLIT: from core ~d node ~d is nearer than ~d"-[Core, Near, Far],
      "trust what was measured; tell the maker of the firmware") :-
    memory_access(Core, Near, LatencyNear, _),
    memory_access(Core, Far, LatencyFar, _),
    LatencyNear * 10 < LatencyFar * 8,
    once(core_node(Core, Home)),
    relative_distance(Home, Near, DistanceNear),
    relative_distance(Home, Far, DistanceFar),
    DistanceNear > DistanceFar.

% PCI.

check(error, pci, "BAR ~d of ~s and BAR ~d of ~s overlap in ~w space at 0x~16r"-[IndexA, NameA, IndexB, NameB, Space, Low],
      "reboot with pci=realloc, or update the firmware; one of the two does not work") :-
    findall(Base-bar(End, Segment, Space0, Addr, Index),
            ( bar(Addr, Index, Base, Size, Space0, _, _), integer(Size), Size > 0, Base > 0, decodes(Addr),
              Addr = addr(Segment, _, _, _), End is Base + Size ),
            Bars),
    keysort(Bars, Sorted),
    overlap(Sorted, A, B, Low),
    A = bar(_, _, Space, AddrA, IndexA),
    B = bar(_, _, _, AddrB, IndexB),
    addr_text(AddrA, NameA),
    addr_text(AddrB, NameB).
check(warning, pci, "BAR ~d of ~s has no address"-[Index, Name],
      "reboot with pci=realloc, or give the slot more room in the firmware's setup (Above 4G decoding)") :-
    bar(Addr, Index, 0, Size, memory, _, _),
    integer(Size),
    Size > 0,
    device_driver(Addr, _),
    \+ virtual_function(Addr, _),
    addr_text(Addr, Name).
check(warning, pci, "the link of ~s runs at ~d MT/s x~d, both ends could do ~d MT/s x~d"-[Name, Speed, Width, BestSpeed, BestWidth],
      "reseat the card, look at the riser or cable; some devices slow down when idle") :-
    slow_links(Device, Speed, Width, MaxSpeed, MaxWidth, Port, degraded),
    pcie_link(Port, _, _, PortSpeed, PortWidth),
    BestSpeed is min(MaxSpeed, PortSpeed),
    BestWidth is min(MaxWidth, PortWidth),
    addr_text(Device, Name).
check(note, pci, "the link of ~s runs at ~d MT/s x~d, the device could do ~d MT/s x~d, its slot cannot"-[Name, Speed, Width, MaxSpeed, MaxWidth],
      "plug it into a faster slot, if that is worth it") :-
    slow_links(Device, Speed, Width, MaxSpeed, MaxWidth, _, port),
    addr_text(Device, Name).
check(warning, pci, "~s has seen uncorrectable errors: ~w"-[Name, Errors], "look into the kernel's log for AER; reseat or replace what is behind it") :-
    pci_errors(Addr, uncorrectable, Seen, _),
    subtract(Seen, [unsupported_request], Errors),      % what asking for a device that is not there leaves behind
    Errors \== [],
    addr_text(Addr, Name).
check(error, pci, "bus ~|~`0t~16r~2+ of segment ~d has functions, and MCFG does not cover it"-[Bus, Segment],
      "update the firmware: extended configuration space cannot be reached there") :-
    once(pcie_confspace(_, _, _, _)),
    findall(S-B, device(addr(S, B, _, _), _, _, _, _, _, _), All),
    sort(All, Buses),
    member(Segment-Bus, Buses),
    Segment < 0x10000,                                  % others are made up by the kernel, for what firmware hides (VMD)
    \+ ( pcie_confspace(Segment, Low, High, _), between(Low, High, Bus) ).
check(note, pci, "firmware describes an IOMMU, and no device is in a group of it", "intel_iommu=on or amd_iommu=on on the kernel's command line, if devices are to be given away or confined") :-
    once(( dmar_unit(_, _, _, _, _) ; ivrs_unit(_, _, _, _, _, _) )),
    \+ iommu_group(_, _),
    once(device_driver(_, _)).

% The runtime.

check(error, runtime, "~w runs dispatcher ~d on core ~d, which is offline"-[Application, Index, Core], "bring the core back, or start the application again") :-
    dispatcher(Application, Index, Core),
    core(Core, _, 0).
check(note, runtime, "messages from core ~d to ~d were measured at ~d ps a round trip, and to ~d, which shares no cache with it, at ~d"-[Core, Near, NearPs, Far, FarPs],
      "measure again on an idle machine, with multikernel measure") :-
    message_rtt(Core, Near, _, _, NearPs, _),
    integer(NearPs),
    once(( shares_cache(Core, Near), message_rtt(Core, Far, _, _, FarPs, _), integer(FarPs), Far =\= Near,
           \+ shares_cache(Core, Far), FarPs * 2 < NearPs )).

x86 :-
    once(( apic(_, _, _) ; cpu_vendor(_, Vendor), memberchk(Vendor, ['GenuineIntel', 'AuthenticAMD', 'HygonGenuine']) )).

kind_of_cores(Kind, Cores) :-
    findall(K-Core, ( core(Core, _, 1), ( cpu_kind(Core, K) -> true ; K = uniform ) ), Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Kind-Cores, Groups).

features(Core, Features) :-
    findall(Feature, cpu_feature(Core, Feature), All),
    sort(All, Features).

node_of(Domain, Node) :-
    (   node_domain(Node0, Domain)
    ->  Node = Node0
    ;   Node = Domain
    ).

nodes_with_cores(Nodes) :-
    findall(Node, core_node(_, Node), All),
    sort(All, Nodes).

shares_cache(A, B) :-
    cache_shared(Id, A),
    cache_shared(Id, B),
    !.

%   A function whose bridge is off, or that is behind none that works, decodes nothing; nor does one without a driver need to.

decodes(Addr) :-
    device_driver(Addr, _).

%   Neighbours in the order of their bases that overlap: a longer one may reach over several.

overlap(Bars, A, B, Low) :-
    append(_, [_-A|Others], Bars),
    A = bar(EndA, Segment, Space, AddrA, _),
    member(Low-B, Others),
    (   Low >= EndA
    ->  !,
        fail
    ;   B = bar(_, Segment, Space, AddrB, _),
        AddrA \== AddrB
    ).

addr_text(addr(Segment, Bus, Device, Function), Text) :-
    format(string(Text), "~|~`0t~16r~4+:~|~`0t~16r~2+:~|~`0t~16r~2+.~d", [Segment, Bus, Device, Function]).

%!  unbalanced_memory(-Kind, -Least, -Most) is nondet.
%
%   Nodes differ by a little in what the system sets aside, the first by more: a tenth and a gigabyte are no difference.

unbalanced_memory(node, Least, Most) :-
    nodes_with_cores(WithCores),
    findall(Size, ( member(Node, WithCores), numa_node(Node, Size), Size > 0 ), Sizes),
    Sizes = [_, _|_],
    min_list(Sizes, Least),
    max_list(Sizes, Most),
    Most - Least > max(Most // 10, 1 << 30).
unbalanced_memory(module, Least, Most) :-
    findall(Bytes, ( memory_module(_, 'Size', Text), module_bytes(Text, Bytes), Bytes > 0 ), Sizes),
    Sizes = [_, _|_],
    min_list(Sizes, Least),
    max_list(Sizes, Most),
    Least < Most.

%   hwloc writes MiB or a number with a unit.

module_bytes(Text, Bytes) :-
    split_string(Text, " ", " ", [Number|Unit]),
    number_codes_safe(Number, Count),
    unit(Unit, Factor),
    Bytes is Count * Factor.

number_codes_safe(Text, Count) :-
    catch(number_string(Count, Text), _, fail),
    integer(Count).

unit([], 1048576).
unit(["MB"], 1048576).
unit(["MiB"], 1048576).
unit(["GB"], 1073741824).
unit(["GiB"], 1073741824).
