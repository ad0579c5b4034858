#define _GNU_SOURCE
#include "wait.h"

#include "clock.h"
#include "futex.h"
#include "pace.h"
#include <poll.h>
#include <sched.h>

enum {
    LOOKS_A_CLOCK = 32, /* turns between two looks at the clock, which costs as much as several turns */
    ASK_NS = 5000000,   /* a spinning waiter asks this often whether to go on */
    /* A sleeper asks when a signal interrupts it, and this often besides: a signal that comes just before the
     * system call interrupts nothing. Ten microseconds a second, so that no Ctrl-C is ever lost. */
    NAP_NS = 1000000000,
    /* A spin that took so much longer than it was meant to was interrupted by somebody who wanted this core. */
    DISTURBED_NS = 20000,
};

static bool fired(const struct urpc_doorbell *bell, const struct urpc_sources *sources)
{
    if (sources->marked && urpc_doorbell_marked(bell)) {
        return true;
    }
    const struct urpc_watch *watches = sources->watches;
    for (size_t i = 0; i < sources->count; i++) {
        if (atomic_load_explicit(watches[i].header, memory_order_acquire) != watches[i].header_seen ||
            atomic_load_explicit(watches[i].status, memory_order_acquire) != watches[i].status_seen) {
            return true;
        }
    }
    return false;
}

bool urpc_spin(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_sources *sources,
               uint64_t until)
{
    do {
        for (int look = 0; look < LOOKS_A_CLOCK; look++) {
            if (fired(bell, sources) || urpc_doorbell_moved(bell, ticket)) {
                return true;
            }
            urpc_relax();
        }
    } while (urpc_now() < until);
    return false;
}

bool urpc_spins(const struct urpc_doorbell *bell)
{
    return bell->pace != NULL ? urpc_pace_spins(bell->pace) : bell->spin_ns > 0;
}

static bool give_up(const struct urpc_patience *patience)
{
    return patience->interrupted != NULL && patience->interrupted(patience->context);
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* S1 and S2: set a flag of the word, unless it was rung since the ticket was taken. The word as it was left. */
static bool set_flag(const struct urpc_doorbell *bell, uint32_t ticket, uint32_t flag, uint32_t *asleep)
{
    uint32_t seen = ticket;
    do {
        if ((seen & ~(uint32_t)URPC_FLAGS) != ticket) {
            return false;
        }
        *asleep = seen | flag;
    } while (!atomic_compare_exchange_weak_explicit(&bell->memory->word, &seen, *asleep, memory_order_seq_cst,
                                                    memory_order_seq_cst));
    atomic_thread_fence(memory_order_seq_cst);
    return true;
}

bool urpc_arm(const struct urpc_doorbell *bell, uint32_t ticket, const struct urpc_sources *sources)
{
    uint32_t asleep;
    return set_flag(bell, ticket, URPC_POLLED, &asleep) && !fired(bell, sources);
}

/* Wait in poll(2): 0 when something is readable, else an errno as urpc_futex_wait has them. */
static int poll_until(int descriptors, uint64_t deadline)
{
    uint64_t now = urpc_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    struct timespec limit = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
    struct pollfd poll = {.fd = descriptors, .events = POLLIN};
    int got = ppoll(&poll, 1, deadline == URPC_FOREVER ? NULL : &limit, NULL);
    return got > 0 ? 0 : got == 0 ? ETIMEDOUT : errno;
}

static enum urpc_woken block(const struct urpc_doorbell *bell, uint32_t ticket,
                             const struct urpc_sources *sources, const struct urpc_patience *patience)
{
    bool polls = sources->descriptors >= 0;
    for (;;) {
        uint32_t asleep;
        if (!set_flag(bell, ticket, polls ? URPC_POLLED : URPC_ASLEEP, &asleep) || fired(bell, sources)) {
            return URPC_WOKEN;
        }
        uint64_t until = patience->deadline;
        if (patience->interrupted != NULL || sources->marked) {
            until = earlier(until, urpc_now() + NAP_NS);
        }
        int error = polls ? poll_until(sources->descriptors, until)
                          : urpc_futex_wait(&bell->memory->word, asleep, until);
        if (error == ETIMEDOUT && until == patience->deadline) {
            return fired(bell, sources) ? URPC_WOKEN : URPC_EXPIRED;
        }
        if (error != ETIMEDOUT && error != EINTR) {
            return URPC_WOKEN;
        }
        if (give_up(patience)) {
            return URPC_INTERRUPTED;
        }
        if (error == ETIMEDOUT && sources->marked) {
            return URPC_WOKEN; /* so that everything is looked at once in a while */
        }
    }
}

enum urpc_woken urpc_await_any(const struct urpc_doorbell *bell, uint32_t ticket,
                               const struct urpc_sources *sources, const struct urpc_patience *patience)
{
    uint64_t start = urpc_now();
    if (start >= patience->deadline) {
        return URPC_EXPIRED; /* even if a watch fires for ever, as a hostile peer's may */
    }
    struct urpc_pace *pace = bell->pace;
    struct urpc_wait_seen seen = {.spun = pace != NULL ? urpc_pace_begin(pace) : bell->spin_ns};
    uint64_t spin_until = earlier(start + seen.spun, patience->deadline);
    uint64_t now = start;
    while (now < spin_until && !seen.in_spin) {
        seen.in_spin = urpc_spin(bell, ticket, sources, earlier(spin_until, now + ASK_NS));
        if (seen.in_spin && pace == NULL) {
            return URPC_WOKEN;
        }
        now = urpc_now();
        if (!seen.in_spin && now < spin_until && give_up(patience)) {
            return URPC_INTERRUPTED;
        }
    }
    if (pace == NULL) {
        return block(bell, ticket, sources, patience);
    }
    seen.shared = seen.spun > 0 && now > spin_until + DISTURBED_NS;
    enum urpc_woken woken = URPC_WOKEN;
    if (!seen.in_spin) {
        int core = sched_getcpu();
        woken = block(bell, ticket, sources, patience);
        now = urpc_now();
        seen.shared |= woken == URPC_WOKEN && core >= 0 &&
                       atomic_load_explicit(&bell->memory->waker, memory_order_relaxed) == (uint32_t)core;
    }
    seen.waited = now - start;
    seen.came = (seen.in_spin ? now : urpc_doorbell_came(bell, start, now)) - start;
    if (woken == URPC_WOKEN || seen.waited > URPC_SPIN_MOST) {
        urpc_pace_end(pace, &seen);
    }
    return woken;
}

enum urpc_woken urpc_await(const struct urpc_doorbell *bell, uint32_t ticket,
                           const struct urpc_watch *watches, size_t count,
                           const struct urpc_patience *patience)
{
    const struct urpc_sources sources = {.watches = watches, .count = count, .descriptors = -1};
    return urpc_await_any(bell, ticket, &sources, patience);
}
