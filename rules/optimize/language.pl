:- module(optimize_language,
          [ checked/3,                  % +Model, -Domains, -Constraints
            checked_objective/4,        % +Objective, +Domains, -Kind, -Expression
            checked_hints/3,            % +Pairs, +Domains, -Hints
            optimization_error/2,       % +Place, +Problem
            products/3,                 % +Factors, +List, -Products
            comparison/3                % +Formula, -Operator, -Sides
          ]).

/** <module> What a model is, and what is wrong with one that is none

Everything is checked before anything is solved: what comes out of here has
declared names, finite domains, lists where lists belong, and numbers that stay
within bounds. `skb/solver/language.py` reads the same language.
*/

:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(clpfd), except([label/1])).
:- use_module(library(lists)).
:- use_module(library(pairs)).

:- multifile prolog:error_message//1.

prolog:error_message(optimization_error(Place, Problem)) -->
    { place_words(Place, Words) },
    [ '~w: ~w'-[Words, Problem] ].

place_words(constraint(Name), Words) :-
    !,
    format(string(Words), "constraint ~q", [Name]).
place_words(item(Number, Item), Words) :-
    !,
    format(string(Words), "item ~d of the model, ~w", [Number, Item]).
place_words(option(Name), Words) :-
    !,
    format(string(Words), "option ~w", [Name]).
place_words(Place, Words) :-
    format(string(Words), "~w", [Place]).

%!  optimization_error(+Place, +Problem) is erroneous.
%
%   Place is `model`, `objective`, `options`, option(Name), constraint(Name) or
%   item(Number, Text); Problem is what is wrong there, in words.

optimization_error(Place, Problem) :-
    throw(error(optimization_error(Place, Problem), _)).

%   What is found wrong somewhere inside an item is thrown as wrong(Format,
%   Arguments); whoever knows the item says which it was.

:- meta_predicate at(+, 0).

at(Place, Goal) :-
    catch(Goal, wrong(Format, Arguments),
          ( format(string(Problem), Format, Arguments), optimization_error(Place, Problem) )).

wrong(Format, Arguments) :-
    maplist(short, Arguments, Short),
    throw(wrong(Format, Short)).

short(Term, Text) :-
    format(string(Long), "~W", [Term, [quoted(true), spacing(next_argument), numbervars(true), max_depth(12)]]),
    (   string_length(Long, Length),
        Length > 80
    ->  sub_string(Long, 0, 77, _, Start),
        string_concat(Start, "...", Text)
    ;   Text = Long
    ).

%!  checked(+Model, -Domains, -Constraints) is det.
%
%   Domains is a list of Name-Intervals in the order of declaration, intervals
%   as Low-High; Constraints a list of constraint(Label, Place, Constraint), where
%   Label is name(Name) or `none`.
%
%   @error optimization_error(Place, Problem)

checked(Model, Domains, Constraints) :-
    (   is_list(Model)
    ->  true
    ;   optimization_error(model, "is no list of declarations and constraints")
    ),
    items(Model, 1, Domains, [], Constraints, []),
    (   Domains == []
    ->  optimization_error(model, "declares no variables; begin with one, like x in 0..9")
    ;   true
    ),
    environment(Domains, Env),
    forall(member(constraint(_, Place, Constraint), Constraints), at(Place, constraint(Constraint, Env))).

environment(Domains, Env) :-
    maplist(ends, Domains, Pairs),
    keysort(Pairs, Sorted),
    unique(Sorted),
    list_to_assoc(Sorted, Env).

ends(Name-Intervals, Name-(Low-High)) :-
    Intervals = [Low-_|_],
    last(Intervals, _-High).

unique([Name-_, Other-_|_]) :-
    Name == Other,
    !,
    at(model, wrong("~w is declared twice", [Name])).
unique([_|Pairs]) :-
    !,
    unique(Pairs).
unique([]).

items([], _, Domains, Domains, Constraints, Constraints).
items([Item|Items], Number, Domains0, Domains, Constraints0, Constraints) :-
    (   Item = (Name in Domain),
        name(Name)
    ->  place(Item, Number, Place),
        at(Place, domain(Domain, Intervals)),
        Domains0 = [Name-Intervals|Domains1],
        Constraints0 = Constraints1
    ;   Item = (Names ins Domain)
    ->  place(Item, Number, Place),
        at(Place, ( must_be_list(Names), maplist(must_be_name, Names), domain(Domain, Intervals) )),
        foldl(declare(Intervals), Names, Domains0, Domains1),
        Constraints0 = Constraints1
    ;   Item = named(Label, Constraint)
    ->  (   label(Label)
        ->  Constraints0 = [constraint(name(Label), constraint(Label), Constraint)|Constraints1]
        ;   place(Item, Number, Place),
            at(Place, wrong("~w is no name for a constraint; use an atom, or a ground term of atoms and integers", [Label]))
        ),
        Domains0 = Domains1
    ;   place(Item, Number, Place),
        Constraints0 = [constraint(none, Place, Item)|Constraints1],
        Domains0 = Domains1
    ),
    Next is Number + 1,
    items(Items, Next, Domains1, Domains, Constraints1, Constraints).

declare(Intervals, Name, [Name-Intervals|Domains], Domains).

