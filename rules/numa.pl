:- module(numa,
          [ core_node/2,                % ?Core, ?Node
            node_domain_of/2,           % +Node, -Domain
            relative_distance/3,        % +Node, +Other, -Distance
            memory_costs/4,             % +Cores, +Nodes, -Costs, -Source
            memory_bandwidths/4,        % +Cores, +Nodes, -Bandwidths, -Source
            numa_summary/4,             % -Node, -Cores, -Memory, -Distances
            nearest_memory/4,           % +Core, -Node, -Cost, -Source
            best_bandwidth_node/4,      % +Core, -Node, -Bandwidth, -Source
            buffer_node/4,              % +Cores, +Size, -Node, -Source
            interleave_nodes/4,         % +Cores, +Size, -Weights, -Source
            channel_node/4,             % +Sender, +Receiver, -Node, -Source
            memory_reach/2,             % +Core, -Reach
            node_between/4              % +SenderReach, +ReceiverReach, -Node, -Source
          ]).

/** <module> Memory: which node is near to which cores, and where to put what

A node's number is the operating system's; firmware's tables number proximity domains, which `node_domain/2` maps where they differ.

Costs of reaching memory come from one source for all that is compared, the best that tells of every pair:

| source     | is                                                            | unit |
|------------|---------------------------------------------------------------|------|
| `measured` | `memory_access`                                               | ps   |
| `firmware` | HMAT: `memory_latency`; hwloc's `node_latency`                 | ps   |
| `distance` | SLIT: `node_distance`; 10 within a node, 20 where nothing is known | relative |
*/

:- use_module(facts).
:- use_module(queries).
:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(numa_summary(-node: node, -cores: list(core), -memory: bytes, -distances: list(pair(node, count))),
         [ doc("NUMA nodes: their cores, their memory in bytes, and how far other nodes are (relative, 10 within a node).") ]).
:- query(nearest_memory(+core: core, -node: node, -cost: count, -source: oneof([measured, firmware, distance])),
         [ doc("Nodes with memory, nearest to a core first. Cost is in ps where the source is measured or firmware, relative (10 within a node) otherwise.") ]).
:- query(best_bandwidth_node(+core: core, -node: node, -bandwidth: mbs, -source: oneof([measured, firmware])),
         [ doc("Nodes with memory, those that a core reads fastest from first, in MB/s. None if nothing tells of bandwidths.") ]).
:- query(buffer_node(+cores: list(core), +size: bytes, -node: node, -source: oneof([measured, firmware, distance])),
         [ doc("The node for a buffer that some cores use alike: of those with so much memory, the one with the least sum of costs."),
           default(size, 0) ]).
