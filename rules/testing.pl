:- module(testing,
          [ given/2,                    % +Facts, :Goal
            imagined_machine/2          % +Shape, -Facts
          ]).

/** <module> Machines that are imagined, for the tests of rules

    test(one_core_is_no_distance_from_itself) :-
        given([core(0, 0, 1)], core_distance([0], [[0]], topology)).
*/

:- use_module(facts).
:- use_module(schema).
:- use_module(library(error)).
:- use_module(library(lists)).

:- meta_predicate given(+, 0).

%!  given(+Facts, :Goal) is semidet.
%
%   Goal succeeds, once, on a machine of which exactly Facts are known. What was
%   known before is back afterwards.
%
%   @error existence_error(fact, Name/Arity) if a fact is not declared

given(Facts, Goal) :-
    forall(member(Fact, Facts), must_be_declared(Fact)),
    snapshot(( forall(declared(Name, Arity, _, _),
                      ( functor(Head, Name, Arity),
                        retractall(facts:Head)
                      )),
               forall(member(Fact, Facts), assertz(facts:Fact)),
               call(Goal)
             )).

must_be_declared(Fact) :-
    functor(Fact, Name, Arity),
    (   declared(Name, Arity, _, _)
    ->  true
    ;   existence_error(fact, Name/Arity)
    ).

%!  imagined_machine(+Shape, -Facts) is det.
%
%   Facts describe a symmetric machine of Shape, shape(Packages, Groups, Cores,
%   Threads): in each package so many groups of cores that share a level-3 cache
%   of 32 MiB, in each group so many physical cores with caches of their own, in
%   each of these so many threads. A package is a NUMA node with 64 GiB. Threads
%   are numbered as Linux does on x86: the first of every physical core, then the
%   second of every core.

imagined_machine(Shape, Facts) :-
    findall(Fact, imagined(Shape, Fact), Facts).

imagined(shape(Packages, _, _, _), numa_node(Package, 68_719_476_736)) :-
    below(Packages, Package).
imagined(shape(Packages, _, _, _), node_distance(From, To, Distance)) :-
    below(Packages, From),
    below(Packages, To),
    (   From =:= To
    ->  Distance = 10
    ;   Distance = 21
    ).
imagined(Shape, cache(Id, 3, unified, 33_554_432, 16, 64, 0)) :-
    group(Shape, _, Group),
    Id is 300_000 + Group.
imagined(Shape, cache(Id, Level, Type, Size, 8, 64, 0)) :-
    physical_core(Shape, _, _, Physical),
    member(cache(Base, Level, Type, Size),
           [ cache(100_000, 1, data, 32_768),
             cache(150_000, 1, instruction, 32_768),
             cache(200_000, 2, unified, 1_048_576)
           ]),
    Id is Base + Physical.
imagined(Shape, Fact) :-
    physical_core(Shape, Package, Group, Physical),
    Shape = shape(Packages, Groups, Cores, Threads),
    below(Threads, Thread),
    Core is Thread * Packages * Groups * Cores + Physical,
    (   InPackage is Physical - Package * Groups * Cores,
        member(Fact, [core(Core, Core, 1), cpu_thread(Core, Package, InPackage, Thread), numa_core(Package, Core)])
    ;   member(Base-Index, [100_000-Physical, 150_000-Physical, 200_000-Physical, 300_000-Group]),
        Id is Base + Index,
        Fact = cache_shared(Id, Core)
    ).

%   Groups and physical cores are numbered through the machine.
group(shape(Packages, Groups, _, _), Package, Group) :-
    below(Packages, Package),
    below(Groups, G),
    Group is Package * Groups + G.

physical_core(Shape, Package, Group, Physical) :-
    group(Shape, Package, Group),
    Shape = shape(_, _, Cores, _),
    below(Cores, C),
    Physical is Group * Cores + C.

below(Count, Index) :-
    Last is Count - 1,
    between(0, Last, Index).
