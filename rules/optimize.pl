:- module(optimize,
          [ optimize/4                  % +Model, +Objective, +Options, -Result
          ]).

/** <module> Constrained optimisation, with the model as data

    ?- optimize([ x in 0..10, y in 0..10,
                  named(budget, 3*x + 2*y #=< 12) ],
                maximize(2*x + y), [], Result).
    Result = result(optimal, 8, 8, 0.0, [x=4, y=0], 0.002, clpfd, []).

A *model* is a list of declarations and constraints. It is a term like any
other, so rules put it together with findall/3 and append/3, and it can be sent
elsewhere: the service gives the same model to OR-Tools CP-SAT. Its variables
are therefore *names*: any ground term that is no expression, such as `x` or
`core(disk, 0)`. Prolog variables may be used too; a solution names them.

*Declarations* are `Name in Domain` and `Names ins Domain`, with domains as
CLP(FD) writes them: `0..7`, `1 \/ 3 \/ 5..9`. Every variable is declared, once.

*Expressions*: integers, names, `A+B`, `A-B`, `-A`, `A*B`, `abs(A)`,
`min(A, B)`, `max(A, B)`, `min(List)`, `max(List)`, `sum(List)`.

*Formulas*, true or false, which combine freely:

  - `A #= B`, and `#\=`, `#<`, `#>`, `#=<`, `#>=`
  - `A in Domain`
  - sum(List, #=<, A), scalar_product(Integers, List, #=<, A)
  - count(Value, List, #=<, A): how many of List equal Value
  - `#\ P`, `P #/\ Q`, `P #\/ Q`, `P #\ Q` (one of them), `P #==> Q`,
    `P #<== Q`, `P #<==> Q`
  - 0, 1, and variables within `0..1`

*Constraints* are formulas, and these, which stand by themselves:

  - all_different(List), all_distinct(List): the same; CLP(FD) takes more time
    for the second, and prunes more
  - element(Index, List, Value): Value is the element of List at Index, from 1
  - table(List, Rows), tuples_in(Lists, Rows): List is one of Rows
  - global_cardinality(List, Pairs): for every Value-Count so many of List are
    that Value, and there are no other values
  - cumulative(Tasks), cumulative(Tasks, [limit(Limit)]): tasks
    task(Start, Duration, End, Need, _) together never need more than Limit, by
    default 1. Durations and needs are not negative
  - disjunctive(Starts, Durations): no two tasks at a time
  - disjoint2(Rectangles): no two overlap; F(X, Width, Y, Height)
  - circuit(Successors): one tour through all nodes, which are numbered from 1
  - tree(Parents, Root): following parents leads from every node to Root, which
    is its own parent

What takes no time, or has no width or height, overlaps nothing.

*Names of constraints*: `named(Name, Constraint)`. Messages say the name, and
conflicts consist of names. Several constraints may share one.

Numbers must not be able to leave -2^60..2^60, whatever values the variables
take, so that a model means the same wherever it is solved.
*/

:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(optimize/language).
:- use_module(optimize/propagators).
:- use_module(optimize/search).
:- use_module(optimize/terms).

%!  optimize(+Model, +Objective, +Options, -Result) is det.
%
%   Objective is minimize(Expression), maximize(Expression) or `satisfy`.
%   Options are
%
%     - seconds(Seconds)
%       to take at most, to the duration of a propagation step; default 10
%     - hint(Pairs)
%       Name=Value, where to look first. A hint changes how soon the answer
%       comes, and never what it costs. Values that cannot be are passed over
%     - all_optimal(Number)
%       list the optimal solutions, at most so many
%     - explain_infeasible(Boolean)
%       if there is no solution, find named constraints that conflict
%     - backend(Backend)
%       `auto` or `clpfd`, which is the same here. `cpsat` is no process that a
%       goal could wait for: give the service a goal that binds the model
%     - workers(Number), seed(Number)
%       for CP-SAT; without effect here
%
%   Result is result(Status, Cost, Bound, Gap, Values, Seconds, Backend,
%   Details). Status is
%
%     - `optimal`: no solution is better. So is any solution of `satisfy`
%     - `feasible`: time ran out. None is better than Bound
%     - `infeasible`: there is no solution
%     - `unknown`: time ran out before any was found. If it ran out before the
%       constraints were posted, Bound is `none`
%
%   Gap is |Cost-Bound| / max(1, |Cost|). Values is a list of Name=Value in the
%   order of declaration. What is not known is `none`. Details has
%   solutions(ListOfValues) and complete(Boolean), if they are all of them, with
%   all_optimal; conflict(Names) and minimal(Boolean) with explain_infeasible.
%   A conflict is minimal if it is none without any of its names; time may run
%   out before that. What has no name counts as given: if it contradicts itself
%   the conflict is empty.
%
%   Search is branch and bound, by the smallest domain, and from the cheaper end
%   of it where the objective is linear: exponential at worst. Bound is what
%   propagation knows before it starts.
%
%   @error optimization_error(Place, Problem) for what is no model, objective or
%          option

