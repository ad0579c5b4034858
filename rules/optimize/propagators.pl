:- module(optimize_propagators,
          [ network/5,                  % +Domains, +Constraints, +Deadline, -Env, -Variables
            cost/5,                     % +Kind, +Expression, +Env, -Cost, -Directions
            in_time/1                   % +Deadline
          ]).

/** <module> A checked model as a network of CLP(FD) propagators

Names become variables. Formulas are handed over as they are: CLP(FD) reifies
them. Tasks and rectangles are told apart in pairs, which costs n^2 propagators
and does not depend on how long or wide anything is; CLP(FD)'s own cumulative/2
has a propagator for every point in time.
*/

:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(clpfd)).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(library(pairs)).
:- use_module(library(when)).
:- use_module(constraints).

%!  network(+Domains, +Constraints, +Deadline, -Env, -Variables) is semidet.
%
%   Variables are those of Domains, in their order, Env maps names to them. Fails
%   if propagation finds the constraints to be contradictory.
%
%   @throws out_of_time

network(Domains, Constraints, Deadline, Env, Variables) :-
    maplist(declared, Domains, Pairs),
    pairs_values(Pairs, Variables),
    list_to_assoc(Pairs, Env),
    post_all(Constraints, Env, Deadline).

declared(Name-Intervals, Name-Variable) :-
    dom(Intervals, Domain),
    Variable in Domain.

dom([Low-High], Low..High) :-
    !.
dom([Low-High|Intervals], (Low..High) \/ Domain) :-
    dom(Intervals, Domain).

post_all([], _, _).
post_all([constraint(_, _, Constraint)|Constraints], Env, Deadline) :-
    in_time(Deadline),
    post(Constraint, Env),
    !,
    post_all(Constraints, Env, Deadline).

%!  in_time(+Deadline) is det.
%
%   @throws out_of_time

in_time(Deadline) :-
    get_time(Now),
    (   Now < Deadline
    ->  true
    ;   throw(out_of_time)
    ).

%!  cost(+Kind, +Expression, +Env, -Cost, -Directions) is semidet.
%
%   Cost is what is to be as little as possible. Directions is a list of
%   Variable-Direction, `down` for those that the cost falls with as they rise,
%   as far as the expression is linear.

cost(Kind, Expression, Env, Cost, Directions) :-
    expression(Expression, Env, Built),
    (   Kind == maximize
    ->  Cost #= -Built,
        Sign = -1
    ;   Cost #= Built,
        Sign = 1
    ),
    phrase(falling(Expression, Sign, Env), Directions).

falling(Expression, Sign, Env) -->
    (   { integer(Expression) }
    ->  []
    ;   { Expression = A + B }
    ->  falling(A, Sign, Env),
        falling(B, Sign, Env)
    ;   { Expression = A - B }
    ->  falling(A, Sign, Env),
        { Opposite is -Sign },
        falling(B, Opposite, Env)
    ;   { Expression = -A }
    ->  { Opposite is -Sign },
        falling(A, Opposite, Env)
    ;   { Expression = sum(List) }
    ->  falling_all(List, Sign, Env)
    ;   { Expression = A * B, integer(A) }
    ->  { Product is Sign * sign(A) },
        falling(B, Product, Env)
    ;   { Expression = A * B, integer(B) }
    ->  { Product is Sign * sign(B) },
        falling(A, Product, Env)
    ;   { Sign < 0, get_assoc(Expression, Env, Variable), var(Variable) }
    ->  [Variable]
    ;   []
    ).

falling_all([], _, _) -->
    [].
falling_all([Expression|List], Sign, Env) -->
    falling(Expression, Sign, Env),
    falling_all(List, Sign, Env).

%   expression(+Expression, +Env, -Built): as CLP(FD) takes it.

expression(Expression, Env, Built) :-
    (   integer(Expression)
    ->  Built = Expression
    ;   built(Expression, Env, Built)
    ->  true
    ;   get_assoc(Expression, Env, Built)
    ).

built(A + B, Env, C + D) :- expression(A, Env, C), expression(B, Env, D).
built(A - B, Env, C - D) :- expression(A, Env, C), expression(B, Env, D).
built(-A, Env, -B) :- expression(A, Env, B).
built(A * B, Env, C * D) :- expression(A, Env, C), expression(B, Env, D).
built(abs(A), Env, abs(B)) :- expression(A, Env, B).
built(min(A, B), Env, min(C, D)) :- expression(A, Env, C), expression(B, Env, D).
built(max(A, B), Env, max(C, D)) :- expression(A, Env, C), expression(B, Env, D).
built(sum(List), Env, Sum) :-
    expressions(List, Env, Built),
    added(Built, Sum).
built(min(List), Env, Least) :-
    expressions(List, Env, [First|Rest]),
    foldl(lesser, Rest, First, Least).
