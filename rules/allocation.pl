:- module(allocation,
          [ core_allocation/4,          % +Tasks, -Task, -Cores, -Nodes
            allocation_cost/3,          % +Tasks, -Cost, -Bound
            allocation_changes/5,       % +Tasks, +Current, -Task, -Added, -Removed
            gang_schedule/4             % +Tasks, -Slot, -Running, -Idle
          ]).

/** <module> Which cores for which programs, and when all of a program's threads run at once

Several programs share a machine, each with more threads than its fair part of the cores, or fewer. A task is

    task(Name, Parallelism, Policy, WorkingSet)

with the most threads that it can use, `compute` or `memory`, and the bytes that it works on.

  * *Fairness*: max-min. Every task has as many cores as it can use, or as all others have that could use more.
  * *compute* fills a node, so that its threads share caches: the fewer nodes the better.
  * *memory* spreads over nodes, so that it has the bandwidth of all: the more even the better.
  * A node's share of a task's working set fits its memory.
  * First threads of physical cores come before second ones, performance cores before efficiency cores.
  * Cores that are offline or set apart from the scheduler are nobody's.

*Cost*: for a compute task one for each node beyond the first; for a memory task the cores on its fullest node beyond an even spread;
one for each physical core that two tasks share. *Bound*: what each task costs at least, by itself, on an empty machine. Tasks are placed the largest first, memory
before compute and the other way round, and the cheaper is told: a search over all orders finds little more, and the bound says how little.

Programs that synchronise at every step run best when all their threads run at once: *gang scheduling* (Ousterhout 1982) gives them slots
of time. Putting the largest into the first slot with room takes at most 11/9 of the fewest slots, and one more (Johnson 1973).
*/

:- use_module(facts).
:- use_module(numa).
:- use_module(queries).
:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(yall)).

