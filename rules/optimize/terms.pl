:- module(optimize_terms,
          [ optimization_error/2,       % +Place, +Problem
            at/2,                       % +Place, :Goal
            wrong/2,                    % +Format, +Arguments
            short/2,                    % +Term, -Text
            label/1,                    % +Term
            name/1,                     % +Term
            must_be_name/1,             % +Term
            stands_alone/2,             % ?Name, ?Arity
            must_be_list/1,             % +Term
            must_be_filled/1,           % +Term
            must_be_number/1,           % +Term
            most/1,                     % -Integer
            domain/2                    % +Domain, -Intervals
          ]).

/** <module> The smallest parts of models: names, numbers, domains; and how it is said that one is none
*/

:- use_module(library(clpfd), except([label/1])).
:- use_module(library(apply)).

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
