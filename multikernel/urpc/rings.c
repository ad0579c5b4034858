#define _GNU_SOURCE
#include "rings.h"

#include "clock.h"
#include "line.h"
#include "ownership.h"
#include "pinned.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 48, MOST_CAPACITY = 65536, BURSTS_CAPACITY = 64, BLOCK = 256 };

struct rings {
    struct urpc_line *lines[2]; /* lines[i]: written by i, and if they are cleared by the other too */
    uint32_t mask;
    size_t count;
    unsigned burst; /* messages */
    enum urpc_ring_design design;
    struct urpc_stopwatch watch;
    uint64_t *marks; /* when the first member began each block of messages, and when the last had ended */
    struct urpc_crew crew;
    alignas(URPC_APART) _Atomic uint64_t sent; /* bursts whole; written by their sender */
    /* Lines consumed by the receiver of a stream; written by it, read by the sender. */
    alignas(URPC_APART) _Atomic uint64_t consumed;
};

static bool stopped(struct rings *rings)
{
    return urpc_crew_stopped(&rings->crew);
}

/* Have the compiler believe that a payload was made, or is used. */
static void touch(void *data)
{
    __asm__ volatile("" : : "r"(data) : "memory");
}

/* Note the time before message `i` if it begins a block: what disturbs a block is then not in the others. */
static void mark(struct rings *rings, int me, uint64_t i)
{
    if (me == 0 && i % BLOCK == 0) {
        rings->marks[i / BLOCK] = urpc_ticks(&rings->watch);
    }
}

/* Put message `i` where it belongs, as soon as its header is `free`, and set its header. */
static void cleared_send(struct rings *rings, int me, uint64_t i, unsigned char *data)
{
    struct urpc_line *line = &rings->lines[me][i & rings->mask];
    while (atomic_load_explicit(&line->header, memory_order_acquire) != 0 && !stopped(rings)) {
    }
    touch(data);
    memcpy(line->payload, data, BYTES);
    atomic_store_explicit(&line->header, 1, memory_order_release);
}

static void cleared_receive(struct rings *rings, int me, uint64_t i, unsigned char *data)
{
    struct urpc_line *line = &rings->lines[!me][i & rings->mask];
    while (atomic_load_explicit(&line->header, memory_order_acquire) == 0 && !stopped(rings)) {
    }
    memcpy(data, line->payload, BYTES);
    touch(data);
    atomic_store_explicit(&line->header, 0, memory_order_release);
}

/* Headers of this design: the position after the message, and 32 bits of how many were consumed. */
static void sequence_send(struct rings *rings, int me, uint64_t i, uint64_t consumed, unsigned char *data)
{
    struct urpc_line *line = &rings->lines[me][i & rings->mask];
    urpc_ask_to_write(&rings->lines[me][(i + URPC_AHEAD) & rings->mask]);
    touch(data);
    memcpy(line->payload, data, BYTES);
    atomic_store_explicit(&line->header, (i + 1) << 32 | (uint32_t)consumed, memory_order_release);
}

static uint64_t sequence_receive(struct rings *rings, int me, uint64_t i, unsigned char *data)
{
    struct urpc_line *line = &rings->lines[!me][i & rings->mask];
    uint64_t header;
    while ((header = atomic_load_explicit(&line->header, memory_order_acquire)) >> 32 != i + 1 &&
           !stopped(rings)) {
    }
    memcpy(data, line->payload, BYTES);
    touch(data);
    if (rings->design == URPC_RING_RETURNED) {
        urpc_hand_back(line, header);
    }
    return header & UINT32_MAX;
}

static void cleared_stream(void *work, int me)
{
    struct rings *rings = work;
    unsigned char data[BYTES] = {0};
    for (uint64_t i = 0; i < rings->count && !stopped(rings); i++) {
        mark(rings, me, i);
        (me == 0 ? cleared_send : cleared_receive)(rings, me, i, data);
    }
}

