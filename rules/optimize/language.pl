:- module(optimize_language,
          [ checked/3,                  % +Model, -Domains, -Constraints
            checked_objective/4,        % +Objective, +Domains, -Kind, -Expression
            checked_hints/3             % +Pairs, +Domains, -Hints
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
:- use_module(constraints).
:- use_module(terms).

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
