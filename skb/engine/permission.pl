:- module(permission,
          [ permitted/1                 % +Goal
          ]).

/** <module> What a goal may do

SWI-Prolog's sandbox follows a goal through everything that it can call and refuses what touches the world. It is made for a Prolog
of one's own, thrown away afterwards. An engine is shared and lives on, so that what waits, or leaves something behind for the next
goal, is refused here as well. So is what tells about the host: paths, flags of the process.

Narrowed is what the sandbox believes to be safe, rather than the text of the goal searched for names: a name may be data
(`member(X, [retract, table])`), and a goal may be put together by others (`maplist(sleep, [1])`). The sandbox sees both as they are.
*/

:- use_module(library(prolog_wrap)).
:- use_module(library(sandbox)).
:- use_module(knowledge).
:- use_module(rules(schema)).

%!  permitted(+Goal) is det.
%
%   Goal may be called in module `query`.
%
%   @error permission_error(call, sandboxed, What) if it may call What
%   @error instantiation_error if what it calls is known only when it runs

permitted(Goal) :-
    safe_goal(query:(true, Goal)).      % in a conjunction, a module in front of Goal counts as a call to another module

%   trusted(+Predicate): ours, hence safe without a look inside. They read facts and compute.

trusted(facts:Head) :-
    callable(Head),
    functor(Head, Name, Arity),
    declared(Name, Arity, _, _).
trusted(Module:Head) :-
    atom(Module),
    rule_module(Module),
    predicate_property(Module:Head, exported).

%   Not to be called by anybody, exported or not: the engine's own modules, all of this folder.

of_the_engine(Module:_) :-
    atom(Module),
    module_property(Module, file(File)),
    file_directory_name(File, Folder),
    module_property(permission, file(Own)),
    file_directory_name(Own, Folder).

%   withheld(+Predicate): safe to the sandbox, and not allowed here.

withheld(system:sleep(_)).
withheld(system:abort).
withheld(asserta(_)).
withheld(assertz(_)).
withheld(system:assert(_)).
withheld(retract(_)).
withheld(retractall(_)).
withheld(system:use_module(_)).
withheld(system:use_module(_, _)).
withheld(system:load_files(_, _)).
withheld(system:nb_getval(_, _)).
withheld(system:b_getval(_, _)).
withheld(system:nb_current(_, _)).
withheld(system:writeln(_)).
withheld('$messages':print_message(_, _)).
withheld('$messages':message_to_string(_, _)).
withheld('$syspreds':predicate_property(_, _)).
withheld('$syspreds':set_prolog_stack(_, _)).
withheld('$tabling':abolish_all_tables).
withheld('$tabling':'$wrap_tabled'(_, _)).
withheld('$tabling':'$moded_wrap_tabled'(_, _, _, _, _)).
withheld(current_prolog_flag(Flag, _)) :-
    \+ ( atom(Flag), harmless_flag(Flag) ).

withheld_meta(system:set_prolog_flag(_, _)).
withheld_meta(system:format(_, _)).
withheld_meta(prolog_debug:debug(_, _, _)).
withheld_meta('$tabling':abolish_table_subgoals(_, _)).
withheld_meta('$tabling':current_table(_, _)).
withheld_meta('$tabling':tnot(_)).
withheld_meta('$tabling':not_exists(_)).

harmless_flag(bounded).
harmless_flag(max_integer).
harmless_flag(min_integer).
harmless_flag(max_tagged_integer).
harmless_flag(min_tagged_integer).
harmless_flag(double_quotes).
harmless_flag(prefer_rationals).
harmless_flag(iso).
harmless_flag(occurs_check).

:- initialization(( wrap_predicate(sandbox:safe_primitive(Goal), narrow, Safe,
                                   ( permission:trusted(Goal) -> true ; \+ permission:withheld(Goal), Safe )),
                    wrap_predicate(sandbox:safe_meta(Meta, _), narrow, SafeMeta,
                                   ( \+ permission:withheld_meta(Meta), SafeMeta )),
                    wrap_predicate(sandbox:known_module(Called, Parents), narrow, Known,
                                   (   permission:of_the_engine(Called)
                                   ->  throw(error(permission_error(call, sandboxed, Called), sandbox(Called, Parents)))
                                   ;   Known
                                   )) ),
                  now).
