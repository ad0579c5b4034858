:- use_module(library(plunit)).
:- use_module(queries).

:- begin_tests(queries).

declared(Declaration, Options, Parameters) :-
    setup_call_cleanup(
        query(imagined:Declaration, Options),
        ( functor(Declaration, Name, _), declared_query(Name, imagined, Parameters, _) ),
        retractall(queries:declared_query(_, imagined, _, _))).

test(modes_are_those_of_prolog,
     Parameters == [parameter(in, device, addr), parameter(out, cores, list(core)), parameter(both, how, any)]) :-
    declared(near(+device: addr, -cores: list(core), ?how: any), [doc("Near.")], Parameters).

test(a_query_may_have_no_parameters, Parameters == []) :-
    declared(sound, [doc("Whether all is well.")], Parameters).

test(a_parameter_that_is_given_may_have_a_default) :-
    declared(near(+level: count, -cores: list(core)), [doc("Near."), default(level, 3)], _).

test(what_is_wrong_is_said, forall(member(Declaration/Options/Word,
        [ near(device: addr)/[doc("x")]/"+name: type",
          near(+device)/[doc("x")]/"+name: type",
          near(_)/[doc("x")]/"+name: type",
          near(+'Big': core)/[doc("x")]/"small letters",
          'Near'(+a: core)/[doc("x")]/"small letters",
          near(+device: address_of_device)/[doc("x")]/"is no type",
          near(+a: core, -a: core)/[doc("x")]/"two parameters",
          near(-a: core)/[]/"doc",
          near(-a: core)/[doc(x)]/"doc",
          near(-a: core)/[doc("x"), colour(red)]/"is no option",
          near(-a: core)/[doc("x"), default(a, 1)]/"is no option",
          (m:near(-a: core))/[doc("x")]/"declared as",
          3/[doc("x")]/"declared as"
        ]))) :-
    query_problem(Declaration, Options, Problem),
    assertion(sub_string(Problem, _, _, _, Word)).

test(a_wrong_declaration_is_an_error, error(declaration_error(_))) :-
    query(imagined:near(+device), [doc("x")]).

:- end_tests(queries).
