:- use_module(library(plunit)).
:- use_module(library(apply)).
:- use_module(library(clpfd)).
:- use_module(library(lists)).
:- use_module(optimize).

:- begin_tests(optimize).

best(Model, Objective, Cost, Values) :-
    optimize(Model, Objective, [], result(optimal, Cost, Cost, 0.0, Values, _, clpfd, [])).

%   All solutions of constraints over x, y and z, as lists of their values.

all(Constraints, Solutions) :-
    append([x in 0..2, y in 0..2, z in 0..2], Constraints, Model),
    optimize(Model, satisfy, [all_optimal(100)], result(optimal, none, none, 0.0, _, _, _, [solutions(Found), complete(true)])),
    findall([X, Y, Z], member([x=X, y=Y, z=Z], Found), Solutions).

%   ... must be those for which Goal holds.

:- meta_predicate same(+, +, 0).

same(Constraints, [X, Y, Z], Goal) :-
    all(Constraints, Solutions),
    findall([X, Y, Z], ( member(X, [0, 1, 2]), member(Y, [0, 1, 2]), member(Z, [0, 1, 2]), \+ \+ Goal ), Expected),
    Solutions == Expected.

test(the_example_of_the_manual, true(Cost-Values == 8-[x=4, y=0])) :-
    best([x in 0..10, y in 0..10, named(budget, 3*x + 2*y #=< 12)], maximize(2*x + y), Cost, Values).

test(prolog_variables_stand_for_themselves, true(Values == [X=1, core(Y)=3])) :-
    best([X in 0..3, core(Y) in 0..3, X + core(Y) #>= 4], minimize(X), _, Values),
    var(X),
    var(Y).

test(domains_have_holes, true(Cost == 5)) :-
    best([x in 1 \/ 3 \/ 5..9, x #> 3], minimize(x), Cost, _).

test(linear, true) :- same([x + 2*y - z #= 1], [X, Y, Z], X + 2*Y - Z =:= 1).
test(product, true) :- same([x * y #= z], [X, Y, Z], X * Y =:= Z).
test(functions, true) :-
    same([abs(x - y) + min(y, z) #= max([x, y, 1])], [X, Y, Z], abs(X - Y) + min(Y, Z) =:= max(max(X, Y), 1)).
test(connectives, true) :-
    same([(x #= y #<==> z #> 0) #\/ (x #> 1 #/\ #\ (z #= 2))], [X, Y, Z],
         ( X =:= Y, Z > 0 ; X =\= Y, Z =< 0 ; X > 1, Z =\= 2 )).
test(implication, true) :- same([x #= 1 #==> y #= z], [X, Y, Z], ( X =\= 1 ; Y =:= Z )).
test(one_of_two, true) :- same([x #= 1 #\ y #= 1], [X, Y, _], ( X =:= 1, Y =\= 1 ; X =\= 1, Y =:= 1 )).
test(membership, true) :- same([named(n, x + y in 0 \/ 3..4)], [X, Y, _], ( S is X + Y, memberchk(S, [0, 3, 4]) )).
test(sum, true) :- same([sum([x, y], #<, z)], [X, Y, Z], X + Y < Z).
test(scalar_product, true) :- same([scalar_product([2, -1], [x, y], #=, z)], [X, Y, Z], 2*X - Y =:= Z).
test(count, true) :- same([count(1, [x, y, z], #>=, 2)], L, ( L = [_, _, _], include(==(1), L, Ones), length(Ones, N), N >= 2 )).
test(all_different, true) :- same([all_different([x, y, z])], L, ( L = [_, _, _], sort(L, [_, _, _]) )).
test(element, true) :- same([element(x, [z, 1], y)], [X, Y, Z], ( X =:= 1, Y =:= Z ; X =:= 2, Y =:= 1 )).
test(table, true(Solutions == [[0, 1, 2], [1, 1, 0]])) :- all([table([x, y, z], [[1, 1, 0], [0, 1, 2], [3, 0, 0]])], Solutions).
test(a_variable_twice_in_a_tuple, true) :- same([table([x, x, y], [[0, 1, 0], [1, 1, 2]])], [X, Y, _], ( X =:= 1, Y =:= 2 )).
test(tied_variables_in_a_tuple, true(Status == infeasible)) :-
    optimize([x in 0..2, y in 0..2, x #= 1, table([x - y, y], [[1, 1], [0, 0]])], satisfy, [], result(Status, _, _, _, _, _, _, _)).
test(tuples_in, true) :- same([tuples_in([[x, y], [y, z]], [[0, 1], [1, 2]])], L, L = [0, 1, 2]).
test(global_cardinality, true) :-
    same([global_cardinality([x, y, z], [0-1, 2-2])], L, ( L = [_, _, _], msort(L, [0, 2, 2]) )).
test(cumulative, true(Starts == [0, 0, 2])) :-
    best([[a, b, c] ins 0..9, [ea, eb, ec] ins 0..9,
          cumulative([task(a, 2, ea, 1, _), task(b, 3, eb, 1, _), task(c, 1, ec, 1, _)], [limit(2)]), b #= 0, a #=< c],
         minimize(a + c), _, [a=A, b=B, c=C|_]),
    Starts = [A, B, C].
test(disjunctive, true) :- same([disjunctive([x, y], [1, z])], [X, Y, Z], ( Z =:= 0 ; X + 1 =< Y ; Y + Z =< X )).
test(disjoint2, true) :- same([disjoint2([r(x, 1, 0, 1), r(y, 2, z, 1)])], [X, Y, Z], ( Z > 0 ; X < Y ; X >= Y + 2 )).
test(circuit, true(Solutions == [[2, 3, 1], [3, 1, 2]])) :-
    optimize([[a, b, c] ins 1..3, circuit([a, b, c])], satisfy, [all_optimal(9)], result(_, _, _, _, _, _, _, [solutions(Found)|_])),
    findall([A, B, C], member([a=A, b=B, c=C], Found), Solutions).
test(trees_of_four_nodes_with_a_root, true(Count == 16)) :-     % Cayley: 4^(4-2)
    findall(p(I), between(1, 4, I), Parents),
    optimize([Parents ins 1..4, tree(Parents, 2)], satisfy, [all_optimal(100)], result(_, _, _, _, _, _, _, [solutions(Found)|_])),
    length(Found, Count).

test(queens, true(Count-Complete == 92-true)) :-
    findall(q(I), between(1, 8, I), Queens),
    findall(q(I) + I, between(1, 8, I), Rising),
    findall(q(I) - I, between(1, 8, I), Falling),
    optimize([Queens ins 1..8, all_distinct(Queens), all_distinct(Rising), all_distinct(Falling)], satisfy, [all_optimal(100)],
             result(optimal, none, none, _, _, _, _, [solutions(Found), complete(Complete)])),
    length(Found, Count).

test(no_more_solutions_are_listed_than_asked_for, true(Count-Complete == 3-false)) :-
    optimize([x in 0..9], satisfy, [all_optimal(3)], result(_, _, _, _, _, _, _, [solutions(Found), complete(Complete)])),
    length(Found, Count).

test(hints_are_looked_at_first, true(Values == [x=7, y=2])) :-
    optimize([x in 0..9, y in 0..9], satisfy, [hint([x=7, y=2])], result(optimal, _, _, _, Values, _, _, _)).

test(hints_do_not_change_the_optimum, true(Cost == 0)) :-
    optimize([x in 0..9, y in 0..9], minimize(x + y), [hint([x=7, y=99])], result(optimal, Cost, _, _, _, _, _, _)).

knapsack(Count, Model, maximize(sum(Values))) :-
    findall(take(I), between(1, Count, I), Take),
    findall(Weight, ( between(1, Count, I), Weight is 20 + (I * 37) mod 41 ), Weights),
    findall(Value*take(I), ( between(1, Count, I), Value is 20 + (I * 29) mod 43 ), Values),
    Model = [Take ins 0..1, named(room, scalar_product(Weights, Take, #=<, 700))].

test(time_that_runs_out_leaves_the_best_so_far_and_a_bound) :-
    knapsack(60, Model, Objective),
    optimize(Model, Objective, [seconds(0.5)], result(feasible, Cost, Bound, Gap, Values, _, clpfd, [])),
    assertion(Cost > 0),
    assertion(Bound > Cost),
    assertion(Gap =:= (Bound - Cost) / Cost),
    findall(Weight, ( nth1(I, Values, take(I)=1), Weight is 20 + (I * 37) mod 41 ), Weights),
    sum_list(Weights, Sum),
    assertion(Sum =< 700).

test(no_time_at_all_is_no_answer, true(Status-Values == unknown-none)) :-
    knapsack(60, Model, Objective),
    optimize(Model, Objective, [seconds(1.0e-9)], result(Status, none, _, none, Values, _, _, _)).

test(a_conflict_is_minimal, true(Conflict-Minimal == [few, many]-true)) :-
    optimize([x in 0..9, y in 0..9,
              named(few, x + y #< 4), named(other, x #\= y), named(many, x + y #> 6), named(odd, y #\= 3)],
             satisfy, [explain_infeasible(true)], result(infeasible, none, none, none, none, _, _, [conflict(Conflict), minimal(Minimal)])).

test(what_has_no_name_may_conflict_by_itself, true(Conflict == [])) :-
    optimize([x in 0..9, x #> 9, named(small, x #< 3)], satisfy, [explain_infeasible(true)],
             result(infeasible, _, _, _, _, _, _, [conflict(Conflict), _])).

test(constraints_may_share_a_name, true(Conflict == [twice])) :-
    optimize([x in 0..9, named(twice, x #> 4), named(twice, x #< 3), named(once, x #\= 1)], satisfy, [explain_infeasible(true)],
             result(infeasible, _, _, _, _, _, _, [conflict(Conflict), _])).

wrong(Model, Objective, Options, Message) :-
    catch(( optimize(Model, Objective, Options, Result), Message = Result ),
          error(Formal, _),
          ( phrase(prolog:error_message(Formal), [Format-Arguments]), format(string(Message), Format, Arguments) )).

test(nonsense_gives_one_clear_error, forall(nonsense(Model, Objective, Options, Expected)), true(Message == Expected)) :-
    wrong(Model, Objective, Options, Message).

nonsense(x, satisfy, [], "model: is no list of declarations and constraints").
nonsense([], satisfy, [], "model: declares no variables; begin with one, like x in 0..9").
nonsense([x in 0..3, x in 1..2], satisfy, [], "model: x is declared twice").
nonsense([x in 3..0], satisfy, [], "item 1 of the model, x in 3..0: the domain 3..0 is empty").
nonsense([x in inf..0], satisfy, [], "item 1 of the model, x in inf..0: inf is no integer").
nonsense([x in 0..3, x #> z], satisfy, [], "item 2 of the model, x#>z: z is not declared").
nonsense([x in 0..3, named(small, x #> z)], satisfy, [], "constraint small: z is not declared").
nonsense([x in 0..3, named(odd(1), foo(x))], satisfy, [], "constraint odd(1): foo(x) is no constraint").
nonsense([x in 0..3, named(a, x)], satisfy, [], "constraint a: x is used as a truth value, and its domain is not within 0..1").
nonsense([x in 0..3, named(a, x #= 1 #\/ all_different([x]))], satisfy, [],
         "constraint a: all_different/1 is no part of a formula: it can only stand by itself").
nonsense([x in 0..3, named(a, all_different(x))], satisfy, [], "constraint a: x is no list").
nonsense([x in 0..3, named(a, element(x, [], 1))], satisfy, [], "constraint a: the list is empty").
nonsense([x in 0..3, named(a, table([x], [[1, 2]]))], satisfy, [], "constraint a: [x] and [1, 2] are not of the same length").
nonsense([x in 0..3, named(a, sum([x], <, 1))], satisfy, [],
         "constraint a: < is no comparison; there are #=, #\\=, #<, #>, #=< and #>=").
nonsense([x in 0..1152921504606846976, named(a, x + 1 #> 2)], satisfy, [],
         "constraint a: x+1 may exceed 2^60").
nonsense([x in 0..3], minimize(z), [], "objective: z is not declared").
nonsense([x in 0..3], smallest(x), [], "objective: smallest(x) is none; there are minimize(Expression), maximize(Expression) and satisfy").
nonsense([x in 0..3], satisfy, [seconds(0)], "option seconds: must be a number over 0 and up to 600, not 0").
nonsense([x in 0..3], satisfy, [hint([z=1])], "option hint: z is not declared").
nonsense([x in 0..3], satisfy, [hint([x=1, x=2])], "option hint: names a variable twice").
nonsense([x in 0..3], satisfy, [backend(cpsat)],
         "option backend: cpsat does not run in a goal, which must not wait for another process: give POST /v1/optimize a goal that binds \c
          the model, or use clpfd").
nonsense([X in 0..3], satisfy, [], "model: has variables under constraints; state them in the model") :-
    X #> 1.

:- end_tests(optimize).
