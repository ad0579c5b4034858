:- module(unit_tests,
          [ test/4                      % +Name, +Tests, -Problems, -Results
          ]).

/** <module> The tests that stand beside rules

PlUnit's, in a text of their own, as `swipl` would run them. They come from outside as rules do, so what they call is followed by the
sandbox first; what rules may not, `given(Facts, Goal)` of `testing.pl`, is theirs: it imagines a machine. To be asked of an engine that is
thrown away afterwards.
*/

:- use_module(library(aggregate)).
:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(yall)).
:- use_module(library(lists)).
:- use_module(library(option)).
:- use_module(library(plunit)).
:- use_module(library(sandbox)).
:- use_module(rules(testing)).
:- use_module(knowledge).
:- use_module(problems).
:- use_module(source).
:- use_module(teaching).

:- multifile sandbox:safe_meta/2, sandbox:safe_primitive/1.

sandbox:safe_meta(testing:given(_, Goal), [Goal]).
sandbox:safe_meta(prolog_debug:assertion(Goal), [Goal]).
sandbox:safe_primitive(testing:imagined_machine(_, _)).

%!  test(+Name, +Tests, -Problems, -Results) is det.
%
%   Problems are lists `[Severity, Line, Column, Words]` of the text Tests, which belongs to module Name; if one is an error no test was
%   run. Results are lists `[Unit, Test, Line, Outcome, Words]` in the order of the text, Outcome one of `passed`, `failed`, `blocked`.

test(Name, Text, Lists, Results) :-
    format(atom(File), "/rules/~w.plt", [Name]),
    set_module(trying:base(author)),
    trying:use_module(rules(testing)),
    trying:use_module(library(plunit)),
    trying:use_module(library(debug), [assertion/1]),
    source_terms(Text, trying, Terms, Unread),
    statements_of_tests(Terms, Spans, Wrong),
    append(Unread, Wrong, Before),
    (   in_vain(Before)
    ->  Problems = Before, Results = []
    ;   blanked(Text, Spans, Blanked),
        load_text(trying, File, Blanked, Loading),
        append(Before, Loading, Loaded),
        (   in_vain(Loaded)
        ->  Problems = Loaded, Results = []
        ;   findall(Problem, unsafe(Problem), Unsafe),
            append(Loaded, Unsafe, Problems),
            (   in_vain(Problems)
            ->  Results = []
            ;   run(Results)
            )
        )
    ),
    maplist([problem(S, L, C, W), [S, L, C, W]]>>true, Problems, Lists).

%   As in rules, and units.

statements_of_tests(Terms, Spans, Problems) :-
    partition(of_a_unit, Terms, _, Others),
    partition(of_testing, Others, Imports, Rest),
    (   Rest == []
    ->  Own = [], Problems = []
    ;   statements(trying, [term((:- module(trying, [])), 1, 1, span(0, 0))|Rest], Own, Problems)
    ),
    maplist([term(_, _, _, Span), Span]>>true, Imports, ImportSpans),
    append(Own, ImportSpans, Unsorted),
    sort(Unsorted, Spans).

of_a_unit(term((:- begin_tests(Unit)), _, _, _)) :- atom(Unit).
of_a_unit(term((:- begin_tests(Unit, Options)), _, _, _)) :- atom(Unit), is_list(Options), ground(Options), Options == [].
of_a_unit(term((:- end_tests(_)), _, _, _)).

of_testing(term((:- use_module(library(plunit))), _, _, _)).
of_testing(term((:- use_module(testing)), _, _, _)).
of_testing(term((:- use_module(rules(testing))), _, _, _)).

%   What a test calls: its body, and the goals of its options.

unsafe(problem(error, Line, 1, Words)) :-
    current_test_unit(Unit, _),
    current_test(Unit, Test, Line, Body, Options),
    plunit:unit_module(Unit, Module),
    called(Module, Body, Options, Goal),
    catch(( safe_goal(Module:Goal), fail ), Error, true),
    nonvar(Error),
    problem(Error, problem(_, Words0, _, _)),
    format(string(Words), "test ~p: ~s", [Test, Words0]).

