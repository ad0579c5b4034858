:- module(engine,
          [ perform/2,                  % +Request, -Reply
            produce/2,                  % +Request, -Reply
            interrupt/1                 % +Signal
          ]).

/** <module> What an engine process can be asked to do

One predicate, `perform(+Request, -Reply)`: the Python side builds the request as a term, calls this once, and encodes the reply in one
walk. This module and the `facts` it writes are the only ones with side effects.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(option)).
:- use_module(library(solution_sequences)).
:- use_module(rules(facts)).
:- use_module(rules(schema)).
:- use_module(knowledge).
:- use_module(explain).
:- use_module(goals).
:- use_module(problems).
:- use_module(teaching).

%!  perform(+Request, -Reply) is det.
%
%   Requests and their replies; any of them may be answered by problem(Kind, Detail, Line, Column) instead:
%
%   | vocabulary                               | vocabulary(Declarations)                         |
%   | write(Changes)                           | written(Number): pairs of retracts and asserts   |
%   | solve(Text, Params, Limit, Offset, Infs, Exact) | answers(Names, Rows, More, Inferences)     |
%   | explain(Text, Params, Depth, Infs)       | explained(Names, Values, Steps): see explain.pl  |
%   | taken(Retracts, Asserts)                 | taken(Numbers): of asserts whose keys rows have  |
%   | rows(Name, Arguments, Limit, Offset)     | rows(ListsOfArguments, More)                     |
%   | counts                                   | counts(ListsOfNameAndNumber)                     |
%   | call(Name, Arguments)                    | called(Outputs): a rule of ours, in its outputs  |
%   | read(Text)                               | read(Term): its variables are atoms, their names |
%   | load(Name, Rows)                         | done(Number): rows of a fact, with keys it has not |
%   | merge(Name, Rows)                        | done(Number): rows of a fact, as asserts in order |
%   | teach(Pairs, Expected)                   | taught(Broken): see teach_all/3                  |
%   | check(Name, Text)                        | checked(Problems, Exports, Queries): see checking.pl |
%   | check_without                            | checked(Problems, [], []): of the modules that were taught |
%   | test(Name, Text, Tests)                  | tested(Problems, Results): see unit_tests.pl     |
%   | queries                                  | queries(Queries): see checking.pl                |
%   | nothing                                  | done(0)                                          |
%
%   Those from `check` to `test` are for an engine that is thrown away afterwards, and does not know the module yet.

perform(Request, Reply) :-
    retractall(interrupted),
    catch(reply(Request, Reply), Error, told(Error, Reply)),
    !.
perform(_, problem(failed, "no answer", 0, 0)).

reply(vocabulary, vocabulary(Declarations)) :-
    findall([Name, Fields, Doc, Key, Source],
            ( declared(Name, _, Pairs, Options),
              maplist(field_json, Pairs, Fields),
              option(doc(Doc), Options), option(key(Key), Options), option(source(Source), Options) ),
            Declarations).
reply(write(Changes), written(Number)) :-
    sig_atomic(forall(member([Retracts, Asserts], Changes), change(Retracts, Asserts))),    % an interrupt is not for this
    length(Changes, Number),
    stale_tables.
reply(nothing, done(0)).
reply(teach(Pairs, Expected), taught(Broken)) :-
    teach_all(Pairs, Expected, Broken).
reply(check(Name, Text), checked(Problems, Exports, Queries)) :-
    have(checking),
    checking:check(Name, Text, Problems, Exports, Queries).
reply(check_without, checked(Problems, [], [])) :-
    have(checking),
    checking:check_without(Problems).
reply(test(Name, Text, Tests), tested(Problems, Results)) :-
    teach(Name, Text, Found),
    (   in_vain(Found)
    ->  maplist([problem(S, L, C, W), [S, L, C, W]]>>true, Found, Problems),
        Results = []
    ;   have(unit_tests),
        unit_tests:test(Name, Tests, Problems, Results),
        (   interrupted                 % PlUnit takes that for an error of the test that ran
        ->  throw(engine(interrupted))
        ;   true
        )
    ).
reply(queries, queries(Queries)) :-
    declared_queries(Queries).
reply(read(Text), read(Term)) :-
    read_named(Text, Named),
    encoded(false, [[Named]], [[Term]]).
reply(load(Name, Rows), done(Number)) :-
    forall(member(Row, Rows), ( Fact =.. [Name|Row], assertz(facts:Fact) )),
    length(Rows, Number).
reply(merge(Name, Rows), done(Number)) :-
    forall(member(Row, Rows), ( Fact =.. [Name|Row], write_fact(Fact) )),
    length(Rows, Number).
reply(solve(Text, Params, Limit, Offset, Inferences, Exact), answers(Names, Rows, More, Used)) :-
    solve(Text, Params, limits(Limit, Offset, Inferences), Exact, answers(Names, Rows, More, Used)).
reply(explain(Text, Params, Depth, Inferences), explained(Names, Values, Steps)) :-
    explain(Text, Params, Depth, Inferences, Names, Values, Steps).
reply(taken(Retracts, Asserts), taken(Numbers)) :-
    findall(Number, ( nth0(Number, Asserts, Fact), taken(Fact, Retracts) ), Numbers).
reply(rows(Name, Arguments, Limit, Offset), rows(Rows, More)) :-
    Head =.. [Name|Arguments],
    Wanted is Limit + 1,
    findall(Row, limit(Wanted, offset(Offset, (facts:Head, Head =.. [_|Row]))), All),
    page(All, Limit, Rows, More).
reply(counts, counts(Counts)) :-
    findall([Name, Count],
            ( declared(Name, Arity, _, _),
              functor(Head, Name, Arity),
              (   predicate_property(facts:Head, number_of_clauses(Count)) -> true ; Count = 0 ) ),
            Counts).
reply(call(topology, []), called([Tree])) :-
    topology:topology(Tree).
reply(call(core_distance, [Cores]), called([Distance, Source])) :-
    costs:core_distance(Cores, Distance, Source).
reply(call(tree_costs, [Cores]), called([Send, Receive, Source])) :-
    costs:tree_costs(Cores, Send, Receive, Source).
reply(call(placement_parts, [Cores]), called([Parts, Memory, Order])) :-
    placement:placement_parts(Cores, Parts, Memory),
    placement:hwloc_order(Order).
reply(call(local_cores, [Device]), called([Cores])) :-
    (   catch(placement:local_cores(Device, Found), error(existence_error(device, _), _), Found = unknown)
    ->  Cores = Found
    ;   Cores = []
    ).
reply(call(optimize, [Model, Objective, Options]), called([Result])) :-
    optimize:optimize(Model, Objective, Options, Result).
reply(call(pci_inventory, []), called([Windows, Source, Reserved, Bridges, Bars])) :-
    pci_inventory:pci_inventory(Windows, Source, Reserved, Bridges, Bars).
reply(call(plan_violations, [Set, Plan]), called([Violations])) :-
    pci_resources:plan_violations(Set, Plan, Violations).

field_json(Name-Type, [Name, Type]).

%   Modules that are wanted seldom, and bring libraries that take time to load.

have(Module) :-
    module_property(engine, file(File)),
    file_directory_name(File, Folder),
    atomic_list_concat([Folder, /, Module], Path),
    use_module(Path, []).

%!  produce(+Request, -Reply) is nondet.
%
%   Requests that have many replies. `stream(Text, Params, Limit, Inferences, Size, Exact)` gives batch(Names, Rows) with Size
%   rows each, but the last, as they are found; it may end in problem(Kind, Detail, Line, Column).

produce(stream(Text, Params, Limit, Inferences, Size, Exact), Reply) :-
    catch(batches(Text, Params, limits(Limit, 0, Inferences), Size, Exact, Reply), Error, told(Error, Reply)).

batches(Text, Params, Limits, Size, Exact, batch(Names, Rows)) :-
    batch(Text, Params, Limits, Size, Exact, Names, Rows).

%!  interrupt(+Signal) is det.
%
%   Give up the goal that runs: nobody waits for its answer any more.

interrupt(_) :-
    retractall(interrupted),
    assertz(interrupted),
    throw(engine(interrupted)).

%   Whether that was said since this request began: a goal can throw the same term, and means nothing by it.

:- dynamic interrupted/0.

told(Error, Reply) :-
    (   Error == engine(interrupted),
        \+ retract(interrupted)
    ->  problem(error('the goal threw engine(interrupted)', _), Reply)
    ;   problem(Error, Reply)
    ).

%   What rules have tabled followed from facts that have changed.

stale_tables :-
    (   taught_module(_)
    ->  abolish_all_tables
    ;   true
    ).

%   One transaction: the patterns go, then the facts come.

change(Retracts, Asserts) :-
    forall(member(Pattern, Retracts), retractall(facts:Pattern)),
    forall(member(Fact, Asserts), write_fact(Fact)).

%   Replace the row of the same key, if there is one; do nothing if it is the same row.

write_fact(Fact) :-
    key_pattern(Fact, Pattern),
    (   \+ facts:Pattern
    ->  assertz(facts:Fact)
    ;   facts:Fact
    ->  true
    ;   retractall(facts:Pattern),
        assertz(facts:Fact)
    ).

%   A row with the key of a fact is there, and stays.

taken(Fact, Retracts) :-
    key_pattern(Fact, Row),
    call(facts:Row),
    \+ ( member(Pattern, Retracts), \+ Pattern \= Row ),
    !.

%   key_pattern(?Fact, ?Pattern): Pattern is what a row with the key of Fact looks like. One clause for each declared fact.

:- dynamic key_pattern/2.

make_key_pattern(Name/Arity, Fields, Key) :-
    functor(Fact, Name, Arity),
    Fact =.. [Name|Values],
    maplist(keep_key(Key), Fields, Values, Kept),
    Pattern =.. [Name|Kept],
    assertz(key_pattern(Fact, Pattern)).

keep_key(Key, Field-_, Value, Kept) :-
    (   memberchk(Field, Key)
    ->  Kept = Value
    ;   true
    ).

:- forall(( declared(Name, Arity, Fields, Options), option(key(Key), Options) ),
          make_key_pattern(Name/Arity, Fields, Key)).
