/*
 * Time. Deadlines are CLOCK_MONOTONIC nanoseconds, as futexes take them. Stopwatches read the time-stamp
 * counter where it is invariant (it then counts at one rate in every power state), else CLOCK_MONOTONIC_RAW.
 *
 * A stopwatch calibrates itself against CLOCK_MONOTONIC_RAW, over the time since its thread's first of the
 * last second, and no less than 2 ms: reading both clocks is good to some 50 ns, so the rate is good to 25
 * parts in a million. Only a thread's first stopwatch waits for those 2 ms: where the second is over, the moment
 * before the last serves until the new one is old enough. What is ten seconds old is forgotten: a virtual machine
 * that is moved gets another rate.
 */
#ifndef URPC_CLOCK_H
#define URPC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define URPC_FOREVER UINT64_MAX

static inline uint64_t urpc_clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static inline uint64_t urpc_now(void)
{
    return urpc_clock_ns(CLOCK_MONOTONIC);
}

struct urpc_stopwatch {
    bool counter; /* ticks are of the time-stamp counter */
    uint64_t start_ticks;
    uint64_t origin_ticks; /* what the rate is taken from */
    uint64_t origin_ns;
};

void urpc_stopwatch_start(struct urpc_stopwatch *watch);

/* Picoseconds a tick, as a factor. Busy-waits until its 2 ms are over, if they are not. */
double urpc_stopwatch_scale(const struct urpc_stopwatch *watch);

/* Wait for those 2 ms now, so that this thread's measurements of the next seconds do not. */
void urpc_stopwatch_calibrate(void);

/*
 * Now, in ticks. What the program did before has been done when the clock is read, and what comes after has
 * not begun: without that, a load that misses is still under way when its time is taken.
 */
static inline uint64_t urpc_ticks(const struct urpc_stopwatch *watch)
{
#if defined(__x86_64__)
    if (watch->counter) {
        __builtin_ia32_lfence();
        uint64_t ticks = __builtin_ia32_rdtsc();
        __builtin_ia32_lfence();
        return ticks;
    }
#else
    (void)watch;
#endif
    return urpc_clock_ns(CLOCK_MONOTONIC_RAW);
}

/* One turn of a spin loop: tells the core that it waits, so that a sibling thread gets the execution units.
 */
static inline void urpc_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
