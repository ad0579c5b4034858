:- module(engine, [perform/2]).

/** <module> What an engine process can be asked to do

One predicate, `perform(+Request, -Reply)`: the Python side builds the request as a term, calls this once, and encodes the reply in one
walk. This module and the `facts` it writes are the only ones with side effects.
*/

:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(option)).
:- use_module(library(sandbox)).
:- use_module(library(solution_sequences)).
:- use_module(library(time)).
:- use_module(rules(facts)).
:- use_module(rules(schema)).
:- use_module(rules(costs)).
:- use_module(rules(topology)).

%!  perform(+Request, -Reply) is det.
%
%   Requests and their replies; any of them may be answered by problem(Kind, Detail, Line, Column) instead:
%
%   | vocabulary                               | vocabulary(Declarations)                         |
%   | write(Retracts, Asserts)                 | written                                          |
%   | solve(Text, Params, Limit, Offset, S, I) | answers(Names, Rows, More, Inferences)           |
%   | rows(Name, Arguments, Limit, Offset)     | rows(ListsOfArguments, More)                     |
%   | counts                                   | counts(ListsOfNameAndNumber)                     |
%   | call(Name, Arguments)                    | called(Outputs): a rule of ours, in its outputs  |

perform(Request, Reply) :-
    catch(reply(Request, Reply), Error, problem(Error, Reply)),
    !.
perform(_, problem(failed, "no answer", 0, 0)).

reply(vocabulary, vocabulary(Declarations)) :-
    findall([Name, Fields, Doc, Key, Source],
            ( declared(Name, _, Pairs, Options),
              maplist(field_json, Pairs, Fields),
              option(doc(Doc), Options), option(key(Key), Options), option(source(Source), Options) ),
            Declarations).
reply(write(Retracts, Asserts), written) :-
    forall(member(Pattern, Retracts), retractall(facts:Pattern)),
    forall(member(Fact, Asserts), write_fact(Fact)).
reply(solve(Text, Params, Limit, Offset, Seconds, Inferences), Reply) :-
    solve(Text, Params, Limit, Offset, Seconds, Inferences, Reply).
reply(rows(Name, Arguments, Limit, Offset), rows(Rows, More)) :-
    Head =.. [Name|Arguments],
    Wanted is Limit + 1,
    findall(Row, limit(Wanted, offset(Offset, (facts:Head, Head =.. [_|Row]))), All),
    page(All, Limit, Rows, More).
reply(counts, counts(Counts)) :-
    findall([Name, Count],
            ( declared(Name, Arity, _, _),
              functor(Head, Name, Arity),
              (   predicate_property(facts:Head, number_of_clauses(Count)) -> true ; Count = 0 ) ),
            Counts).
reply(call(topology, []), called([Tree])) :-
    topology(Tree).
reply(call(core_distance, [Cores]), called([Distance, Source])) :-
    core_distance(Cores, Distance, Source).
reply(call(tree_costs, [Cores]), called([Send, Receive, Source])) :-
    tree_costs(Cores, Send, Receive, Source).

field_json(Name-Type, [Name, Type]).

%   Replace the row of the same key, if there is one; do nothing if it is the same row.

write_fact(Fact) :-
    (   clause(facts:Fact, true)
    ->  true
    ;   key_pattern(Fact, Pattern),
        retractall(facts:Pattern),
        assertz(facts:Fact)
    ).

key_pattern(Fact, Pattern) :-
    functor(Fact, Name, Arity),
    declared(Name, Arity, Fields, Options),
    option(key(Key), Options),
    Fact =.. [Name|Values],
    maplist(keep_key(Key), Fields, Values, Kept),
    Pattern =.. [Name|Kept].

keep_key(Key, Field-_, Value, Kept) :-
    (   memberchk(Field, Key)
    ->  Kept = Value
    ;   true
    ).

page(All, Limit, Rows, More) :-
    (   length(All, Count),
        Count > Limit
    ->  length(Rows, Limit),
        append(Rows, _, All),
        More = true
    ;   Rows = All,
        More = false
    ).

%   Queries.

