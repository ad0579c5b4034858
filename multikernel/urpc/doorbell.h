/*
 * The doorbell: how a kernel sleeps until one of its many channels has something for it.
 *
 * It is an event count in shared memory of its own: one per receiving kernel, mapped by everyone who sends to
 * it. A sender makes a system call only while the receiver sleeps; while it runs or spins, ringing is one
 * load of a line that both cores hold a copy of.
 *
 * Usage, receiver:                                 Usage, sender:
 *
 *   ticket = urpc_doorbell_ticket(bell)              publish the message            (release store)
 *   look at every channel; anything? take it.        urpc_doorbell_notify(bell)     (fence, load, rarely a
 * wake) urpc_await(bell, ticket, watches, ...) look again
 *
 * The word
 *
 *   bit 0        ASLEEP: somebody may be in futex_wait
 *   bits 1..31   count: goes up with every ring
 *
 * A sleeper sets ASLEEP by compare-and-swap from its ticket, so it cannot set it if a ring came since; a
 * ringer clears it and moves the count in one step, so one ringer makes the system call and a sleeper that is
 * between setting the flag and futex_wait finds the word changed. Sleepers never clear the flag, since
 * another thread of the kernel may sleep behind it. Price: after a timeout, or a message that arrives in the
 * last nanoseconds, the next sender makes one needless system call. A sleeper that is killed costs the same,
 * and nothing more.
 *
 * No wake-up is lost
 *
 *   sleeper:  S1 ASLEEP := 1    S2 fence    S3 load of the line: still empty?    S4 futex_wait(word == S1's)
 *   sender:   M1 store of the line          M2 fence                             M3 load of ASLEEP
 *
 *   Both fences are seq_cst, so one comes first. If S2 does, M3 sees ASLEEP; the sender moves the word and
 * wakes. Then either the sleeper is in futex_wait and is woken, or has not called it yet and the kernel
 * compares the moved word and returns at once. If M2 comes first, S3 sees the message and nobody sleeps.
 *
 * Why the sender pays a fence, and not the sleeper a membarrier(2)
 *
 *   The fence makes the sender wait until its line is its own. Where it then waits for an answer that costs
 *   nothing: the line has to travel anyway, and round trips with and without are equal. In a one-way stream
 * it costs tens to hundreds of nanoseconds a message; publish several messages, then notify once, and they
 * share it. With membarrier(GLOBAL_EXPEDITED) the sender needs only a compiler barrier, but every sleep
 * interrupts every core that runs a registered process: up to 12 us a sleep between two virtual cores
 * (bench/bench_urpc.py prints both prices), and on a large machine each idle kernel would disturb all others.
 * Kernels that share nothing must not share that. So: a fence, whose price only the sender of that message
 * pays.
 *
 * Untrusted words: a peer that scribbles here can keep us asleep until our timeout or make us look in vain.
 * It cannot do more.
 */
#ifndef URPC_DOORBELL_H
#define URPC_DOORBELL_H

#include "memory.h"
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URPC_DOORBELL_MAGIC UINT64_C(0x6c6c656263707275) /* "urpcbell", read as little-endian bytes */
enum { URPC_DOORBELL_VERSION = 1, URPC_DOORBELL_SIZE = 4096 };
enum { URPC_ASLEEP = 1, URPC_RING = 2 };

/* Two lines apart, because cores prefetch lines in pairs. */
enum { URPC_APART = 128 };

struct urpc_doorbell_memory {
    struct urpc_memory_header
        header; /* parameter: spin budget in ns, for those who attach without naming one */
    alignas(URPC_APART) _Atomic uint32_t
        word; /* written by the sleeper (sets ASLEEP) and by ringers; read by all */
    _Atomic uint32_t
        rung; /* set by urpc_doorbell_ring, taken back by the wait that it ends; relaxed: word orders */
};
_Static_assert(offsetof(struct urpc_doorbell_memory, word) == URPC_APART, "the word has its own line");
_Static_assert(sizeof(struct urpc_doorbell_memory) <= URPC_DOORBELL_SIZE, "a doorbell is one page");

/* One process's view of a doorbell. */
struct urpc_doorbell {
    struct urpc_doorbell_memory *memory;
    uint64_t spin_ns; /* how long its owner spins before it sleeps; 0 where kernels share a core */
};

size_t urpc_doorbell_size(uint32_t spin_ns);

/* What to pass to urpc_await: read before looking at the channels, so that any later ring ends the wait. */
static inline uint32_t urpc_doorbell_ticket(const struct urpc_doorbell *bell)
{
    return atomic_load_explicit(&bell->memory->word, memory_order_acquire) & ~(uint32_t)URPC_ASLEEP;
}

static inline bool urpc_doorbell_moved(const struct urpc_doorbell *bell, uint32_t ticket)
{
    return urpc_doorbell_ticket(bell) != ticket;
}

/* Wake the sleepers: the flag has been seen. */
void urpc_doorbell_wake(const struct urpc_doorbell *bell);

/* After a store that the receiver should see: wake it if it sleeps. */
static inline void urpc_doorbell_notify(const struct urpc_doorbell *bell)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&bell->memory->word, memory_order_relaxed) & URPC_ASLEEP) {
        urpc_doorbell_wake(bell);
    }
}

/* Ring by hand: end the receiver's present wait, or its next one if it does not wait now. */
void urpc_doorbell_ring(const struct urpc_doorbell *bell);

/* Was it rung by hand since this was last asked? */
static inline bool urpc_doorbell_answer(const struct urpc_doorbell *bell)
{
    return atomic_load_explicit(&bell->memory->rung, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&bell->memory->rung, 0, memory_order_acquire) != 0;
}

/* End all present waits of this kernel, without leaving a mark: the next wait waits. */
void urpc_doorbell_move(const struct urpc_doorbell *bell);

#endif
