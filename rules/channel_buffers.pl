:- module(channel_buffers,
          [ channel_buffers/7           % +Cores, -Sender, -Receiver, -Node, -Lines, -PageSize, -Source
          ]).

/** <module> Rings for channels between all of some cores: where, how long, in pages of which size

What the runtime asks before it boots: for each ordered pair of cores, the ring that the first writes and the second reads.

**Node.** That of channel_node/4: the least sum of both ends' costs, at the receiver where that is a draw.

**Lines** of 64 bytes. A sender need not wait as long as it does not run a whole ring ahead of what it knows to be read. It hears of that
each quarter of a ring, so three quarters must last from a message's sending until it hears of its reading, which is one round trip. Meanwhile
it sends no faster than the busier end can work:

    3/4 * Lines >= round trip / what a message keeps the busier end busy

rounded up to a power of two. That holds where messages between all of Cores were measured (source `measured`); else there are 128 lines
(`default`): two pages, 96 messages on their way, which is more than any machine that we measured needs, and a longest message of 5 KiB. Both are
bounded:

| bound  | because |
|--------|---------|
| 64     | a ring fills whole pages of 4096 bytes, so a shorter one saves nothing, and carries shorter messages |
| 16,384 | the positions in a message's header tell no longer rings apart |
| a quarter of the receiver's private cache, for all rings that it reads | a ring longer than what a core can keep is read from another cache or from memory at every lap. The rings that it writes pass through the same cache and take as much again; half is left for the program. 64 lines at least all the same: less saves no page |

The private cache is the largest that only threads of one physical core share; kernels that use the same one (threads, and kernels in excess
of the cores) part it. Where no cache is known, 128 lines are the most.

**Page size.** The base page of 4096 bytes, unless a core's TLB cannot hold what its channels touch: for each, the pages of both rings and one of
control. Half the TLB is the channels' share, for the program has pages too. Then its channels get the smallest huge pages in which the longest
ring fits and for which its TLB has entries; if enough of them are reserved on the nodes of both rings for all channels that want them there, since
half a mesh in huge pages would be decided by chance. Two rings on one node share theirs. Both rings of a channel have pages of one size.

A kernel in excess of the machine's cores (`virtual_core/2`) stands where its host does. Node is `unknown` where nothing tells of nodes, and the
system then places memory as it does any. All pairs of n cores take n^2 steps.
*/

:- use_module(costs).
:- use_module(facts).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(library(pairs)).