solve(Text, Params, Limit, Offset, Seconds, Inferences, answers(Names, Rows, More, Used)) :-
    read_goal(Text, Goal, Bindings),
    bind(Params, Bindings, Free),
    check(Goal),
    maplist([Name=Variable, Name, Variable]>>true, Free, Names, Row),
    Wanted is Limit + 1,
    statistics(inferences, Before),
    call_with_time_limit(Seconds,
        call_with_inference_limit(
            findall(Row, limit(Wanted, offset(Offset, query:Goal)), All),
            Inferences, Outcome)),
    statistics(inferences, After),
    Used is After - Before,
    (   Outcome == inference_limit_exceeded
    ->  throw(engine(inferences))
    ;   true
    ),
    (   acyclic_term(All)
    ->  true
    ;   throw(engine(cyclic))
    ),
    page(All, Limit, Page, More),
    copy_term(Page, Rows, _),
    name_variables(Rows).

%   Bind every variable to a term that the encoder writes as {"var": "_N"}.

name_variables(Term) :-
    term_variables(Term, Variables),
    foldl([Variable, N0, N]>>( N is N0 + 1, Variable = '$encoded variable'(N) ), Variables, 0, _).

read_goal(Text, Goal, Bindings) :-
    stopped(Text, Stopped),
    setup_call_cleanup(
        open_string(Stopped, Stream),
        catch(read_only(Stream, Goal, Bindings, Rest), error(syntax_error(What), stream(_, _, _, At)),
              ( place(Text, At, Line, Column), throw(engine(syntax(What, Line, Column))) )),
        close(Stream)),
    (   Goal == end_of_file
    ->  throw(engine(empty))
    ;   Rest \== end_of_file
    ->  throw(engine(several))
    ;   true
    ).

read_only(Stream, Goal, Bindings, Rest) :-
    read_term(Stream, Goal, [variable_names(Bindings), syntax_errors(error), module(query)]),
    read_term(Stream, Rest, [syntax_errors(error), module(query)]).

%   Line and column, from 1, of the token that SWI-Prolog stumbled over: it gives the number of characters before the blanks in front of
%   that token. Its own line position is off by one on the first line.

place(Text, At, Line, Column) :-
    codes_from(Text, At, Codes),
    append(Blanks, Rest, Codes),
    \+ ( Rest = [Code|_], code_type(Code, space) ),
    !,
    length(Blanks, Skipped),
    string_length(Text, Length),
    End is min(At + Skipped, Length),
    sub_string(Text, 0, End, _, Before),
    split_string(Before, "\n", "", Lines),
    length(Lines, Line),
    last(Lines, Last),
    string_length(Last, Width),
    Column is Width + 1.

codes_from(Text, At, Codes) :-
    string_codes(Text, All),
    (   length(Start, At),
        append(Start, Codes, All)
    ->  true
    ;   Codes = []
    ).

%   Give a goal's text exactly one full stop, on the same line where that is not inside a comment, so that errors are reported where the
%   user's text ends.

stopped(Text, Stopped) :-
    split_string(Text, "", " \t\r\n", [Trimmed]),
    (   Trimmed == ""
    ->  throw(engine(empty))
    ;   true
    ),
    split_string(Text, "\n", "", Lines),
    last(Lines, Last),
    (   string_concat(_, ".", Trimmed)
    ->  string_concat(Text, "\n", Stopped)
    ;   sub_string(Last, _, _, _, "%")
    ->  string_concat(Text, "\n.\n", Stopped)
    ;   string_concat(Text, " .\n", Stopped)
    ).

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

check(Goal) :-
    safe_goal(query:Goal).

%   What the sandbox passes and we do not. It is meant for programs that own the module they run in, and may change it, wait and print; our
%   goals share one, and a replica of the facts must stay one. Taking entries from its tables, rather than looking for names in goals, leaves
%   it to the sandbox to find what a goal calls: sleep may be the name of a core, and call(sleep, 1) is not allowed.

refused(system:sleep(_)).
refused(system:abort).
refused(asserta(_)).
refused(assertz(_)).
refused(retract(_)).
refused(retractall(_)).
refused(system:assert(_)).
refused(system:use_module(_)).
refused(system:use_module(_, _)).
refused(system:load_files(_, _)).
refused(system:writeln(_)).
refused('$messages':print_message(_, _)).
refused('$syspreds':set_prolog_stack(_, _)).
refused('$tabling':abolish_all_tables).
refused('$tabling':'$wrap_tabled'(_, _)).
refused('$tabling':'$moded_wrap_tabled'(_, _, _, _, _)).

refused_meta(system:set_prolog_flag(_, _)).
refused_meta(system:format(_, _)).
refused_meta(prolog_debug:debug(_, _, _)).
refused_meta('$tabling':abolish_table_subgoals(_, _)).
refused_meta('$tabling':current_table(_, _)).
refused_meta('$tabling':tnot(_)).
refused_meta('$tabling':not_exists(_)).

