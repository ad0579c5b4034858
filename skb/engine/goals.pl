:- module(goals,
          [ solve/4,                    % +Text, +Params, +Limits, -Answers
            batch/6,                    % +Text, +Params, +Limits, +Size, -Names, -Rows
            page/4                      % +All, +Limit, -Rows, -More
          ]).

/** <module> Goals as people write them: read, bound, checked, run under limits

A goal is text; the values it is asked with are terms that its variables are bound to before it is checked, so that no value can
change what a goal does.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(solution_sequences)).
:- use_module(library(time)).
:- use_module(library(yall)).
:- use_module(permission).

%!  solve(+Text, +Params, +Limits, -Answers) is det.
%
%   Answers is answers(Names, Rows, More, Inferences): a row for each solution, with a value for each name of a variable of the goal;
%   More says whether there are more rows than the limit. Params are lists of a name and a value. Limits are limits(Rows, Offset,
%   Seconds, Inferences).
%
%   A variable in an answer is bound to '$encoded variable'(Number), which the encoder knows. Constraints on it are not told.
%
%   @throws engine(What) for what this module finds wrong, and whatever reading, checking and running throw; see problems.pl

solve(Text, Params, limits(Limit, Offset, Seconds, Inferences), answers(Names, Rows, More, Used)) :-
    call_with_time_limit(Seconds,
        (   read_goal(Text, Goal, Bindings),
            bind(Params, Bindings, Free),
            permitted(Goal),
            maplist([Name=Variable, Name, Variable]>>true, Free, Names, Row),
            Wanted is Limit + 1,
            statistics(inferences, Before),
            call_with_inference_limit(
                findall(Copy, limit(Wanted, offset(Offset, ( query:Goal, answer(Row, Copy) ))), All),
                Inferences, Outcome),
            statistics(inferences, After),
            Used is After - Before,
            (   Outcome == inference_limit_exceeded
            ->  throw(engine(inferences))
            ;   true
            ),
            page(All, Limit, Rows, More),
            number_variables(Rows)
        )).

%!  batch(+Text, +Params, +Limits, +Size, -Names, -Rows) is nondet.
%
%   Rows are the next Size solutions of the goal; the last rows may be fewer, or none. Time and inferences are those of all of them, and
%   include the time in which nobody took what was found.
%
%   @throws as solve/4

batch(Text, Params, limits(Limit, Offset, Seconds, Inferences), Size, Names, Rows) :-
    setup_call_cleanup(
        alarm(Seconds, throw(time_limit_exceeded), Alarm, [remove(false)]),
        (   read_goal(Text, Goal, Bindings),
            bind(Params, Bindings, Free),
            permitted(Goal),
            maplist([Name=Variable, Name, Variable]>>true, Free, Names, Row),
            call_with_inference_limit(
                findnsols(Size, Copy, limit(Limit, offset(Offset, ( query:Goal, answer(Row, Copy) ))), Rows),
                Inferences, Outcome),
            (   Outcome == inference_limit_exceeded
            ->  throw(engine(inferences))
            ;   true
            ),
            number_variables(Rows)
        ),
        remove_alarm(Alarm)).

%   A row is copied without its constraints: with them, every row would bring a network of propagators.

answer(Row, Copy) :-
    (   acyclic_term(Row)
    ->  copy_term_nat(Row, Copy)
    ;   throw(engine(cyclic))
    ).

number_variables(Rows) :-
    term_variables(Rows, Variables),
    foldl([Variable, N0, N]>>( N is N0 + 1, Variable = '$encoded variable'(N) ), Variables, 0, _).

%!  page(+All, +Limit, -Rows, -More) is det.
%
%   Rows are the first Limit elements of All; More is `true` if there are others, else `false`.

page(All, Limit, Rows, More) :-
    (   length(All, Count),
        Count > Limit
    ->  length(Rows, Limit),
        append(Rows, _, All),
        More = true
    ;   Rows = All,
        More = false
    ).

%   Reading. A goal's full stop is optional. One is put on a line after it, since its last line may end in a comment; what is left
%   unread then says whether the text had one of its own, and what stands after that. Places are counted in the text as it was given,
%   from the number of characters that had been read when an error was found: the line's own count is one too high in a first line,
%   and counts bytes. What is wrong is what stands next.

read_goal(Text, Goal, Bindings) :-
    (   split_string(Text, "", " \t\r\n", [""])
    ->  throw(engine(empty))
    ;   true
    ),
    string_concat(Text, "\n.", Stopped),
    read_text(Text, Stopped, Goal, Bindings, Count),
    sub_string(Stopped, Count, _, 0, Unread),
    (   string_concat(Rest, "\n.", Unread),
        \+ blank(Rest)
    ->  place(Text, Count, Line, Column),
        throw(engine(several(Line, Column)))
    ;   true
    ).

%   Only layout and comments: that is what reads as the end.

blank(Text) :-
    catch(read_text(Text, Text, Term, _, _), engine(syntax(_, _, _)), fail),
    Term == end_of_file.

read_text(Text, Part, Term, Bindings, Count) :-
    catch(setup_call_cleanup(
              open_string(Part, Stream),
              ( read_term(Stream, Term, [variable_names(Bindings), syntax_errors(error), module(query)]),
                character_count(Stream, Count) ),
              close(Stream)),
          error(syntax_error(What), stream(_, _, _, Offset)),
          ( place(Text, Offset, Line, Column), throw(engine(syntax(What, Line, Column))) )).

%   The line and column, from 1, of what stands next in Text when so many characters have been read.

place(Text, Offset, Line, Column) :-
    string_length(Text, Length),
    Read is min(Offset, Length),
    sub_string(Text, Read, _, 0, Unread),
    split_string(Unread, "", " \t\r\n", [Next]),
    once(sub_string(Unread, Blank, _, _, Next)),
    Place is Read + Blank,
    sub_string(Text, 0, Place, _, Before),
    split_string(Before, "\n", "", Lines),
    length(Lines, Line),
    last(Lines, Last),
    string_length(Last, Column0),
    Column is Column0 + 1.

%   Parameters.

bind([], Bindings, Free) :-
    exclude(anonymous, Bindings, Free).
bind([[Name, Value]|Params], Bindings, Free) :-
    (   select(Name=Variable, Bindings, Rest)
    ->  Variable = Value,
        bind(Params, Rest, Free)
    ;   throw(engine(param(Name)))
    ).

anonymous(Name=_) :-
    sub_atom(Name, 0, 1, _, '_').
