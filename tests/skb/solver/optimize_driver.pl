% Solves the problems that it reads, problem(Model, Objective, Options), by CLP(FD); a line of JSON for each.
:- use_module('../../../rules/optimize').
:- use_module(library(clpfd), []).

main :-
    prompt(_, ''),
    repeat,
    read_term(Problem, []),
    (   Problem == end_of_file
    ->  !
    ;   Problem = problem(Model, Objective, Options),
        (   catch(optimize(Model, Objective, Options, Result), Error, true)
        ->  (   var(Error)
            ->  written(Result)
            ;   message_to_codes(Error, Words),
                format("{\"error\":~q}~n", [Words])
            )
        ;   writeln("{\"error\":\"optimize/4 failed\"}")
        ),
        fail
    ).

message_to_codes(error(optimization_error(Place, Problem), _), Words) :-
    !,
    phrase(prolog:error_message(optimization_error(Place, Problem)), [Format-Arguments]),
    format(string(Words), Format, Arguments).
message_to_codes(Error, Words) :-
    format(string(Words), "~p", [Error]).

written(result(Status, Cost, Bound, _, Values, _, _, Details)) :-
    maplist(number_or_null, [Cost, Bound], [C, B]),
    (   Values == none
    ->  Numbers = null
    ;   numbers(Values, Numbers)
    ),
    (   memberchk(solutions(Solutions), Details)
    ->  maplist(numbers, Solutions, All)
    ;   All = null
    ),
    detail(complete(Complete), Details, Complete),
    detail(minimal(Minimal), Details, Minimal),
    (   memberchk(conflict(Names), Details)
    ->  maplist([Name, Text]>>format(string(Text), "~q", [Name]), Names, Conflict)
    ;   Conflict = null
    ),
    format("{\"status\":\"~w\",\"cost\":~w,\"bound\":~w,\"values\":~w,\"solutions\":~w,\"complete\":~w,\"minimal\":~w,\"conflict\":~q}~n",
           [Status, C, B, Numbers, All, Complete, Minimal, Conflict]).

detail(Detail, Details, Value) :-
    (   memberchk(Detail, Details)
    ->  true
    ;   Value = null
    ).

number_or_null(Value, Shown) :-
    (   integer(Value)
    ->  Shown = Value
    ;   Shown = null
    ).

numbers(Pairs, Numbers) :-
    maplist([_=Value, Value]>>true, Pairs, Numbers).
