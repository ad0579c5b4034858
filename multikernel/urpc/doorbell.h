/*
 * The doorbell: how a kernel sleeps until one of its many channels has something for it, and learns which.
 *
 * It is an event count and a map of marks, in shared memory of its own: one per receiving kernel, mapped by
 * everyone who sends to it. A sender makes a system call only while the receiver sleeps; while it runs or
 * spins, ringing is one load of a line that both cores hold a copy of.
 *
 * Usage, receiver:                                 Usage, sender:
 *
 *   ticket = urpc_doorbell_ticket(bell)              publish the message            (release store)
 *   look at the channels; anything? take it.         urpc_notify(channel)           (fence, loads, rarely
 *   urpc_await(bell, ticket, watches, ...)                                          marks, rarely a wake)
 *   look again
 *
 * The word
 *
 *   bit 0        ASLEEP: somebody may be in futex_wait
 *   bit 1        POLLED: somebody may be in poll(2), or an event loop is (calls.h)
 *   bits 2..31   count: goes up with every ring
 *
 * A sleeper sets its flag by compare-and-swap from its ticket, so it cannot set it if a ring came since; a
 * ringer clears both and moves the count in one step, so one ringer makes the system calls and a sleeper that
 * is between setting the flag and futex_wait finds the word changed (one that is on its way into poll finds
 * the datagram). Sleepers never clear the flag, since another thread of the kernel may sleep behind it. Price:
 * after a timeout, or a message that arrives in the last nanoseconds, the next sender makes one needless
 * system call. A sleeper that is killed costs the same, and nothing more.
 *
 * No wake-up is lost
 *
 *   sleeper:  S1 ASLEEP := 1    S2 fence    S3 load of the line: still empty?    S4 futex_wait(word == S1's)
 *   sender:   M1 store of the line          M2 fence                             M3 load of ASLEEP
 *
 *   Both fences are seq_cst, so one comes first. If S2 does, M3 sees ASLEEP; the sender moves the word and
 *   wakes. Then either the sleeper is in futex_wait and is woken, or has not called it yet and the kernel
 *   compares the moved word and returns at once. If M2 comes first, S3 sees the message and nobody sleeps.
 *
 * Marks: which of a thousand channels
 *
 *   A receiver of few channels looks at each. One of many gives each a *slot* (waitset.h), and writes its
 *   number beside the `status` that the sender reads anyway; the sender then marks it, and the receiver looks
 *   at marked channels only. Two levels, so that looking costs what is marked: a bit for each slot, in words
 *   on cache lines of their own, and one word with a bit for each of those 64. Consecutive slots lie in
 *   different words, so that up to 64 senders never write each other's line, but for the upper word.
 *
 *   sender:    M1 store of the line    M2 fence    M4 slot's bit set? then done    M5 bit |= (M6 group |=)
 *              M3 load of ASLEEP
 *   receiver:  R1 groups := 0, of each that was set    R2 bits := 0    R3 fence    R4 look at their lines
 *   sleeper:   S1 ASLEEP := 1    S2 fence    S3 load of groups: still none?    S4
 *
 *   A bit is cleared before the line is read, never after. All of M5, M6, R1, R2, S1 are seq_cst
 *   read-modify-writes, M3 and the load before M6 seq_cst loads: they stand in one total order.
 *   - A message behind a bit that is set already (M4) is not missed: the R2 that clears what M4 read comes
 *     after M4 in the modification order, so fence M2 comes before fence R3, and R4 sees M1. This is why
 *     streams pay no read-modify-write, and why M2 must precede M4.
 *   - A bit is not missed: M5 precedes M6 and R1 precedes R2. If R2 did not see M5, then R1, which precedes
 *     R2, precedes M6, and the group stands set for the next R1. So M6 may be left out where the group is
 *     seen to be set.
 *   - A sleeper does not sleep on a mark: if S3 did not see M6, then S1 precedes M3, which sees ASLEEP. This
 *     holds for the group that another sender has set, too: M3 follows whoever set it. (The sender that set
 *     it might be killed before its own M3.) A bit that stands (M4) has its sender's own M6 and M3 behind it.
 *   - A slot that is given while the sender sends: the receiver stores it, fences, and looks at the line; the
 *     sender stores the line, fences, and loads the slot. One of them sees the other's.
 *
 *   On x86-64 the read-modify-writes are full barriers and the loads plain ones. On AArch64 seq_cst ones are
 *   LDAXR/STLXR or LSE ...AL and LDAR, which keep the order among themselves; M2 and R3 are DMB ISH.
 *   Price: the first message after the receiver has looked moves two lines more, and pays two
 *   read-modify-writes; further ones a load of a line that is the sender's own. Where the receiver has no
 *   marks, the slot is 0, and all it costs is one load of a line that has just been read.
 *
 * Why the sender pays a fence, and not the sleeper a membarrier(2)
 *
 *   The fence makes the sender wait until its line is its own. Where it then waits for an answer that costs
 *   nothing: the line has to travel anyway, and round trips with and without are equal. In a one-way stream
 *   it costs tens to hundreds of nanoseconds a message; publish several messages, then notify once, and they
 *   share it. With membarrier(GLOBAL_EXPEDITED) the sender needs only a compiler barrier, but every sleep
 *   interrupts every core that runs a registered process: up to 12 us a sleep between two virtual cores
 *   (bench/bench_urpc.py prints both prices), and on a large machine each idle kernel would disturb all
 *   others. Kernels that share nothing must not share that. So: a fence, whose price only the sender of that
 *   message pays.
 *
 * Untrusted words. Everyone who sends to a kernel can write all of its doorbell. Who scribbles here can make
 * us look in vain, and keep us asleep or a mark from us: until our timeout, or for a second, since sleepers
 * wake that often by themselves and a wait set then looks at everything (waitset.h). No message is lost by
 * it, nothing here is an index into our memory that is not masked, and who scribbles cannot do more.
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
enum { URPC_DOORBELL_VERSION = 3, URPC_DOORBELL_SIZE = 8192 };
enum { URPC_ASLEEP = 1, URPC_POLLED = 2, URPC_FLAGS = URPC_ASLEEP | URPC_POLLED, URPC_RING = 4 };
enum { URPC_GROUPS = 64, URPC_SLOTS = URPC_GROUPS * 64 };

/* Two lines apart, because cores prefetch lines in pairs. */
enum { URPC_APART = 128 };