optimize(Model, Objective, Options, Result) :-
    get_time(Start),
    spelt(t(Model, Objective, Options), t(Model1, Objective1, Options1), Names),
    settings(Options1, Settings),
    checked(Model1, Domains, Constraints),
    checked_objective(Objective1, Domains, Kind, Expression),
    checked_hints(Settings.hint, Domains, Hints),
    Deadline is Start + Settings.seconds,
    Problem = problem(Domains, Constraints, Kind, Expression, Hints, Deadline),
    solve(Problem, Settings, Answer),
    get_time(End),
    Seconds is End - Start,
    told(Answer, Kind, Domains, Seconds, Told),
    respelt(Names, Told, Result).

%   Prolog variables get names for the time of solving.

spelt(Given, Spelt, Names) :-
    (   acyclic_term(Given)
    ->  true
    ;   optimization_error(model, "is a cyclic term")
    ),
    (   term_attvars(Given, [])
    ->  true
    ;   optimization_error(model, "has variables under constraints; state them in the model")
    ),
    term_variables(Given, Variables),
    copy_term(Given-Variables, Spelt-Copies),
    foldl(spell, Variables, Copies, Names, 0, _).

spell(Variable, Name, Name=Variable, N0, N) :-
    N is N0 + 1,
    atom_concat('_', N, Name).

respelt([], Told, Result) :-
    !,
    Result = Told.
respelt(Names, result(Status, Cost, Bound, Gap, Values0, Seconds, Backend, Details0),
        result(Status, Cost, Bound, Gap, Values, Seconds, Backend, Details)) :-
    respelt_values(Names, Values0, Values),
    maplist(respelt_detail(Names), Details0, Details).

respelt_detail(Names, solutions(Solutions0), solutions(Solutions)) :-
    !,
    maplist(respelt_values(Names), Solutions0, Solutions).
respelt_detail(_, Detail, Detail).

respelt_values(_, none, none) :-
    !.
respelt_values(Names, Values0, Values) :-
    maplist(respelt_value(Names), Values0, Values).

respelt_value(Names, Name=Value, Respelt=Value) :-
    respelt_name(Names, Name, Respelt).

respelt_name(Names, Name, Respelt) :-
    (   compound(Name)
    ->  compound_name_arguments(Name, Functor, Arguments),
        maplist(respelt_name(Names), Arguments, Respelts),
        compound_name_arguments(Respelt, Functor, Respelts)
    ;   memberchk(Name=Variable, Names)
    ->  Respelt = Variable
    ;   Respelt = Name
    ).

%   Options.

settings(Options, Settings) :-
    (   is_list(Options)
    ->  true
    ;   optimization_error(options, "are no list")
    ),
    foldl(setting, Options,
          settings{backend:auto, seconds:10, hint:[], all_optimal:0, explain_infeasible:false, workers:1, seed:0},
          Settings).

setting(Option, Settings0, Settings) :-
    (   compound(Option),
        compound_name_arguments(Option, Name, [Value]),
        get_dict(Name, Settings0, _)
    ->  (   setting_value(Name, Value, What)
        ->  (   var(What)
            ->  put_dict(Name, Settings0, Value, Settings)
            ;   optimization_error(option(Name), What)
            )
        ;   setting_wants(Name, Wanted),
            format(string(Message), "must be ~w, not ~q", [Wanted, Value]),
            optimization_error(option(Name), Message)
        )
    ;   format(string(Message), "~q is none; there are backend, seconds, hint, all_optimal, explain_infeasible, workers and seed",
               [Option]),
        optimization_error(options, Message)
    ).

