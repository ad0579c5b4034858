:- module(checking,
          [ check/5,                    % +Name, +Text, -Problems, -Exports, -Queries
            check_without/1             % -Problems
          ]).

/** <module> What can be said of rules before they answer anybody

To be asked of an engine that is thrown away afterwards: a module that is checked is loaded into it.
*/

:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(yall)).
:- use_module(library(option)).
:- use_module(library(prolog_codewalk)).
:- use_module(library(sandbox)).
:- use_module(rules(facts)).
:- use_module(rules(queries)).
:- use_module(rules(schema)).
:- use_module(permission).
:- use_module(problems).
:- use_module(source).
:- use_module(teaching).

%!  check(+Name, +Text, -Problems, -Exports, -Queries) is det.
%
%   Problems are lists `[Severity, Line, Column, Words]` of what is wrong with Text as module Name beside the modules that are taught,
%   in the order of the text; Exports are what it exports, as text, and Queries what it declares, as declared_queries/1 has them.

check(Name, Text, Problems, Exports, Queries) :-
    teach(Name, Text, Found),
    (   in_vain(Found)
    ->  All = Found, Exports = [], Queries = []
    ;   findall(Problem, problem_of(Name, Text, Problem), Others),
        append(Found, Others, All),
        module_property(Name, exports(Predicates)),
        maplist([PI, Written]>>format(string(Written), "~q", [PI]), Predicates, Unsorted),
        sort(Unsorted, Exports),
        declared_queries(AllQueries),
        findall([Query, Name|Rest], member([Query, Name|Rest], AllQueries), Queries)
    ),
    maplist([problem(S, L, C, W), at(L, C, S, W)]>>true, All, Keyed),
    sort(Keyed, Sorted),
    maplist([at(L, C, S, W), [S, L, C, W]]>>true, Sorted, Problems).

%!  check_without(-Problems) is det.
%
%   Problems are those that modules have without one that was left out.

check_without(Problems) :-
    findall([error, 1, 1, Words], missed(Words), Problems).

missed(Words) :-
    taught_module(Other),
    undefined(Other, Missing, _),
    format(string(Words), "module ~w calls ~q", [Other, Missing]).

%   problem_of(+Name, +Text, -Problem) is nondet.

problem_of(Name, _, problem(error, 1, 1, Words)) :-
    module_property(Name, exports(Predicates)),
    member(Export/Arity, Predicates),
    functor(Head, Export, Arity),
    \+ predicate_property(Name:Head, number_of_clauses(_)),
    format(string(Words), "~q is exported, and not defined", [Export/Arity]).
problem_of(Name, _, problem(error, Line, 1, Words)) :-
    findall(At-Said, refused_clause(Name, At, Said), Clauses),
    (   Clauses == []
    ->  findall(At-Said, refused_export(Name, At, Said), Refused)
    ;   Refused = Clauses
    ),
    sort(Refused, Distinct),
    member(Line-Words, Distinct).
problem_of(Name, _, problem(error, Line, 1, Words)) :-
    undefined(Name, Missing, Line),
    missing(Missing, Words).
problem_of(Name, _, problem(error, 1, 1, Words)) :-
    taught_module(Other),
    Other \== Name,
    undefined(Other, Missing, _),
    format(string(Words), "module ~w calls ~q, which is not there any more", [Other, Missing]).
problem_of(Name, _, problem(error, Line, 1, Words)) :-
    call_in(Name, Goal, Line),
    functor(Goal, Fact, Arity),
    declared(Fact, Arity, Fields, _),
    predicate_property(Name:Goal, imported_from(facts)),
    Goal =.. [_|Arguments],
    nth1(Number, Fields, Field-Type),
    nth1(Number, Arguments, Value),
    \+ may_be(Type, Value),
    copy_term(Value, Shown),
    numbervars(Shown, 0, _, [singletons(true)]),
    format(string(Words), "~q: argument ~d (~w) is never ~W: it is of type ~p",
           [Fact/Arity, Number, Field, Shown, [quoted(true), numbervars(true)], Type]).
problem_of(Name, _, problem(error, Line, 1, Words)) :-
    declared_query(Query, Name, Parameters, _),
    length(Parameters, Arity),
    functor(Head, Query, Arity),
    (   \+ ( module_property(Name, exports(Predicates)), memberchk(Query/Arity, Predicates) )
    ->  Line = 1,
        format(string(Words), "query ~q is declared, and ~q is not exported", [Query, Query/Arity])
    ;   declared_query(Query, Other, _, _),
        Other \== Name
    ->  line_of(Name:Head, Line),
        format(string(Words), "query ~q is declared by module ~w already; choose another name", [Query, Other])
    ).
problem_of(Name, _, problem(error, 1, 1, Words)) :-
    declared_query(Query, Name, Parameters, Options),
    member(default(Parameter, Value), Options),
    memberchk(parameter(in, Parameter, Type), Parameters),
    \+ may_be(Type, Value),
    format(string(Words), "query ~q: the default ~p of ~w is not of type ~p", [Query, Value, Parameter, Type]).

