:- module(locality,
          [ device_home/2,              % +Device, -Node
            cores_near_device/2,        % +Device, -Cores
            least_loaded_core_near/3,   % +Device, -Core, -Load
            cores_sharing_cache/3,      % +Core, +Level, -Cores
            cache_groups/2,             % +Level, -Cores
            cores_sharing_no_cache/2,   % +Core, -Cores
            distance_between/4,         % +From, +To, -Distance, -Cause
            ipi_groups/3,               % -Cluster, -Mask, -Cores
            core_kinds/2,               % -Kind, -Cores
            cores_set_apart/2           % -Reason, -Cores
          ]).

/** <module> Locality: which cores are near what

Questions that programs ask before they choose cores. A *core* is a hardware thread, as everywhere.
*/

:- use_module(facts).
:- use_module(costs).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(device_home(+device: addr, -node: node),
         [ doc("The NUMA node that a PCI device is attached to, or that of the bridge or root bridge above it.") ]).
:- query(cores_near_device(+device: addr, -cores: list(core)),
         [ doc("Cores that are online, nearest to a PCI device first; in order of their numbers where nothing tells where the device is.") ]).
:- query(least_loaded_core_near(+device: addr, -core: core, -load: count),
         [ doc("Of the cores on the node nearest to a device, the one with the fewest dispatchers.") ]).
:- query(cores_sharing_cache(+core: core, +level: count, -cores: list(core)),
         [ doc("Cores that share a cache of this level with a core, itself included.") ]).
:- query(cache_groups(+level: count, -cores: list(core)),
         [ doc("Groups of cores that share a data or unified cache of this level, one answer a group.") ]).
:- query(cores_sharing_no_cache(+core: core, -cores: list(core)),
         [ doc("Cores that share no cache with a core.") ]).
:- query(distance_between(+from: core, +to: core, -distance: ps,
                          -cause: oneof([measured, itself, physical_core, cache, die, package, machine])),
         [ doc("One-way latency of a message between two cores in ps, and why: measured, or the nearest that the two share.") ]).
:- query(ipi_groups(-cluster: count, -mask: count, -cores: list(core)),
         [ doc("Groups of cores that one interrupt between processors reaches: clusters of x2APIC, up to 16 cores, with the mask of its logical destination.") ]).
:- query(core_kinds(-kind: oneof([performance, efficiency, uniform]), -cores: list(core)),
         [ doc("Cores by kind; hybrid processors have several.") ]).
:- query(cores_set_apart(-reason: oneof([offline, isolated, no_tick]), -cores: list(core)),
         [ doc("Cores that are offline, that the scheduler leaves alone (isolcpus), or that have no tick (nohz_full).") ]).

%!  device_home(+Device, -Node) is semidet.
%
%   @error existence_error(device, Device) if there is no such device

device_home(Device, Node) :-
    known_device(Device),
    home(Device, Node),
    !.

known_device(Device) :-
    (   ( device(Device, _, _, _, _, _, _) ; bridge(Device, _, _, _) ; rootbridge(Device, _, _) )
    ->  true
    ;   existence_error(device, Device)
    ).

home(Device, Node) :-
    device_node(Device, Node).
home(Device, Node) :-
    virtual_function(Device, Physical),
    device_node(Physical, Node).
home(addr(Segment, Bus, _, _), Node) :-
    findall(Width-Bridge,
            ( bridge(Bridge, _, Secondary, Subordinate),
              Bridge = addr(Segment, _, _, _),
              between(Secondary, Subordinate, Bus),
              Width is Subordinate - Secondary ),
            Above),
    keysort(Above, Nearest),
    member(_-Bridge, Nearest),
    device_node(Bridge, Node).
home(addr(Segment, Bus, _, _), Node) :-
    rootbridge(Root, Low, High),
    Root = addr(Segment, _, _, _),
    integer(High),
    between(Low, High, Bus),
    rootbridge_proximity(Root, Domain),
    (   node_domain(Node0, Domain)
    ->  Node = Node0
    ;   Node = Domain
    ).

%!  cores_near_device(+Device, -Cores) is det.

cores_near_device(Device, Cores) :-
    known_device(Device),
    (   device_home(Device, Home)
    ->  findall(Distance-Core, ( online(Core), distance_to_node(Core, Home, Distance) ), Pairs),
        sort(Pairs, Sorted),
        pairs_values(Sorted, Cores)
    ;   findall(Core, online(Core), Found),
        sort(Found, Cores)
    ).

online(Core) :-
    core(Core, _, 1).

