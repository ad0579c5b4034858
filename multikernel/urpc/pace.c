#include "pace.h"

enum {
    ALL = 256,         /* a share of one */
    FAIR = ALL / 4,    /* so many short waits pay for the long ones between them */
    WEIGHT = 8,        /* of the past, beside one wait */
    SPIN_LEAST = 1000, /* ns; below that the readings of the clock are most of it */
};

static uint32_t get(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Move an average towards a value, by at least 1 so that it gets there. */
static uint32_t towards(uint32_t average, uint32_t value)
{
    return value > average ? average + (value - average + WEIGHT - 1) / WEIGHT
                           : average - (average - value + WEIGHT - 1) / WEIGHT;
}

static void try_from_now(struct urpc_pace *pace)
{
    set(&pace->trying, 0);
    set(&pace->untried, URPC_FIRST_TRY);
    set(&pace->interval, 2 * URPC_FIRST_TRY);
}

void urpc_pace_init(struct urpc_pace *pace, bool one_core)
{
    *pace = (struct urpc_pace){.most = one_core ? 0 : URPC_SPIN_MOST};
    set(&pace->budget, one_core ? 0 : URPC_SPIN_FIRST);
    set(&pace->share, ALL);
    set(&pace->typical, URPC_SPIN_FIRST / 2);
    try_from_now(pace);
}

/* What to spin where spinning does not seem to pay: nothing, but for a try once in a while. */
static uint64_t try_or_not(struct urpc_pace *pace)
{
    uint32_t trying = get(&pace->trying);
    if (trying > 0) {
        set(&pace->trying, trying - 1);
        return URPC_TRY_NS;
    }
    uint32_t untried = get(&pace->untried);
    if (untried > 0) {
        set(&pace->untried, untried - 1);
        return 0;
    }
    uint32_t interval = get(&pace->interval);
    set(&pace->untried, interval);
    set(&pace->interval, 2 * interval < URPC_MOST_UNTRIED ? 2 * interval : URPC_MOST_UNTRIED);
    set(&pace->trying, URPC_TRY_WAITS - 1);
    return URPC_TRY_NS;
}

uint64_t urpc_pace_begin(struct urpc_pace *pace)
{
    uint32_t suspended = get(&pace->suspended);
    if (suspended > 0) {
        set(&pace->suspended, suspended - 1);
        return 0;
    }
    uint32_t budget = get(&pace->budget);
    return budget > 0 || pace->most == 0 ? budget : try_or_not(pace);
}

void urpc_pace_end(struct urpc_pace *pace, const struct urpc_wait_seen *seen)
{
    bool is_short = seen->came <= URPC_SPIN_MOST;
    uint32_t share = towards(get(&pace->share), is_short ? ALL : 0);
    uint32_t typical = get(&pace->typical);
    if (is_short) {
        typical = towards(typical, (uint32_t)seen->came);
    }
    uint32_t budget = share < FAIR ? 0 : 2 * typical + SPIN_LEAST;
    budget = budget < pace->most ? budget : pace->most;
    set(&pace->share, share);
    set(&pace->typical, typical);
    set(&pace->budget, budget);
    if (budget > 0) {
        try_from_now(pace);
    }
    if (seen->spun == 0) {
        return;
    }
    uint32_t penalty = get(&pace->penalty);
    if (seen->shared || (!seen->in_spin && seen->waited <= URPC_SPIN_MOST)) {
        penalty = 2 * penalty + 1 < URPC_MOST_SUSPENDED ? 2 * penalty + 1 : URPC_MOST_SUSPENDED;
        set(&pace->suspended, penalty);
        set(&pace->trying, 0);
    } else if (seen->in_spin) {
        penalty /= 2;
    }
    set(&pace->penalty, penalty);
}
