:- module(topology, [ topology/1 ]).    % -Tree

/** <module> The machine as a tree

What contains what: packages, dies, NUMA nodes, caches, physical cores and
hardware threads, and beside them the PCI buses with bridges and devices. The
tree is one ground term of

    object(Type, Id, Attributes, Children)

where Attributes is a list of Name-Value and Children a list of objects.

| Type            | Id                 | Attributes                                            |
|-----------------|--------------------|-------------------------------------------------------|
| `machine`       | host name          | `arch`, `os`, `memory` (bytes in all nodes)            |
| `package`       | number             | `vendor`, `name` of its first core                    |
| `die`           | number in package  |                                                       |
| `node`          | NUMA node          | `memory` (bytes)                                      |
| `cache`         | number             | `level`, `kind` (data, ...), `size` (bytes), `ways`, `line_size` |
| `physical_core` | number in package  | `kind` (performance, ...)                             |
| `core`          | operating system's | `online` (0 or 1), `thread`, `virtual_cores` (a list) |
| `pci_bus`       | bus(Segment, Bus)  | `node`                                                |
| `bridge`        | addr(...)          | as `device`; `secondary`, `subordinate`               |
| `device`        | addr(...)          | `vendor`, `device`, `class`, `sub_class`, `driver`, `name` (a list), `node` |

An attribute that no fact gives, or gives as unknown, is left out; a machine
that nobody has named is `unknown`. Objects are nested by the cores they
contain, not by what kinds of machines usually look like: a NUMA node may hold
packages or a package NUMA nodes. Of two with the same cores the one further up
in the table is outside. Where the firmware lies and two objects overlap without
one containing the other, the smaller (or later) one becomes a leaf beside the
other, with an attribute `cores` that lists what it claims. NUMA nodes without
cores stand under the machine.

Levels that no fact tells of are missing: with `core/3` alone the tree is the
machine and its cores.
*/

:- use_module(facts).
:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(lists)).
:- use_module(library(pairs)).

%!  topology(-Tree) is det.
%
%   Tree is the machine that the facts describe. A set of cores is an integer
%   with a bit for each, so that inclusion is one operation, however many cores
%   there are.

topology(object(machine, Id, Attributes, Children)) :-
    machine_object(Id, Attributes),
    findall(Set-object(Type, ObjectId, ObjectAttributes),
            contained(Type, ObjectId, ObjectAttributes, Set),
            Found),
    maplist(ranked, Found, Unordered),
    sort(Unordered, Ordered),
    pairs_values(Ordered, Objects),
    nested(Objects, Parts),
    findall(Object, node_without_cores(Object), Nodes),
    pci_buses(Buses),
    append([Parts, Nodes, Buses], Children).

machine_object(Id, Attributes) :-
    (   machine(Name, Arch, Os)
    ->  Id = Name,
        Named = [arch-Arch, os-Os]
    ;   Id = unknown,
        Named = []
    ),
    (   aggregate_all(sum(Size), numa_node(_, Size), Memory),
        Memory > 0
    ->  append(Named, [memory-Memory], Attributes)
    ;   Attributes = Named
    ).

%!  contained(-Type, -Id, -Attributes, -Set) is nondet.
%
%   There is an object that contains the cores of Set.

contained(package, Package, Attributes, Set) :-
    cores_by(Package-Core, cpu_thread(Core, Package, _, _), Package, Cores, Set),
    Cores = [First|_],
    findall(Attribute, package_attribute(First, Attribute), Attributes).
contained(die, Die, [], Set) :-
    findall(Package-Die, ( cpu_die(Core, Die), cpu_thread(Core, Package, _, _) ), Dies),
    sort(Dies, Distinct),
    pairs_keys(Distinct, Packages),
    \+ is_set(Packages),                % some package has several
    cores_by((Package-Die)-Core, ( cpu_die(Core, Die), cpu_thread(Core, Package, _, _) ), Package-Die, _, Set).
contained(node, Node, Attributes, Set) :-
    cores_by(Node-Core, numa_core(Node, Core), Node, _, Set),
    findall(memory-Size, numa_node(Node, Size), Attributes).
contained(cache, Id, Attributes, Set) :-
    cores_by(Id-Core, cache_shared(Id, Core), Id, _, Set),
    cache(Id, Level, Kind, Size, Ways, LineSize, _),
    exclude(unknown,
            [level-Level, kind-Kind, size-Size, ways-Ways, line_size-LineSize],
            Attributes).
contained(physical_core, Physical, Attributes, Set) :-
    cores_by((Package-Physical)-Core, cpu_thread(Core, Package, Physical, _), _-Physical, [First|_], Set),
    findall(kind-Kind, cpu_kind(First, Kind), Attributes).
contained(core, Core, Attributes, Set) :-
    findall(Known, known_core(Known), All),
    sort(All, Cores),
    member(Core, Cores),
    findall(Attribute, core_attribute(Core, Attribute), Attributes),
    Set is 1 << Core.

unknown(_-unknown).

%!  cores_by(:Template, :Goal, ?Key, -Cores, -Set) is nondet.
%
%   Cores are those that solutions of Goal give with Key, Template being Key-Core.

cores_by(Template, Goal, Key, Cores, Set) :-
    findall(Template, Goal, Pairs),
    sort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Key-Cores, Groups),
    foldl(with_core, Cores, 0, Set).

with_core(Core, Set0, Set) :-
    Set is Set0 \/ (1 << Core).

package_attribute(Core, vendor-Vendor) :-
    cpu_vendor(Core, Vendor).
package_attribute(Core, name-Name) :-
    cpu_name(Core, Name).

known_core(Core) :-
    core(Core, _, _).
known_core(Core) :-
    cpu_thread(Core, _, _, _).

