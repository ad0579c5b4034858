:- module(optimize_constraints,
          [ constraint/2,               % +Constraint, +Env
            expression/2,               % +Expression, +Env
            products/3,                 % +Factors, +List, -Products
            comparison/3                % +Formula, -Operator, -Sides
          ]).

/** <module> What constraints, formulas and expressions are

Env maps the names of variables to Low-High, the ends of their domains. What is
wrong is thrown as wrong/2 does; whoever knows the item says where it was.
*/

:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(clpfd), except([label/1])).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(terms).

%!  constraint(+Constraint, +Env) is det.
%
%   @throws wrong(Format, Arguments)

constraint(all_different(List), Env) :- !, expressions(List, Env).
constraint(all_distinct(List), Env) :- !, expressions(List, Env).
constraint(element(Index, List, Value), Env) :-
    !,
    must_be_filled(List),
    expressions([Index, Value|List], Env).
constraint(table(List, Rows), Env) :-
    !,
    expressions(List, Env),
    rows(List, Rows).
constraint(tuples_in(Lists, Rows), Env) :-
    !,
    must_be_list(Lists),
    forall(member(List, Lists), ( expressions(List, Env), rows(List, Rows) )).
constraint(global_cardinality(List, Pairs), Env) :-
    !,
    expressions(List, Env),
    must_be_list(Pairs),
    forall(member(Pair, Pairs), value_count(Pair, Env)),
    pairs_keys(Pairs, Values),
    (   is_set(Values)
    ->  true
    ;   wrong("a value has two counts", [])
    ).
constraint(cumulative(Tasks), Env) :- !, constraint(cumulative(Tasks, [limit(1)]), Env).
constraint(cumulative(Tasks, Options), Env) :-
    !,
    must_be_list(Tasks),
    (   Options = [limit(Limit)]
    ->  true
    ;   Options == []
    ->  Limit = 1
    ;   wrong("its options are [limit(Limit)], not ~w", [Options])
    ),
    maplist(task(Env), Tasks, Needs),
    magnitude(sum([Limit|Needs]), Env, _).
constraint(disjunctive(Starts, Durations), Env) :-
    !,
    expressions(Starts, Env),
    expressions(Durations, Env),
    same_length_or_wrong(Starts, Durations),
    forall(( nth1(N, Starts, Start), nth1(N, Durations, Duration) ), magnitude(Start + Duration, Env, _)).
constraint(disjoint2(Rectangles), Env) :-
    !,
    must_be_list(Rectangles),
    maplist(rectangle(Env), Rectangles).
constraint(circuit(List), Env) :-
    !,
    must_be_filled(List),
    expressions(List, Env).
constraint(tree(Parents, Root), Env) :-
    !,
    must_be_filled(Parents),
    expressions([Root|Parents], Env).
constraint(Formula, Env) :-
    formula(Formula, Env).

value_count(Pair, Env) :-
    (   Pair = Value-Count
    ->  must_be_number(Value),
        expression(Count, Env)
    ;   wrong("~w is no Value-Count", [Pair])
    ).

task(Env, Task, Need) :-
    (   Task = task(Start, Duration, End, Need, _)
    ->  expressions([Start, Duration, End, Need], Env),
        magnitude(Start + Duration - End, Env, _)
    ;   wrong("~w is no task(Start, Duration, End, Need, Name)", [Task])
    ).

rectangle(Env, Rectangle) :-
    (   compound(Rectangle),
        compound_name_arguments(Rectangle, _, [X, Width, Y, Height])
    ->  expressions([X, Width, Y, Height], Env),
        magnitude(X + Width, Env, _),
        magnitude(Y + Height, Env, _)
    ;   wrong("~w is no rectangle F(X, Width, Y, Height)", [Rectangle])
    ).

rows(List, Rows) :-
    must_be_list(Rows),
    maplist(row(List), Rows).

row(List, Row) :-
    must_be_list(Row),
    maplist(must_be_number, Row),
    same_length_or_wrong(List, Row).

same_length_or_wrong(List, Other) :-
    (   same_length(List, Other)
    ->  true
    ;   wrong("~w and ~w are not of the same length", [List, Other])
    ).

%   formula(+Formula, +Env): true or false.

