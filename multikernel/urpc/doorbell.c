#define _GNU_SOURCE
#include "doorbell.h"

#include "calls.h"
#include "clock.h"
#include "futex.h"
#include <limits.h>
#include <sched.h>

struct urpc_layout urpc_doorbell_layout(uint32_t spin_ns, size_t grain)
{
    (void)spin_ns; /* every budget is in range */
    (void)grain;   /* there is no second half */
    return (struct urpc_layout){URPC_DOORBELL_SIZE, URPC_DOORBELL_SIZE};
}

/* Whoever the flags stand for, which this ringer has cleared. */
static void call(const struct urpc_doorbell *bell, uint32_t flags)
{
    if (flags & URPC_ASLEEP) {
        urpc_futex_wake(&bell->memory->word, INT_MAX);
    }
    if (flags & URPC_POLLED) {
        urpc_call(bell->caller, atomic_load_explicit(&bell->memory->address, memory_order_acquire));
    }
}

void urpc_doorbell_wake(const struct urpc_doorbell *bell)
{
    _Atomic uint32_t *word = &bell->memory->word;
    atomic_store_explicit(&bell->memory->waker, (uint32_t)sched_getcpu(), memory_order_relaxed);
    atomic_store_explicit(&bell->memory->woken_at, urpc_now(), memory_order_relaxed);
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (seen & URPC_FLAGS) {
        if (atomic_compare_exchange_weak_explicit(word, &seen, (seen & ~(uint32_t)URPC_FLAGS) + URPC_RING,
                                                  memory_order_release, memory_order_relaxed)) {
            call(bell, seen);
            return;
        }
    } /* else another ringer was faster, and makes the calls */
}

void urpc_doorbell_move(const struct urpc_doorbell *bell)
{
    _Atomic uint32_t *word = &bell->memory->word;
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(word, &seen, (seen & ~(uint32_t)URPC_FLAGS) + URPC_RING,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    call(bell, seen);
}

void urpc_doorbell_ring(const struct urpc_doorbell *bell)
{
    atomic_store_explicit(&bell->memory->rung, 1, memory_order_relaxed);
    urpc_doorbell_move(bell);
}

void urpc_doorbell_mark(const struct urpc_doorbell *bell, uint32_t slot)
{
    uint32_t index = (slot - 1) % URPC_SLOTS;
    uint64_t group = UINT64_C(1) << index % URPC_GROUPS;
    uint64_t bit = UINT64_C(1) << index / URPC_GROUPS;
    _Atomic uint64_t *marks = &bell->memory->marks[index % URPC_GROUPS].slots;
    _Atomic uint64_t *groups = &bell->memory->groups;
    if (atomic_load_explicit(marks, memory_order_relaxed) & bit) {
        return; /* M4, ordered by the caller's fence */
    }
    atomic_fetch_or_explicit(marks, bit, memory_order_seq_cst);
    if ((atomic_load_explicit(groups, memory_order_seq_cst) & group) == 0) {
        atomic_fetch_or_explicit(groups, group, memory_order_seq_cst);
    }
}
