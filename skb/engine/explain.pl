:- module(explain,
          [ explain/7                   % +Text, +Params, +Depth, +Inferences, -Names, -Values, -Steps
          ]).

/** <module> Why a goal holds

A meta-interpreter that solves a goal as Prolog does, over the facts and the clauses of our rules, and keeps the proof: which clause, from
which goals, down to the facts. Built-ins and libraries are called, not looked into.
*/

:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(solution_sequences)).
:- use_module(goals).
:- use_module(knowledge).
:- use_module(teaching).
:- use_module(rules(facts)).
:- use_module(rules(schema)).

%!  explain(+Text, +Params, +Depth, +Inferences, -Names, -Values, -Steps) is det.
%
%   Names and Values are the goal's variables and what its first proof binds them to. Steps is the proof, a list of
%   `[Goal, By, Rule, Steps]`, Goal as text; it is empty if the goal does not hold.
%
%   @throws as solve/5

explain(Text, Params, Depth, Inferences, Names, Values, Steps) :-
    prepared(Text, Params, Goal, Names, Row),
    call_with_inference_limit(
        (   prove(query, Goal, Depth, Proof)
        ->  true
        ;   Proof = none
        ),
        Inferences, Outcome),
    in_limit(Outcome),
    (   Proof == none
    ->  Values = [], Steps = []
    ;   phrase(steps(Proof), Steps),
        copy_term_nat(Row, Copy),
        encoded(false, [Copy], [Values])
    ).

%   prove(+Module, +Goal, +Depth, -Proof) is nondet. Proofs are made of both(A, B), nothing, and step(Goal, By, Rule, Proof).

prove(Module, Goal, Depth, Proof) :-
    prolog_current_choice(Choice),
    prove(Goal, Module, Depth, Choice, Proof).

prove(Variable, _, _, _, _) :-
    var(Variable),
    !,
    instantiation_error(Variable).
prove(true, _, _, _, nothing) :- !.
prove(!, _, _, Choice, nothing) :-
    !,
    prolog_cut_to(Choice).
prove(Module:Goal, _, Depth, Choice, Proof) :-
    !,
    prove(Goal, Module, Depth, Choice, Proof).
prove((A, B), Module, Depth, Choice, both(ProofA, ProofB)) :-
    !,
    prove(A, Module, Depth, Choice, ProofA),
    prove(B, Module, Depth, Choice, ProofB).
prove((If -> Then ; Else), Module, Depth, Choice, Proof) :-
    !,
    (   prove(Module, If, Depth, ProofIf)
    ->  Proof = both(ProofIf, ProofThen),
        prove(Then, Module, Depth, Choice, ProofThen)
    ;   prove(Else, Module, Depth, Choice, Proof)
    ).
prove((If *-> Then ; Else), Module, Depth, Choice, Proof) :-
    !,
    (   prove(Module, If, Depth, ProofIf)
    *-> Proof = both(ProofIf, ProofThen),
        prove(Then, Module, Depth, Choice, ProofThen)
    ;   prove(Else, Module, Depth, Choice, Proof)
    ).
prove((A ; B), Module, Depth, Choice, Proof) :-
    !,
    (   prove(A, Module, Depth, Choice, Proof)
    ;   prove(B, Module, Depth, Choice, Proof)
    ).
prove((If -> Then), Module, Depth, Choice, both(ProofIf, ProofThen)) :-
    !,
    (   prove(Module, If, Depth, ProofIf)
    ->  prove(Then, Module, Depth, Choice, ProofThen)
    ).
prove((If *-> Then), Module, Depth, Choice, both(ProofIf, ProofThen)) :-
    !,
    prove(Module, If, Depth, ProofIf),
    prove(Then, Module, Depth, Choice, ProofThen).
prove(\+ Goal, Module, _, _, step(\+ Goal, failed, '', nothing)) :-
    !,
    \+ Module:Goal.
prove(once(Goal), Module, Depth, _, Proof) :-
    !,
    prove(Module, Goal, Depth, Proof),
    !.
prove(call(Goal), Module, Depth, _, Proof) :-
    !,
    prove(Module, Goal, Depth, Proof).
prove(forall(Condition, Action), Module, Depth, _, step(forall(Condition, Action), all, '', Proof)) :-
    !,
    Module:forall(Condition, Action),
    all(Module, (Condition, Action), Depth, Proof).
prove(findall(Template, Goal, List), Module, Depth, _, step(findall(Template, Goal, List), all, '', Proof)) :-
    !,
    Module:findall(Template, Goal, List),
    all(Module, Goal, Depth, Proof).
prove(aggregate_all(Spec, Goal, Result), Module, Depth, _, step(aggregate_all(Spec, Goal, Result), all, '', Proof)) :-
    !,
    Module:aggregate_all(Spec, Goal, Result),
    all(Module, Goal, Depth, Proof).
prove(Goal, Module, Depth, _, Proof) :-
    prove_goal(Goal, Module, Depth, Proof).

%   The proofs of a goal's first solutions: what a set is made of.

most_shown(20).

all(Module, Goal, Depth, Proof) :-
    most_shown(Most),
    findall(Each, limit(Most, prove(Module, Goal, Depth, Each)), Proofs),
    foldl([Each, Before, both(Before, Each)]>>true, Proofs, nothing, Proof).

prove_goal(Goal, _, _, step(Goal, fact, '', nothing)) :-
    is_fact(Goal),
    !,
    call(facts:Goal).
prove_goal(Goal, Module, Depth, Proof) :-
    defined_by_rule(Module, Goal, Home),
    !,
    (   Depth =< 1
    ->  Proof = step(Goal, 'cut off', Rule, nothing),
        functor(Goal, Name, Arity),
        format(string(Rule), "~q:~q/~d", [Home, Name, Arity]),
        call(Home:Goal)
    ;   Below is Depth - 1,
        Proof = step(Goal, rule, Rule, Body),
        prove_clause(Home, Goal, Below, Rule, Body)
    ).
prove_goal(Goal, Module, _, step(Goal, computed, '', nothing)) :-
    call(Module:Goal).

prove_clause(Home, Goal, Depth, Rule, Proof) :-
    prolog_current_choice(Choice),
    clause(Home:Goal, Body, Reference),
    prove(Body, Home, Depth, Choice, Proof),
    functor(Goal, Name, Arity),
    nth_clause(Home:Goal, Number, Reference),
    format(string(Rule), "~q:~q/~d, clause ~d", [Home, Name, Arity, Number]).

is_fact(Goal) :-
    functor(Goal, Name, Arity),
    declared(Name, Arity, _, _).

%   Home is the rule module whose clauses define Goal as Module sees it.

defined_by_rule(Module, Goal, Home) :-
    (   predicate_property(Module:Goal, imported_from(Home))
    ->  true
    ;   Home = Module
    ),
    ( rule_module(Home) ; taught_module(Home) ),
    !,
    predicate_property(Home:Goal, number_of_clauses(_)).

%   From a proof to a list of steps, as the encoder takes it.

steps(nothing) --> [].
steps(both(A, B)) --> steps(A), steps(B).
steps(step(Goal, By, Rule, Proof)) -->
    { goal_text(Goal, Text),
      phrase(steps(Proof), Steps) },
    [[Text, By, Rule, Steps]].

goal_text(Goal, Text) :-
    (   acyclic_term(Goal)
    ->  copy_term_nat(Goal, Plain),
        numbervars(Plain, 0, _, [singletons(true)])
    ;   Plain = Goal
    ),
    format(string(Text), "~W",
           [Plain, [quoted(true), numbervars(true), max_depth(60), spacing(next_argument), cycles(true), module(query)]]).