called_with_goals(Head) :-
    predicate_property(Head, meta_predicate(Meta)),
    arg(_, Meta, Specifier),
    ( integer(Specifier) ; memberchk(Specifier, [^, //, :]) ),
    !.

line_of(Head, Line) :-
    (   predicate_property(Head, line_count(Line))
    ->  true
    ;   Line = 1
    ).

%   refused_clause(+Name, -Line, -Words) is nondet: the sandbox refuses what a clause itself calls. What is called through another predicate
%   of the module is told of that one's clauses. Those of meta-predicates are looked at where they are used: before, what they call is
%   not known.

refused_clause(Name, Line, Words) :-
    predicate_property(Name:Head, number_of_clauses(_)),
    \+ predicate_property(Name:Head, imported_from(_)),
    \+ called_with_goals(Name:Head),
    clause(Name:Head, Body, Clause),
    catch(( safe_goal(Name:(true, Body)), fail ), Error, true),
    told_of_sandbox(Error, Formal, Parents),
    \+ ( member(Parent, Parents), own(Parent, Name) ),
    clause_property(Clause, line_count(Line)),
    called_first(Formal, Parents, Direct),
    refusal(Direct, Head, Words).

%   What a clause calls itself, rather than what that calls in turn.

called_first(permission_error(call, sandboxed, _), Parents, permission_error(call, sandboxed, Outer)) :-
    exclude(calls_its_arguments, Parents, Callers),
    last(Callers, Outer),
    !.
called_first(Formal, _, Formal).

calls_its_arguments(Goal) :-
    strip_module(Goal, _, Plain),
    predicate_property(query:Plain, meta_predicate(_)).

%   refused_export(+Name, -Line, -Words) is nondet: the same, of what people call.

refused_export(Name, Line, Words) :-
    module_property(Name, exports(Predicates)),
    member(Export/Arity, Predicates),
    functor(Head, Export, Arity),
    predicate_property(query:Head, imported_from(Name)),
    \+ called_with_goals(Name:Head),
    catch(( permitted(Head), fail ), Error, true),
    told_of_sandbox(Error, Formal, _),
    line_of(Name:Head, Line),
    refusal(Formal, Head, Words).

%   That a predicate is not there is told by undefined/3.

told_of_sandbox(Error, Formal, Parents) :-
    nonvar(Error),
    Error = error(Formal, Context),
    Formal \= existence_error(procedure, _),
    (   nonvar(Context),
        Context = sandbox(_, Parents)
    ->  true
    ;   Parents = []
    ).

own(Parent, Name) :-
    strip_module(Parent, _, Plain),
    callable(Plain),
    predicate_property(Name:Plain, number_of_clauses(_)),
    \+ predicate_property(Name:Plain, imported_from(_)).

refusal(Formal, Head, Words) :-
    functor(Head, Functor, Arity),
    (   Formal = permission_error(call, sandboxed, Goal)
    ->  strip_module(Goal, _, Called),
        functor(Called, Other, OtherArity),
        format(string(Words), "~q calls ~q, which is not for rules: they read facts, call rules and compute", [Functor/Arity, Other/OtherArity])
    ;   Formal == instantiation_error
    ->  format(string(Words), "~q calls a variable, so what it calls is not known before it runs; write it out, or declare it by meta_predicate",
               [Functor/Arity])
    ;   words(Formal, Words0),
        format(string(Words), "~q: ~s", [Functor/Arity, Words0])
    ).

%   undefined(+Module, -Indicator, -Line) is nondet.

:- dynamic seen/2.

undefined(Module, Missing, Line) :-
    retractall(seen(_, _)),
    prolog_walk_code([ module(Module), undefined(trace), on_trace(checking:note), source(false), autoload(false), infer_meta_predicates(false) ]),
    findall(PI-At, retract(seen(PI, At)), Pairs),
    sort(0, @<, Pairs, Sorted),
    member(Missing-Line, Sorted).

note(_:Goal, _, Location) :-
    functor(Goal, Name, Arity),
    line(Location, Line),
    assertz(seen(Name/Arity, Line)).

line(clause(Clause), Line) :-
    clause_property(Clause, line_count(Line)),
    !.
line(file(_, Line, _, _), Line) :-
    integer(Line),
    !.
line(_, 1).

%   call_in(+Module, -Goal, -Line) is nondet: Goal is called in the text of Module.

call_in(Module, Goal, Line) :-
    retractall(seen(_, _)),
    prolog_walk_code([ module(Module), trace_reference(_), on_trace(checking:note_call), source(false), autoload(false),
                       infer_meta_predicates(false) ]),
    findall(Called-At, retract(seen(Called, At)), Pairs),
    sort(0, @<, Pairs, Sorted),
    member(Goal-Line, Sorted).

note_call(_:Goal, _, Location) :-
    line(Location, Line),
    assertz(seen(Goal, Line)).

%   may_be(+Type, +Value): Value, which may have variables, is of Type or may become so.

may_be(_, Value) :-
    var(Value),
    !.
may_be(any, _) :- !.
may_be(number, Value) :- !, number(Value).
may_be(integer, Value) :- !, integer(Value).
may_be(flag, Value) :- !, memberchk(Value, [0, 1]).
may_be(atom, Value) :- !, atom(Value).
may_be(text, Value) :- !, string(Value).
may_be(oneof(Names), Value) :- !, memberchk(Value, Names).
may_be(or(A, B), Value) :- !, ( may_be(A, Value) ; may_be(B, Value) ), !.
may_be(pair(A, B), Value) :- !, Value = X-Y, may_be(A, X), may_be(B, Y).
may_be(list(_), Value) :- Value == [], !.
may_be(list(Type), Value) :- !, nonvar(Value), Value = [First|Rest], may_be(Type, First), may_be(list(Type), Rest).
may_be(Type, Value) :-
    compound_type(Type, Fields),
    !,
    Value =.. [Type|Arguments],
    maplist([_-Each, Argument]>>may_be(Each, Argument), Fields, Arguments).
may_be(_, Value) :-
    integer(Value),
    Value >= 0.
