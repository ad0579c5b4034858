:- module(knowledge,
          [ rule_module/1               % ?Module
          ]).

/** <module> The rules, and the world that goals are asked in

Loads every rule module of `rules/`, and makes module `query`: the context in which goals run. It sees the facts, what the rules
export, and libraries that compute and do nothing else.

Which libraries a goal may use is said here, and nothing else is loaded on demand: autoloading at the time of a query would let a
goal pull in any library of the installation, and with it whatever that library declares to be safe (listings, sockets, keys).
*/

:- use_module(library(lists)).
:- use_module(rules(facts)).

:- dynamic rule_module/1.

%!  rule_module(?Module) is nondet.
%
%   Module is a file of `rules/` that says what follows from facts. Not among them: the vocabulary, and what rules are tested with,
%   which writes facts.

not_a_rule(schema).
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

:- query:use_module(rules(facts)).
:- query:use_module(library(aggregate)).
:- query:use_module(library(apply)).
:- query:use_module(library(assoc)).
:- query:use_module(library(clpfd)).
:- query:use_module(library(dcg/basics)).
:- query:use_module(library(dif)).
:- query:use_module(library(error)).
:- query:use_module(library(lists)).
:- query:use_module(library(ordsets)).
:- query:use_module(library(pairs)).
:- query:use_module(library(solution_sequences)).
:- query:use_module(library(ugraphs)).
:- query:use_module(library(when)).
:- query:use_module(library(yall)).
:- load_rules.

%   What these two libraries leave to autoloading, although they do not declare it.

:- error:use_module(library(debug), [assertion/1]).
:- clpfd:use_module(library(random), [random_between/3]).
