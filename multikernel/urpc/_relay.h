/* A relay as an object: what _relay.c, its methods, and _relaying.c, the waits that keep it going, share. */
#ifndef URPC_BINDING_RELAY_H
#define URPC_BINDING_RELAY_H

#include "_urpc.h"

#include "relay.h"

struct relay_object {
    PyObject_HEAD struct urpc_relay relay;
    Doorbell *bell;
    Relay *next;    /* of the same doorbell */
    PyObject *tree; /* (parent, children) as they were given: keeps the channels alive, a tuple of them */
    pid_t process;  /* whose it is */
    unsigned forks; /* how often that has forked, as far as it was looked at */
    uint64_t taken; /* broadcasts received by receive() */
    uint64_t seen;  /* broadcasts known here to be acknowledged by all */
    uint32_t told;  /* losses known here */
    bool open;
};

/* After a fork a relay belongs to the process that made it. */
bool relay_is_ours(Relay *self);
/* Everything that can be done now, for a relay whose channels are all still ours to use: true if there was anything. */
bool relay_turn(Relay *self);
/* Is there something new for its owner? */
bool relay_has_news(const Relay *self);

#endif
