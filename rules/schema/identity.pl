:- module(schema_identity, []).
:- use_module('../schema').

/** <module> Which machine this is */

:- fact(machine(name: atom, arch: atom, os: text),
        [ doc("The machine: host name, architecture as uname -m names it, operating system with its release."),
          key([name]), source("uname") ]).
