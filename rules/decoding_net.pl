:- module(decoding_net,
          [ net/2,                      % +Nodes, -Net
            resolve/5,                  % +Net, +Node, +Address, -Target, -Offset
            views/3,                    % +Net, +Node, -Views
            view/7,                     % +Net, +Node, +Low, +High, -First, -Target, -Offset
            shared/5                    % +Net, +Nodes, +Size, -Target, -Shared
          ]).

/** <module> Decoding nets: what an address means, depending on who says it

A *decoding net* (Achermann, Humbel, Cock and Roscoe, "Physical addressing on real hardware in Isabelle/HOL", ITP 2018) is a graph of nodes
that decode addresses. A node

  * *accepts* ranges: an address in one of them ends there,
  * *translates* ranges: an address in one of them means another address at another node,
  * may have an *overlay*: all that it neither accepts nor translates means the same address there.

Ranges may overlap; then an address means several things. Here a net is made of a list of

    node(Id, Accepts, Maps, Overlay)

with Accepts a list of range(Low, High), Maps a list of map(Low, High, Target, Offset), where Low means Offset at Target, and Overlay
overlay(Target), or `none`. Both ends of a range belong to it.

Nothing is computed address by address: ranges are cut where ranges of other nodes cut them.
*/

:- use_module(library(apply)).
:- use_module(library(assoc)).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(pairs)).

%   How many nodes an address may pass: a net in which one goes round and round is refused.

most_steps(64).

highest(0xFFFFFFFFFFFFFFFF).

%!  net(+Nodes, -Net) is det.
%
%   @error duplicate_key(Id) if two nodes have the same Id
%   @error type_error(node, Node) if it is not as above

net(Nodes, Net) :-
    must_be(list, Nodes),
    maplist(keyed, Nodes, Pairs),
    keysort(Pairs, Sorted),
    pairs_keys(Sorted, Ids),
    (   append(_, [Id, Id|_], Ids)
    ->  throw(error(duplicate_key(Id), _))
    ;   ord_list_to_assoc(Sorted, Net)
    ).

keyed(node(Id, Accepts, Maps, Overlay), Id-node(Accepts, Maps, Overlay)) :-
    ground(Id),
    is_list(Accepts),
    maplist(range, Accepts),
    is_list(Maps),
    maplist(map, Maps),
    overlay(Overlay),
    !.
keyed(Node, _) :-
    type_error(node, Node).

range(range(Low, High)) :- ordered(Low, High).

map(map(Low, High, Target, Offset)) :- ordered(Low, High), ground(Target), integer(Offset), Offset >= 0.

ordered(Low, High) :- integer(Low), integer(High), 0 =< Low, Low =< High.

overlay(none).
overlay(overlay(Target)) :- ground(Target).

%!  resolve(+Net, +Node, +Address, -Target, -Offset) is nondet.
%
%   Address, said by Node, means Offset at Target, which accepts it. No answer if nobody accepts it.
%
%   @error existence_error(node, Node), and resource_error(decoding_steps) if it goes round

resolve(Net, Node, Address, Target, Offset) :-
    must_be(nonneg, Address),
    findall(T-O, view(Net, Node, Address, Address, _, T, O), Found),
    sort(Found, Distinct),
    member(Target-Offset, Distinct).

%!  views(+Net, +Node, -Views) is det.
%
%   Views are all ranges that mean something to Node, in order: lists of view(Low, High, Target, Offset), where Low means Offset at Target.
%   Neighbours that go on without a gap are one.

views(Net, Node, Views) :-
    highest(Highest),
    findall(view(Low, High, Target, Offset),
            ( piece(Net, Node, 0, Highest, 0, Target-Offset, Low-High) ),
            Found),
    sort(Found, Sorted),
    joined(Sorted, Views).

%!  view(+Net, +Node, +Low, +High, -First, -Target, -Offset) is nondet.
%
%   Of the addresses Low to High, First and those that follow mean Offset and what follows at Target.

view(Net, Node, Low, High, First, Target, Offset) :-
    piece(Net, Node, Low, High, 0, Target-Offset, First-_).

%   piece(+Net, +Node, +Low, +High, +Steps, -Meaning, -Range): Range, of Low to High as Node says it, has one Meaning: Target-Offset.