narrow_sandbox :-
    dynamic([sandbox:safe_primitive/1, sandbox:safe_meta/2]),
    forall(( refused(Goal), clause(sandbox:safe_primitive(Goal), _, Clause) ), erase(Clause)),
    forall(( refused_meta(Goal), clause(sandbox:safe_meta(Goal, _), _, Clause) ), erase(Clause)).

%   What went wrong, for people, and where. Only the formal part of an error is told: contexts hold paths and stacks.

problem(Error, problem(Kind, Detail, Line, Column)) :-
    (   explain(Error, Kind, Detail, Line, Column)
    ->  true
    ;   Error = error(Formal, _)
    ->  Kind = error, Line = 0, Column = 0,
        describe(error(Formal, _), Detail)
    ;   Kind = error, Line = 0, Column = 0,
        format(string(Detail), "the goal threw ~p", [Error])
    ).

explain(engine(syntax(What, Line, Column)), syntax, Detail, Line, Column) :-
    describe(error(syntax_error(What), _), Detail).
explain(engine(param(Name)), param, Detail, 0, 0) :-
    format(string(Detail), "the goal has no variable ~w; params name variables of the goal", [Name]).
explain(engine(empty), syntax, "the goal is empty", 1, 1).
explain(engine(several), syntax, "the text goes on after the goal's full stop; join goals with commas", 1, 1).
explain(engine(cyclic), error, "an answer is a cyclic term, which cannot be written", 0, 0).
explain(engine(inferences), inferences, "the goal used up its inferences", 0, 0).
explain(error(instantiation_error, sandbox(_, _)), refused, "the goal calls a variable, so what it calls cannot be checked before it runs", 0, 0).
explain(time_limit_exceeded, time, "the goal did not end in time", 0, 0).
explain(error(resource_error(What), _), memory, Detail, 0, 0) :-
    format(string(Detail), "the goal ran out of ~w", [What]).
explain(error(permission_error(call, sandboxed, Goal), Context), refused, Detail, 0, 0) :-
    indicator(Goal, PI),
    (   Context = sandbox(_, Parents),
        exclude(calls_its_arguments, Parents, Callers),
        last(Callers, Caller)
    ->  indicator(Caller, Outer),
        format(string(Detail), "~q is not allowed in a goal: it calls ~q", [Outer, PI])
    ;   format(string(Detail), "~q is not allowed in a goal", [PI])
    ).
explain(error(existence_error(procedure, What), _), procedure, Detail, 0, 0) :-
    strip_module(What, _, Plain),
    (   Plain = _/_
    ->  PI = Plain
    ;   indicator(Plain, PI)
    ),
    format(string(Detail), "there is no predicate ~q", [PI]).

calls_its_arguments(Goal) :-
    predicate_property(query:Goal, meta_predicate(_)).

indicator(Goal, Name/Arity) :-
    strip_module(Goal, _, Plain),
    functor(Plain, Name, Arity).

describe(Error, Detail) :-
    message_to_codes(Error, Detail).

message_to_codes(Error, Detail) :-
    (   catch(phrase('$messages':translate_message(Error), Lines), _, fail)
    ->  with_output_to(string(Text), print_message_lines(current_output, '', Lines)),
        normalize_space(string(Detail), Text)
    ;   format(string(Detail), "~p", [Error])
    ).

%   Goals run in module query, which sees the facts and the exports of every rule module, and nothing of ours.

:- multifile sandbox:safe_primitive/1.

user:term_expansion((:- declare_safe), Clauses) :-
    findall((sandbox:safe_primitive(Module:Head)),
            (   declared(Name, Arity, _, _), Module = facts, functor(Head, Name, Arity)
            ;   member(Module, [costs, topology]),
                module_property(Module, exports(Exports)),
                member(Name/Arity, Exports), functor(Head, Name, Arity)
            ),
            Clauses).

:- declare_safe.

:- initialization(narrow_sandbox).

:- add_import_module(query, facts, start).
:- query:use_module(rules(facts)).
:- query:use_module(rules(costs)).
:- query:use_module(rules(topology)).
:- query:use_module(library(lists)).
:- query:use_module(library(apply)).
:- query:use_module(library(aggregate)).
:- query:use_module(library(solution_sequences)).
:- query:use_module(library(clpfd)).
:- query:use_module(library(assoc)).
:- query:use_module(library(ordsets)).
:- query:use_module(library(pairs)).
:- query:use_module(library(yall)).
:- query:use_module(library(dcg/basics)).
