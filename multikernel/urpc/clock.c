#define _GNU_SOURCE
#include "clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { CALIBRATION_NS = 2000000 };
#define RENEWED_NS UINT64_C(1000000000)
#define FORGOTTEN_NS UINT64_C(10000000000)

/* Where this thread's stopwatches take their rate from: a moment of the last second, and the one before that,
 * which serves while the newer is too young. */
static _Thread_local struct {
    uint64_t ticks, ns; /* 0: none */
} newer, older;

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
    if (newer.ns == 0 || now - newer.ns > RENEWED_NS) {
        older = newer;
        newer.ns = now;
        newer.ticks = watch->start_ticks;
    }
    bool young = now - newer.ns < CALIBRATION_NS;
    bool known = older.ns != 0 && now - older.ns < FORGOTTEN_NS;
    watch->origin_ns = young && known ? older.ns : newer.ns;
    watch->origin_ticks = young && known ? older.ticks : newer.ticks;
}

void urpc_stopwatch_calibrate(void)
{
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    urpc_stopwatch_scale(&watch);
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