piece(Net, Node, Low, High, Steps, Meaning, Range) :-
    (   get_assoc(Node, Net, node(Accepts, Maps, Overlay))
    ->  true
    ;   existence_error(node, Node)
    ),
    most_steps(Most),
    (   Steps > Most
    ->  resource_error(decoding_steps)
    ;   Next is Steps + 1
    ),
    (   member(range(L, H), Accepts),
        common(Low, High, L, H, First, Last),
        Meaning = Node-First,
        Range = First-Last
    ;   member(map(L, H, Target, Base), Maps),
        common(Low, High, L, H, First, Last),
        Shift is Base - L,
        There is First + Shift,
        Until is Last + Shift,
        piece(Net, Target, There, Until, Next, Meaning, A-B),
        Begin is A - Shift,
        End is B - Shift,
        Range = Begin-End
    ;   Overlay = overlay(Target),
        taken(Accepts, Maps, Taken),
        gap(Taken, Low, High, First, Last),
        piece(Net, Target, First, Last, Next, Meaning, Range)
    ).

common(Low, High, L, H, First, Last) :-
    First is max(Low, L),
    Last is min(High, H),
    First =< Last.

%   What a node accepts or translates, as ranges in order.

taken(Accepts, Maps, Taken) :-
    findall(L-H, ( member(range(L, H), Accepts) ; member(map(L, H, _, _), Maps) ), Ranges),
    sort(Ranges, Taken).

%   gap(+Taken, +Low, +High, -First, -Last) is nondet: First to Last are of Low to High, and in none of Taken.

gap([], Low, High, Low, High) :-
    Low =< High.
gap([L-H|Taken], Low, High, First, Last) :-
    (   Low < L,
        First = Low,
        Last is min(High, L - 1),
        First =< Last
    ;   Next is max(Low, H + 1),
        Next =< High,
        gap(Taken, Next, High, First, Last)
    ).

%   Ranges that go on where the one before ends, at both sides.

joined([], []).
joined([View], [View]) :- !.
joined([view(Low, Middle, Target, Offset), view(Next, High, Target, There)|Views], Joined) :-
    Next =:= Middle + 1,
    There =:= Offset + Next - Low,
    !,
    joined([view(Low, High, Target, Offset)|Views], Joined).
joined([View|Views], [View|Joined]) :-
    joined(Views, Joined).

%!  shared(+Net, +Nodes, +Size, -Target, -Shared) is nondet.
%
%   Target has Size bytes or more that all of Nodes see. Shared is shared(Offset, Length, Bases): where they are at Target, how many bytes in
%   a row, and by which address each of Nodes says the first. Largest first.

shared(Net, Nodes, Size, Target, Shared) :-
    must_be(list, Nodes),
    Nodes \== [],
    must_be(positive_integer, Size),
    maplist(seen(Net), Nodes, [First|Others]),
    findall(Negative-(T-shared(Offset, Length, Bases)),
            ( member(view(Low, High, T, Offset0), First),
              in_all(Others, T, Offset0, High, Low, [Low], Offset, Length, Reversed),
              Length >= Size,
              reverse(Reversed, Bases),
              Negative is -Length ),
            Found),
    sort(Found, Sorted),
    member(_-(Target-Shared), Sorted).

seen(Net, Node, Views) :-
    views(Net, Node, Views).

%   The first node says Low to High for Offset and on; what the others see of that. Bases move with the first byte that all see.

in_all([], _, Offset, High, Low, Bases, Offset, Length, Bases) :-
    Length is High - Low + 1.
in_all([Views|Others], Target, Offset0, High0, Low0, Bases0, Offset, Length, Bases) :-
    Last0 is Offset0 + High0 - Low0,
    member(view(L, H, Target, There), Views),
    First is max(Offset0, There),
    Last is min(Last0, There + H - L),
    First =< Last,
    Skip is First - Offset0,
    maplist(plus(Skip), Bases0, Moved),
    Base is L + First - There,
    Low is Low0 + Skip,
    High is Low + Last - First,
    in_all(Others, Target, First, High, Low, [Base|Moved], Offset, Length, Bases).
