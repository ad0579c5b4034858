:- use_module(library(plunit)).
:- use_module(facts).
:- use_module(schema).

:- begin_tests(schema).

%   Goal declares facts; what it declared is forgotten afterwards.
tentatively(Goal) :-
    snapshot(Goal).

test(a_declaration_gives_names_and_types_in_order, true(Fields == [core-core, node-node])) :-
    tentatively(( fact(trial(core: core, node: node), [doc("Trial.")]),
                  declared(trial, 2, Fields, _) )).

test(without_a_key_all_fields_together_are_the_key, true(Options == [doc("Trial."), key([a, b]), source("")])) :-
    tentatively(( fact(trial(a: count, b: text), [doc("Trial.")]),
                  declared(trial, 2, _, Options) )).

test(a_key_and_a_source_are_kept, true(Options == [doc("Trial."), key([a]), source("here")])) :-
    tentatively(( fact(trial(a: count, b: text), [source("here"), key([a]), doc("Trial.")]),
                  declared(trial, 2, _, Options) )).

test(a_fact_cannot_be_declared_without_a_word_about_it, error(existence_error(documentation, trial))) :-
    tentatively(fact(trial(a: count), [])).

test(a_type_nobody_knows_is_refused, error(domain_error(field_type, colour))) :-
    tentatively(fact(trial(a: colour), [doc("Trial.")])).

test(a_field_needs_a_type, error(type_error(fact_declaration, trial(a)))) :-
    tentatively(fact(trial(a), [doc("Trial.")])).

test(a_key_must_name_a_field, error(existence_error(field, b))) :-
    tentatively(fact(trial(a: count), [doc("Trial."), key([b])])).

test(a_name_has_one_arity, error(permission_error(redeclare, fact, core/1))) :-
    tentatively(fact(core(core: core), [doc("Trial.")])).

test(types_are_built_of_types, [nondet]) :-
    field_type(list(or(count, oneof([all, none])))).

test(a_type_built_of_an_unknown_one_is_none, [fail]) :-
    field_type(list(colour)).

test(every_type_of_every_fact_is_a_type) :-
    forall(( declared(Name, Arity, Fields, _), member(Field-Type, Fields) ),
           assertion(( field_type(Type), Name/Arity/Field \== none ))).

test(every_fact_says_what_it_means_and_where_it_comes_from) :-
    forall(declared(Name, Arity, _, Options),
           ( memberchk(doc(Doc), Options),
             memberchk(source(Source), Options),
             assertion(( Doc \== "", Source \== "", Name/Arity \== none ))
           )).

test(every_fact_is_dynamic_and_can_be_read_from_facts) :-
    forall(declared(Name, Arity, _, _),
           ( functor(Head, Name, Arity),
             assertion(predicate_property(facts:Head, dynamic)),
             assertion(predicate_property(facts:Head, exported))
           )).

test(facts_use_the_names_that_the_design_gives) :-
    forall(member(Name/Arity, [core/3, cpu_thread/4, cache/7, cache_shared/2, message_rtt/6, message_cost/4, device/7]),
           assertion(declared(Name, Arity, _, _))).

:- end_tests(schema).
