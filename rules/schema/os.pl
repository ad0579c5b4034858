:- module(schema_os, []).
:- use_module('../schema').

/** <module> The operating system's names for devices */

:- fact(net_interface(name: atom, addr: addr),
        [ doc("A network interface and the PCI function behind it."), key([name]), source("sysfs class/net") ]).

:- fact(block_device(name: atom, addr: addr),
        [ doc("A block device and the PCI function behind it."), key([name]), source("sysfs class/block") ]).
