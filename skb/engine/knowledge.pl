:- module(knowledge,
          [ rule_module/1,              % ?Module
            allowed_library/1           % ?Library
          ]).

/** <module> The rules, and the world that goals are asked in

Loads every rule module of `rules/`, and makes module `query`: the context in which goals run. It sees the facts, what the rules
export, and libraries that compute and do nothing else. Module `author` sees the same, and what rules are declared with: modules that
people teach inherit from it.

Which libraries a goal may use is said here, and nothing else is loaded on demand: autoloading at the time of a query would let a
goal pull in any library of the installation, and with it whatever that library declares to be safe (listings, sockets, keys).
*/

:- use_module(library(lists)).
:- use_module(rules(facts)).

:- dynamic rule_module/1.

%!  rule_module(?Module) is nondet.
%
%   Module is a file of `rules/` that says what follows from facts. Not among them: the vocabularies, and what rules are tested with,
%   which writes facts.

not_a_rule(schema).
not_a_rule(queries).
not_a_rule(facts).
not_a_rule(testing).

load_rules :-
    absolute_file_name(rules('.'), Folder, [file_type(directory), access(read)]),
    directory_files(Folder, Entries),
    forall(( member(Entry, Entries), file_name_extension(Name, pl, Entry), \+ not_a_rule(Name) ),
           ( atomic_list_concat([Folder, /, Entry], Path),
             query:use_module(Path),
             absolute_file_name(Path, File),
             module_property(Module, file(File)),
             assertz(rule_module(Module)) )).

%!  allowed_library(?Library) is nondet.
%
%   Goals and rules may call what Library exports, as far as the sandbox lets them.

allowed_library(aggregate).
allowed_library(apply).
allowed_library(assoc).
allowed_library(clpfd).
allowed_library(dcg/basics).
allowed_library(dif).
allowed_library(error).
allowed_library(lists).
allowed_library(option).
allowed_library(ordsets).
allowed_library(pairs).
allowed_library(solution_sequences).
allowed_library(ugraphs).
allowed_library(when).
allowed_library(yall).

:- query:use_module(rules(facts)).
:- forall(allowed_library(Library), query:use_module(library(Library))).
:- load_rules.

%   What these two libraries leave to autoloading, although they do not declare it.

:- error:use_module(library(debug), [assertion/1]).
:- clpfd:use_module(library(random), [random_between/3]).

:- set_module(author:base(query)).
:- author:use_module(rules(queries)).
