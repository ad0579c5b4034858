#define _GNU_SOURCE
#include "floor.h"

#include "clock.h"
#include "futex.h"
#include "line.h"
#include "pinned.h"
#include <linux/membarrier.h>
#include <string.h>

enum { RING = 64, SLICE_NS = 500000000 };

/* What two threads share. Every word that one writes and the other polls has its line to itself, two lines
 * apart. */
struct run {
    alignas(
        URPC_APART) _Atomic uint32_t flags[2][URPC_APART / sizeof(uint32_t)]; /* flags[i][0]: written by i */
    alignas(URPC_APART) _Atomic uint64_t consumed;
    alignas(URPC_APART) struct urpc_line ring[RING];
    alignas(URPC_APART) struct urpc_crew crew;
    size_t count;
    uint64_t *ps;
    bool fence;
};

static bool stopped(struct run *run)
{
    return urpc_crew_stopped(&run->crew);
}

static void wake(void *work)
{
    struct run *run = work;
    for (int i = 0; i < 2; i++) {
        urpc_futex_wake(&run->flags[i][0], 1);
    }
}

typedef void part(void *work, int me);

static int perform(struct run *run, part *play, int core_a, int core_b, const struct urpc_patience *patience)
{
    const int cores[2] = {core_a, core_b};
    run->crew = (struct urpc_crew){.play = play, .release = wake, .work = run, .cores = cores, .count = 2};
    return urpc_crew_perform(&run->crew, patience);
}

/* Wait until the other's flag says `turn`: spinning without a pause, as the fastest polling there is. */
static void spin_for(struct run *run, int other, uint32_t turn)
{
    while (atomic_load_explicit(&run->flags[other][0], memory_order_acquire) != turn && !stopped(run)) {
    }
}

static void bare_turn(struct run *run, int me, uint32_t turn)
{
    if (me == 1) {
        spin_for(run, 0, turn);
    }
    atomic_store_explicit(&run->flags[me][0], turn, memory_order_release);
    if (me == 0) {
        spin_for(run, 1, turn);
    }
}

/* `count` means of a batch of turns, taken by the first thread. */
static void bare(void *work, int me)
{
    struct run *run = work;
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    uint32_t number = 0;
    for (size_t i = 0; i < run->count && !stopped(run); i++) {
        uint64_t start = urpc_ticks(&watch);
        for (int j = 0; j < URPC_FLOOR_BATCH; j++) {
            bare_turn(run, me, ++number);
        }
        if (me == 0) {
            run->ps[i] = urpc_ticks(&watch) - start;
        }
    }
    if (me == 0) {
        double scale = urpc_stopwatch_scale(&watch) / URPC_FLOOR_BATCH;
        for (size_t i = 0; i < run->count; i++) {
            run->ps[i] = (uint64_t)((double)run->ps[i] * scale);
        }
    }
}

/*
 * Blocked round trips. A thread that is still on its way to sleep when the answer comes does not sleep, and
 * two such threads can go on like that for ever, at a hundredth of the time. So a flag carries, beside the
 * number of the turn, whether its writer slept before it; only turns in which both did count, and after any
 * other the first thread pauses until the second must be asleep.
 */
enum { SLEPT = 1, TURN = 2, PAUSE_NS = 20000, PATIENCE = 50 };
static const uint32_t LAST = UINT32_MAX;

/* Wait until the other's flag is of `turn` or the last; true if this thread slept. */
static bool block_for(struct run *run, int other, uint32_t turn)
{
    _Atomic uint32_t *flag = &run->flags[other][0];
    bool slept = false;
    uint32_t seen;
    while ((seen = atomic_load_explicit(flag, memory_order_acquire)) / TURN != turn && seen != LAST &&
           !stopped(run)) {
        /* In slices, so that a stop that comes between the look and the sleep is noticed. */
        slept |= urpc_futex_wait(flag, seen, urpc_now() + SLICE_NS) == 0;
    }
    return slept;
}

static void pass(struct run *run, int me, uint32_t value)
{
    atomic_store_explicit(&run->flags[me][0], value, memory_order_release);
    urpc_futex_wake(&run->flags[me][0], 1);
}

