#define _GNU_SOURCE
#include "wait.h"

#include "clock.h"
#include "futex.h"

enum {
    LOOKS_A_CLOCK = 32, /* turns between two looks at the clock, which costs as much as several turns */
    ASK_NS = 5000000,   /* a spinning waiter asks this often whether to go on */
    /* A sleeper asks when a signal interrupts it, and this often besides: a signal that comes just before the
     * futex call interrupts nothing. Ten microseconds a second, so that no Ctrl-C is ever lost. */
    NAP_NS = 1000000000,
};

static bool fired(const struct urpc_watch *watches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(watches[i].header, memory_order_acquire) != watches[i].header_seen ||
            atomic_load_explicit(watches[i].status, memory_order_acquire) != watches[i].status_seen) {
            return true;
        }
    }
    return false;
}

bool urpc_spin(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_watch *watches,
               size_t count, uint64_t until)
{
    do {
        for (int look = 0; look < LOOKS_A_CLOCK; look++) {
            if (fired(watches, count) || urpc_doorbell_moved(bell, ticket)) {
                return true;
            }
            urpc_relax();
        }
    } while (urpc_now() < until);
    return false;
}

static bool give_up(const struct urpc_patience *patience)
{
    return patience->interrupted != NULL && patience->interrupted(patience->context);
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

enum urpc_woken urpc_await(const struct urpc_doorbell *bell, uint32_t ticket,
                           const struct urpc_watch *watches, size_t count,
                           const struct urpc_patience *patience)
{
    uint64_t now = urpc_now();
    if (now >= patience->deadline) {
        return URPC_EXPIRED; /* even if a watch fires for ever, as a hostile peer's may */
    }
    uint64_t spin_until = earlier(now + bell->spin_ns, patience->deadline);
    while (now < spin_until) {
        if (urpc_spin(bell, ticket, watches, count, earlier(spin_until, now + ASK_NS))) {
            return URPC_WOKEN;
        }
        now = urpc_now();
        if (now < spin_until && give_up(patience)) {
            return URPC_INTERRUPTED;
        }
    }
    _Atomic uint32_t *word = &bell->memory->word;
    for (;;) {
        uint32_t asleep = ticket | URPC_ASLEEP;
        uint32_t seen = ticket;
        if (!atomic_compare_exchange_strong_explicit(word, &seen, asleep, memory_order_seq_cst,
                                                     memory_order_seq_cst) &&
            seen != asleep) {
            return URPC_WOKEN; /* rung since the ticket was taken */
        }
        atomic_thread_fence(memory_order_seq_cst); /* S2 of doorbell.h */
        if (fired(watches, count)) {
            return URPC_WOKEN;
        }
        uint64_t until = patience->deadline;
        if (patience->interrupted != NULL) {
            until = earlier(until, urpc_now() + NAP_NS);
        }
        int error = urpc_futex_wait(word, asleep, until);
        if (error == ETIMEDOUT && until == patience->deadline) {
            return fired(watches, count) ? URPC_WOKEN : URPC_EXPIRED;
        }
        if (error != ETIMEDOUT && error != EINTR) {
            return URPC_WOKEN;
        }
        if (give_up(patience)) {
            return URPC_INTERRUPTED;
        }
    }
}