:- query(interleave_nodes(+cores: list(core), +size: bytes, -weights: list(pair(node, count)), -source: oneof([measured, firmware, distance])),
         [ doc("Nodes over which to interleave what some cores stream through, with weights, so that all parts take the same time. Without bandwidths \c
the nodes nearest to the cores, with equal weights."), default(size, 0) ]).
:- query(channel_node(+sender: core, +receiver: core, -node: node, -source: oneof([measured, firmware, distance])),
         [ doc("The node for the ring that one core writes and another reads: the least sum of costs, at the receiver where that is a draw.") ]).

%!  core_node(?Core, ?Node) is nondet.
%
%   Core belongs to Node: as the operating system says, or else the affinity that firmware gives its APIC.

core_node(Core, Node) :-
    numa_core(Node, Core).
core_node(Core, Node) :-
    \+ numa_core(_, _),
    core(Core, Apic, _),
    cpu_affinity(Apic, Domain),
    domain_node(Domain, Node).

domain_node(Domain, Node) :-
    (   node_domain(Node0, Domain)
    ->  Node = Node0
    ;   Node = Domain
    ).

%!  node_domain_of(+Node, -Domain) is det.
%
%   Domain is firmware's number of Node.

node_domain_of(Node, Domain) :-
    (   node_domain(Node, Known)
    ->  Domain = Known
    ;   Domain = Node
    ).

%!  relative_distance(+Node, +Other, -Distance) is det.
%
%   Distance is SLIT's; 10 within a node. It is 20 where nothing is known, or what is known makes no sense.

relative_distance(Node, Node, 10) :- !.
relative_distance(Node, Other, Distance) :-
    node_domain_of(Node, From),
    node_domain_of(Other, To),
    (   node_distance(From, To, Known),
        Known > 10
    ->  Distance = Known
    ;   Distance = 20
    ).

%!  memory_costs(+Cores, +Nodes, -Costs, -Source) is semidet.
%
%   Costs has a row for each of Cores, with a number for each of Nodes. Fails if a core belongs to no node and nothing was measured.

memory_costs(Cores, Nodes, Costs, Source) :-
    member(Source, [measured, firmware, distance]),
    matrix(cost(Source), Cores, Nodes, Costs),
    !.

%!  memory_bandwidths(+Cores, +Nodes, -Bandwidths, -Source) is semidet.
%
%   Bandwidths has a row for each of Cores, in MB/s. Fails if nothing tells of every pair.

memory_bandwidths(Cores, Nodes, Bandwidths, Source) :-
    member(Source, [measured, firmware]),
    matrix(bandwidth(Source), Cores, Nodes, Bandwidths),
    !.

matrix(What, Cores, Nodes, Matrix) :-
    maplist(row(What, Nodes), Cores, Matrix).

row(What, Nodes, Core, Row) :-
    maplist(entry(What, Core), Nodes, Row).

entry(cost(Source), Core, Node, Cost) :-
    cost(Source, Core, Node, Cost),
    !.
entry(bandwidth(Source), Core, Node, Bandwidth) :-
    bandwidth(Source, Core, Node, Bandwidth),
    !.

cost(measured, Core, Node, Ps) :-
    memory_access(Core, Node, Ps, _).
cost(firmware, Core, Node, Ps) :-
    core_node(Core, Home),
    node_domain_of(Home, Initiator),
    node_domain_of(Node, Target),
    member(Kind, [access, read]),
    memory_latency(Initiator, Target, Kind, Ps).
cost(firmware, Core, Node, Ps) :-
    core_node(Core, Home),
    member(Kind, [access, read]),
    node_latency(Home, Node, Kind, Ps).
cost(distance, Core, Node, Distance) :-
    core_node(Core, Home),
    relative_distance(Home, Node, Distance).

bandwidth(measured, Core, Node, Bandwidth) :-
    memory_access(Core, Node, _, Bandwidth),
    integer(Bandwidth).
bandwidth(firmware, Core, Node, Bandwidth) :-
    core_node(Core, Home),
    node_domain_of(Home, Initiator),
    node_domain_of(Node, Target),
    member(Kind, [access, read]),
    memory_bandwidth(Initiator, Target, Kind, Bandwidth).
bandwidth(firmware, Core, Node, Bandwidth) :-
    core_node(Core, Home),
    member(Kind, [access, read]),
    node_bandwidth(Home, Node, Kind, Bandwidth).

%!  numa_summary(-Node, -Cores, -Memory, -Distances) is nondet.

numa_summary(Node, Cores, Memory, Distances) :-
    nodes(Nodes),
    member(Node, Nodes),
    findall(Core, core_node(Core, Node), Found),
    sort(Found, Cores),
    (   numa_node(Node, Memory)
    ->  true
    ;   Memory = 0
    ),
    findall(Other-Distance, ( member(Other, Nodes), relative_distance(Node, Other, Distance) ), Distances).

nodes(Nodes) :-
    findall(Node, ( numa_node(Node, _) ; core_node(_, Node) ), Found),
    sort(Found, Nodes).

nodes_with_memory(Least, Nodes) :-
    findall(Node, ( numa_node(Node, Size), Size > 0, Size >= Least ), Found),
    sort(Found, Nodes).

%!  nearest_memory(+Core, -Node, -Cost, -Source) is nondet.

nearest_memory(Core, Node, Cost, Source) :-
    nodes_with_memory(0, Nodes),
    memory_costs([Core], Nodes, [Costs], Source),
    pairs_keys_values(Pairs, Costs, Nodes),
    keysort(Pairs, Sorted),
    member(Cost-Node, Sorted).

%!  best_bandwidth_node(+Core, -Node, -Bandwidth, -Source) is nondet.

best_bandwidth_node(Core, Node, Bandwidth, Source) :-
    nodes_with_memory(0, Nodes),
    memory_bandwidths([Core], Nodes, [Bandwidths], Source),
    pairs_keys_values(Pairs, Bandwidths, Nodes),
    sort(1, @>=, Pairs, Sorted),
    member(Bandwidth-Node, Sorted).

%!  buffer_node(+Cores, +Size, -Node, -Source) is semidet.
%
%   Cost is the sum over Cores, since they use the buffer alike.

buffer_node(Cores, Size, Node, Source) :-
    nodes_with_memory(Size, Nodes),
    Nodes \== [],
    memory_costs(Cores, Nodes, Costs, Source),
    columns(Costs, Nodes, Sums),
    pairs_keys_values(Pairs, Sums, Nodes),
    keysort(Pairs, [_-Node|_]).

columns([], Nodes, Zeros) :-
    maplist([_, 0]>>true, Nodes, Zeros).
columns([Row|Rows], Nodes, Sums) :-
    columns(Rows, Nodes, Below),
    maplist([A, B, Sum]>>( Sum is A + B ), Row, Below, Sums).

%!  interleave_nodes(+Cores, +Size, -Weights, -Source) is semidet.
%
%   A stream over several nodes ends when its slowest part does; parts in proportion to bandwidths end together, and any node adds to the
%   whole. Weights are those of Linux's weighted interleave: pages in a row, the least common measure of bandwidths rounded to a tenth of
%   the slowest. Without bandwidths the nodes that are nearest to any of Cores.

interleave_nodes(Cores, Size, Weights, Source) :-
    nodes_with_memory(0, Nodes),
    Nodes \== [],
    (   memory_bandwidths(Cores, Nodes, Bandwidths, Source)
    ->  columns(Bandwidths, Nodes, Sums),
        weights(Sums, Shares),
        pairs_keys_values(Weights, Nodes, Shares)
    ;   memory_costs(Cores, Nodes, Costs, Source),
        maplist(nearest(Nodes), Costs, Near),
        sort(Near, Chosen),
        maplist([Node, Node-1]>>true, Chosen, Weights)
    ),
    roomy(Weights, Size).

nearest(Nodes, Costs, Node) :-
    pairs_keys_values(Pairs, Costs, Nodes),
    keysort(Pairs, [_-Node|_]).

weights(Sums, Shares) :-
    min_list(Sums, Least),
    Unit is max(Least // 10, 1),
    maplist(rounded(Unit), Sums, Rounded),
    foldl([Each, G0, G]>>( G is gcd(Each, G0) ), Rounded, 0, Common),
    maplist(divided(Common), Rounded, Shares).

rounded(Unit, Sum, Rounded) :-
    Rounded is max(1, (Sum + Unit // 2) // Unit).

divided(Common, Share, Reduced) :-
    Reduced is Share // Common.

%   Every node has room for its part.

roomy(Weights, Size) :-
    pairs_values(Weights, Shares),
    sum_list(Shares, Whole),
    forall(member(Node-Share, Weights), ( numa_node(Node, Memory), Memory >= Size * Share // Whole )).

%!  channel_node(+Sender, +Receiver, -Node, -Source) is semidet.
%
%   A line of the ring is fetched by either side in turn, so both count alike. The receiver polls, and is nearer where that is a draw.

channel_node(Sender, Receiver, Node, Source) :-
    memory_reach(Sender, Sends),
    memory_reach(Receiver, Receives),
    node_between(Sends, Receives, Node, Source).

%!  memory_reach(+Core, -Reach) is det.
%
%   Reach is all that is known of what it costs Core to reach each node with memory, reach(Nodes, Rows): a row Source-Costs for each source
%   that tells of every node, the best source first. To place channels between many cores, find each core's reach once.

memory_reach(Core, reach(Nodes, Rows)) :-
    nodes_with_memory(0, Nodes),
    findall(Source-Costs,
            ( member(Source, [measured, firmware, distance]),
              row(cost(Source), Nodes, Core, Costs) ),
            Rows).

%!  node_between(+SenderReach, +ReceiverReach, -Node, -Source) is semidet.
%
%   As channel_node/4, of two cores' reaches. Fails if no source tells of both, or there is no node with memory.

node_between(reach(Nodes, SenderRows), reach(Nodes, ReceiverRows), Node, Source) :-
    Nodes = [First|Others],
    member(Source-[Send|Sends], SenderRows),
    memberchk(Source-[Receive|Receives], ReceiverRows),
    !,
    Sum is Send + Receive,
    cheapest(Others, Sends, Receives, cost(Sum, Receive, First), cost(_, _, Node)).

cheapest([], [], [], Best, Best).
cheapest([Node|Nodes], [Send|Sends], [Receive|Receives], Best0, Best) :-
    Sum is Send + Receive,
    Cost = cost(Sum, Receive, Node),
    (   Cost @< Best0
    ->  cheapest(Nodes, Sends, Receives, Cost, Best)
    ;   cheapest(Nodes, Sends, Receives, Best0, Best)
    ).
