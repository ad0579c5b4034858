:- module(teaching,
          [ teach/3,                    % +Name, +Text, -Problems
            teach_all/3,                % +Pairs, +Expected, -Broken
            taught_module/1,            % ?Name
            adopt/0,
            load_text/4,                % +Context, +File, +Text, -Problems
            in_vain/1,                  % +Problems
            declared_queries/1,         % -Queries
            statements/4                % +Name, +Terms, -Spans, -Problems
          ]).

/** <module> Rules that people teach: from text to a module that goals can call

A module is looked at before it is loaded. Loading must do nothing but define predicates, so its directives are those of a list, and
its clauses define predicates of its own. What the predicates may call is not decided here: goals that call them are followed into
their clauses by the sandbox (permission.pl), each time.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(yall)).
:- use_module(rules(queries)).
:- use_module(rules(schema)).
:- use_module(goals).
:- use_module(knowledge).
:- use_module(problems).
:- use_module(source).

:- dynamic taught_module/1.

%!  taught_module(?Name) is nondet.
%
%   Name is a module that was taught.

%!  teach(+Name, +Text, -Problems) is det.
%
%   Text is the module Name from now on, if Problems, a list of problem(Severity, Line, Column, Words), has none of severity `error`;
%   else there is no module Name. Once there is one, it is there as long as the engine is: what Prolog unloads leaves traces.

teach(Name, Text, Problems) :-
    (   taught_module(Name)
    ->  Problems = [problem(error, 1, 1, "this engine knows the module already")]
    ;   name_problem(Name, Words)
    ->  Problems = [problem(error, 1, 1, Words)]
    ;   set_module(Name:base(author)),
        set_module(Name:class(user)),
        source_terms(Text, Name, Terms, Unread),
        statements(Name, Terms, Spans, Wrong),
        append(Unread, Wrong, Before),
        (   in_vain(Before)
        ->  Problems = Before
        ;   file(Name, File),
            Terms = [term(_, _, _, span(_, End))|_],
            blanked(Text, Spans, Blanked),
            adopted(Blanked, End, Adopted),
            load_text(query, File, Adopted, Loading),
            append(Before, Loading, Problems),
            (   in_vain(Problems)
            ->  unload(Name)
            ;   assertz(taught_module(Name)),
                forget
            )
        )
    ).

%!  teach_all(+Pairs, +Expected, -Broken) is det.
%
%   Teach modules, lists of name and text, which may build on each other in any order, and on those whose names are Expected. Broken are
%   those that cannot be had, lists of name and what is wrong.

teach_all(Pairs, Expected, Broken) :-
    forall(( member([Name, _], Pairs) ; member(Name, Expected) ), assertz(expected_module(Name))),
    findall([Name, Words],
            ( member([Name, Text], Pairs), teach(Name, Text, Problems), memberchk(problem(error, _, _, Words), Problems) ),
            Broken),
    retractall(expected_module(_)).

:- dynamic expected_module/1.

%   The module sees what `author` does, from its header on: loading a module makes it see what `user` does. Said on the header's line, so
%   that all else keeps its own.

adopted(Text, End, Adopted) :-
    sub_string(Text, 0, End, _, Header),
    sub_string(Text, End, _, 0, Rest),
    atomics_to_string_with("", [Header, " :- teaching:adopt.", Rest], Adopted).

%!  adopt is det.
%
%   The module that is being loaded sees what `author` does.

adopt :-
    prolog_load_context(module, Name),
    set_module(Name:base(author)).

%   What messages and listings call it: a path that leads nowhere, and tells nothing of this machine.

file(Name, File) :-
    format(atom(File), "/rules/~w.pl", [Name]).

name_problem(Name, Words) :-
    (   \+ well_formed(Name)
    ->  format(string(Words), "~w is no name of a module; take small letters, digits and _, at most 64, a letter first", [Name])
    ;   ( rule_module(Name) ; memberchk(Name, [schema, facts, queries, testing]) )
    ->  format(string(Words), "~w is a module of this installation; choose another name", [Name])
    ;   of_prolog(Name)
    ->  format(string(Words), "~w is a module of Prolog's; choose another name", [Name])
    ).

%   Modules that are there before anybody teaches any, and those that are loaded when they are wanted.

:- dynamic of_prolog/1.

:- forall(current_module(Name), assertz(of_prolog(Name))).

of_prolog(checking).
of_prolog(unit_tests).
of_prolog(trying).
of_prolog(plunit).
of_prolog(prolog_codewalk).
of_prolog(prolog_source).
of_prolog(prolog_xref).
of_prolog(prolog_clause).
of_prolog(prolog_breakpoints).
of_prolog(make).

well_formed(Name) :-
    atom_codes(Name, [First|Rest]),
    length(Rest, Length),
    Length < 64,
    lower(First),
    forall(member(Code, Rest), ( lower(Code) ; between(0'0, 0'9, Code) ; Code == 0'_ )).

lower(Code) :-
    between(0'a, 0'z, Code).

unload(Name) :-
    file(Name, File),
    retractall(queries:declared_query(_, Name, _, _)),
    unload_file(File).

in_vain(Problems) :-
    memberchk(problem(error, _, _, _), Problems).

%!  statements(+Name, +Terms, -Spans, -Problems) is det.
%
%   Problems are those of the terms of module Name, as far as they can be seen before it is loaded. Spans are those of imports of rules,
%   which are in sight without.

statements(Name, [], [], [problem(error, 1, 1, Words)]) :-
    !,
    format(string(Words), "the text is empty; a module starts with :- module(~w, [name/arity, ...]).", [Name]).
statements(Name, [First|Terms], Spans, Problems) :-
    header(First, Name, Header),
    foldl(statement(Name), Terms, []-[], Reversed-Wrong),
    reverse(Reversed, Spans),
    reverse(Wrong, Others),
    append(Header, Others, Problems).

header(term(Term, Line, Column, _), Name, Problems) :-
    (   Term = (:- module(Name, Exports)),
        is_list(Exports)
    ->  findall(problem(error, Line, Column, Words), ( member(Export, Exports), export_problem(Name, Export, Words) ), Problems)
    ;   Term = (:- module(Other, _)),
        Other \== Name
    ->  format(string(Words), "the text is module ~p, and should be ~w", [Other, Name]),
        Problems = [problem(error, Line, Column, Words)]
    ;   format(string(Words), "a module starts with :- module(~w, [name/arity, ...]).", [Name]),
        Problems = [problem(error, Line, Column, Words)]
    ).

export_problem(_, Export, Words) :-
    \+ exported(Export, _),
    format(string(Words), "~p cannot be exported; a module exports name/arity or name//arity", [Export]).
export_problem(Name, Export, Words) :-
    exported(Export, Head),
    (   predicate_property(query:Head, imported_from(Home))
    ->  true
    ;   predicate_property(query:Head, defined),
        Home = query
    ),
    Home \== Name,
    functor(Head, Predicate, Arity),
    (   memberchk(Home, [query, system])
    ->  Whose = "Prolog"
    ;   format(string(Whose), "module ~w", [Home])
    ),
    format(string(Words), "~q is there already, from ~s; choose another name, or do not export it", [Predicate/Arity, Whose]).

exported(Export, Head) :-
    nonvar(Export),
    (   Export = Name/Arity, Extra = 0
    ;   Export = Name//Arity, Extra = 2
    ),
    atom(Name),
    integer(Arity),
    between(0, 100, Arity),
    Real is Arity + Extra,
    functor(Head, Name, Real).

statement(Name, term(Term, Line, Column, Span), Spans0-Problems0, Spans-Problems) :-
    (   Term = (:- Directive)
    ->  (   ours(Directive)
        ->  Spans = [Span|Spans0], Problems = Problems0
        ;   Spans = Spans0,
            (   directive_problem(Directive, Name, Words)
            ->  Problems = [problem(error, Line, Column, Words)|Problems0]
            ;   Problems = Problems0
            )
        )
    ;   Spans = Spans0,
        (   clause_problem(Term, Words)
        ->  Problems = [problem(error, Line, Column, Words)|Problems0]
        ;   Problems = Problems0
        )
    ).

%   An import of rules: whoever is taught sees all of them.

ours(use_module(Module)) :- our_module(Module).
ours(use_module(Module, _)) :- our_module(Module).

our_module(rules(Module)) :-
    !,
    our_module(Module).
our_module(Module) :-
    atom(Module),
    ( rule_module(Module) ; taught_module(Module) ; expected_module(Module) ; memberchk(Module, [facts, queries]) ),
    !.

directive_problem(Directive, _, "a directive is a variable") :-
    var(Directive),
    !.
directive_problem(use_module(library(Library)), _, Words) :-
    !,
    \+ allowed_library(Library),
    findall(Written, ( allowed_library(Allowed), format(atom(Written), "~p", [Allowed]) ), All),
    atomic_list_concat(All, ', ', Listed),
    format(string(Words), "rules may not use library(~p); they may use ~w", [Library, Listed]).
directive_problem(use_module(library(Library), _), Name, Words) :-
    !,
    directive_problem(use_module(library(Library)), Name, Words).
directive_problem(use_module(Module), _, Words) :-
    !,
    format(string(Words), "there is no module ~p of rules; what is built on is taught first", [Module]).
directive_problem(use_module(Module, _), Name, Words) :-
    !,
    directive_problem(use_module(Module), Name, Words).
directive_problem(query(Declaration, Options), _, Words) :-
    !,
    query_problem(Declaration, Options, Words).
directive_problem(op(_, _, Names), _, Words) :-
    !,
    \+ forall(( is_list(Names) -> member(Operator, Names) ; Operator = Names ), atom(Operator)),
    Words = "an operator of a module is declared without a module before its name".
directive_problem(set_prolog_flag(double_quotes, _), _, _) :- !, fail.
directive_problem(table(Predicates), _, Words) :-
    !,
    qualified(Predicates, Words).
directive_problem(discontiguous(Predicates), _, Words) :-
    !,
    qualified(Predicates, Words).
directive_problem(meta_predicate(Predicates), _, Words) :-
    !,
    qualified(Predicates, Words).
directive_problem(encoding(utf8), _, _) :- !, fail.
directive_problem(dynamic(_), _, "rules keep no state of their own; facts are written by POST /v1/facts, and declared by the installation") :- !.
directive_problem(Directive, _, Words) :-
    (   callable(Directive)
    ->  functor(Directive, Functor, Arity),
        format(string(Words), "the directive ~q is not for rules: a module of rules does nothing when it is loaded. There are use_module, query, table, \c
discontiguous, meta_predicate, op, and set_prolog_flag of double_quotes", [Functor/Arity])
    ;   format(string(Words), "~p is no directive", [Directive])
    ).

qualified(Predicates, "a module declares predicates of its own") :-
    sub_term(Term, Predicates),
    nonvar(Term),
    Term = Module:_,
    Module \== '$none',
    !.

sub_term(Term, Term).
sub_term(Term, (A, B)) :-
    ( sub_term(Term, A) ; sub_term(Term, B) ).
sub_term(Term, [Element|List]) :-
    ( sub_term(Term, Element) ; sub_term(Term, List) ).

clause_problem(Term, "a clause is a variable") :-
    var(Term),
    !.
clause_problem((?- _), "a query in a file is not for rules: a module of rules does nothing when it is loaded") :- !.
clause_problem((Head --> _), Words) :-
    !,
    (   nonvar(Head), Head = (Pushed, _)
    ->  head_problem(Pushed, 2, Words)
    ;   head_problem(Head, 2, Words)
    ).
clause_problem((Head => _), Words) :-
    !,
    (   nonvar(Head), Head = (Real, _)
    ->  head_problem(Real, 0, Words)
    ;   head_problem(Head, 0, Words)
    ).
clause_problem((Head :- _), Words) :-
    !,
    head_problem(Head, 0, Words).
clause_problem(Head, Words) :-
    head_problem(Head, 0, Words).

head_problem(Head, _, "the head of a clause is a variable") :-
    var(Head),
    !.
head_problem(Head, _, Words) :-
    \+ callable(Head),
    !,
    format(string(Words), "~p is no head of a clause", [Head]).
head_problem(Module:_, _, Words) :-
    !,
    format(string(Words), "a clause for module ~p: a module defines predicates of its own", [Module]).
head_problem(Head, Extra, Words) :-
    functor(Head, Name, Arity0),
    Arity is Arity0 + Extra,
    (   hook(Name/Arity)
    ->  format(string(Words), "~q changes how Prolog reads and runs programs, and is not for rules", [Name/Arity])
    ;   declared(Name, Arity, _, _)
    ->  format(string(Words), "~q is a fact; facts are written by POST /v1/facts, not defined by rules", [Name/Arity])
    ).

hook(term_expansion/2).
hook(term_expansion/4).
hook(goal_expansion/2).
hook(goal_expansion/4).
hook(dcg_rule_expansion/3).
hook(user_portray/1).
hook(portray/1).
hook(message_hook/3).
hook(exception/3).
hook(prolog_load_file/2).
hook(attr_unify_hook/2).
hook(attribute_goals/3).
hook(attr_portray_hook/2).
hook(project_attributes/2).
hook('unit body'/2).
hook('unit test'/4).

%!  load_text(+Context, +File, +Text, -Problems) is det.
%
%   Load Text into module Context as if it were read from File. Problems are what Prolog has to say.

load_text(Context, File, Text, Problems) :-
    setup_call_cleanup(
        open_string(Text, Stream),
        heard(load_files(Context:File, [stream(Stream), if(true), silent(true)]), Problems),
        close(Stream)).

%   What is printed as an error or a warning while a goal runs.

:- dynamic listening/0, said/3.

:- multifile user:message_hook/3.
:- dynamic user:message_hook/3.

user:message_hook(Message, Severity, Lines) :-
    teaching:listening,
    memberchk(Severity, [error, warning]),
    teaching:hear(Message, Severity, Lines).

heard(Goal, Problems) :-
    retractall(said(_, _, _)),
    setup_call_cleanup(
        assertz(listening),
        catch(Goal, Error, ( message_to_lines(Error, Words), assertz(said(error, 0, Words)) )),
        retractall(listening)),
    findall(problem(Severity, Line, 1, Words), retract(said(Severity, Line, Words)), Problems).

message_to_lines(error(Formal, _), Words) :-
    !,
    words(Formal, Words).
message_to_lines(Error, Words) :-
    format(string(Words), "~p", [Error]).

hear(Message, Severity, Lines) :-
    (   told_elsewhere(Message)
    ->  true
    ;   (   source_location(_, Line)
        ->  true
        ;   Line = 1
        ),
        with_output_to(string(Text), print_message_lines(current_output, '', Lines)),
        plain(Text, Words),
        assertz(said(Severity, Line, Words))
    ).

%   Reading says this, or checking does, and knows better where.

told_elsewhere(singletons(_, _)).
told_elsewhere(undefined_export(_, _)).
told_elsewhere(error(syntax_error(_), _)).

%   Without the file, which is none.

plain(Text, Words) :-
    split_string(Text, "\n", " \t", Lines0),
    exclude(==(""), Lines0, Lines),
    atomics_to_string_with(" ", Lines, Joined),
    without_file(Joined, Words).

without_file(Text, Words) :-
    (   sub_string(Text, Before, _, _, "/rules/"),
        sub_string(Text, Before, _, 0, Path),
        sub_string(Path, Colon, 1, _, " "),
        !,
        sub_string(Text, 0, Before, _, Start),
        From is Before + Colon + 1,
        sub_string(Text, From, _, 0, Rest),
        string_concat(Start, Rest, Joined),
        without_file(Joined, Words)
    ->  true
    ;   Words = Text
    ).

atomics_to_string_with(Separator, Parts, Text) :-
    atomic_list_concat(Parts, Separator, Atom),
    atom_string(Atom, Text).

%!  declared_queries(-Queries) is det.
%
%   Queries are all that are declared, lists `[Name, Module, Parameters, Doc, Defaults]`, Parameters lists `[Mode, Name, Type]`, Defaults
%   lists `[Name, Value]`.

declared_queries(Queries) :-
    findall([Name, Module, Listed, Doc, Defaults],
            ( declared_query(Name, Module, Parameters, Options),
              maplist([parameter(Mode, Field, Type), [Mode, Field, Type]]>>true, Parameters, Listed),
              memberchk(doc(Doc), Options),
              findall([Field, Value], member(default(Field, Value), Options), Defaults) ),
            Queries).