static void sequence_stream(void *work, int me)
{
    struct rings *rings = work;
    unsigned char data[BYTES] = {0};
    uint64_t known = 0, capacity = (uint64_t)rings->mask + 1;
    for (uint64_t i = 0; i < rings->count && !stopped(rings); i++) {
        mark(rings, me, i);
        if (me == 0) {
            while (i - known >= capacity && !stopped(rings)) {
                known = atomic_load_explicit(&rings->consumed, memory_order_acquire);
            }
            sequence_send(rings, me, i, 0, data);
        } else {
            sequence_receive(rings, me, i, data);
            if ((i + 1) % (capacity / 4) == 0) {
                atomic_store_explicit(&rings->consumed, i + 1, memory_order_release);
            }
        }
    }
}

static void cleared_round_trip(void *work, int me)
{
    struct rings *rings = work;
    unsigned char data[BYTES] = {0};
    for (uint64_t i = 0; i < rings->count && !stopped(rings); i++) {
        mark(rings, me, i);
        if (me == 0) {
            cleared_send(rings, me, i, data);
        }
        cleared_receive(rings, me, i, data);
        if (me == 1) {
            cleared_send(rings, me, i, data);
        }
    }
}

static void sequence_round_trip(void *work, int me)
{
    struct rings *rings = work;
    unsigned char data[BYTES] = {0};
    uint64_t acknowledged = 0, capacity = (uint64_t)rings->mask + 1;
    for (uint64_t i = 0; i < rings->count && !stopped(rings); i++) {
        mark(rings, me, i);
        if (i - acknowledged >= capacity) {
            atomic_store(&rings->crew.error, EPROTO); /* an answer comes after what it answers was consumed */
            return;
        }
        if (me == 0) {
            sequence_send(rings, me, i, i, data);
        }
        acknowledged = sequence_receive(rings, me, i, data);
        if (me == 1) {
            sequence_send(rings, me, i, i + 1, data);
        }
    }
}

/* One side's part of all bursts; the time that it was at work in them goes to `ticks`. */
static void bursts(struct rings *rings, int me, const struct urpc_stopwatch *watch, uint64_t *ticks)
{
    bool cleared = rings->design == URPC_RING_CLEARED;
    unsigned char data[BYTES] = {0};
    uint64_t burst = rings->burst, overhead = UINT64_MAX;
    for (int i = 0; i < 64; i++) {
        uint64_t start = urpc_ticks(watch);
        uint64_t taken = urpc_ticks(watch) - start;
        overhead = taken < overhead ? taken : overhead;
    }
    *ticks = 0;
    for (uint64_t first = 0; first < rings->count && !stopped(rings); first += burst) {
        _Atomic uint64_t *turn = me == 0 ? &rings->consumed : &rings->sent;
        uint64_t awaited = me == 0 ? first : first + burst;
        while (atomic_load_explicit(turn, memory_order_acquire) != awaited && !stopped(rings)) {
        }
        uint64_t start = urpc_ticks(watch);
        for (uint64_t i = first; i < first + burst; i++) {
            if (me == 0 && cleared) {
                cleared_send(rings, me, i, data);
            } else if (me == 0) {
                sequence_send(rings, me, i, 0, data);
            } else if (cleared) {
                cleared_receive(rings, me, i, data);
            } else {
                sequence_receive(rings, me, i, data);
            }
        }
        if (me == 0) {
            atomic_thread_fence(memory_order_seq_cst);
        }
        uint64_t taken = urpc_ticks(watch) - start;
        *ticks += taken > overhead ? taken - overhead : 0;
        atomic_store_explicit(me == 0 ? &rings->sent : &rings->consumed, first + burst, memory_order_release);
    }
}

struct costs {
    struct rings rings;
    uint64_t ps[2];
};

static void costs(void *work, int me)
{
    struct costs *costs = work;
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    uint64_t ticks;
    bursts(&costs->rings, me, &watch, &ticks);
    costs->ps[me] = (uint64_t)((double)ticks * urpc_stopwatch_scale(&watch) / (double)costs->rings.count);
}

