/*
 * Sharing: what it costs several cores to change n cache lines of one piece of state, by shared memory and by
 * messages to the core that owns it. The multikernel paper's comparison (Baumann et al., SOSP 2009, figure
 * 3), with locks beside its bare stores.
 *
 * An operation adds one to a word of each of n lines. They lie side by side, as those of an array do, and a
 * processor fetches several at once. Or they are chained: each says where the next is, as in a list or a tree,
 * and they come one after the other.
 *
 *   STORES     every core loads and stores, with no lock: updates are lost, and only the lines' travel is
 *              paid for. The paper's figure.
 *   ATOMICS    every core adds atomically, line by line: no update is lost, but others see half an operation
 *   SPIN       under a test-and-test-and-set lock
 *   MCS        under a queue lock (Mellor-Crummey and Scott, 1991), fair: the lock goes round
 *   MUTEX      under a pthread mutex, which sleeps
 *   CALLS      every core but the first sends its operation to the first over a channel, and waits for the
 *              answer
 *   PIPELINED  likewise, with up to 16 operations under way
 *
 * Without a pause the cores do nothing in between, so the state is as contended as it can be. An unfair lock
 * then stays with the core that has it: its mean is small, and the others wait long. MCS shows what taking
 * turns costs. With a pause, each core works on its own for about that long after each operation, half to
 * one and a half times, and only operations are timed: then state and lock have mostly been elsewhere since.
 *
 * Means are of operations that were not interrupted: one that took over 100 us (without pauses: a block of 32
 * that took over 400) waited for the scheduler, and not for a line.
 */
#ifndef URPC_SHARING_H
#define URPC_SHARING_H

#include "wait.h"

enum { URPC_SHARED_LINES = 16, URPC_PIPELINE = 16 };

enum urpc_sharing {
    URPC_SHARE_STORES,
    URPC_SHARE_ATOMICS,
    URPC_SHARE_SPIN,
    URPC_SHARE_MCS,
    URPC_SHARE_MUTEX,
    URPC_SHARE_CALLS,
    URPC_SHARE_PIPELINED,
};

struct urpc_shared {
    uint64_t latency_ps; /* mean time that an operation takes the core that wants it done */
    uint64_t owner_ps;   /* mean time that it takes the owner; 0 without one */
    uint64_t per_second; /* operations of all cores together */
};

/*
 * Measure one way. Each core goes on until one has done `operations`. `lines` is 1 to URPC_SHARED_LINES;
 * messages need two cores or more. Returns 0 or an errno: as urpc_crew_perform, EDOM for lines, cores and
 * operations that cannot be, and EPROTO if updates were lost where none may be.
 */
int urpc_share(enum urpc_sharing way, const int *cores, int count, unsigned lines, size_t operations,
               uint64_t pause_ns, bool chained, struct urpc_shared *shared,
               const struct urpc_patience *patience);

#endif
