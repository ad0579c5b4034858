/*
 * Pace: how long to spin before blocking, learnt from how long messages took to come.
 *
 * Spinning is worth it where the message comes sooner than a block and a wake-up would have cost, and where the
 * core has nothing better to do. Neither is known beforehand; both show:
 *
 *   - Each wait is long or short (URPC_SPIN_MOST). While a fair share of the recent ones was short, we spin
 *     twice as long as those typically took; else not at all. Waits are timed whether they spin or block: until
 *     the message came, as whoever woke us wrote it down, and not until we were awake. So spinning comes back
 *     when short waits do.
 *   - Two who talk to each other and both block never see a short wait: each waits for the other to wake up. So
 *     where we do not spin we try a few waits in a row, once in a while, for so long (URPC_TRY_NS) that a peer
 *     wakes up and answers meanwhile. To him, who was answered by somebody awake, the waits then are short; he
 *     begins to spin, and with that ours become short. Each try that teaches nothing doubles the time to the
 *     next, to a thousand waits: less than a microsecond a wait.
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
    URPC_TRY_NS = 200000,     /* two wake-ups, also of event loops and in virtual machines */
    URPC_TRY_WAITS = 4,       /* in a row: a few short waits make a fair share */
    URPC_FIRST_TRY = 16,      /* waits until the first try, */
    URPC_MOST_UNTRIED = 1024, /* and at most until another */
};

struct urpc_pace {
    _Atomic uint32_t budget;    /* ns */
    _Atomic uint32_t share;     /* of recent waits that were short, of 256 */
    _Atomic uint32_t typical;   /* ns that a short one took */
    _Atomic uint32_t suspended; /* waits that will not spin */
    _Atomic uint32_t penalty;   /* how many the last sign suspended */
    _Atomic uint32_t untried;   /* waits until the next try, where the budget is 0 */
    _Atomic uint32_t interval;  /* and after that, until another */
    _Atomic uint32_t trying;    /* waits left of a try */
    uint32_t most;              /* URPC_SPIN_MOST, or 0 where there is one core */
};

/* What became of a wait. */
struct urpc_wait_seen {
    uint64_t spun;   /* ns that it could spin */
    uint64_t waited; /* ns in all, */
    uint64_t came;   /* and until the message was there */
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
