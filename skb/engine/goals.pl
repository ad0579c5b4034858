:- module(goals,
          [ solve/5,                    % +Text, +Params, +Limits, +Exact, -Answers
            batch/7,                    % +Text, +Params, +Limits, +Size, +Exact, -Names, -Rows
            prepared/5,                 % +Text, +Params, -Goal, -Names, -Row
            read_named/2,               % +Text, -Term
            in_limit/1,                 % +Outcome
            encoded/3,                  % +Exact, +Rows, -Encoded
            forget/0,
            page/4,                     % +All, +Limit, -Rows, -More
            place/4                     % +Text, +Offset, -Line, -Column
          ]).

/** <module> Goals as people write them: read, bound, checked, run under limits

A goal is text; the values it is asked with are terms that its variables are bound to before it is checked, so that no value can
change what a goal does.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(solution_sequences)).
:- use_module(permission).

%!  solve(+Text, +Params, +Limits, +Exact, -Answers) is det.
%
%   Answers is answers(Names, Rows, More, Inferences): a row for each solution, with a value for each name of a variable of the goal;
%   More says whether there are more rows than the limit. Params are lists of a name and a value. Limits are limits(Rows, Offset,
%   Inferences). Time is the business of whoever asked, who interrupts a goal that takes too much: an alarm of our own would cost more
%   than most goals.
%
%   The rows are as the encoder wants them; see encoded/3.
%
%   @throws engine(What) for what this module finds wrong, and whatever reading, checking and running throw; see problems.pl

solve(Text, Params, limits(Limit, Offset, Inferences), Exact, answers(Names, Encoded, More, Used)) :-
    prepared(Text, Params, Goal, Names, Row),
    Wanted is Limit + 1,
    statistics(inferences, Before),
    call_with_inference_limit(
        findall(Copy, limit(Wanted, offset(Offset, ( query:Goal, answer(Row, Copy) ))), All),
        Inferences, Outcome),
    statistics(inferences, After),
    Used is After - Before,
    in_limit(Outcome),
    page(All, Limit, Rows, More),
    encoded(Exact, Rows, Encoded).

%!  batch(+Text, +Params, +Limits, +Size, +Exact, -Names, -Rows) is nondet.
%
%   Rows are the next Size solutions of the goal; the last rows may be fewer, or none. Inferences are those of all of them.
%
%   @throws as solve/5

batch(Text, Params, limits(Limit, Offset, Inferences), Size, Exact, Names, Encoded) :-
    prepared(Text, Params, Goal, Names, Row),
    call_with_inference_limit(
        findnsols(Size, Copy, limit(Limit, offset(Offset, ( query:Goal, answer(Row, Copy) ))), Rows),
        Inferences, Outcome),
    in_limit(Outcome),
    encoded(Exact, Rows, Encoded).

%!  in_limit(+Outcome) is det.
%
%   @throws engine(inferences) if that is what call_with_inference_limit/3 says

in_limit(Outcome) :-
    (   Outcome == inference_limit_exceeded
    ->  throw(engine(inferences))
    ;   true
    ).

%   prepared(+Text, +Params, -Goal, -Names, -Row): Goal is read, bound and permitted; Names and Row are its free variables.
%
%   Reading and checking cost more than most goals, and the same text comes again and again. A goal that is permitted with none of its
%   variables bound is so whatever they are bound to, since what it calls is then in sight: such goals are kept. Others (a goal that
%   calls a parameter) are checked each time, bound.

:- dynamic kept/3.

most_kept(500).
longest_kept(2000).

prepared(Text, Params, Goal, Names, Row) :-
    (   kept(Text, Goal, Bindings)
    ->  bind(Params, Bindings, Free)
    ;   read_goal(Text, Goal, Bindings),
        (   catch(permitted(Goal), _, fail)
        ->  keep(Text, Goal, Bindings),
            bind(Params, Bindings, Free)
        ;   bind(Params, Bindings, Free),
            permitted(Goal)
        )
    ),
    names(Free, Names, Row).

names([], [], []).
names([Name=Variable|Free], [Name|Names], [Variable|Row]) :-
    names(Free, Names, Row).

%   How many there are is asked of the predicate: a count of our own could be lost when an interrupt comes at the wrong time.

keep(Text, Goal, Bindings) :-
    (   ( string_length(Text, Length), longest_kept(Longest), Length > Longest ; \+ acyclic_term(Goal) )
    ->  true
    ;   predicate_property(kept(_, _, _), number_of_clauses(Count)),
        most_kept(Most),
        (   Count >= Most
        ->  forget
        ;   true
        ),
        assertz(kept(Text, Goal, Bindings))
    ).

%!  forget is det.
%
%   Keep no goals: what they call has changed.

forget :-
    retractall(kept(_, _, _)).

%   A row is copied without its constraints: with them, every row would bring a network of propagators. What they say is kept as goals.

answer(Row, Copy) :-
    (   \+ acyclic_term(Row)
    ->  maplist(spelt_if_cyclic, Row, Spelt),
        answer(Spelt, Copy)
    ;   term_attvars(Row, [])
    ->  Copy = Row
    ;   copy_term(Row, Values, Goals),
        Copy = '$constrained'(Values, Goals)
    ).

spelt_if_cyclic(Value, Spelt) :-
    (   acyclic_term(Value)
    ->  Spelt = Value
    ;   copy_term_nat(Value, Plain),
        '$factorize_term'(Plain, Skeleton, Equations),
        numbervars(Skeleton-Equations, 0, _),
        format(string(Text), "~W", [@(Skeleton, Equations), [quoted(true), numbervars(true)]]),
        Spelt = '$encoded object'(cyclic, Text)
    ).

%!  encoded(+Exact, +Rows, -Encoded) is det.
%
%   What the encoder makes of terms that JSON has no form of its own for is said by terms that it knows: a variable is
%   '$encoded variable'(Number), with the goals that constrain it, as texts, '$encoded variable'(Number, Texts); any other object
%   '$encoded object'(Key, Value). With Exact `true` strings are such objects, so that they differ from atoms.

encoded(Exact, Rows, Encoded) :-
    term_variables(Rows, Variables),
    (   memberchk('$constrained'(_, _), Rows)
    ->  maplist(unconstrained, Rows, Plain)
    ;   Plain = Rows
    ),
    foldl([Variable, N0, N]>>( N is N0 + 1, ( Variable = '$encoded variable'(N) -> true ; true ) ), Variables, 0, _),
    (   Exact == true
    ->  maplist(exact, Plain, Encoded)
    ;   Encoded = Plain
    ).

%   The variables of a row that has constraints are numbered within the row, since their constraints name them.

unconstrained('$constrained'(Values, Goals), Values) :-
    !,
    term_variables(Values+Goals, Variables),
    length(Variables, Count),
    numlist(1, Count, Numbers),
    pairs_keys_values(Numbered, Variables, Numbers),
    maplist(constraints(Goals, Numbered), Numbered, Texts),
    maplist(bind_constrained, Numbered, Texts).
unconstrained(Row, Row).

constraints(Goals, Numbered, Variable-_, Texts) :-
    include(mentions(Variable), Goals, Own),
    maplist(goal_text(Numbered), Own, Texts).

mentions(Variable, Goal) :-
    term_variables(Goal, Variables),
    member(Other, Variables),
    Other == Variable,
    !.

goal_text(Numbered, Goal, Text) :-
    strip_module(Goal, _, Plain),
    copy_term_nat(Plain-Numbered, Copy-Names),
    maplist([Name-N]>>( atom_concat('_', N, Written), Name = '$VAR'(Written) ), Names),
    format(string(Text), "~W", [Copy, [quoted(true), numbervars(true), spacing(next_argument), module(query)]]).

bind_constrained(Variable-N, Texts) :-
    (   Texts == []
    ->  Variable = '$encoded variable'(N)
    ;   Variable = '$encoded variable'(N, Texts)
    ).

exact(Term, Exact) :-
    (   string(Term)
    ->  Exact = '$encoded object'(string, Term)
    ;   compound(Term),
        \+ kept_as_is(Term)
    ->  compound_name_arguments(Term, Name, Arguments),
        maplist(exact, Arguments, Exacts),
        compound_name_arguments(Exact, Name, Exacts)
    ;   Exact = Term
    ).

kept_as_is('$encoded variable'(_)).
kept_as_is('$encoded variable'(_, _)).
kept_as_is('$encoded object'(_, _)).

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

%!  read_named(+Text, -Term) is det.
%
%   Term is what Text says, with the names of its variables, as atoms, where they stand.
%
%   @throws engine(What) as solve/5

read_named(Text, Term) :-
    read_goal(Text, Term, Bindings),
    maplist(call, Bindings).

read_text(Text, Part, Term, Bindings, Count) :-
    catch(setup_call_cleanup(
              open_string(Part, Stream),
              ( read_term(Stream, Term, [variable_names(Bindings), syntax_errors(error), module(query)]),
                character_count(Stream, Count) ),
              close(Stream)),
          error(syntax_error(What), stream(_, _, _, Offset)),
          ( place(Text, Offset, Line, Column), throw(engine(syntax(What, Line, Column))) )).

%!  place(+Text, +Offset, -Line, -Column) is det.
%
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