static int ascending(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* Ticks of the median block; `marks` are used up. */
static uint64_t median_block(uint64_t *marks, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++) {
        marks[i] = marks[i + 1] - marks[i];
    }
    qsort(marks, blocks, sizeof *marks, ascending);
    return marks[blocks / 2];
}

static struct urpc_line *zeroed_lines(size_t count)
{
    size_t size = count * sizeof(struct urpc_line);
    size_t whole = (size + 4095) / 4096 * 4096;
    struct urpc_line *lines = aligned_alloc(4096, whole);
    return lines == NULL ? NULL : memset(lines, 0, whole);
}

static int perform(void (*play)(void *, int), enum urpc_ring_design design, int core_a, int core_b,
                   uint32_t capacity, size_t count, uint64_t *ps, const struct urpc_patience *patience)
{
    if (capacity < 4 || capacity > MOST_CAPACITY || (capacity & (capacity - 1)) != 0 || count > UINT32_MAX) {
        return EDOM;
    }
    size_t blocks = (count + BLOCK - 1) / BLOCK;
    struct urpc_line *lines = zeroed_lines(2 * (size_t)capacity);
    uint64_t *marks = calloc(blocks + 1, sizeof *marks);
    if (lines == NULL || marks == NULL) {
        free(lines);
        free(marks);
        return ENOMEM;
    }
    const int cores[2] = {core_a, core_b};
    struct rings rings = {
        .lines = {lines, lines + capacity},
        .mask = capacity - 1,
        .count = blocks * BLOCK + 1, /* one more, at which the last block has ended */
        .marks = marks,
        .design = design,
    };
    urpc_stopwatch_start(&rings.watch);
    rings.crew = (struct urpc_crew){.play = play, .work = &rings, .cores = cores, .count = 2};
    int error = urpc_crew_perform(&rings.crew, patience);
    if (error == 0) {
        *ps = (uint64_t)((double)median_block(marks, blocks) * urpc_stopwatch_scale(&rings.watch) / BLOCK);
    }
    free(lines);
    free(marks);
    return error;
}

int urpc_ring_stream(enum urpc_ring_design design, int core_a, int core_b, uint32_t capacity, size_t count,
                     uint64_t *ps, const struct urpc_patience *patience)
{
    return perform(design == URPC_RING_CLEARED ? cleared_stream : sequence_stream, design, core_a, core_b,
                   capacity, count, ps, patience);
}

int urpc_ring_round_trip(enum urpc_ring_design design, int core_a, int core_b, uint32_t capacity,
                         size_t count, uint64_t *ps, const struct urpc_patience *patience)
{
    return perform(design == URPC_RING_CLEARED ? cleared_round_trip : sequence_round_trip, design, core_a,
                   core_b, capacity, count, ps, patience);
}

int urpc_ring_costs(enum urpc_ring_design design, int core_a, int core_b, size_t count, unsigned burst,
                    uint64_t *send_ps, uint64_t *receive_ps, const struct urpc_patience *patience)
{
    if (burst < 1 || burst > URPC_RING_BURST) {
        return EDOM;
    }
    struct urpc_line *lines = zeroed_lines(2 * BURSTS_CAPACITY);
    if (lines == NULL) {
        return ENOMEM;
    }
    const int cores[2] = {core_a, core_b};
    struct costs all = {
        .rings = {.lines = {lines, lines + BURSTS_CAPACITY},
                  .mask = BURSTS_CAPACITY - 1,
                  .count = (count + burst - 1) / burst * burst,
                  .burst = burst,
                  .design = design},
    };
    all.rings.crew = (struct urpc_crew){.play = costs, .work = &all, .cores = cores, .count = 2};
    int error = urpc_crew_perform(&all.rings.crew, patience);
    free(lines);
    *send_ps = all.ps[0];
    *receive_ps = all.ps[1];
    return error;
}