built(max(List), Env, Most) :-
    expressions(List, Env, [First|Rest]),
    foldl(greater, Rest, First, Most).

lesser(A, B, min(B, A)).

greater(A, B, max(B, A)).

sum_of(A, B, B + A).

added([], 0).
added([First|Rest], Sum) :-
    foldl(sum_of, Rest, First, Sum).

expressions([], _, []).
expressions([Expression|List], Env, [Built|Rest]) :-
    expression(Expression, Env, Built),
    expressions(List, Env, Rest).

%   variable(+Expression, +Env, -Variable): one that has its value, or the
%   integer that it is.

variable(Expression, Env, Variable) :-
    expression(Expression, Env, Built),
    (   ( var(Built) ; integer(Built) )
    ->  Variable = Built
    ;   Variable #= Built
    ).

variables([], _, []).
variables([Expression|List], Env, [Variable|Variables]) :-
    variable(Expression, Env, Variable),
    variables(List, Env, Variables).

%!  post(+Constraint, +Env) is semidet.

post(all_different(List), Env) :-
    !,
    variables(List, Env, Variables),
    all_different(Variables).
post(all_distinct(List), Env) :-
    !,
    variables(List, Env, Variables),
    (   few_values(Variables)
    ->  all_distinct(Variables)
    ;   all_different(Variables)
    ).
post(element(Index, List, Value), Env) :-
    !,
    variables([Index, Value|List], Env, [I, V|Variables]),
    element(I, Variables, V).
post(table(List, Rows), Env) :- !, post(tuples_in([List], Rows), Env).
post(tuples_in(Lists, Rows), Env) :-
    !,
    tuples_in_rows(Lists, Rows, Env).
post(global_cardinality(List, Pairs), Env) :-
    !,
    variables(List, Env, Variables),
    pairs_keys_values(Pairs, Values, Counts),
    occur(Values, Counts, Variables, Env),
    (   Variables == []
    ->  true
    ;   Values = [First|Rest]
    ->  foldl(or_value, Rest, First, Allowed),
        Variables ins Allowed
    ).
post(cumulative(Tasks), Env) :- !, post(cumulative(Tasks, []), Env).
post(cumulative(Tasks, Options), Env) :-
    !,
    (   Options = [limit(Limit0)]
    ->  expression(Limit0, Env, Limit)
    ;   Limit = 1
    ),
    Limit #>= 0,
    maplist(task(Env), Tasks, Built),
    maplist(within(Limit, Built), Built).
