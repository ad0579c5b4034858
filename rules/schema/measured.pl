:- module(schema_measured, []).
:- use_module('../schema').

/** <module> What was measured between cores: by the multikernel over its own channels, or by another program */

:- fact(message_rtt(from: core, to: core, avg: ps, stddev: or(ps, oneof([unknown])), min: or(ps, oneof([unknown])),
                    max: or(ps, oneof([unknown]))),
        [ doc("Round trip of one 64-byte URPC message between two cores, or of a cache line where another program measured it."),
          key([from, to]), source("multikernel measure; core-to-core-latency, MCTOP, n-send; skb synth") ]).

:- fact(message_cost(from: core, to: core, send: ps, receive: ps),
        [ doc("How long one message keeps the sender busy, and then the receiver."), key([from, to]),
          source("multikernel measure; n-send; skb synth") ]).

:- fact(memory_access(core: core, node: node, latency: ps, bandwidth: or(mbs, oneof([unknown]))),
        [ doc("How long a core waits for a line of a node's memory, and how much of it it can read."), key([core, node]),
          source("multikernel measure; MCTOP") ]).
