:- module(costs,
          [ core_distance/3,            % +Cores, -Distance, -Source
            tree_costs/4,               % +Cores, -Send, -Receive, -Source
            measured_trips/3,           % +Cores, -Trips, -Busy
            kernel_host/2               % +Core, -Host
          ]).

/** <module> What messages between cores cost

The two matrices that optimisation works on: distances, for placing
dispatchers, and the costs of sending and of receiving, for broadcast trees.
All are integers in picoseconds, rows and columns in the order of the cores
asked for.

They are *measured* where every pair of cores has been measured, in at least
one direction: a round trip is as long begun at the other end. A matrix is
never measured in part and guessed in part, because the two have different
scales. Where a pair is missing they come from the *topology*: the distance of
two different hardware threads is

    Base * D // 10

where Base says what they have in common, the nearest that applies, and D is
the relative distance of their NUMA nodes (`node_distance/3`; 10 within one).

| in common                         | Base (ps) |
|-----------------------------------|-----------|
| the physical core                 |    10,000 |
| a cache of level 1                |    15,000 |
| a cache of level 2                |    20,000 |
| a cache of level 3                |    40,000 |
| a cache of level 4 or more        |    60,000 |
| the die                           |    70,000 |
| the package, or nothing is known  |    80,000 |
| the machine                       |    80,000 |

D is 20 where the nodes differ and their distance is not known or makes no
sense (10 or less), and also where the packages differ but not the nodes. The
scale puts cores in the right order, and its steps are of the size that is
measured on today's machines; it claims no more.

A kernel in excess of the machine's cores (`virtual_core/2`) stands, in the
topology, where its host does.
*/

:- use_module(facts).
:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).

%!  core_distance(+Cores:list(nonneg), -Distance:list(list(nonneg)), -Source) is det.
%
%   Distance holds the one-way latency between any two of Cores in ps: half the
%   average round trip, or send and receive together where only these were
%   measured. Source is `measured` or `topology`.
%
%   @error existence_error(core, Core) if the topology is needed and no fact
%          mentions Core

core_distance(Cores, Distance, Source) :-
    must_be(list(nonneg), Cores),
    (   measured(latency, Cores, Distance)
    ->  Source = measured
    ;   topology_matrix(Cores, Distance),
        Source = topology
    ).

%!  tree_costs(+Cores:list(nonneg), -Send:list(list(nonneg)), -Receive:list(list(nonneg)), -Source) is det.
%
%   Sending a message keeps the sender busy for Send, and reading it then keeps
%   the receiver busy for Receive. Where only a latency L is known, from a round
%   trip or the topology, Send is L * 22 // 100 and Receive the rest: the split
%   measured on a 2 x 10-core Ivy Bridge. Source is `measured` or `topology`.
%
%   @error existence_error(core, Core) as core_distance/3

tree_costs(Cores, Send, Receive, Source) :-
    must_be(list(nonneg), Cores),
    (   measured(split, Cores, Costs)
    ->  Source = measured
    ;   topology_matrix(Cores, Distance),
        maplist(maplist(split), Distance, Costs),
        Source = topology
    ),
    maplist(pairs_keys_values, Costs, Send, Receive).

%!  measured_trips(+Cores:list(nonneg), -Trips:list(list(nonneg)), -Busy:list(list(nonneg))) is semidet.
%
%   Trips holds the round trip of a message between any two of Cores, Busy what
%   it keeps the busier of its two ends busy, in ps, both measured. Fails if a
%   pair was measured in neither direction.

measured_trips(Cores, Trips, Busy) :-
    must_be(list(nonneg), Cores),
    measured(latency, Cores, Latencies),
    measured(split, Cores, Splits),
    maplist(maplist(there_and_back), Latencies, Trips),
    maplist(maplist(busier), Splits, Busy).

there_and_back(Latency, Trip) :-
    Trip is 2 * Latency.

busier(Send-Receive, Busy) :-
    Busy is max(Send, Receive).

split(Latency, Send-Receive) :-
    Send is Latency * 22 // 100,
    Receive is Latency - Send.

%!  measured(+What, +Cores, -Matrix) is semidet.
%
%   Matrix holds What of every pair as measured: `latency` as one integer, or
%   `split` as Send-Receive. Fails if a pair was measured in neither direction.
%   The measurements of a core are read in one go, so a matrix of N cores takes
%   N^2 log N steps however they are indexed.

measured(What, Cores, Matrix) :-
    sort(Cores, Wanted),
    maplist(measurements(What), Wanted, From),
    pairs_keys_values(Pairs, Wanted, From),
    ord_list_to_assoc(Pairs, ByCore),
    maplist(measured_row(What, ByCore, Cores), Cores, Matrix).

measurements(What, From, ByTarget) :-
    findall(To-(Rank-Value), measurement(What, From, To, Rank, Value), All),
    sort(All, Sorted),
    group_pairs_by_key(Sorted, Grouped),
    maplist(preferred, Grouped, Preferred),
    ord_list_to_assoc(Preferred, ByTarget).

preferred(To-[_Rank-Value|_], To-Value).

%!  measurement(+What, +From, -To, -Rank, -Value) is nondet.
%
%   Value was measured of messages From -> To; of several the least Rank counts.

measurement(latency, From, To, 1, Latency) :-
    message_rtt(From, To, RoundTrip, _, _, _),
    Latency is RoundTrip // 2.
measurement(latency, From, To, 2, Latency) :-
    message_cost(From, To, Send, Receive),
    Latency is Send + Receive.