post(disjunctive(Starts, Durations), Env) :-
    !,
    variables(Starts, Env, From),
    variables(Durations, Env, Long),
    maplist(#=<(0), Long),
    pairs_keys_values(Tasks, From, Long),
    pairwise(one_after_another, Tasks).
post(disjoint2(Rectangles), Env) :-
    !,
    maplist(rectangle(Env), Rectangles, Built),
    pairwise(beside, Built).
post(circuit(List), Env) :-
    !,
    variables(List, Env, Variables),
    circuit(Variables).
post(tree(Parents, Root), Env) :-
    !,
    variable(Root, Env, R),
    variables(Parents, Env, Variables),
    length(Variables, Count),
    R in 1..Count,
    Variables ins 1..Count,
    length(Depths, Count),
    Deepest is Count - 1,
    Depths ins 0..Deepest,
    numlist(1, Count, Nodes),
    maplist(node(R, Depths), Nodes, Variables, Depths).
post(Formula, Env) :-
    reified(Formula, Env, Built),
    (   ( var(Built) ; integer(Built) )
    ->  Built = 1
    ;   call(clpfd:Built)
    ).

%   CLP(FD) matches variables with every value that they have between them, so that these must not be too many.

few_values(Variables) :-
    maplist(fd_size, Variables, Sizes),
    sum_list(Sizes, Sum),
    Sum =< 10_000.

%   Each variable is told once what it can be, and looked at again when all are known: tuples_in/2 may miss that a tuple is none of the
%   relation's if a variable stands in it twice, or two of its variables are tied by another constraint.

tuples_in_rows([], _, _).
tuples_in_rows([List|Lists], Rows, Env) :-
    variables(List, Env, Tuple),
    term_variables(Tuple, Variables),
    findall(Values, ( member(Row, Rows), copy_term_nat(Tuple-Variables, Row-Values) ), Possible),
    Possible \== [],
    (   Variables == []
    ->  true
    ;   tuples_in([Variables], Possible),
        list_to_ord_set(Possible, Set),
        when(ground(Variables), ord_memberchk(Variables, Set))
    ),
    tuples_in_rows(Lists, Rows, Env).

occur([], [], _, _).
occur([Value|Values], [Count|Counts], Variables, Env) :-
    how_many(Variables, Value, Sum),
    expression(Count, Env, Built),
    Sum #= Built,
    occur(Values, Counts, Variables, Env).

or_value(Value, Domain, Domain \/ Value).

task(Env, task(Start, Duration, End, Need, _), task(S, D, E, N)) :-
    variables([Start, Duration, End, Need], Env, [S, D, E, N]),
    D #>= 0,
    N #>= 0,
    S + D #= E.

%   What tasks need grows only where one starts: there it must be within limits.

within(Limit, Tasks, task(Start, Duration, _, _)) :-
    needed_at(Tasks, Start, Needs),
    added(Needs, Sum),
    Some #<==> (Duration #> 0),
    Some #==> (Sum #=< Limit).

needed_at([], _, []).
needed_at([task(S, _, E, Need)|Tasks], Time, [Need*B|Needs]) :-
    B #<==> (S #=< Time #/\ Time #< E),
    needed_at(Tasks, Time, Needs).

:- meta_predicate pairwise(2, +).

pairwise(_, []).
pairwise(Apart, [First|Rest]) :-
    maplist(call(Apart, First), Rest),
    pairwise(Apart, Rest).

one_after_another(S1-D1, S2-D2) :-
    S1 + D1 #=< S2 #\/ S2 + D2 #=< S1 #\/ D1 #= 0 #\/ D2 #= 0.

rectangle(Env, Rectangle, r(X, W, Y, H)) :-
    compound_name_arguments(Rectangle, _, Arguments),
    variables(Arguments, Env, [X, W, Y, H]),
    W #>= 0,
    H #>= 0.

beside(r(X1, W1, Y1, H1), r(X2, W2, Y2, H2)) :-
    X1 + W1 #=< X2 #\/ X2 + W2 #=< X1 #\/ Y1 + H1 #=< Y2 #\/ Y2 + H2 #=< Y1
        #\/ W1 #= 0 #\/ W2 #= 0 #\/ H1 #= 0 #\/ H2 #= 0.

%   The root has depth 0, every other node one more than its parent. So there are
%   no cycles.

node(Root, Depths, Node, Parent, Depth) :-
    IsRoot #<==> (Root #= Node),
    IsRoot #<==> (Parent #= Node),
    IsRoot #<==> (Depth #= 0),
    element(Parent, Depths, Above),
    Depth #= Above + 1 - IsRoot.

%   reified(+Formula, +Env, -Built): as CLP(FD) takes it. What counts is
%   counted now, whether the formula is true or not.

reified(Formula, Env, Built) :-
    (   integer(Formula)
    ->  Built = Formula
    ;   comparison(Formula, Operator, Left-Right)
    ->  expression(Left, Env, L),
        expression(Right, Env, R),
        comparison(Built, Operator, L-R)
    ;   connective(Formula, Env, Built)
    ->  true
    ;   Formula = (Expression in Domain)
    ->  variable(Expression, Env, Variable),
        member_of(Domain, Variable, Built)
    ;   Formula = sum(List, Operator, Right)
    ->  comparison(Compared, Operator, sum(List)-Right),
        reified(Compared, Env, Built)
    ;   Formula = scalar_product(Factors, List, Operator, Right)
    ->  products(Factors, List, Products),
        reified(sum(Products, Operator, Right), Env, Built)
    ;   Formula = count(Value, List, Operator, Right)
    ->  variables([Value|List], Env, [V|Variables]),
        how_many(Variables, V, Sum),
        expression(Right, Env, R),
        comparison(Built, Operator, Sum-R)
    ;   get_assoc(Formula, Env, Built)
    ).

connective(#\ P, Env, #\ A) :- reified(P, Env, A).
connective(P #/\ Q, Env, A #/\ B) :- reified(P, Env, A), reified(Q, Env, B).
connective(P #\/ Q, Env, A #\/ B) :- reified(P, Env, A), reified(Q, Env, B).
connective(P #\ Q, Env, A #\ B) :- reified(P, Env, A), reified(Q, Env, B).
connective(P #==> Q, Env, A #==> B) :- reified(P, Env, A), reified(Q, Env, B).
connective(P #<== Q, Env, A #<== B) :- reified(P, Env, A), reified(Q, Env, B).
connective(P #<==> Q, Env, A #<==> B) :- reified(P, Env, A), reified(Q, Env, B).

member_of(Domain, Variable, Built) :-
    (   integer(Domain)
    ->  Built = (Variable #= Domain)
    ;   Domain = (Low..High)
    ->  Built = (Variable #>= Low #/\ Variable #=< High)
    ;   Domain = (Left \/ Right),
        member_of(Left, Variable, A),
        member_of(Right, Variable, B),
        Built = (A #\/ B)
    ).

how_many(Variables, Value, Sum) :-
    equal(Variables, Value, Truths),
    added(Truths, Sum).

equal([], _, []).
equal([Variable|Variables], Value, [B|Truths]) :-
    B #<==> (Variable #= Value),
    equal(Variables, Value, Truths).