called(Module, Body, _, Goal) :-
    strip_module(Body, _, Head),
    clause(Module:Head, ( !, Goal )).
called(_, _, Options, Goal) :-
    member(Option, Options),
    option_goal(Option, Goal).

option_goal(setup(Goal), Goal).
option_goal(cleanup(Goal), Goal).
option_goal(condition(Goal), Goal).
option_goal(forall(Goal), Goal).
option_goal(true(Goal), Goal).

%   Run all units; what PlUnit says of a test while it runs is its result.

:- dynamic begun/3, result/4.

:- multifile user:message_hook/3.
:- dynamic user:message_hook/3.

user:message_hook(plunit(Message), Severity, Lines) :-
    unit_tests:note(Message, Severity, Lines).

user:message_hook(error(_, _), error, Lines) :-
    unit_tests:begun(_, _, _),
    unit_tests:note(error, error, Lines).

note(begin(Unit:Test, _:Line, _), _, _) :-
    !,
    assertz(begun(Unit, Test, Line)).
note(failed(Unit, Test, Line, _), _, Lines) :-
    !,
    failed(Unit, Test, Line, Lines).
note(failed_assertion(Unit, Test, Line, _, _, _, _), _, Lines) :-
    !,
    failed(Unit, Test, Line, Lines).
note(nondet(_, Line, Test), _, _) :-
    begun(Unit, Test, Line),
    !,
    assertz(result(Unit, Test, Line, "it succeeded, and left a choice point: add option nondet, or make it deterministic")).
note(Error, error, Lines) :-            % of what prepares the test that was begun last
    functor(Error, error, _),
    !,
    aggregate_all(count, begun(_, _, _), Count),
    (   nth_clause(begun(_, _, _), Count, Clause)
    ->  clause(begun(Unit, Test, Line), true, Clause),
        failed(Unit, Test, Line, Lines)
    ;   true
    ).

note(_, _, _).                          % nothing is printed

failed(Unit, Test, Line, Lines) :-
    with_output_to(string(Text), print_message_lines(current_output, '', Lines)),
    after_name(Text, Words),
    assertz(result(Unit, Test, Line, Words)).

%   Without place and name, which are told elsewhere.

after_name(Text, Words) :-
    normalize_space(string(Line), Text),
    (   sub_string(Line, Before, _, _, "test "),
        sub_string(Line, Before, _, 0, Rest),
        sub_string(Rest, Colon, 2, After, ": "),
        Colon > 0
    ->  sub_string(Rest, _, After, 0, Words)
    ;   Words = Line
    ).

run(Results) :-
    forall(current_test_unit(Unit, _), ignore(catch(run_tests(Unit), _, true))),
    findall(Line-[Name, Written, Line, Outcome, Words],
            ( current_test(Unit, Test, Line, _, Options),
              outcome(Unit, Test, Line, Options, Outcome, Words),
              format(string(Written), "~p", [Test]),
              Name = Unit ),
            Keyed),
    sort(1, @=<, Keyed, Sorted),
    maplist([_-Result, Result]>>true, Sorted, Results).

outcome(_, _, _, Options, blocked, Words) :-
    option(blocked(Reason), Options),
    !,
    format(string(Words), "~p", [Reason]).
outcome(Unit, Test, Line, _, failed, Words) :-
    findall(Text, ( result(Unit, Name, Line, Text), same_test(Name, Test) ), Texts),
    Texts \== [],
    !,
    atomic_list_concat(Texts, '; ', Joined),
    atom_string(Joined, Words).
outcome(Unit, Test, Line, _, passed, "") :-
    begun(Unit, Name, Line),
    same_test(Name, Test),
    !.
outcome(_, _, _, Options, blocked, "its condition does not hold") :-
    option(condition(_), Options),
    !.
outcome(_, _, _, _, failed, "it did not run").

same_test(Name, Test) :-
    ( Name = @(Test, _) ; Name == Test ),
    !.
