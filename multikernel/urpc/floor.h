/*
 * The floors: what the hardware and the operating system take, with no channel in between.
 *
 * Two threads, each pinned to its core, pass two words in two cache lines to and fro, spinning, or blocked in
 * a futex; and the two prices that the ordering of a doorbell's sender could have (doorbell.h says which one
 * it has).
 *
 * All results are picoseconds.
 */
#ifndef URPC_FLOOR_H
#define URPC_FLOOR_H

#include "wait.h"

/*
 * Round trips between two pinned threads. Bare: `samples` means of URPC_FLOOR_BATCH each. Futex: `samples`
 * single ones in which both threads really slept. Returns 0 or an errno: EINVAL if a core cannot be had,
 * ETIMEDOUT, EINTR if patience gave up.
 */
enum { URPC_FLOOR_BATCH = 32 };
int urpc_floor_bare(int core_a, int core_b, size_t samples, uint64_t *ps,
                    const struct urpc_patience *patience);
int urpc_floor_futex(int core_a, int core_b, size_t samples, uint64_t *ps,
                     const struct urpc_patience *patience);

struct urpc_ordering {
    uint64_t plain_ps; /* one message in a stream whose sender has no fence */
    uint64_t fence_ps; /* one in a stream whose sender has one a message */
    uint64_t
        membarrier_ps; /* one membarrier(GLOBAL_EXPEDITED) while the other core runs; 0 if there is none */
};
int urpc_floor_ordering(int core_a, int core_b, size_t count, struct urpc_ordering *ordering,
                        const struct urpc_patience *patience);

#endif
