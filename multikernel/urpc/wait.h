/*
 * Waiting: spin, then block, over one channel or many.
 *
 * A waiter first looks at its channels (urpc_poll, urpc_try_send); each that has nothing leaves a *watch*:
 * the words it looked at and what they held. Waiting is waiting for any of those words to change. It reads
 * shared memory only and changes no channel, so a binding may do it without its interpreter lock while other
 * threads go on using the same channels; then it takes the lock and looks again.
 *
 * Spinning ends after the doorbell's budget; blocking after that makes one futex call for all channels
 * together. Cost of a turn is the number of watches. An owner of many channels could hand in a single watch
 * on a bitmap of dirty channels instead: nothing here would change.
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

/* Spin until a watch fires, the doorbell is rung, or `until`. True for the first two. */
bool urpc_spin(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_watch *watches,
               size_t count, uint64_t until);

/* Wait until a watch fires or the doorbell is rung. May wake for nothing: look, and wait again. */
enum urpc_woken urpc_await(const struct urpc_doorbell *bell, uint32_t ticket,
                           const struct urpc_watch *watches, size_t count,
                           const struct urpc_patience *patience);

#endif
