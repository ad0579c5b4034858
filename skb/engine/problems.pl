:- module(problems,
          [ problem/2,                  % +Error, -Problem
            words/2,                    % +Formal, -Words
            missing/2                   % +Indicator, -Words
          ]).

/** <module> What went wrong, in words for whoever asked

Only the formal part of an error is told: contexts hold paths and stacks. Terms in it are the asker's own and may be of any size, so
they are abridged.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(rules(schema)).

%!  problem(+Error, -Problem) is det.
%
%   Problem is problem(Kind, Detail, Line, Column); the line is 0 where the error has no place in a text. An interrupt is none: it is
%   interrupted(0).

problem(engine(interrupted), Reply) :-
    !,
    Reply = interrupted(0).
problem(Error, problem(Kind, Detail, Line, Column)) :-
    (   explain(Error, Kind, Detail, Line, Column)
    ->  true
    ;   Error = error(Formal, _)
    ->  Kind = error, Line = 0, Column = 0,
        words(Formal, Detail)
    ;   Kind = error, Line = 0, Column = 0,
        abridged(Error, Short),
        format(string(Detail), "the goal threw ~p", [Short])
    ).

explain(engine(syntax(What, Line, Column)), syntax, Detail, Line, Column) :-
    words(syntax_error(What), Detail).
explain(engine(empty), syntax, "the goal is empty", 1, 1).
explain(engine(several(Line, Column)), syntax, "the text goes on after the goal's full stop; join goals with commas", Line, Column).
explain(engine(param(Name)), param, Detail, 0, 0) :-
    format(string(Detail), "the goal has no variable ~w; params name variables of the goal", [Name]).
explain(engine(cyclic), error, "an answer is a cyclic term, which cannot be written", 0, 0).
explain(engine(inferences), inferences, "the goal used up its inferences", 0, 0).
explain('$aborted', error, "the goal was aborted", 0, 0).
explain(error(resource_error(What), _), memory, Detail, 0, 0) :-
    abridged(What, Short),
    format(string(Detail), "the goal ran out of ~p", [Short]).
explain(error(permission_error(call, sandboxed, Goal), Context), refused, Detail, 0, 0) :-
    indicator(Goal, PI),
    (   nonvar(Context),
        Context = sandbox(_, Parents),
        exclude(calls_its_arguments, Parents, Callers),
        last(Callers, Caller)
    ->  indicator(Caller, Outer),
        format(string(Detail), "~q is not allowed in a goal: it calls ~q", [Outer, PI])
    ;   format(string(Detail), "~q is not allowed in a goal; goals read facts, call rules and compute", [PI])
    ).
explain(error(instantiation_error, Context), refused, Detail, 0, 0) :-
    nonvar(Context),
    Context = sandbox(_, _),
    Detail = "the goal calls a variable, so what it calls cannot be checked before it runs; write it out, or give it in params".
explain(error(existence_error(procedure, What), _), procedure, Detail, 0, 0) :-
    strip_module(What, _, Plain),
    (   Plain = _/_
    ->  PI = Plain
    ;   indicator(Plain, PI)
    ),
    missing(PI, Detail).

calls_its_arguments(Goal) :-
    predicate_property(query:Goal, meta_predicate(_)).

indicator(Goal, Name/Arity) :-
    strip_module(Goal, _, Plain),
    callable(Plain),
    functor(Plain, Name, Arity).

%!  words(+Formal, -Words) is det.
%
%   Words say what the formal part of an error means.

words(Formal, Detail) :-
    abridged(Formal, Short),
    (   catch(phrase('$messages':translate_message(error(Short, _)), Lines), _, fail)
    ->  with_output_to(string(Text), print_message_lines(current_output, '', Lines)),
        normalize_space(string(Detail), Text)
    ;   format(string(Detail), "~p", [Short])
    ).

%   A term of a size that can be read.

abridged(Term, Short) :-
    (   cyclic_term(Term)
    ->  Short = 'a cyclic term'
    ;   size_abstract_term(64, Term, Cut),
        copy_term_nat(Cut, Short)
    ).

%!  missing(+Indicator, -Words) is det.
%
%   Words say that there is no such predicate, and what may have been meant.

missing(Name/Arity, Words) :-
    (   declared(Name, Real, Fields, _)
    ->  pairs_keys(Fields, Names),
        atomic_list_concat(Names, ', ', Listed),
        format(string(Words), "there is no predicate ~q; the fact ~w has ~d arguments: ~w", [Name/Arity, Name, Real, Listed])
    ;   near(Name/Arity, Near)
    ->  format(string(Words), "there is no predicate ~q; did you mean ~q?", [Name/Arity, Near])
    ;   format(string(Words), "there is no predicate ~q", [Name/Arity])
    ).

near(Name/Arity, Near/Arity) :-
    findall(Distance-Other,
            ( visible(Other, Arity), dwim_match(Name, Other), atom_length(Other, Length), atom_length(Name, Own),
              Distance is abs(Length - Own) ),
            Found),
    sort(Found, [_-Near|_]).

visible(Name, Arity) :-
    declared(Name, Arity, _, _).
visible(Name, Arity) :-
    predicate_property(query:Head, imported_from(_)),
    functor(Head, Name, Arity).