setting_value(backend, auto, _).
setting_value(backend, clpfd, _).
setting_value(backend, cpsat,
              "cpsat does not run in a goal, which must not wait for another process: give POST /v1/optimize a goal that binds the \c
               model, or use clpfd").
setting_value(seconds, Seconds, _) :- number(Seconds), Seconds > 0, Seconds =< 600.
setting_value(hint, Pairs, _) :- is_list(Pairs).
setting_value(all_optimal, Number, _) :- integer(Number), between(0, 100_000, Number).
setting_value(explain_infeasible, Boolean, _) :- memberchk(Boolean, [true, false]).
setting_value(workers, Number, _) :- integer(Number), between(1, 64, Number).
setting_value(seed, Number, _) :- integer(Number), between(0, 2_147_483_647, Number).

setting_wants(backend, "auto, clpfd or cpsat").
setting_wants(seconds, "a number over 0 and up to 600").
setting_wants(hint, "a list of Name=Value").
setting_wants(all_optimal, "an integer from 0 to 100000").
setting_wants(explain_infeasible, "true or false").
setting_wants(workers, "an integer from 1 to 64").
setting_wants(seed, "an integer from 0 to 2147483647").

%!  solve(+Problem, +Settings, -Answer) is det.
%
%   Answer is answer(Status, Cost, Bound, Values, Details): Cost as it is
%   minimised, Values in the order of declaration.

solve(Problem, Settings, answer(Status, Cost, Bound, Values, Details)) :-
    Problem = problem(_, _, _, _, _, Deadline),
    best(Problem, best(Status, Cost, Bound, Values)),
    (   Status == optimal,
        Settings.all_optimal > 0
    ->  all_best(Problem, Cost, Settings.all_optimal, Solutions, Complete),
        Details = [solutions(Solutions), complete(Complete)]
    ;   Status == infeasible,
        Settings.explain_infeasible == true
    ->  conflict(Problem, Deadline, Conflict, Minimal),
        Details = [conflict(Conflict), minimal(Minimal)]
    ;   Details = []
    ).

best(problem(Domains, Constraints, Kind, Expression, Hints, Deadline), best(Status, Cost, Bound, Values)) :-
    catch(( network(Domains, Constraints, Deadline, Env, Variables)
          ->  cost(Kind, Expression, Env, Variable, Directions),
              lower_bound(Variable, Lowest),
              minimum(Variables, Variable, Hints, Directions, Deadline, Found, End),
              State = searched
          ;   State = contradictory ),
          out_of_time,
          State = late),
    (   State == contradictory
    ->  Status-Cost-Bound-Values = infeasible-none-none-none
    ;   State == late
    ->  Status-Cost-Bound-Values = unknown-none-none-none
    ;   Found = found(Cost, Values)
    ->  (   ( End == done ; Cost =< Lowest )
        ->  Status = optimal,
            Bound = Cost
        ;   Status = feasible,
            Bound = Lowest
        )
    ;   End == done
    ->  Status-Cost-Bound-Values = infeasible-none-none-none
    ;   Status-Cost-Bound-Values = unknown-none-Lowest-none
    ).

%   All solutions that cost as little as the best: a problem of its own.

all_best(problem(Domains, Constraints, Kind, Expression, _, Deadline), Cost, Most, Solutions, Complete) :-
    Wanted is Most + 1,
    catch(( network(Domains, Constraints, Deadline, Env, Variables),
            cost(Kind, Expression, Env, Cost, _),
            solutions(Variables, Wanted, Deadline, Found, End) ),
          out_of_time,
          ( Found = [], End = out_of_time )),
    (   length(Found, Wanted)
    ->  length(Listed, Most),
        append(Listed, _, Found),
        Complete = false
    ;   Listed = Found,
        (   End == done
        ->  Complete = true
        ;   Complete = false
        )
    ),
    pairs_keys(Domains, Names),
    sort(Listed, Sorted),
    maplist(values(Names), Sorted, Solutions).

%!  conflict(+Problem, +Deadline, -Names, -Minimal) is det.
%
%   Names of constraints that contradict each other and what has no name. Each in
%   turn is left out, for good if the others still contradict each other (the
%   deletion filter).

conflict(problem(Domains, Constraints, _, _, _, _), Deadline, Conflict, Minimal) :-
    findall(Name, member(constraint(name(Name), _, _), Constraints), Repeated),
    list_to_set(Repeated, Names),
    filtered(Names, [], Domains-Constraints, Deadline, Conflict, true, Minimal).

filtered([], Kept, _, _, Conflict, Minimal, Minimal) :-
    reverse(Kept, Conflict).
filtered([Name|Names], Kept, Problem, Deadline, Conflict, Minimal0, Minimal) :-
    append(Kept, Names, Others),
    satisfiable(Others, Problem, Deadline, Satisfiable),
    (   Satisfiable == false
    ->  filtered(Names, Kept, Problem, Deadline, Conflict, Minimal0, Minimal)
    ;   (   Satisfiable == true
        ->  Minimal1 = Minimal0
        ;   Minimal1 = false
        ),
        filtered(Names, [Name|Kept], Problem, Deadline, Conflict, Minimal1, Minimal)
    ).

satisfiable(Names, Domains-Constraints, Deadline, Satisfiable) :-
    include(among(Names), Constraints, Some),
    maplist(no_hint, Domains, Hints),
    best(problem(Domains, Some, satisfy, 0, Hints, Deadline), best(Status, _, _, _)),
    verdict(Status, Satisfiable).

no_hint(_, none).

among(Names, constraint(Label, _, _)) :-
    (   Label = name(Name)
    ->  memberchk(Name, Names)
    ;   true
    ).

verdict(optimal, true).
verdict(infeasible, false).
verdict(unknown, unknown).

%   The answer as it is told: costs in the objective's own direction.

told(answer(Status, Cost0, Bound0, Values0, Details), Kind, Domains, Seconds,
     result(Status, Cost, Bound, Gap, Values, Seconds, clpfd, Details)) :-
    in_direction(Kind, Cost0, Cost),
    in_direction(Kind, Bound0, Bound),
    (   integer(Cost)
    ->  Gap is float(abs(Cost - Bound) / max(1, abs(Cost)))
    ;   Kind == satisfy,
        Status == optimal
    ->  Gap = 0.0
    ;   Gap = none
    ),
    (   Values0 == none
    ->  Values = none
    ;   pairs_keys(Domains, Names),
        values(Names, Values0, Values)
    ).

in_direction(satisfy, _, none) :-
    !.
in_direction(maximize, Value, Negated) :-
    integer(Value),
    !,
    Negated is -Value.
in_direction(_, Value, Value).

values([], [], []).
values([Name|Names], [Integer|Integers], [Name=Integer|Values]) :-
    values(Names, Integers, Values).
