:- module(schema_measured, []).
:- use_module('../schema').

/** <module> What the multikernel measured over its own channels */

:- fact(message_rtt(from: core, to: core, avg: ps, stddev: ps, min: ps, max: ps),
        [ doc("Round trip of one 64-byte URPC message between two cores."), key([from, to]),
          source("multikernel measure") ]).

:- fact(message_cost(from: core, to: core, send: ps, receive: ps),
        [ doc("How long one message keeps the sender busy, and then the receiver."), key([from, to]),
          source("multikernel measure") ]).
