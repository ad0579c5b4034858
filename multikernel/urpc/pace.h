/*
 * Pace: how long to spin before blocking, learnt from how long messages took to come.
 *
 * Spinning is worth it where the message comes sooner than a block and a wake-up would have cost, and where the
 * core has nothing better to do. Neither is known beforehand; both show:
 *
 *   - Each wait is long or short (URPC_SPIN_MOST). While a fair share of the recent ones was short, we spin
 *     twice as long as those typically took; else not at all. Waits are timed whether they spin or block, so
 *     spinning comes back when short waits do.
 *   - Where two kernels share a core, the sender cannot run while we spin: we spin in vain, block, and then the
 *     message comes at once. The same where more kernels want to run than there are cores; there, too, we find
 *     that somebody else was on our core while we spun. And who wakes us writes down the core he runs on. Each
 *     of these signs suspends spinning for a number of waits that doubles from time to time, to a thousand. So
 *     on a shared core all but one in a thousand waits block at once, and that one costs 50 us at most.
 *
 * A wait that is not spun costs nothing but two readings of the clock. Threads that share a doorbell share what
 * is learnt: all words are relaxed, and a lost update is a lesson missed.
 */
#ifndef URPC_PACE_H
#define URPC_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    URPC_SPIN_FIRST = 20000, /* ns, before anything is known */
    URPC_SPIN_MOST = 50000,  /* ns; some block and wake-up, so no wait costs more than twice the best */
    URPC_MOST_SUSPENDED = 1024,
};

struct urpc_pace {
    _Atomic uint32_t budget;    /* ns */
    _Atomic uint32_t share;     /* of recent waits that were short, of 256 */
    _Atomic uint32_t typical;   /* ns that a short one took */
    _Atomic uint32_t suspended; /* waits that will not spin */
    _Atomic uint32_t penalty;   /* how many the last sign suspended */
    uint32_t most;              /* URPC_SPIN_MOST, or 0 where there is one core */
};

/* What became of a wait. */
struct urpc_wait_seen {
    uint64_t spun;   /* ns that it could spin */
    uint64_t waited; /* ns in all */
    bool in_spin;    /* something came while it spun */
    bool shared;     /* somebody else was on this core */
};

void urpc_pace_init(struct urpc_pace *pace, bool one_core);

/* Nanoseconds to spin now. */
uint64_t urpc_pace_begin(struct urpc_pace *pace);

void urpc_pace_end(struct urpc_pace *pace, const struct urpc_wait_seen *seen);

/* Would a wait that began now spin? */
static inline bool urpc_pace_spins(const struct urpc_pace *pace)
{
    return atomic_load_explicit(&pace->budget, memory_order_relaxed) > 0 &&
           atomic_load_explicit(&pace->suspended, memory_order_relaxed) == 0;
}

#endif
