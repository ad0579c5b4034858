#define _GNU_SOURCE
#include "clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { CALIBRATION_NS = 2000000 };

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
    watch->start_ns = urpc_clock_ns(CLOCK_MONOTONIC_RAW);
    watch->start_ticks = urpc_ticks(watch);
}

double urpc_stopwatch_scale(const struct urpc_stopwatch *watch)
{
    if (!watch->counter) {
        return 1000.0; /* ticks are nanoseconds */
    }
    uint64_t ns, ticks;
    do {
        ns = urpc_clock_ns(CLOCK_MONOTONIC_RAW) - watch->start_ns;
        ticks = urpc_ticks(watch) - watch->start_ticks;
    } while (ns < CALIBRATION_NS);
    return (double)ns * 1000.0 / (double)ticks;
}
