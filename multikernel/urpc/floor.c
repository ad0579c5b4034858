#define _GNU_SOURCE
#include "floor.h"

#include "clock.h"
#include "futex.h"
#include "line.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 64, TURN_NS = 5000000 };

struct run;
typedef void part(struct run *run, int me);

/* What two threads share. Every word that one writes and the other polls has its line to itself, two lines
 * apart. */
struct run {
    alignas(
        URPC_APART) _Atomic uint32_t flags[2][URPC_APART / sizeof(uint32_t)]; /* flags[i][0]: written by i */
    alignas(URPC_APART) _Atomic bool stop;
    alignas(URPC_APART) _Atomic uint64_t consumed;
    alignas(URPC_APART) struct urpc_line ring[RING];
    alignas(URPC_APART) part *play;
    int cores[2];
    size_t count;
    uint64_t *ps;
    bool fence;
    _Atomic int ready; /* threads on their cores; both begin when both are */
    _Atomic int finished;
    _Atomic int error;
};

struct thread {
    struct run *run;
    int me;
    pthread_t id;
};

static bool stopped(struct run *run)
{
    return atomic_load_explicit(&run->stop, memory_order_relaxed);
}

static void *play(void *argument)
{
    struct thread *thread = argument;
    struct run *run = thread->run;
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(run->cores[thread->me], &cores);
    int error = pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    if (error) {
        atomic_store(&run->error, error);
        atomic_store(&run->stop, true);
    }
    atomic_fetch_add(&run->ready, 1);
    while (atomic_load(&run->ready) < 2 && !stopped(run)) {
        urpc_relax();
    }
    if (!stopped(run)) {
        run->play(run, thread->me);
    }
    atomic_fetch_add(&run->finished, 1);
    return NULL;
}

/* Start both threads, and wait for both in short naps, so that Ctrl-C and deadlines count. 0 or an errno. */
static int perform(struct run *run, int core_a, int core_b, const struct urpc_patience *patience)
{
    if (core_a < 0 || core_a >= CPU_SETSIZE || core_b < 0 || core_b >= CPU_SETSIZE) {
        return EINVAL;
    }
    run->cores[0] = core_a;
    run->cores[1] = core_b;
    struct thread threads[2] = {{.run = run, .me = 0}, {.run = run, .me = 1}};
    int started = 0;
    int error = 0;
    for (; started < 2 && error == 0; started++) {
        error = pthread_create(&threads[started].id, NULL, play, &threads[started]);
        if (error) {
            break;
        }
    }
    while (error == 0 && atomic_load(&run->finished) < 2) {
        nanosleep(&(struct timespec){.tv_nsec = TURN_NS}, NULL);
        if (urpc_now() >= patience->deadline) {
            error = ETIMEDOUT;
        } else if (patience->interrupted != NULL && patience->interrupted(patience->context)) {
            error = EINTR;
        }
    }
    atomic_store(&run->stop, true);
    for (int i = 0; i < 2; i++) {
        urpc_futex_wake(&run->flags[i][0], 1);
    }
    while (started > 0) {
        pthread_join(threads[--started].id, NULL);
    }
    return atomic_load(&run->error) ? atomic_load(&run->error) : error;
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
static void bare(struct run *run, int me)
{
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
        slept |= urpc_futex_wait(flag, seen, urpc_now() + 100 * (uint64_t)TURN_NS) == 0;
    }
    return slept;
}

static void pass(struct run *run, int me, uint32_t value)
{
    atomic_store_explicit(&run->flags[me][0], value, memory_order_release);
    urpc_futex_wake(&run->flags[me][0], 1);
}

static void futex(struct run *run, int me)
{
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
        atomic_store(&run->error, ETIMEDOUT);
    }
}

static int round_trips(part *play, int core_a, int core_b, size_t samples, uint64_t *ps,
                       const struct urpc_patience *patience)
{
    struct run run = {.play = play, .count = samples, .ps = ps};
    return perform(&run, core_a, core_b, patience);
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
static void stream(struct run *run, int me)
{
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
static void membarriers(struct run *run, int me)
{
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
    struct run plain = {.play = stream, .count = count, .ps = &ordering->plain_ps};
    int error = perform(&plain, core_a, core_b, patience);
    if (error == 0) {
        struct run fenced = {.play = stream, .count = count, .ps = &ordering->fence_ps, .fence = true};
        error = perform(&fenced, core_a, core_b, patience);
    }
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (error == 0 && commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0) {
        struct run barriers = {.play = membarriers, .count = 1 + count / 100, .ps = &ordering->membarrier_ps};
        error = perform(&barriers, core_a, core_b, patience);
    }
    return error;
}
