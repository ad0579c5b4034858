/*
 * Waiting: spin, then block, over one channel or many.
 *
 * A waiter first looks at its channels (urpc_poll, urpc_try_send); each that has nothing leaves a *watch*:
 * the words it looked at and what they held. Waiting is waiting for any of those words to change. It reads
 * shared memory only and changes no channel, so a binding may do it without its interpreter lock while other
 * threads go on using the same channels; then it takes the lock and looks again.
 *
 * Spinning ends after the doorbell's budget, fixed or learnt (pace.h); blocking after that makes one system
 * call for everything together: futex_wait, or ppoll where descriptors are waited for as well (calls.h says
 * how a doorbell ends that). The cost of a turn is the number of watches, which is why an owner of many
 * channels has them marked (doorbell.h) and waits for one word.
 *
 * Sleepers wake once a second by themselves. Nothing depends on it among correct peers; it bounds what the
 * others can do.
 */
#ifndef URPC_WAIT_H
#define URPC_WAIT_H

#include "doorbell.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two words of shared memory, and what they held when there was nothing to do. Writer of both: the peer. */
struct urpc_watch {
    const _Atomic uint64_t *header;
    const _Atomic uint64_t *status;
    uint64_t header_seen;
    uint64_t status_seen;
};

/* How long to wait, and whom to ask now and then whether to go on. */
struct urpc_patience {
    uint64_t deadline;           /* CLOCK_MONOTONIC nanoseconds, or URPC_FOREVER */
    bool (*interrupted)(void *); /* asked after each signal, every 5 ms of spinning and every second of sleep;
                                    true gives up. May be NULL */
    void *context;
};

enum urpc_woken { URPC_WOKEN, URPC_EXPIRED, URPC_INTERRUPTED };

/* All that one wait may be for, beside the doorbell's ring. */
struct urpc_sources {
    const struct urpc_watch *watches;
    size_t count;
    bool marked;     /* marks of the doorbell */
    int descriptors; /* something that poll(2) takes, and that a call to the doorbell makes readable; or -1 */
};

/* Spin until a source has something, the doorbell is rung, or `until`. True for the first two. Descriptors are
 * not looked at: that takes a system call. */
bool urpc_spin(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_sources *sources,
               uint64_t until);

/* Would a wait on this doorbell spin? */
bool urpc_spins(const struct urpc_doorbell *bell);

/* Wait until a source has something or the doorbell is rung. May wake for nothing: look, and wait again. */
enum urpc_woken urpc_await_any(const struct urpc_doorbell *bell, uint32_t ticket,
                               const struct urpc_sources *sources, const struct urpc_patience *patience);

/* The same for watches alone. */
enum urpc_woken urpc_await(const struct urpc_doorbell *bell, uint32_t ticket,
                           const struct urpc_watch *watches, size_t count,
                           const struct urpc_patience *patience);

/*
 * Have the doorbell call (calls.h) for whatever comes from now on: S1 to S3 of doorbell.h, for one who sleeps
 * elsewhere. False if something is there already, or the doorbell has been rung since the ticket was taken.
 */
bool urpc_arm(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_sources *sources);

#endif