distance_to_node(Core, Home, Distance) :-
    (   core_node(Core, Node)
    ->  relative_distance(Node, Home, Distance)
    ;   Distance = 20
    ).

%!  least_loaded_core_near(+Device, -Core, -Load) is semidet.

least_loaded_core_near(Device, Core, Load) :-
    cores_near_device(Device, Cores),
    (   device_home(Device, Home)
    ->  Cores = [First|_],
        distance_to_node(First, Home, Least),
        findall(Each, ( member(Each, Cores), distance_to_node(Each, Home, Least) ), Near)
    ;   Near = Cores
    ),
    findall(Count-Number, ( member(Number, Near), aggregate_all(count, dispatcher(_, _, Number), Count) ), Loads),
    sort(Loads, [Load-Core|_]).

%!  cores_sharing_cache(+Core, +Level, -Cores) is det.

cores_sharing_cache(Core, Level, Cores) :-
    known_core(Core),
    findall(Other,
            ( cache_shared(Id, Core), cache(Id, Level, Type, _, _, _, _), Type \== instruction, cache_shared(Id, Other) ),
            Found),
    sort(Found, Cores).

known_core(Core) :-
    (   ( core(Core, _, _) ; cpu_thread(Core, _, _, _) )
    ->  true
    ;   existence_error(core, Core)
    ).

%!  cache_groups(+Level, -Cores) is nondet.

cache_groups(Level, Cores) :-
    findall(Group,
            ( cache(Id, Level, Type, _, _, _, _), Type \== instruction,
              findall(Core, cache_shared(Id, Core), Found),
              sort(Found, Group) ),
            Groups),
    sort(Groups, Distinct),
    member(Cores, Distinct).

%!  cores_sharing_no_cache(+Core, -Cores) is det.

cores_sharing_no_cache(Core, Cores) :-
    known_core(Core),
    findall(Other, ( cache_shared(Id, Core), cache_shared(Id, Other) ), Sharing0),
    sort([Core|Sharing0], Sharing),
    findall(Other, core(Other, _, _), All0),
    sort(All0, All),
    subtract(All, Sharing, Cores).

%!  distance_between(+From, +To, -Distance, -Cause) is det.

distance_between(From, To, Distance, Cause) :-
    core_distance([From, To], [[_, Distance], _], Source),
    (   From =:= To
    ->  Cause = itself
    ;   Source == measured
    ->  Cause = measured
    ;   common(From, To, Cause)
    ).

common(From, To, Cause) :-
    (   cpu_thread(From, Package, Physical, _),
        cpu_thread(To, Package, Physical, _)
    ->  Cause = physical_core
    ;   cache_shared(Id, From),
        cache_shared(Id, To)
    ->  Cause = cache
    ;   cpu_thread(From, Package, _, _),
        cpu_thread(To, Package, _, _)
    ->  (   cpu_die(From, Die),
            cpu_die(To, Die)
        ->  Cause = die
        ;   Cause = package
        )
    ;   Cause = machine
    ).

%!  ipi_groups(-Cluster, -Mask, -Cores) is nondet.
%
%   In x2APIC mode the logical identifier of a core is its cluster, bits 4 to 19 of its APIC identifier, and a bit of sixteen for the rest
%   (Intel SDM volume 3, 11.12.10.2): one interrupt reaches any cores of one cluster.

ipi_groups(Cluster, Mask, Cores) :-
    findall(Number-(Bit-Core),
            ( core(Core, Apic, 1), integer(Apic), Number is Apic >> 4, Bit is 1 << (Apic /\ 15) ),
            Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Cluster-Members, Groups),
    pairs_keys_values(Members, Bits, Unsorted),
    foldl([Bit, M0, M]>>( M is M0 \/ Bit ), Bits, 0, Mask),
    sort(Unsorted, Cores).

%!  core_kinds(-Kind, -Cores) is nondet.

core_kinds(Kind, Cores) :-
    findall(Each-Core, cpu_kind(Core, Each), Pairs),
    sort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Kind-Cores, Groups).

%!  cores_set_apart(-Reason, -Cores) is nondet.

cores_set_apart(Reason, Cores) :-
    member(Reason, [offline, isolated, no_tick]),
    findall(Core, set_apart(Reason, Core), Found),
    sort(Found, Cores),
    Cores \== [].

set_apart(offline, Core) :- core(Core, _, 0).
set_apart(isolated, Core) :- isolated_core(Core).
set_apart(no_tick, Core) :- tickless_core(Core).