/* The marks of a group of slots: those whose number, modulo URPC_GROUPS, is the group's. */
struct urpc_marks {
    alignas(64) _Atomic uint64_t slots; /* set by senders, taken by the receiver; seq_cst */
};

struct urpc_doorbell_memory {
    struct urpc_memory_header
        header; /* parameter: spin budget in ns, for those who attach without naming one */
    alignas(URPC_APART) _Atomic uint32_t
        word; /* written by the sleeper (sets its flag) and by ringers; read by all */
    _Atomic uint32_t
        rung; /* set by urpc_doorbell_ring, taken back by the wait that it ends; relaxed: word orders */
    _Atomic uint32_t waker;    /* core of the last ringer, a hint for pace.h; relaxed: word orders */
    _Atomic uint32_t marker;   /* process whose wait set takes the marks, 0: none. Written and read by
                                  processes of the owner; relaxed, since it decides only who may begin */
    _Atomic uint64_t address;  /* where calls go (calls.h), 0: nowhere. Written by the owner, release */
    _Atomic uint64_t woken_at; /* when the last ringer woke somebody, CLOCK_MONOTONIC ns: a hint like waker */
    alignas(URPC_APART) _Atomic uint64_t
        groups; /* bit g: there may be marks in marks[g]. Set by senders, taken by the receiver; seq_cst */
    alignas(4096) struct urpc_marks marks[URPC_GROUPS];
};
_Static_assert(offsetof(struct urpc_doorbell_memory, word) == URPC_APART, "the word has its own line");
_Static_assert(sizeof(struct urpc_doorbell_memory) == URPC_DOORBELL_SIZE, "a doorbell is two pages");

struct urpc_pace;
struct urpc_caller;

/* One process's view of a doorbell. */
struct urpc_doorbell {
    struct urpc_doorbell_memory *memory;
    uint64_t spin_ns;           /* how long its owner spins before it sleeps; 0 where kernels share a core */
    struct urpc_pace *pace;     /* or NULL; what is learnt of that (pace.h), and then goes for spin_ns */
    struct urpc_caller *caller; /* to ring an owner who polls (calls.h); NULL: he finds out by himself */
};

struct urpc_layout urpc_doorbell_layout(uint32_t spin_ns, size_t grain);

/* What to pass to urpc_await: read before looking at the channels, so that any later ring ends the wait. */
static inline uint32_t urpc_doorbell_ticket(const struct urpc_doorbell *bell)
{
    return atomic_load_explicit(&bell->memory->word, memory_order_acquire) & ~(uint32_t)URPC_FLAGS;
}

static inline bool urpc_doorbell_moved(const struct urpc_doorbell *bell, uint32_t ticket)
{
    return urpc_doorbell_ticket(bell) != ticket;
}

/* When what ended a wait came: as the ringer wrote it down, if that is between the two, else the later. */
static inline uint64_t urpc_doorbell_came(const struct urpc_doorbell *bell, uint64_t began, uint64_t ended)
{
    uint64_t at = atomic_load_explicit(&bell->memory->woken_at, memory_order_relaxed);
    return at >= began && at <= ended ? at : ended;
}

/* Wake the sleepers: the flag has been seen. */
void urpc_doorbell_wake(const struct urpc_doorbell *bell);

/* M4 to M6: mark a slot, 1 to URPC_SLOTS as the receiver gave it; a number out of range marks another of its
 * slots. */
void urpc_doorbell_mark(const struct urpc_doorbell *bell, uint32_t slot);

/* M3: wake the receiver if it sleeps. After a fence. */
static inline void urpc_doorbell_rouse(const struct urpc_doorbell *bell)
{
    if (atomic_load_explicit(&bell->memory->word, memory_order_seq_cst) & URPC_FLAGS) {
        urpc_doorbell_wake(bell);
    }
}

/* After a store that the receiver should see, where it watches that word itself: wake it if it sleeps. Channels
 * are notified by urpc_notify (channel.h), which marks them too. */
static inline void urpc_doorbell_notify(const struct urpc_doorbell *bell)
{
    atomic_thread_fence(memory_order_seq_cst);
    urpc_doorbell_rouse(bell);
}

/* R1: the groups that have marks, which the caller must look at now. */
static inline uint64_t urpc_doorbell_take_groups(const struct urpc_doorbell *bell)
{
    _Atomic uint64_t *groups = &bell->memory->groups;
    return atomic_load_explicit(groups, memory_order_acquire) == 0
               ? 0
               : atomic_exchange_explicit(groups, 0, memory_order_seq_cst);
}

/* R2: the marks of a group: bit b is slot 1 + b * URPC_GROUPS + group. Fence, then look at their channels. */
static inline uint64_t urpc_doorbell_take_marks(const struct urpc_doorbell *bell, unsigned group)
{
    return atomic_exchange_explicit(&bell->memory->marks[group].slots, 0, memory_order_seq_cst);
}

/* S3 of a sleeper with marks. */
static inline bool urpc_doorbell_marked(const struct urpc_doorbell *bell)
{
    return atomic_load_explicit(&bell->memory->groups, memory_order_acquire) != 0;
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
