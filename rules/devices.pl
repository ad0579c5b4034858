:- module(devices,
          [ upstream/2,                 % +Device, -Bridge
            devices_behind/2,           % +Bridge, -Devices
            devices_in_group/2,         % ?Group, -Devices
            devices_bound_to/2,         % ?Driver, -Devices
            slow_links/7                % -Device, -Speed, -Width, -MaxSpeed, -MaxWidth, -Port, -Cause
          ]).

/** <module> PCI devices: what is behind what, and which links run slower than they could
*/

:- use_module(facts).
:- use_module(queries).
:- use_module(library(error)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).

:- query(upstream(+device: addr, -bridge: addr),
         [ doc("The bridge that leads to a device's bus; no answer for devices on a root bus.") ]).
:- query(devices_behind(+bridge: addr, -devices: list(addr)),
         [ doc("All functions behind a bridge, those behind bridges behind it included.") ]).
:- query(devices_in_group(?group: count, -devices: list(addr)),
         [ doc("IOMMU groups: functions that can only be given away together.") ]).
:- query(devices_bound_to(?driver: atom, -devices: list(addr)),
         [ doc("Functions by the kernel driver that is bound to them.") ]).
:- query(slow_links(-device: addr, -speed: mts, -width: count, -max_speed: mts, -max_width: count, -port: or(addr, oneof([none])),
                    -cause: oneof([port, degraded])),
         [ doc("PCI Express links that run below what the device could: in MT/s and lanes, with the port above. Cause is port where the port or slot \c
allows no more, degraded where both ends could do better.") ]).

%!  upstream(+Device, -Bridge) is semidet.
%
%   The bridge with the narrowest range of buses that holds the device's own: virtual functions may sit on buses beyond the secondary.

upstream(Device, Bridge) :-
    Device = addr(Segment, Bus, _, _),
    findall(Width-Above,
            ( bridge(Above, _, Secondary, Subordinate),
              Above = addr(Segment, Own, _, _),
              Own < Secondary,
              between(Secondary, Subordinate, Bus),
              Width is Subordinate - Secondary ),
            Pairs),
    keysort(Pairs, [_-Bridge|_]).

%!  devices_behind(+Bridge, -Devices) is det.
%
%   @error existence_error(bridge, Bridge)

devices_behind(Bridge, Devices) :-
    Bridge = addr(Segment, _, _, _),
    (   bridge(Bridge, _, Secondary, Subordinate)
    ->  true
    ;   existence_error(bridge, Bridge)
    ),
    findall(Device,
            ( ( device(Device, _, _, _, _, _, _) ; bridge(Device, _, _, _) ),
              Device = addr(Segment, Bus, _, _),
              between(Secondary, Subordinate, Bus) ),
            Found),
    sort(Found, Devices).

%!  devices_in_group(?Group, -Devices) is nondet.

devices_in_group(Group, Devices) :-
    findall(Number-Device, iommu_group(Number, Device), Pairs),
    grouped(Pairs, Group, Devices).

%!  devices_bound_to(?Driver, -Devices) is nondet.

devices_bound_to(Driver, Devices) :-
    findall(Name-Device, device_driver(Device, Name), Pairs),
    grouped(Pairs, Driver, Devices).

grouped(Pairs, Key, Values) :-
    sort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    member(Key-Values, Groups).

%!  slow_links(-Device, -Speed, -Width, -MaxSpeed, -MaxWidth, -Port, -Cause) is nondet.
%
%   A link belongs to two ports; it is told once, at its lower end. A link that is down (width 0) runs at no speed, and is none.

slow_links(Device, Speed, Width, MaxSpeed, MaxWidth, Port, Cause) :-
    pcie_link(Device, Speed, Width, MaxSpeed, MaxWidth),
    maplist(integer, [Speed, Width, MaxSpeed, MaxWidth]),
    Width > 0,
    once(lower_end(Device)),
    ( Speed < MaxSpeed ; Speed >= MaxSpeed, Width < MaxWidth ),
    (   upstream(Device, Port0),
        pcie_link(Port0, _, _, PortSpeed, PortWidth),
        integer(PortSpeed),
        integer(PortWidth)
    ->  Port = Port0,
        (   Speed >= min(MaxSpeed, PortSpeed),
            Width >= min(MaxWidth, PortWidth)
        ->  Cause = port
        ;   Cause = degraded
        )
    ;   Port = none,
        Cause = degraded
    ).

lower_end(Device) :-
    pcie_port(Device, Kind, _),
    !,
    memberchk(Kind, [endpoint, legacy_endpoint, upstream_port, bridge_to_pci]).
lower_end(_).
