:- module(placement,
          [ placement_parts/3,          % +Cores, -Parts, -Memory
            local_cores/2,              % +Device, -Cores
            hwloc_order/1               % -Cores
          ]).

/** <module> What a placement needs to know of a machine, beside distances

Constraints on placements speak of parts of the machine: on one node, on different packages, alone on a physical core. The solver knows
nothing of machines; it is given, for each core, the part of each kind that it belongs to.

**Model of a placement.** *Choose* for each dispatcher a core. *Must*: at most so many dispatchers on a core, and the constraints asked
for. *Best*: the least sum, over ordered pairs, of messages times the distance of the cores (`costs`), plus a price for each dispatcher
that is not where it was. That is the quadratic assignment problem (Koopmans and Beckmann 1957): NP-hard, and hard to approximate.
*/

:- use_module(facts).
:- use_module(locality).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(pairs)).

:- query(local_cores(+device: addr, -cores: list(core)),
         [ doc("Cores that are online on the node nearest to a PCI device. None if nothing tells where the device is.") ]).
:- query(hwloc_order(-cores: list(core)),
         [ doc("Cores that are online in the order in which hwloc numbers them: by package, die, caches and physical core, as rankfiles of Open MPI count.") ]).

%!  placement_parts(+Cores, -Parts, -Memory) is det.
%
%   Parts is a list of [Name, Ids]: for each kind of part that the facts tell of, which one each of Cores belongs to, `none` if in none. Names
%   go from small to large: `physical_core`, `l1`, `l2`, `l3`, `die`, `node`, `package`, and `kind`, which is no place but is asked for alike.
%   A part is named by a number, or by a text where one number would not do. Memory is a list of [Node, Bytes].

placement_parts(Cores, Parts, Memory) :-
    maplist(host, Cores, Hosts),
    findall([Name, Ids],
            ( part(Name),
              maplist(part_or_none(Name), Hosts, Ids),
              \+ maplist(==(none), Ids) ),
            Parts),
    findall([Node, Bytes], numa_node(Node, Bytes), Memory).

%   A kernel in excess of the machine's cores stands where its host does.

host(Core, Host) :-
    (   virtual_core(Core, Known)
    ->  Host = Known
    ;   Host = Core
    ).

part(physical_core).
part(l1).
part(l2).
part(l3).
part(die).
part(node).
part(package).
part(kind).

part_or_none(Name, Core, Id) :-
    (   part_of(Name, Core, Known)
    ->  Id = Known
    ;   Id = none
    ).

part_of(physical_core, Core, Id) :-
    cpu_thread(Core, Package, Physical, _),
    atomic_list_concat([Package, Physical], :, Id).
part_of(l1, Core, Id) :-
    shared_cache(1, Core, Id).
part_of(l2, Core, Id) :-
    shared_cache(2, Core, Id).
part_of(l3, Core, Id) :-
    shared_cache(3, Core, Id).
part_of(die, Core, Id) :-
    cpu_die(Core, Die),
    (   cpu_thread(Core, Package, _, _)
    ->  atomic_list_concat([Package, Die], :, Id)
    ;   Id = Die
    ).
part_of(node, Core, Node) :-
    core_node(Core, Node).
part_of(package, Core, Package) :-
    cpu_thread(Core, Package, _, _).
part_of(kind, Core, Kind) :-
    cpu_kind(Core, Kind).

shared_cache(Level, Core, Id) :-
    cache_shared(Id, Core),
    cache(Id, Level, Type, _, _, _, _),
    Type \== instruction.

%!  local_cores(+Device, -Cores) is semidet.
%
%   @error existence_error(device, Device) if there is no such device

local_cores(Device, Cores) :-
    device_home(Device, _),
    cores_near_device(Device, Nearest),
    Nearest = [First|_],
    core_node(First, Node),
    findall(Core, ( member(Core, Nearest), core_node(Core, Node) ), Cores).

%!  hwloc_order(-Cores) is det.
%
%   hwloc numbers processing units by a walk through its tree, in which siblings are in the order of the first core in each.

hwloc_order(Cores) :-
    findall(Core, core(Core, _, 1), Found),
    sort(Found, Online),
    placement_parts(Online, Parts, _),
    findall(Firsts,
            ( member(Name, [package, die, l3, l2, l1, physical_core]),
              memberchk([Name, Ids], Parts),
              firsts(Ids, Online, Firsts) ),
            Outer),
    append(Outer, [Online], Keys),
    transposed(Keys, Rows),
    pairs_keys_values(Pairs, Rows, Online),
    keysort(Pairs, Sorted),
    pairs_values(Sorted, Cores).

%   For each core the first core in its part; a core in no part is one by itself.

firsts(Ids, Cores, Firsts) :-
    pairs_keys_values(Pairs, Ids, Cores),
    maplist(first(Pairs), Ids, Cores, Firsts).

first(_, none, Core, Core) :- !.
first(Pairs, Id, _, First) :-
    memberchk(Id-First, Pairs).

transposed([[]|_], []) :- !.
transposed(Rows, [Column|Columns]) :-
    maplist(head_and_tail, Rows, Column, Rests),
    transposed(Rests, Columns).

head_and_tail([Head|Tail], Head, Tail).