core_attribute(Core, online-Online) :-
    core(Core, _, Online).
core_attribute(Core, thread-Thread) :-
    cpu_thread(Core, _, _, Thread).
core_attribute(Core, virtual_cores-Kernels) :-
    findall(Kernel, virtual_core(Kernel, Core), Kernels),
    Kernels \== [].

%!  ranked(+SetAndObject, -RankedObject) is det.
%
%   Sorting by the rank puts whatever contains before what it contains, and
%   neighbours in the order of their first cores.

ranked(Set-Object, rank(Size, Order, First, Id)-(Set-Object)) :-
    Object = object(Type, Id, Attributes),
    Size is -popcount(Set),
    First is lsb(Set),
    order(Type, Attributes, Order).

order(package, _, 0).
order(die, _, 1).
order(node, _, 2).
order(cache, Attributes, Order) :-
    memberchk(level-Level, Attributes),
    memberchk(kind-Kind, Attributes),
    (   Kind == instruction
    ->  Order is 100 - 2 * Level + 1
    ;   Order is 100 - 2 * Level
    ).
order(physical_core, _, 200).
order(core, _, 300).

%!  nested(+Objects, -Trees) is det.
%
%   Trees are Objects, a list of Set-Object in rank order, those with fewer
%   cores below those that contain them.

nested(Objects, Trees) :-
    nested_by_first_core(Objects, ByCore),
    keysort(ByCore, InOrder),
    pairs_values(InOrder, Trees).

nested_by_first_core([], []).
nested_by_first_core([Set-Object|Objects], [First-Tree|Trees]) :-
    Object = object(Type, Id, Attributes),
    First is lsb(Set),
    partition(position(Set), Objects, Inside, Across, Outside),
    nested(Inside, Children),
    Tree = object(Type, Id, Attributes, Children),
    maplist(leaf, Across, Leaves),
    nested_by_first_core(Outside, Others),
    append(Leaves, Others, Trees).

position(Outer, Set-_, Position) :-
    Common is Set /\ Outer,
    (   Common =:= Set
    ->  Position = (<)
    ;   Common =:= 0
    ->  Position = (>)
    ;   Position = (=)
    ).

leaf(Set-object(Type, Id, Attributes), First-object(Type, Id, WithCores, [])) :-
    First is lsb(Set),
    Last is msb(Set),
    findall(Core, ( between(First, Last, Core), getbit(Set, Core) =:= 1 ), Cores),
    append(Attributes, [cores-Cores], WithCores).

node_without_cores(object(node, Node, [memory-Size], [])) :-
    numa_node(Node, Size),
    \+ numa_core(Node, _).

%!  pci_buses(-Buses) is det.
%
%   Buses are the root buses, those that no bridge leads to. A function belongs
%   below the bridge whose range of buses is the narrowest to hold its own; the
%   bus need not be the bridge's secondary one, since virtual functions may sit
%   on buses of their own. A bridge that is not set up, or claims its own bus,
%   leads nowhere.

pci_buses(Buses) :-
    findall(Addr, ( device(Addr, _, _, _, _, _, _) ; bridge(Addr, _, _, _) ), Found),
    sort(Found, Functions),
    findall(bridge(Segment, Width, Secondary, Subordinate, Addr),
            ( bridge(Addr, _, Secondary, Subordinate),
              Addr = addr(Segment, Bus, _, _),
              Bus < Secondary,
              Secondary =< Subordinate,
              Width is Subordinate - Secondary
            ),
            Unsorted),
    sort(Unsorted, Bridges),            % the narrowest of a segment first
    maplist(above(Bridges), Functions, Above),
    pairs_keys_values(Pairs, Above, Functions),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    list_to_assoc(Groups, Below),
    findall(bus(Segment, Bus), member(bus(Segment, Bus)-_, Groups), Roots),
    maplist(pci_bus(Below), Roots, Buses).

above(Bridges, addr(Segment, Bus, _, _), Above) :-
    (   member(bridge(Segment, _, Secondary, Subordinate, Bridge), Bridges),
        Secondary =< Bus,
        Bus =< Subordinate
    ->  Above = Bridge
    ;   Above = bus(Segment, Bus)
    ).

pci_bus(Below, Root, object(pci_bus, Root, Attributes, Children)) :-
    get_assoc(Root, Below, Functions),
    findall(Node, ( member(Function, Functions), device_node(Function, Node) ), Nodes),
    (   sort(Nodes, [Node])
    ->  Attributes = [node-Node]
    ;   Attributes = []
    ),
    maplist(pci_function(Below), Functions, Children).

pci_function(Below, Addr, object(Type, Addr, Attributes, Children)) :-
    findall(Attribute, function_attribute(Addr, Attribute), Attributes),
    (   bridge(Addr, _, _, _)
    ->  Type = bridge
    ;   Type = device
    ),
    (   get_assoc(Addr, Below, Functions)
    ->  maplist(pci_function(Below), Functions, Children)
    ;   Children = []
    ).

function_attribute(Addr, Attribute) :-
    device(Addr, Vendor, Device, Class, SubClass, _, _),
    member(Attribute, [vendor-Vendor, device-Device, class-Class, sub_class-SubClass]).
function_attribute(Addr, Attribute) :-
    bridge(Addr, _, Secondary, Subordinate),
    member(Attribute, [secondary-Secondary, subordinate-Subordinate]).
function_attribute(Addr, driver-Driver) :-
    device_driver(Addr, Driver).
function_attribute(Addr, name-Names) :-
    findall(Name, ( net_interface(Name, Addr) ; block_device(Name, Addr) ), Names),
    Names \== [].
function_attribute(Addr, node-Node) :-
    device_node(Addr, Node).