measurement(split, From, To, 1, Send-Receive) :-
    message_cost(From, To, Send, Receive).
measurement(split, From, To, 2, Split) :-
    message_rtt(From, To, RoundTrip, _, _, _),
    Latency is RoundTrip // 2,
    split(Latency, Split).

measured_row(What, ByCore, Cores, From, Row) :-
    get_assoc(From, ByCore, There),
    maplist(measured_entry(What, ByCore, From, There), Cores, Row).

measured_entry(What, ByCore, From, There, To, Value) :-
    (   From =:= To
    ->  nothing(What, Value)
    ;   get_assoc(To, There, Value)
    ->  true
    ;   get_assoc(To, ByCore, Back),
        get_assoc(From, Back, Value)
    ).

nothing(latency, 0).
nothing(split, 0-0).

%!  topology_matrix(+Cores, -Distance) is det.
%
%   Distance by the scale above.

topology_matrix(Cores, Distance) :-
    maplist(kernel_host, Cores, Hosts),
    sort(Hosts, Distinct),
    node_of_core(Nodes),
    maplist(place(Nodes), Distinct, Places),
    pairs_keys_values(Pairs, Distinct, Places),
    ord_list_to_assoc(Pairs, PlaceOf),
    maplist(get_place(PlaceOf), Hosts, InOrder),
    maplist(distances(InOrder), InOrder, Distance).

get_place(PlaceOf, Core, Place) :-
    get_assoc(Core, PlaceOf, Place).

distances(Places, From, Row) :-
    maplist(distance(From), Places, Row).

%!  kernel_host(+Core, -Host) is det.
%
%   Host is the hardware thread that the kernel of Core runs on.
%
%   @error existence_error(core, Core) if no fact mentions Core

kernel_host(Core, Host) :-
    (   known_core(Core)
    ->  Host = Core
    ;   virtual_core(Core, Host),
        known_core(Host)
    ->  true
    ;   existence_error(core, Core)
    ).

known_core(Core) :-
    (   core(Core, _, _)
    ;   cpu_thread(Core, _, _, _)
    ),
    !.

%!  place(+Nodes, +Core, -Place) is det.
%
%   Place is place(Core, Package, Die, Physical, Node, Caches), `unknown` for
%   what no fact tells. Caches is a list of Base-Id, nearest first.

place(Nodes, Core, place(Core, Package, Die, Physical, Node, Caches)) :-
    (   cpu_thread(Core, Package, Physical, _)
    ->  true
    ;   Package = unknown,
        Physical = unknown
    ),
    (   cpu_die(Core, Die)
    ->  true
    ;   Die = unknown
    ),
    (   get_assoc(Core, Nodes, Node)
    ->  true
    ;   Node = unknown
    ),
    findall(Level-Id,
            ( cache_shared(Id, Core),
              cache(Id, Level, _, _, _, _, _)
            ),
            Unsorted),
    sort(Unsorted, Caches).

%!  node_of_core(-Nodes) is det.
%
%   Nodes maps a core to its NUMA node, under the number that node_distance/3
%   uses, that of the proximity domain: by the operating system, or else by the
%   affinity that the firmware gives its APIC.

node_of_core(Nodes) :-
    findall(Core-Domain,
            ( numa_core(Node, Core),
              (   node_domain(Node, Known)
              ->  Domain = Known
              ;   Domain = Node
              )
            ),
            System),
    (   System == []
    ->  findall(ApicId-Node, cpu_affinity(ApicId, Node), Affinity),
        map(Affinity, ByApic),
        findall(Core-Node,
                ( core(Core, ApicId, _),
                  get_assoc(ApicId, ByApic, Node)
                ),
                Pairs)
    ;   Pairs = System
    ),
    map(Pairs, Nodes).

map(Pairs, Assoc) :-
    sort(1, @<, Pairs, Unique),
    ord_list_to_assoc(Unique, Assoc).

distance(place(Core, _, _, _, _, _), place(Core, _, _, _, _, _), 0) :-
    !.
distance(place(_, PackageA, DieA, PhysicalA, NodeA, CachesA),
         place(_, PackageB, DieB, PhysicalB, NodeB, CachesB), Distance) :-
    (   PackageA == PackageB
    ->  (   PhysicalA == PhysicalB,
            PhysicalA \== unknown
        ->  Base = 10_000
        ;   shared_cache(CachesA, CachesB, Level)
        ->  cache_base(Level, Base)
        ;   DieA == DieB,
            DieA \== unknown
        ->  Base = 70_000
        ;   Base = 80_000
        )
    ;   shared_cache(CachesA, CachesB, Level)
    ->  cache_base(Level, Base)
    ;   Base = 80_000
    ),
    relative_distance(NodeA, NodeB, PackageA, PackageB, Relative),
    Distance is Base * Relative // 10.

shared_cache([Level-Id|Caches], Others, Shared) :-
    (   memberchk(Level-Id, Others)
    ->  Shared = Level
    ;   shared_cache(Caches, Others, Shared)
    ).

cache_base(1, 15_000) :- !.
cache_base(2, 20_000) :- !.
cache_base(3, 40_000) :- !.
cache_base(_, 60_000).

relative_distance(NodeA, NodeB, PackageA, PackageB, Relative) :-
    (   NodeA \== unknown,
        NodeB \== unknown,
        NodeA \== NodeB
    ->  (   node_distance(NodeA, NodeB, Known),
            Known > 10
        ->  Relative = Known
        ;   Relative = 20
        )
    ;   PackageA == PackageB
    ->  Relative = 10
    ;   Relative = 20
    ).