:- query(channel_buffers(+cores: list(core), -sender: core, -receiver: core, -node: or(node, oneof([unknown])), -lines: count,
                         -page_size: bytes, -source: oneof([measured, default])),
         [ doc("For channels between all of some cores, the ring that one writes and another reads: its node, its lines of 64 bytes, and the size of its \c
pages. Source is measured where messages between all of them were, default where the number of lines is what is usual.") ]).

line_bytes(64).
base_page(4096).
least_lines(64).
usual_lines(128).
most_lines(16_384).

%!  channel_buffers(+Cores, -Sender, -Receiver, -Node, -Lines, -PageSize, -Source) is nondet.
%
%   One answer for each ordered pair of different Cores, in their order. None for a single core.
%
%   @error existence_error(core, Core) if no fact mentions one of Cores

channel_buffers(Cores, Sender, Receiver, Node, Lines, PageSize, Source) :-
    must_be(list(nonneg), Cores),
    list_to_set(Cores, Distinct),
    maplist(kernel_host, Distinct, Hosts),
    nodes(Hosts, Nodes),
    lines(Distinct, Hosts, LineRows, Source),
    page_sizes(Hosts, Nodes, LineRows, PageRows),
    nth1(From, Distinct, Sender),
    nth1(From, Nodes, NodeRow),
    nth1(From, LineRows, LineRow),
    nth1(From, PageRows, PageRow),
    entry(Distinct, NodeRow, LineRow, PageRow, Receiver, Node, Lines, PageSize),
    Receiver =\= Sender.

entry([Receiver|_], [Node|_], [Lines|_], [PageSize|_], Receiver, Node, Lines, PageSize).
entry([_|Cores], [_|Nodes], [_|Lines], [_|Pages], Receiver, Node, Line, PageSize) :-
    entry(Cores, Nodes, Lines, Pages, Receiver, Node, Line, PageSize).

%!  nodes(+Hosts, -Nodes) is det.
%
%   Nodes has a row for each sender, with the node of the ring to each receiver. Cores that reach memory alike are looked at once.

nodes(Hosts, Rows) :-
    maplist(memory_reach, Hosts, Reaches),
    sort(Reaches, Kinds),
    maplist(reaching(Kinds), Kinds, Table),
    pairs_keys_values(Pairs, Kinds, Table),
    list_to_assoc(Pairs, ByReach),
    maplist(node_row(ByReach, Reaches), Reaches, Rows).

reaching(Kinds, From, ByReach) :-
    maplist(node_or_unknown(From), Kinds, Nodes),
    pairs_keys_values(Pairs, Kinds, Nodes),
    list_to_assoc(Pairs, ByReach).

node_or_unknown(From, To, Node) :-
    (   node_between(From, To, Known, _)
    ->  Node = Known
    ;   Node = unknown
    ).

node_row(ByReach, Reaches, From, Row) :-
    get_assoc(From, ByReach, There),
    maplist(looked_up(There), Reaches, Row).

looked_up(There, To, Node) :-
    get_assoc(To, There, Node).

%!  lines(+Cores, +Hosts, -Rows, -Source) is det.
%
%   Rows has a row for each sender, with the lines of the ring to each receiver; 0 to itself.

lines(Cores, Hosts, Rows, Source) :-
    maplist(most_lines_for(Hosts), Hosts, Most),
    (   measured_trips(Cores, Trips, Busy)
    ->  maplist(maplist(covering), Trips, Busy, Wanted),
        Source = measured
    ;   usual_lines(Usual),
        same_length(Cores, Row),
        maplist(=(Usual), Row),
        same_length(Cores, Wanted),
        maplist(=(Row), Wanted),
        Source = default
    ),
    maplist(bounded_row(Cores, Most), Cores, Wanted, Rows).

covering(Trip, Busy, Lines) :-
    Each is max(Busy, 1),
    Messages is (Trip + Each - 1) // Each,
    Lines is (4 * Messages + 2) // 3.

bounded_row(Cores, Most, From, Wanted, Row) :-
    maplist(bounded(From), Cores, Most, Wanted, Row).

bounded(From, To, Most, Wanted, Lines) :-
    (   From =:= To
    ->  Lines = 0
    ;   least_lines(Least),
        power_above(Wanted, Enough),
        Lines is max(Least, min(Enough, Most))
    ).

power_above(Number, Power) :-
    Power is 1 << (msb(max(Number, 2) - 1) + 1).

%!  most_lines_for(+Hosts, +Host, -Lines) is det.
%
%   Lines is the greatest power of two so that all rings that the kernel on Host reads fit in its part of the cache. Hosts has the host of
%   every kernel.

most_lines_for(Hosts, Host, Lines) :-
    most_lines(Most),
    length(Hosts, Kernels),
    Rings is max(Kernels - 1, 1),
    (   private_cache(Host, Id, Size)
    ->  findall(Other, cache_shared(Id, Other), Sharers),
        include(among(Sharers), Hosts, Users),
        length(Users, Parts),
        line_bytes(Line),
        Fitting is max(Size // 4 // Parts // Rings // Line, 1),
        Lines is min(Most, 1 << msb(Fitting))
    ;   usual_lines(Lines)
    ).

among(Sharers, Host) :-
    memberchk(Host, Sharers).

%   The largest cache that only threads of the core's own physical core share.

private_cache(Core, Id, Size) :-
    findall(Size0-Id0,
            ( cache_shared(Id0, Core),
              cache(Id0, _, Type, Size0, _, _, _),
              Type \== instruction,
              integer(Size0),
              forall(cache_shared(Id0, Other), one_physical_core(Core, Other)) ),
            Found),
    Found \== [],
    max_member(Size-Id, Found).

one_physical_core(Core, Core) :- !.
one_physical_core(Core, Other) :-
    cpu_thread(Core, Package, Physical, _),
    cpu_thread(Other, Package, Physical, _),
    !.

%!  page_sizes(+Hosts, +Nodes, +Lines, -Rows) is det.
%
%   Rows has a row for each sender, with the page size of the ring to each receiver; Nodes and Lines likewise.

page_sizes(Hosts, Nodes, Lines, Rows) :-
    base_page(Base),
    (   crowded_hosts(Hosts, Lines, Crowded),
        huge_page(Crowded, Lines, Huge)
    ->  transposed(Nodes, NodesBack),
        transposed(Lines, LinesBack),
        channel_rows(Hosts, Hosts, Crowded, Nodes, NodesBack, Lines, LinesBack, Channels),
        roomy_nodes(Channels, Huge, Roomy),
        maplist(maplist(page_size(Roomy, Base, Huge)), Channels, Rows)
    ;   maplist(maplist(base_page_for(Base)), Lines, Rows)
    ).

base_page_for(Base, _, Base).

%   Crowded, in order, are the hosts whose TLB cannot hold what their channels touch. Fails if there is none.

crowded_hosts(Hosts, Lines, Crowded) :-
    maplist(maplist(ring_pages), Lines, Written),
    transposed(Written, Read),
    length(Hosts, Kernels),
    Controls is Kernels - 1,
    maplist(touched(Controls), Written, Read, Touched),
    pairs_keys_values(Pairs, Hosts, Touched),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Grouped),
    base_page(Base),
    findall(Host,
            ( member(Host-Parts, Grouped),
              sum_list(Parts, Pages),
              tlb_entries(Host, Base, Entries),
              Pages > Entries // 2 ),
            Crowded),
    Crowded \== [].

touched(Controls, Written, Read, Pages) :-
    sum_list(Written, W),
    sum_list(Read, R),
    Pages is W + R + Controls.

ring_pages(Lines, Pages) :-
    line_bytes(Line),
    base_page(Base),
    Pages is (Lines * Line + Base - 1) // Base.

%   The most entries for data that one of the core's buffers has for pages of this size.

tlb_entries(Core, PageSize, Entries) :-
    findall(Each, ( tlb(Core, _, Type, PageSize, Each, _), memberchk(Type, [data, unified, load]), Each > 0 ), All),
    All \== [],
    max_list(All, Entries).

%   The smallest huge pages that are reserved anywhere, that hold the longest ring and the lines of control, and that a TLB knows.

huge_page(Crowded, Lines, Huge) :-
    base_page(Base),
    line_bytes(Line),
    maplist(max_list, Lines, Longest),
    max_list(Longest, Most),
    Bytes is Base + Most * Line,
    findall(PageSize, ( hugepages(_, PageSize, Count), Count > 0, PageSize > Base, PageSize >= Bytes ), Sizes),
    sort(Sizes, Ascending),
    member(Huge, Ascending),
    member(Host, Crowded),
    tlb_entries(Host, Huge, _),
    !.

%   What decides over the page size of each ring of a sender: channel(Wanted, Node, Lines, NodeBack, LinesBack), or itself.

channel_rows([], _, _, [], [], [], [], []).
channel_rows([Host|Hosts], All, Crowded, [N|Ns], [B|Bs], [L|Ls], [M|Ms], [Row|Rows]) :-
    (   ord_memberchk(Host, Crowded)
    ->  Own = wanted
    ;   Own = unwanted
    ),
    channels(All, Crowded, Own, N, B, L, M, Row),
    channel_rows(Hosts, All, Crowded, Ns, Bs, Ls, Ms, Rows).

channels([], _, _, [], [], [], [], []).
channels([Host|Hosts], Crowded, Own, [N|Ns], [B|Bs], [L|Ls], [M|Ms], [Channel|Channels]) :-
    (   L =:= 0
    ->  Channel = itself
    ;   ( Own == wanted ; ord_memberchk(Host, Crowded) )
    ->  Channel = channel(wanted, N, L, B, M)
    ;   Channel = channel(unwanted, N, L, B, M)
    ),
    channels(Hosts, Crowded, Own, Ns, Bs, Ls, Ms, Channels).

%   Nodes that have enough huge pages for all channels that want some there. Each channel is looked at once, at its first core.

roomy_nodes(Channels, Huge, Roomy) :-
    findall(Node-Pages,
            ( nth1(From, Channels, Row),
              nth1(To, Row, channel(wanted, N, L, B, M)),
              From < To,
              demand(N, L, B, M, Huge, Node, Pages) ),
            Demands),
    keysort(Demands, Sorted),
    group_pairs_by_key(Sorted, Grouped),
    findall(Node,
            ( member(Node-Parts, Grouped),
              sum_list(Parts, Wanted),
              hugepages(Node, Huge, Count),
              Count >= Wanted ),
            Found),
    sort(Found, Roomy).

%   Two rings on one node share pages with the lines of control; on two, these are with the first.

demand(Node, Lines, Node, Back, Huge, Node, Pages) :-
    !,
    Together is Lines + Back,
    pages_of(Huge, Together, 1, Pages).
demand(Node, Lines, _, _, Huge, Node, Pages) :-
    pages_of(Huge, Lines, 1, Pages).
demand(_, _, Node, Lines, Huge, Node, Pages) :-
    pages_of(Huge, Lines, 0, Pages).

pages_of(Huge, Lines, Controls, Pages) :-
    line_bytes(Line),
    base_page(Base),
    Pages is (Controls * Base + Lines * Line + Huge - 1) // Huge.

page_size(Roomy, Base, Huge, Channel, PageSize) :-
    (   Channel = channel(wanted, Node, _, Back, _),
        ord_memberchk(Node, Roomy),
        ord_memberchk(Back, Roomy)
    ->  PageSize = Huge
    ;   PageSize = Base
    ).

transposed([[]|_], []) :- !.
transposed(Rows, [Firsts|Columns]) :-
    maplist(first_and_rest, Rows, Firsts, Rests),
    transposed(Rests, Columns).

first_and_rest([First|Rest], First, Rest).