:- query(core_allocation(+tasks: list(any), -task: atom, -cores: list(core), -nodes: list(node)),
         [ doc("Cores for tasks that share the machine: task(Name, Parallelism, compute or memory, WorkingSetBytes). Fair shares; compute fills nodes, memory \c
spreads over them.") ]).
:- query(allocation_cost(+tasks: list(any), -cost: count, -bound: count),
         [ doc("How good that allocation is: nodes beyond the first of compute tasks, unevenness of memory tasks, physical cores that two tasks share; and what \c
none can undercut.") ]).
:- query(allocation_changes(+tasks: list(any), +current: list(pair(atom, list(core))), -task: atom, -added: list(core), -removed: list(core)),
         [ doc("What would change against the allocation that there is: cores that a task would get and lose.") ]).
:- query(gang_schedule(+tasks: list(any), -slot: count, -running: list(pair(atom, list(core))), -idle: count),
         [ doc("Slots of time in which all threads of a task run at once, in turns; and how many cores have nothing to do in a slot.") ]).

%!  core_allocation(+Tasks, -Task, -Cores, -Nodes) is nondet.
%
%   In the order of Tasks.
%
%   @error type_error(task, Task), and resource_error(cores) if there are fewer cores than tasks

core_allocation(Tasks, Name, Cores, Nodes) :-
    best(Tasks, Allocated, _),
    member(task(Name, _, _, _), Tasks),
    memberchk(Name-Cores, Allocated),
    nodes_of(Cores, Nodes).

%!  allocation_cost(+Tasks, -Cost, -Bound) is det.

allocation_cost(Tasks, Cost, Bound) :-
    best(Tasks, _, Cost),
    free_cores(Free),
    shares(Tasks, Free, Shares),
    findall(Least, ( member(Task-Share, Shares), least(Task, Share, Free, Least) ), All),
    sum_list(All, Bound).

%!  allocation_changes(+Tasks, +Current, -Task, -Added, -Removed) is nondet.

allocation_changes(Tasks, Current, Name, Added, Removed) :-
    core_allocation(Tasks, Name, Cores, _),
    (   memberchk(Name-Had0, Current)
    ->  sort(Had0, Had)
    ;   Had = []
    ),
    subtract(Cores, Had, Added),
    subtract(Had, Cores, Removed),
    ( Added \== [] ; Added == [], Removed \== [] ).

best(Tasks, Allocated, Cost) :-
    check(Tasks),
    free_cores(Free),
    shares(Tasks, Free, Shares),
    findall(C-A,
            ( member(Order, [[memory, compute], [compute, memory]]), ordered(Order, Shares, Ordered),
              foldl(allocate, Ordered, Free-[], _-A), cost(Shares, A, C) ),
            Found),
    (   keysort(Found, [Cost-Allocated|_])
    ->  true
    ;   resource_error(memory)
    ).

check(Tasks) :-
    must_be(list, Tasks),
    forall(member(Task, Tasks), ( task(Task) -> true ; type_error(task, Task) )),
    findall(Name, member(task(Name, _, _, _), Tasks), Names),
    (   is_set(Names)
    ->  true
    ;   domain_error(distinct_names, Names)
    ).

task(task(Name, Parallelism, Policy, WorkingSet)) :-
    atom(Name),
    integer(Parallelism),
    Parallelism > 0,
    memberchk(Policy, [compute, memory]),
    integer(WorkingSet),
    WorkingSet >= 0.

%   free_cores(-Free): node(Node, Memory, Cores) for each node, Cores in the order in which they are given away: place(Rank, Physical, Core).

free_cores(Free) :-
    findall(Node-place(Rank, Package-Physical, Core),
            ( core(Core, _, 1), \+ isolated_core(Core),
              ( core_node(Core, Node) -> true ; Node = 0 ),
              ( cpu_thread(Core, Package, Physical, Thread) -> true ; Package = 0, Physical = Core, Thread = 0 ),
              ( cpu_kind(Core, efficiency) -> Kind = 1 ; Kind = 0 ),
              Rank is Kind * 1000 + Thread ),
            Pairs),
    sort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    findall(node(Node, Memory, Cores),
            ( member(Node-Cores, Groups), ( numa_node(Node, Memory) -> true ; Memory = unknown ) ),
            Free).

%   shares(+Tasks, +Free, -Shares): Task-Share, by max-min fairness: whoever can use least is served first, of what is left for each.

shares(Tasks, Free, Shares) :-
    aggregate_all(sum(Count), ( member(node(_, _, Cores), Free), length(Cores, Count) ), All),
    length(Tasks, Number),
    (   Number =< All
    ->  true
    ;   resource_error(cores)
    ),
    findall(Parallelism-Task, ( member(Task, Tasks), Task = task(_, Parallelism, _, _) ), Pairs),
    keysort(Pairs, Modest),
    foldl([Most-Task, Left0-Waiting0-Given, Left-Waiting-[Task-Share|Given]]>>(
              Share is min(Most, Left0 // Waiting0), Left is Left0 - Share, Waiting is Waiting0 - 1 ),
          Modest, All-Number-[], _-_-Unordered),
    findall(Task-Share, ( member(Task, Tasks), memberchk(Task-Share, Unordered) ), Shares).

%   Those of one policy, then those of the other, the largest first.

ordered(Order, Shares, Ordered) :-
    findall(Sorted,
            ( member(Policy, Order),
              findall(Negative-(Task-Share), ( member(Task-Share, Shares), Task = task(_, _, Policy, _), Negative is -Share ), Pairs),
              keysort(Pairs, Sorted) ),
            Lists),
    append(Lists, Keyed),
    pairs_values(Keyed, Ordered).

%   allocate(+TaskAndShare, +FreeAndDone0, -FreeAndDone) is semidet: fails if the working set fits nowhere.

allocate(task(Name, _, Policy, WorkingSet)-Share, Free0-Done, Free-[Name-Cores|Done]) :-
    counts(Policy, Share, WorkingSet, Free0, Counts),
    take_all(Counts, Share, WorkingSet, Free0, Free, Unsorted),
    sort(Unsorted, Cores).

%   counts(+Policy, +Share, +WorkingSet, +Free, -Counts): how many cores of which node.

counts(compute, Share, WorkingSet, Free, Counts) :-
    findall(Shared-Count-Node,
            ( member(node(Node, Memory, Cores), Free), length(Cores, Count), Count >= Share, fits(WorkingSet, Memory),
              shared_if_taken(Share, Cores, Shared) ),
            Whole),
    (   sort(Whole, [_-_-Node|_])       % where fewest physical cores are shared, the fullest of those that have room
    ->  Counts = [Node-Share]
    ;   findall(Negative-Node, ( member(node(Node, _, Cores), Free), length(Cores, Count), Count > 0, Negative is -Count ), Rooms),
        keysort(Rooms, [_-First|_]),
        findall(Distance-(Negative-Node),
                ( member(Negative-Node, Rooms), relative_distance(First, Node, Distance) ),
                Near0),
        sort(Near0, Near),
        pairs_values(Near, Nodes),
        fill(Nodes, Share, Counts),
        fits_all(Counts, Share, WorkingSet, Free)
    ).
counts(memory, Share, WorkingSet, Free, Counts) :-
    findall(Node-Count, ( member(node(Node, _, Cores), Free), length(Cores, Count), Count > 0 ), Rooms),
    even(Share, Rooms, Counts),
    fits_all(Counts, Share, WorkingSet, Free).

%   shared_if_taken(+Share, +Places, -Shared): of the physical cores of the first Share places so many have threads that were given away.

shared_if_taken(Share, Places, Shared) :-
    length(Taken, Share),
    append(Taken, _, Places),
    !,
    findall(Physical, member(place(_, Physical, _), Taken), Found),
    sort(Found, Distinct),
    aggregate_all(count,
                  ( member(Package-Number, Distinct),
                    aggregate_all(count, member(place(_, Package-Number, _), Places), Here),
                    aggregate_all(count, ( cpu_thread(Core, Package, Number, _), core(Core, _, 1), \+ isolated_core(Core) ), There),
                    Here < There ),
                  Shared).

fill(_, 0, []) :- !.
fill([Negative-Node|Nodes], Left, [Node-Count|Counts]) :-
    Count is min(Left, -Negative),
    Rest is Left - Count,
    fill(Nodes, Rest, Counts).

%   One core at a time, to the node that has given least of those that have any: as even as can be.

even(Share, Rooms, Counts) :-
    findall(0-(Node-Room), member(Node-Room, Rooms), Given),
    deal(Share, Given, Dealt),
    findall(Node-Count, ( member(Count-(Node-_), Dealt), Count > 0 ), Counts).

deal(0, Given, Given) :- !.
deal(Left, Given0, Given) :-
    findall(Count-(Node-Room), ( member(Count-(Node-Room), Given0), Count < Room ), Open),
    keysort(Open, [Count-(Node-Room)|_]),
    select(Count-(Node-Room), Given0, Others),
    More is Count + 1,
    Next is Left - 1,
    deal(Next, [More-(Node-Room)|Others], Given).

fits(_, unknown) :- !.
fits(WorkingSet, Memory) :- WorkingSet =< Memory.

fits_all(Counts, Share, WorkingSet, Free) :-
    forall(member(Node-Count, Counts),
           ( memberchk(node(Node, Memory, _), Free), Part is WorkingSet * Count // Share, fits(Part, Memory) )).

take_all([], _, _, Free, Free, []).
take_all([Node-Count|Counts], Share, WorkingSet, Free0, Free, Cores) :-
    select(node(Node, Memory0, Places), Free0, Others),
    length(Taken, Count),
    append(Taken, Left, Places),
    !,
    (   integer(Memory0)
    ->  Memory is Memory0 - WorkingSet * Count // Share
    ;   Memory = Memory0
    ),
    findall(Core, member(place(_, _, Core), Taken), Own),
    append(Own, More, Cores),
    take_all(Counts, Share, WorkingSet, [node(Node, Memory, Left)|Others], Free, More).

%   cost(+Shares, +Allocated, -Cost), and least(+Task, +Share, +Free, -Cost) of a task alone.

cost(Shares, Allocated, Cost) :-
    findall(Own, ( member(Task-_, Shares), Task = task(Name, _, Policy, _), memberchk(Name-Cores, Allocated), own_cost(Policy, Cores, Own) ), Costs),
    findall(Physical-Name,
            ( member(Name-Cores, Allocated), member(Core, Cores), cpu_thread(Core, Package, Number, _), Physical = Package-Number ),
            Used),
    sort(Used, Distinct),
    group_pairs_by_key(Distinct, Groups),
    aggregate_all(count, member(_-[_, _|_], Groups), Shared),
    sum_list(Costs, Sum),
    Cost is Sum + Shared.

own_cost(compute, Cores, Cost) :-
    nodes_of(Cores, Nodes),
    length(Nodes, Count),
    Cost is max(Count - 1, 0).
own_cost(memory, Cores, Cost) :-
    free_cores(Free),
    length(Cores, Share),
    findall(Node, ( member(Core, Cores), ( core_node(Core, Node) -> true ; Node = 0 ) ), Nodes),
    msort(Nodes, Sorted),
    findall(Count, ( setof(Node, member(Node, Sorted), Distinct), member(Node, Distinct), aggregate_all(count, member(Node, Sorted), Count) ), Counts),
    max_list([0|Counts], Fullest),
    length(Free, All),
    Even is (Share + All - 1) // max(All, 1),
    Cost is max(Fullest - Even, 0).

least(task(_, _, compute, _), Share, Free, Least) :-
    findall(Negative, ( member(node(_, _, Cores), Free), length(Cores, Count), Negative is -Count ), Rooms0),
    msort(Rooms0, Rooms),
    needed(Rooms, Share, Nodes),
    Least is max(Nodes - 1, 0).
least(task(_, _, memory, _), Share, Free, Least) :-
    findall(Node-Count, ( member(node(Node, _, Cores), Free), length(Cores, Count) ), Rooms),
    even(Share, Rooms, Counts),
    pairs_values(Counts, Numbers),
    max_list([0|Numbers], Fullest),
    length(Free, All),
    Least is max(Fullest - (Share + All - 1) // max(All, 1), 0).

needed(_, Share, 0) :-
    Share =< 0,
    !.
needed([Negative|Rooms], Share, Nodes) :-
    Left is Share + Negative,
    needed(Rooms, Left, Fewer),
    Nodes is Fewer + 1.

nodes_of(Cores, Nodes) :-
    findall(Node, ( member(Core, Cores), ( core_node(Core, Node) -> true ; Node = 0 ) ), Found),
    sort(Found, Nodes).

%!  gang_schedule(+Tasks, -Slot, -Running, -Idle) is nondet.
%
%   A task has a core for each of its threads, or all cores if it has more threads. Within a slot tasks are placed as by core_allocation/4.
%
%   @error type_error(task, Task)

gang_schedule(Tasks, Slot, Running, Idle) :-
    check(Tasks),
    free_cores(Free),
    aggregate_all(sum(Count), ( member(node(_, _, Cores), Free), length(Cores, Count) ), All),
    (   All > 0
    ->  true
    ;   resource_error(cores)
    ),
    findall(Negative-Task, ( member(Task, Tasks), Task = task(_, Most, _, _), Negative is -min(Most, All) ), Pairs),
    keysort(Pairs, Largest),
    foldl(into_slot(All), Largest, [], Slots),
    nth0(Slot, Slots, _-Together0),
    reverse(Together0, Together),
    findall(Name-Own, core_allocation(Together, Name, Own, _), Running),
    findall(Used, ( member(_-Own, Running), length(Own, Used) ), Counts),
    sum_list(Counts, Sum),
    Idle is All - Sum.

%   Slots are Room-Tasks; the first with room takes the task.

into_slot(All, Negative-Task, [], [Room-[Task]]) :-
    Room is All + Negative.
into_slot(All, Negative-Task, [Room0-Together|Slots0], Slots) :-
    (   Room0 + Negative >= 0
    ->  Room is Room0 + Negative,
        Slots = [Room-[Task|Together]|Slots0]
    ;   Slots = [Room0-Together|Slots1],
        into_slot(All, Negative-Task, Slots0, Slots1)
    ).
