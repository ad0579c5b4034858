:- module(schema_runtime, []).
:- use_module('../schema').

/** <module> The multikernel that runs on this machine now */

:- fact(kernel(core: core, state: oneof([booting, running, dead])),
        [ doc("The kernel of a core."), key([core]), source("multikernel") ]).

:- fact(virtual_core(core: core, host: core),
        [ doc("A kernel in excess of the machine's cores: it is numbered core and shares the hardware thread host."),
          key([core]), source("multikernel") ]).

:- fact(dispatcher(application: atom, index: count, core: core),
        [ doc("A dispatcher of an application and the core it was placed on."),
          key([application, index]), source("multikernel") ]).

:- fact(link(from: core, to: core, transport: oneof([urpc])),
        [ doc("A link between two kernels and what carries it."), key([from, to]), source("multikernel") ]).
