#define _GNU_SOURCE
#include "doorbell.h"

#include "futex.h"
#include <limits.h>

size_t urpc_doorbell_size(uint32_t spin_ns)
{
    (void)spin_ns; /* every budget is in range */
    return URPC_DOORBELL_SIZE;
}

void urpc_doorbell_wake(const struct urpc_doorbell *bell)
{
    _Atomic uint32_t *word = &bell->memory->word;
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (seen & URPC_ASLEEP) {
        if (atomic_compare_exchange_weak_explicit(word, &seen, (seen + URPC_RING) & ~(uint32_t)URPC_ASLEEP,
                                                  memory_order_release, memory_order_relaxed)) {
            urpc_futex_wake(word, INT_MAX);
            return;
        }
    } /* else another ringer was faster, and makes the call */
}

void urpc_doorbell_move(const struct urpc_doorbell *bell)
{
    _Atomic uint32_t *word = &bell->memory->word;
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(word, &seen, (seen + URPC_RING) & ~(uint32_t)URPC_ASLEEP,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    if (seen & URPC_ASLEEP) {
        urpc_futex_wake(word, INT_MAX);
    }
}

void urpc_doorbell_ring(const struct urpc_doorbell *bell)
{
    atomic_store_explicit(&bell->memory->rung, 1, memory_order_relaxed);
    urpc_doorbell_move(bell);
}
