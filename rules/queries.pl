:- module(queries,
          [ query/2,                    % :Declaration, +Options
            declared_query/4,           % ?Name, ?Module, ?Parameters, ?Options
            query_problem/3,            % +Declaration, +Options, -Problem
            parameter_type/1,           % ?Type
            op(200, fy, ?)
          ]).

/** <module> Declared queries: rules that people ask by name

A rule module says of a predicate that it exports what it takes and gives:

    :- query(cores_near_device(+device: addr, -cores: list(core)),
             [ doc("Cores, nearest to a PCI device first.") ]).

From that declaration come the endpoint of the API, its types, its entry in
the OpenAPI document, and the command line's help.

Modes are Prolog's: `+` is given, `-` is answered, `?` may be given and is
answered otherwise. Types are those of facts (see schema.pl), and

| any            | any value that has a JSON form                    |
| number         | an integer or a float                             |
| pair(A, B)     | `A-B`                                             |
| list(Type)     | a proper list                                     |

Options:

  * doc(+String) (required): what is asked, in a sentence, with units.
  * default(+Parameter, +Value): a `+` parameter that may be left out.
*/

:- use_module(library(apply)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(schema).

:- meta_predicate query(:, +).

:- dynamic declared_query/4.

%!  declared_query(?Name, ?Module, ?Parameters, ?Options) is nondet.
%
%   A query Name is answered by the predicate of that name in Module.
%   Parameters is a list of parameter(Mode, Name, Type), in argument order, Mode
%   one of `in`, `out` and `both`. Options always holds doc/1.

%!  query(:Declaration, +Options) is det.
%
%   Directive: declare a query.
%
%   @error existence_error, type_error, domain_error as query_problem/3 says in words

query(Module:Declaration, Options) :-
    (   query_problem(Declaration, Options, Problem)
    ->  throw(error(declaration_error(Problem), _))
    ;   true
    ),
    Declaration =.. [Name|Arguments],
    maplist(parameter, Arguments, Parameters),
    retractall(declared_query(Name, Module, _, _)),
    assertz(declared_query(Name, Module, Parameters, Options)).

:- multifile prolog:error_message//1.

prolog:error_message(declaration_error(Problem)) -->
    [ '~s'-[Problem] ].

%!  query_problem(+Declaration, +Options, -Problem) is semidet.
%
%   Problem says in words what is wrong with a declaration.

query_problem(Declaration, _, "a query is declared as query(name(+field: type, ...), [doc(\"...\")])") :-
    \+ ( callable(Declaration), Declaration \= _:_ ),
    !.
query_problem(Declaration, _, Problem) :-
    functor(Declaration, Name, _),
    \+ plain_name(Name),
    !,
    format(string(Problem), "~q is no name of a query; take small letters, digits and _, a letter first", [Name]).
query_problem(Declaration, _, Problem) :-
    Declaration =.. [Name|Arguments],
    member(Argument, Arguments),
    \+ parameter(Argument, _),
    !,
    (   mode(Argument, _, _:Type),
        nonvar(Type),
        \+ parameter_type(Type)
    ->  format(string(Problem), "query ~q: ~p: ~p is no type", [Name, Argument, Type])
    ;   format(string(Problem), "query ~q: ~p is no parameter; one is +name: type, -name: type or ?name: type, the name of small letters, digits and _",
               [Name, Argument])
    ).
query_problem(Declaration, _, Problem) :-
    Declaration =.. [Name|Arguments],
    maplist(parameter, Arguments, Parameters),
    select(parameter(_, Field, _), Parameters, Others),
    memberchk(parameter(_, Field, _), Others),
    !,
    format(string(Problem), "query ~q has two parameters ~q", [Name, Field]).
query_problem(Declaration, Options, Problem) :-
    functor(Declaration, Name, _),
    \+ ( is_list(Options), memberchk(doc(Doc), Options), string(Doc), Doc \== "" ),
    !,
    format(string(Problem), "query ~q has no doc(\"...\"): say in a sentence what it answers", [Name]).
query_problem(Declaration, Options, Problem) :-
    Declaration =.. [Name|Arguments],
    maplist(parameter, Arguments, Parameters),
    member(Option, Options),
    \+ option(Option, Parameters),
    !,
    format(string(Problem), "query ~q: ~p is no option; there are doc(String) and default(Parameter, Value) of a + parameter",
           [Name, Option]).

option(doc(_), _).
option(default(Field, Value), Parameters) :-
    ground(Value),
    memberchk(parameter(in, Field, _), Parameters).

parameter(Argument, parameter(Mode, Field, Type)) :-
    mode(Argument, Mode, Field:Type),
    atom(Field),
    plain_name(Field),
    nonvar(Type),
    parameter_type(Type),
    !.

%   Names are parts of addresses, and members of objects, for programs in other languages.

plain_name(Name) :-
    atom_codes(Name, [First|Codes]),
    between(0'a, 0'z, First),
    forall(member(Code, Codes), ( between(0'a, 0'z, Code) ; between(0'0, 0'9, Code) ; Code == 0'_ )).

mode(Argument, _, _) :-
    var(Argument),
    !,
    fail.
mode(+Typed, in, Typed).
mode(-Typed, out, Typed).
mode(?Typed, both, Typed).
%   `+device: addr` reads as `(+device): addr`.
mode(Moded:Type, Mode, Field:Type) :-
    nonvar(Moded),
    Moded \= _:_,
    mode(Moded, Mode, Field),
    atom(Field).

%!  parameter_type(?Type) is semidet.
%
%   Type is a type that a parameter may have.

parameter_type(any).
parameter_type(number).
parameter_type(pair(A, B)) :-
    nonvar(A), nonvar(B),
    parameter_type(A), parameter_type(B).
parameter_type(list(Type)) :-
    nonvar(Type),
    !,
    parameter_type(Type).
parameter_type(or(A, B)) :-
    nonvar(A), nonvar(B),
    !,
    parameter_type(A), parameter_type(B).
parameter_type(Type) :-
    field_type(Type).
