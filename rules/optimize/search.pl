:- module(optimize_search,
          [ minimum/7,                  % +Variables, +Cost, +Hints, +Falling, +Deadline, -Found, -End
            solutions/5,                % +Variables, +Most, +Deadline, -Solutions, -End
            lower_bound/2               % +Cost, -Bound
          ]).

/** <module> Branch and bound over CLP(FD) variables, until a point in time

CLP(FD)'s own labeling/2 knows no clock, and forgets the best solution when it
is interrupted. This one looks at the clock at every node; what it has found is
kept. The domain of a variable is halved while it is large, and tried value by
value when it is small.
*/

:- use_module(library(apply)).
:- use_module(library(clpfd)).
:- use_module(library(lists)).
:- use_module(library(solution_sequences)).
:- use_module(propagators, [in_time/1]).

%!  minimum(+Variables, +Cost, +Hints, +Falling, +Deadline, -Found, -End) is det.
%
%   Found is found(Cost, Values) for the least cost, or `none`. End is `done`
%   if everything was searched, else `out_of_time`. Falling are the variables
%   that the cost falls with as they rise.

minimum(Variables, Cost, Hints, Falling, Deadline, Found, End) :-
    Best = best(none),
    maplist(choice(Falling), Variables, Hints, Choices),
    catch(( node(Choices, Variables, Cost, Best, none, Deadline), fail
          ; End = done ),
          out_of_time,
          End = out_of_time),
    arg(1, Best, Found).

choice(Falling, Variable, Hint, choice(Variable, Hint, Direction)) :-
    (   member(Other, Falling),
        Other == Variable
    ->  Direction = down
    ;   Direction = up
    ).

node(Choices0, Variables, Cost, Best, Known0, Deadline) :-
    in_time(Deadline),
    better(Cost, Best, Known0, Known),
    exclude(made, Choices0, Choices),
    (   smallest(Choices, Choice)
    ->  branch(Choice, Choices, Next),
        node(Next, Variables, Cost, Best, Known, Deadline)
    ;   once(labeling([], [Cost])),
        note(Best, found(Cost, Variables))
    ).

made(choice(Variable, _, _)) :-
    integer(Variable).

%   Best is best(Found), where Found is noted as soon as it is known and bounds all that is searched from then on; or `all`, where
%   every solution counts.

note(Best, Found) :-
    (   Best = best(_)
    ->  nb_setarg(1, Best, Found)
    ;   true
    ).

better(Cost, Best, Known0, Known) :-
    (   Best = best(found(Least, _)),
        Known0 \== Least
    ->  Cost #< Least,
        Known = Least
    ;   Known = Known0
    ).

%   The first of those with the fewest values, hinted ones before others.

smallest([Choice|Choices], Smallest) :-
    size(Choice, Size),
    smallest(Choices, Size, Choice, Smallest).

smallest([], _, Smallest, Smallest).
smallest([Choice|Choices], Size0, Smallest0, Smallest) :-
    size(Choice, Size),
    (   Size @< Size0
    ->  smallest(Choices, Size, Choice, Smallest)
    ;   smallest(Choices, Size0, Smallest0, Smallest)
    ).

size(choice(Variable, Hint, _), Order-Size) :-
    fd_size(Variable, Size),
    (   integer(Hint)
    ->  Order = 0
    ;   Order = 1
    ).

%!  branch(+Choice, +Choices, -Next) is nondet.
%
%   Two halves of what the variable may be, the likelier first.

branch(choice(Variable, Hint, Direction), Choices, Next) :-
    (   integer(Hint)
    ->  maplist(without_hint(Variable), Choices, Next),
        (   Variable #= Hint
        ;   Variable #\= Hint
        )
    ;   Next = Choices,
        fd_inf(Variable, Low),
        fd_sup(Variable, High),
        fd_size(Variable, Size),
        (   Size > 16
        ->  Middle is (Low + High) >> 1,       % rounds down, below 0 too
            halves(Direction, Variable, Middle)
        ;   Direction == down
        ->  (   Variable = High
            ;   Variable #\= High
            )
        ;   (   Variable = Low
            ;   Variable #\= Low
            )
        )
    ).

halves(up, Variable, Middle) :-
    (   Variable #=< Middle
    ;   Variable #> Middle
    ).
halves(down, Variable, Middle) :-
    (   Variable #> Middle
    ;   Variable #=< Middle
    ).

without_hint(Variable, choice(Other, Hint0, Direction), choice(Other, Hint, Direction)) :-
    (   Other == Variable
    ->  Hint = none
    ;   Hint = Hint0
    ).

%!  solutions(+Variables, +Most, +Deadline, -Solutions, -End) is det.
%
%   At most so many solutions, as lists of values. End is `done`, or
%   `out_of_time` if there may be more that were not found.

solutions(Variables, Most, Deadline, Solutions, End) :-
    maplist(choice([]), Variables, Hints, Choices),
    maplist(=(none), Hints),
    findall(Found,
            limit(Most,
                  catch(( node(Choices, Variables, 0, all, none, Deadline), Found = found(Variables) ),
                        out_of_time,
                        Found = out_of_time)),
            All),
    (   append(Before, [out_of_time], All)
    ->  End = out_of_time
    ;   Before = All,
        End = done
    ),
    maplist(found, Solutions, Before).

found(Values, found(Values)).

%!  lower_bound(+Cost, -Bound:integer) is det.
%
%   What propagation knows.

lower_bound(Cost, Bound) :-
    fd_inf(Cost, Bound).