formula(Formula, Env) :-
    (   comparison(Formula, _, Left-Right)
    ->  magnitude(Left - Right, Env, _)
    ;   connected(Formula, Parts)
    ->  forall(member(Part, Parts), formula(Part, Env))
    ;   Formula = (Expression in Domain)
    ->  expression(Expression, Env),
        domain(Domain, Intervals),
        forall(member(Low-High, Intervals), ( magnitude(Expression - Low, Env, _), magnitude(Expression - High, Env, _) ))
    ;   Formula = sum(List, Operator, Right)
    ->  operator(Operator),
        magnitude(sum(List) - Right, Env, _)
    ;   Formula = scalar_product(Factors, List, Operator, Right)
    ->  operator(Operator),
        must_be_list(Factors),
        maplist(must_be_number, Factors),
        must_be_list(List),
        same_length_or_wrong(Factors, List),
        products(Factors, List, Products),
        magnitude(sum(Products) - Right, Env, _)
    ;   Formula = count(Value, List, Operator, Right)
    ->  operator(Operator),
        must_be_list(List),
        forall(member(Element, List), magnitude(Element - Value, Env, _)),
        expressions([Value, Right], Env),
        length(List, Length),
        magnitude(Length - Right, Env, _)
    ;   memberchk(Formula, [0, 1])
    ->  true
    ;   integer(Formula)
    ->  wrong("~w is no truth value; 0 and 1 are", [Formula])
    ;   label(Formula),
        get_assoc(Formula, Env, Low-High)
    ->  (   Low >= 0,
            High =< 1
        ->  true
        ;   wrong("~w is used as a truth value, and its domain is not within 0..1", [Formula])
        )
    ;   callable(Formula),
        functor(Formula, Name, Arity),
        stands_alone(Name, Arity)
    ->  wrong("~w is no part of a formula: it can only stand by itself", [Name/Arity])
    ;   name(Formula),
        atom(Formula)
    ->  wrong("~w is not declared", [Formula])
    ;   wrong("~w is no constraint", [Formula])
    ).

%!  products(+Factors, +List, -Products) is det.
%
%   Each is Factor*Element.

products([], [], []).
products([Factor|Factors], [Element|List], [Factor*Element|Products]) :-
    products(Factors, List, Products).

%!  comparison(+Formula, -Operator, -Sides) is semidet.
%
%   Formula compares the two sides Left-Right.

comparison(Left #= Right, #=, Left-Right).
comparison(Left #\= Right, #\=, Left-Right).
comparison(Left #< Right, #<, Left-Right).
comparison(Left #> Right, #>, Left-Right).
comparison(Left #=< Right, #=<, Left-Right).
comparison(Left #>= Right, #>=, Left-Right).

operator(Operator) :-
    (   atom(Operator),
        memberchk(Operator, [#=, #\=, #<, #>, #=<, #>=])
    ->  true
    ;   wrong("~w is no comparison; there are #=, #\\=, #<, #>, #=< and #>=", [Operator])
    ).

connected(#\ P, [P]).
connected(P #/\ Q, [P, Q]).
connected(P #\/ Q, [P, Q]).
connected(P #\ Q, [P, Q]).
connected(P #==> Q, [P, Q]).
connected(P #<== Q, [P, Q]).
connected(P #<==> Q, [P, Q]).

expressions(List, Env) :-
    must_be_list(List),
    forall(member(Expression, List), expression(Expression, Env)).

expression(Expression, Env) :-
    magnitude(Expression, Env, _).

%!  magnitude(+Expression, +Env, -Most) is det.
%
%   No step of computing the absolute value of Expression exceeds Most.

magnitude(Expression, Env, Most) :-
    (   integer(Expression)
    ->  Most is abs(Expression)
    ;   parts(Expression, How, Parts)
    ->  must_be_list(Parts),
        magnitudes(Parts, Env, Magnitudes),
        combined(How, Magnitudes, Most)
    ;   label(Expression),
        get_assoc(Expression, Env, Low-High)
    ->  Most is max(abs(Low), abs(High))
    ;   name(Expression)
    ->  wrong("~w is not declared", [Expression])
    ;   wrong("~w is no expression", [Expression])
    ),
    most(Limit),
    (   Most =< Limit
    ->  true
    ;   wrong("~w may exceed 2^60", [Expression])
    ).

magnitudes([], _, []).
magnitudes([Expression|List], Env, [Magnitude|Magnitudes]) :-
    magnitude(Expression, Env, Magnitude),
    magnitudes(List, Env, Magnitudes).

parts(A + B, sum, [A, B]).
parts(A - B, sum, [A, B]).
parts(-A, sum, [A]).
parts(sum(List), sum, List).
parts(A * B, product, [A, B]).
parts(abs(A), max, [A]).
parts(min(A, B), max, [A, B]).
parts(max(A, B), max, [A, B]).
parts(min(List), max, List).
parts(max(List), max, List).

combined(sum, Magnitudes, Most) :-
    sum_list(Magnitudes, Most).
combined(product, [A, B], Most) :-
    Most is A * B.
combined(max, Magnitudes, Most) :-
    (   Magnitudes == []
    ->  wrong("an empty list has no least or greatest element", [])
    ;   max_list(Magnitudes, Most)
    ).