place(Item, Number, item(Number, Text)) :-
    short(Item, Text).

label(Term) :-
    (   atom(Term)
    ->  true
    ;   compound(Term),
        Term \= [_|_],
        forall(arg(_, Term, Argument), ( integer(Argument) -> true ; label(Argument) ))
    ).

%   name(+Term) is semidet: Term may name a variable.

name(Term) :-
    label(Term),
    functor(Term, Name, Arity),
    \+ reserved(Name, Arity).

must_be_name(Term) :-
    (   name(Term)
    ->  true
    ;   wrong("~w cannot name a variable; use an atom, or a ground term like core(0) that is no expression", [Term])
    ).

reserved(Name, Arity) :-
    (   memberchk(Name/Arity,
                  [ (+)/2, (-)/2, (-)/1, (*)/2, abs/1, min/1, min/2, max/1, max/2, sum/1, sum/3, (..)/2, (\/)/2, (in)/2, (ins)/2,
                    named/2, (#=)/2, (#\=)/2, (#<)/2, (#>)/2, (#=<)/2, (#>=)/2, (#\)/1, (#\)/2, (#/\)/2, (#\/)/2, (#==>)/2,
                    (#<==)/2, (#<==>)/2, scalar_product/4, count/4 ])
    ->  true
    ;   stands_alone(Name, Arity)
    ).

stands_alone(all_different, 1).
stands_alone(all_distinct, 1).
stands_alone(element, 3).
stands_alone(table, 2).
stands_alone(tuples_in, 2).
stands_alone(global_cardinality, 2).
stands_alone(cumulative, 1).
stands_alone(cumulative, 2).
stands_alone(disjunctive, 2).
stands_alone(disjoint2, 1).
stands_alone(circuit, 1).
stands_alone(tree, 2).

must_be_list(List) :-
    (   is_list(List)
    ->  true
    ;   wrong("~w is no list", [List])
    ).

must_be_filled(List) :-
    must_be_list(List),
    (   List == []
    ->  wrong("the list is empty", [])
    ;   true
    ).

most(1_152_921_504_606_846_976).

must_be_number(Integer) :-
    (   \+ integer(Integer)
    ->  wrong("~w is no integer", [Integer])
    ;   most(Most),
        abs(Integer) =< Most
    ->  true
    ;   wrong("~w is beyond 2^60", [Integer])
    ).

%   domain(+Domain, -Intervals): Low-High, in order, with gaps between them.

domain(Domain, Intervals) :-
    phrase(intervals(Domain), Some),
    sort(Some, Sorted),
    joined(Sorted, Intervals).

intervals(Domain) -->
    (   { integer(Domain) }
    ->  { must_be_number(Domain) },
        [Domain-Domain]
    ;   { Domain = (Low..High) }
    ->  {   must_be_number(Low),
            must_be_number(High),
            (   Low =< High
            ->  true
            ;   wrong("the domain ~w is empty", [Domain])
            )
        },
        [Low-High]
    ;   { Domain = (Left \/ Right) }
    ->  intervals(Left),
        intervals(Right)
    ;   { wrong("~w is no domain; write one like 0..7 or 1 \\/ 3..5", [Domain]) }
    ).

joined([Low-High1, Next-High2|Intervals], Joined) :-
    Next =< High1 + 1,
    !,
    High is max(High1, High2),
    joined([Low-High|Intervals], Joined).
joined([Interval|Intervals], [Interval|Joined]) :-
    joined(Intervals, Joined).
joined([], []).

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

%!  checked_objective(+Objective, +Domains, -Kind, -Expression) is det.
%
%   Kind is `minimize`, `maximize` or `satisfy`.

checked_objective(Objective, Domains, Kind, Expression) :-
    (   Objective == satisfy
    ->  Kind = satisfy,
        Expression = 0
    ;   compound(Objective),
        compound_name_arguments(Objective, Kind, [Expression]),
        memberchk(Kind, [minimize, maximize])
    ->  environment(Domains, Env),
        at(objective, expression(Expression, Env))
    ;   at(objective, wrong("~w is none; there are minimize(Expression), maximize(Expression) and satisfy", [Objective]))
    ).

%!  checked_hints(+Pairs, +Domains, -Hints) is det.
%
%   Hints has a value or `none` for each variable, in their order.

checked_hints(Pairs, Domains, Hints) :-
    environment(Domains, Env),
    at(option(hint), maplist(hint(Env), Pairs, Keyed)),
    sort(1, @<, Keyed, Sorted),
    (   same_length(Sorted, Keyed)
    ->  true
    ;   optimization_error(option(hint), "names a variable twice")
    ),
    list_to_assoc(Sorted, Hinted),
    maplist(hint_of(Hinted), Domains, Hints).

hint_of(Hinted, Name-_, Hint) :-
    (   get_assoc(Name, Hinted, Value)
    ->  Hint = Value
    ;   Hint = none
    ).

hint(Env, Pair, Name-Value) :-
    (   Pair = (Name=Value)
    ->  must_be_number(Value),
        (   get_assoc(Name, Env, _)
        ->  true
        ;   wrong("~w is not declared", [Name])
        )
    ;   wrong("~w is no Name=Value", [Pair])
    ).
