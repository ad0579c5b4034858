#define _GNU_SOURCE
#include "clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { CALIBRATION_NS = 2000000, MEMORY_NS = 1000000000 };

/* Where this thread's stopwatches take their rate from: the first of the last second. */
static _Thread_local struct {
    uint64_t ticks, ns;
} origin;

static bool invariant_counter(void)
{
#if defined(__x86_64__)
    /* CPUID 0x80000007 EDX bit 8: invariant TSC. */
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8) != 0;
#else
    return false;
#endif
}

void urpc_stopwatch_start(struct urpc_stopwatch *watch)
{
    watch->counter = invariant_counter();
    uint64_t now = urpc_clock_ns(CLOCK_MONOTONIC_RAW);
    watch->start_ticks = urpc_ticks(watch);
    if (origin.ns == 0 || now - origin.ns > MEMORY_NS) {
        origin.ns = now;
        origin.ticks = watch->start_ticks;
    }
    watch->origin_ns = origin.ns;
    watch->origin_ticks = origin.ticks;
}

double urpc_stopwatch_scale(const struct urpc_stopwatch *watch)
{
    if (!watch->counter) {
        return 1000.0; /* ticks are nanoseconds */
    }
    uint64_t ns, ticks;
    do {
        ns = urpc_clock_ns(CLOCK_MONOTONIC_RAW) - watch->origin_ns;
        ticks = urpc_ticks(watch) - watch->origin_ticks;
    } while (ns < CALIBRATION_NS);
    return (double)ns * 1000.0 / (double)ticks;
}
