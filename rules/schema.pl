:- module(schema,
          [ fact/2,                     % +Declaration, +Options
            declared/4,                 % ?Name, ?Arity, ?Fields, ?Options
            field_type/1,               % ?Type
            compound_type/2             % ?Type, ?Fields
          ]).

/** <module> The vocabulary of facts

Every fact that may be known of a machine is declared once, by a directive in
a file of `schema/`:

    :- fact(core(core: core, apic_id: count, online: flag),
            [ doc("A hardware thread, numbered as the operating system numbers it."),
              key([core]),
              source("CPUID, sysfs") ]).

The declaration makes the predicate dynamic in module `facts` and exports it,
and it is the only source for the type check on every write, the documents and
column names of the API, and the test that no probe emits an undeclared fact.

Options:

  * doc(+String) (required): what one row says, with units.
  * key(+FieldNames): the fields that identify a row. A write to a key that
    exists replaces its row. Without it all fields together are the key.
  * source(+String): who produces the fact.
*/

:- use_module(library(error)).
:- use_module(library(lists)).

:- dynamic declared/4.

%!  declared(?Name, ?Arity, ?Fields, ?Options) is nondet.
%
%   Name/Arity is a declared fact. Fields is a list of `Field-Type`, in
%   argument order. Options always holds doc/1, key/1 and source/1.

%!  fact(+Declaration, +Options) is det.
%
%   Directive: declare a fact.
%
%   @error type_error(fact_declaration, Declaration) if an argument is not `Field: Type`
%   @error domain_error(field_type, Type) if a type is not one of field_type/1
%   @error existence_error(field, Name) if a key names no field
%   @error permission_error(redeclare, fact, Name/Arity) if the name is taken

fact(Declaration, Options) :-
    must_be(callable, Declaration),
    must_be(list, Options),
    Declaration =.. [Name|Arguments],
    maplist(field(Declaration), Arguments, Fields),
    length(Fields, Arity),
    (   declared(Name, OtherArity, _, _),
        OtherArity \== Arity
    ->  permission_error(redeclare, fact, Name/Arity)
    ;   true
    ),
    normal_options(Name, Fields, Options, Normal),
    retractall(declared(Name, Arity, _, _)),
    assertz(declared(Name, Arity, Fields, Normal)),
    dynamic(facts:Name/Arity),
    facts:export(Name/Arity).

field(_, Argument, Name-Type) :-
    nonvar(Argument),
    Argument = Name:Type,
    atom(Name),
    !,
    (   field_type(Type)
    ->  true
    ;   domain_error(field_type, Type)
    ).
field(Declaration, _, _) :-
    type_error(fact_declaration, Declaration).

normal_options(Name, Fields, Options, [doc(Doc), key(Key), source(Source)]) :-
    (   memberchk(doc(Doc), Options)
    ->  must_be(string, Doc)
    ;   existence_error(documentation, Name)
    ),
    findall(Field, member(Field-_, Fields), All),
    (   memberchk(key(Key), Options)
    ->  must_be(list(atom), Key),
        forall(( member(Field, Key), \+ memberchk(Field, All) ),
               existence_error(field, Field))
    ;   Key = All
    ),
    (   memberchk(source(Source), Options)
    ->  must_be(string, Source)
    ;   Source = ""
    ).

%!  field_type(?Type) is nondet.
%
%   Type is a type that a field may have. All are ground. Integers are of any
%   size unless the type says otherwise.
%
%   | integer      | any integer                                             |
%   | count        | an integer from 0                                       |
%   | core         | a hardware thread's number, from 0                      |
%   | node         | a NUMA node's number, from 0                            |
%   | bytes        | a size in bytes, from 0                                 |
%   | address      | a physical address, from 0                              |
%   | ps           | a time in picoseconds, from 0                           |
%   | mbs          | a bandwidth in MB/s (10^6 bytes a second), from 0       |
%   | mts          | a transfer rate in MT/s, from 0                         |
%   | flag         | 0 or 1                                                  |
%   | atom         | a name                                                  |
%   | text         | a string                                                |
%   | addr         | a PCI function: `addr(Segment, Bus, Device, Function)`  |
%   | oneof(Names) | one of these atoms                                      |
%   | or(A, B)     | a value of either type                                  |
%   | list(Type)   | a proper list of them                                   |

field_type(Type) :-
    member(Type,
           [ integer, count, core, node, bytes, address, ps, mbs, mts, flag, atom, text, addr ]).
field_type(oneof(Names)) :-
    nonvar(Names),
    is_list(Names),
    forall(member(Name, Names), atom(Name)).
field_type(or(A, B)) :-
    nonvar(A), nonvar(B),
    field_type(A), field_type(B).
field_type(list(Type)) :-
    nonvar(Type),
    field_type(Type).

%!  compound_type(?Type, ?Fields) is nondet.
%
%   A value of Type is a compound term whose functor is Type and whose
%   arguments are Fields, a list of `Name-Type`.

compound_type(addr, [segment-count, bus-count, device-count, function-count]).