static void futex(void *work, int me)
{
    struct run *run = work;
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    if (me == 1) {
        for (uint32_t turn = 1;; turn++) {
            bool slept = block_for(run, 0, turn);
            if (atomic_load(&run->flags[0][0]) == LAST || stopped(run)) {
                return;
            }
            pass(run, 1, turn * TURN | (slept ? SLEPT : 0));
        }
    }
    size_t kept = 0;
    for (uint32_t turn = 1; kept < run->count && turn / PATIENCE < run->count && !stopped(run); turn++) {
        uint64_t start = urpc_ticks(&watch);
        pass(run, 0, turn * TURN);
        bool slept = block_for(run, 1, turn);
        run->ps[kept] = urpc_ticks(&watch) - start;
        if (slept && (atomic_load(&run->flags[1][0]) & SLEPT)) {
            kept++;
        } else {
            for (uint64_t until = urpc_now() + PAUSE_NS; urpc_now() < until;) {
                urpc_relax();
            }
        }
    }
    pass(run, 0, LAST);
    double scale = urpc_stopwatch_scale(&watch);
    for (size_t i = 0; i < kept; i++) {
        run->ps[i] = (uint64_t)((double)run->ps[i] * scale);
    }
    if (kept < run->count) {
        atomic_store(&run->crew.error, ETIMEDOUT);
    }
}

static int round_trips(part *play, int core_a, int core_b, size_t samples, uint64_t *ps,
                       const struct urpc_patience *patience)
{
    struct run run = {.count = samples, .ps = ps};
    return perform(&run, play, core_a, core_b, patience);
}

int urpc_floor_bare(int core_a, int core_b, size_t samples, uint64_t *ps,
                    const struct urpc_patience *patience)
{
    return round_trips(bare, core_a, core_b, samples, ps, patience);
}

int urpc_floor_futex(int core_a, int core_b, size_t samples, uint64_t *ps,
                     const struct urpc_patience *patience)
{
    return round_trips(futex, core_a, core_b, samples, ps, patience);
}

/* A stream through a ring, stripped to what the two orderings differ in; the first thread sends. */
static void stream(void *work, int me)
{
    struct run *run = work;
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    unsigned char data[48] = {0};
    uint64_t known = 0;
    for (uint64_t i = 0; i < run->count && !stopped(run); i++) {
        struct urpc_line *line = &run->ring[i % RING];
        if (me == 0) {
            while (i - known >= RING && !stopped(run)) {
                known = atomic_load_explicit(&run->consumed, memory_order_acquire);
            }
            memcpy(line->payload, data, sizeof data);
            atomic_store_explicit(&line->header, i + 1, memory_order_release);
            if (run->fence) {
                atomic_thread_fence(memory_order_seq_cst);
            }
            (void)atomic_load_explicit(&run->flags[1][0],
                                       memory_order_relaxed); /* the look at the doorbell */
        } else {
            while (atomic_load_explicit(&line->header, memory_order_acquire) != i + 1 && !stopped(run)) {
                urpc_relax();
            }
            memcpy(data, line->payload, sizeof data);
            if ((i + 1) % (RING / 4) == 0) {
                atomic_store_explicit(&run->consumed, i + 1, memory_order_release);
            }
        }
    }
    if (me == 0 && !stopped(run)) {
        uint64_t ticks = urpc_ticks(&watch) - watch.start_ticks;
        run->ps[0] = (uint64_t)((double)ticks * urpc_stopwatch_scale(&watch) / (double)run->count);
    }
}

/* The first thread calls membarrier while the second, registered as is all of this process, runs. */
static void membarriers(void *work, int me)
{
    struct run *run = work;
    if (me == 1) {
        while (!stopped(run) && atomic_load_explicit(&run->flags[0][0], memory_order_relaxed) == 0) {
            urpc_relax();
        }
        return;
    }
    uint64_t start = urpc_clock_ns(CLOCK_MONOTONIC_RAW);
    for (size_t i = 0; i < run->count && !stopped(run); i++) {
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    }
    run->ps[0] = (urpc_clock_ns(CLOCK_MONOTONIC_RAW) - start) * 1000 / run->count;
    atomic_store_explicit(&run->flags[0][0], 1, memory_order_relaxed);
}

int urpc_floor_ordering(int core_a, int core_b, size_t count, struct urpc_ordering *ordering,
                        const struct urpc_patience *patience)
{
    *ordering = (struct urpc_ordering){0};
    struct run plain = {.count = count, .ps = &ordering->plain_ps};
    int error = perform(&plain, stream, core_a, core_b, patience);
    if (error == 0) {
        struct run fenced = {.count = count, .ps = &ordering->fence_ps, .fence = true};
        error = perform(&fenced, stream, core_a, core_b, patience);
    }
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (error == 0 && commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0) {
        struct run barriers = {.count = 1 + count / 100, .ps = &ordering->membarrier_ps};
        error = perform(&barriers, membarriers, core_a, core_b, patience);
    }
    return error;
}
