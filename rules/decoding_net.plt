:- use_module(library(plunit)).
:- use_module(decoding_net).

:- begin_tests(decoding_net).

%   Two cores see memory at different places, one through a window; a device sees a part of it, shifted.

example(Net) :-
    net([ node(core(0), [], [], overlay(bus)),
          node(core(1), [range(0, 15)], [map(0x1000, 0x1fff, ram, 0)], overlay(bus)),
          node(bus, [], [map(0x8000, 0xffff, ram, 0x4000), map(0x100, 0x1ff, uart, 0)], none),
          node(device, [], [map(0, 0xfff, bus, 0x8800)], none),
          node(ram, [range(0, 0xffff)], [], none),
          node(uart, [range(0, 7)], [], none) ],
        Net).

test(an_overlay_passes_on, Target-Offset == ram-0x4001) :-
    example(Net),
    resolve(Net, core(0), 0x8001, Target, Offset).
test(what_a_node_keeps_is_its_own, Target-Offset == core(1)-3) :-
    example(Net),
    resolve(Net, core(1), 3, Target, Offset).
test(a_window_of_ones_own, Target-Offset == ram-1) :-
    example(Net),
    resolve(Net, core(1), 0x1001, Target, Offset).
test(what_nobody_accepts_means_nothing, fail) :-
    example(Net),
    resolve(Net, core(0), 0x150, _, _).
test(through_two, Target-Offset == ram-0x4800) :-
    example(Net),
    resolve(Net, device, 0, Target, Offset).
test(views, Views == [view(0x100, 0x107, uart, 0), view(0x8000, 0xffff, ram, 0x4000)]) :-
    example(Net),
    views(Net, core(0), Views).
test(views_of_a_device, Views == [view(0, 0xfff, ram, 0x4800)]) :-
    example(Net),
    views(Net, device, Views).
test(neighbours_are_joined, Views == [view(0, 19, ram, 100)]) :-
    net([node(a, [], [map(0, 9, ram, 100), map(10, 19, ram, 110)], none), node(ram, [range(0, 1000)], [], none)], Net),
    views(Net, a, Views).
test(an_address_may_mean_two_things, All == [x-5, y-5]) :-
    net([node(a, [], [map(0, 9, x, 0), map(0, 9, y, 0)], none), node(x, [range(0, 9)], [], none), node(y, [range(0, 9)], [], none)], Net),
    findall(Target-Offset, resolve(Net, a, 5, Target, Offset), All).

test(shared_memory, Target-Shared == ram-shared(0x4800, 0x1000, [0x8800, 0])) :-
    example(Net),
    once(shared(Net, [core(0), device], 16, Target, Shared)).
test(nothing_so_large, fail) :-
    example(Net),
    shared(Net, [core(0), device], 0x1001, _, _).
test(shared_by_one_is_what_it_sees, Offsets == [0x4000, 0]) :-
    example(Net),
    findall(Offset, shared(Net, [core(0)], 1, _, shared(Offset, _, _)), Offsets).

test(a_ring_is_an_error, error(resource_error(decoding_steps))) :-
    net([node(a, [], [], overlay(b)), node(b, [], [], overlay(a))], Net),
    resolve(Net, a, 0, _, _).
test(no_such_node, error(existence_error(node, z))) :-
    example(Net),
    resolve(Net, z, 0, _, _).
test(two_of_a_name, error(duplicate_key(a))) :-
    net([node(a, [], [], none), node(a, [], [], none)], _).
test(nonsense, forall(member(Node, [node(_, [], [], none), node(a, [range(2, 1)], [], none), node(a, [], [map(0, 1, b, -1)], none),
                                    node(a, [], [], over), node(a, x, [], none), z])), error(type_error(node, _))) :-
    net([Node], _).

:- end_tests(decoding_net).
