#define _GNU_SOURCE
#include "sharing.h"

#include "burst.h"
#include "channel.h"
#include "clock.h"
#include "line.h"
#include "pinned.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What takes longer than this was not the operation but the scheduler: a core was given to somebody else. */
#define INTERRUPTED_NS 100000
enum { CAPACITY = 64, REQUEST_BYTES = 8, BLOCK = 32 };

struct node {
    alignas(URPC_APART) struct node *_Atomic next; /* written by who queues behind; read by the holder */
    _Atomic bool locked;                           /* cleared by who held the lock before */
};

/* A member's own: where it counts, and its ends of a channel to the owner. */
struct worker {
    struct node node;
    uint64_t done;
    uint64_t kept;  /* of those, in time that nobody interrupted */
    uint64_t ticks; /* that the kept ones took */
    uint64_t mark;  /* when the present block of operations without pauses began */
    uint64_t whole; /* the time of all, with pauses and interruptions */
    uint64_t chance;
    struct urpc_channel client;
    struct urpc_channel owner; /* used by member 0 */
    struct urpc_doorbell bell;
    void *segment;
};

struct sharing {
    alignas(URPC_APART) struct urpc_line state[URPC_SHARED_LINES]; /* the header is what is counted in */
    alignas(URPC_APART) _Atomic bool held;                         /* SPIN's lock */
    alignas(URPC_APART) struct node *_Atomic tail;                 /* MCS's lock: the last in the queue */
    alignas(URPC_APART) pthread_mutex_t mutex;
    alignas(URPC_APART) _Atomic bool over; /* written by the first that has done all of its operations */
    alignas(URPC_APART) _Atomic int clients;
    struct urpc_crew crew;
    enum urpc_sharing way;
    unsigned lines;
    bool chained;
    size_t operations;
    uint64_t pause_ticks;
    uint64_t overhead; /* ticks between two readings with nothing between */
    uint64_t most;     /* ticks of an operation that nobody interrupted */
    struct urpc_stopwatch watch;
    struct urpc_doorbell owner_bell;
    struct worker *workers;
};

static bool ended(struct sharing *sharing)
{
    return atomic_load_explicit(&sharing->over, memory_order_relaxed) || urpc_crew_stopped(&sharing->crew);
}

/* The line after line i: its neighbour, or where line i says. */
static unsigned next_line(const struct sharing *sharing, unsigned i)
{
    if (!sharing->chained) {
        return i + 1;
    }
    uint32_t next;
    memcpy(&next, sharing->state[i].payload, sizeof next);
    return next;
}

/* Change the state as its only user: relaxed, since lock or message order what is written. */
static void update(struct sharing *sharing)
{
    for (unsigned i = 0, done = 0; done < sharing->lines; i = next_line(sharing, i), done++) {
        _Atomic uint64_t *word = &sharing->state[i].header;
        atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
}

static void update_atomically(struct sharing *sharing)
{
    for (unsigned i = 0, done = 0; done < sharing->lines; i = next_line(sharing, i), done++) {
        atomic_fetch_add_explicit(&sharing->state[i].header, 1, memory_order_relaxed);
    }
}

static void update_spin(struct sharing *sharing)
{
    /* acquire: what the last holder wrote is seen; its release stands at the end */
    while (atomic_exchange_explicit(&sharing->held, true, memory_order_acquire)) {
        while (atomic_load_explicit(&sharing->held, memory_order_relaxed)) {
            urpc_relax();
        }
    }
    update(sharing);
    atomic_store_explicit(&sharing->held, false, memory_order_release);
}

static void update_mcs(struct sharing *sharing, struct node *me)
{
    atomic_store_explicit(&me->next, NULL, memory_order_relaxed);
    atomic_store_explicit(&me->locked, true, memory_order_relaxed);
    struct node *before = atomic_exchange_explicit(&sharing->tail, me, memory_order_acq_rel);
    if (before != NULL) {
        atomic_store_explicit(&before->next, me, memory_order_release);
        while (atomic_load_explicit(&me->locked, memory_order_acquire)) {
            urpc_relax();
        }
    }
    update(sharing);
    struct node *next = atomic_load_explicit(&me->next, memory_order_acquire);
    if (next == NULL) {
        struct node *mine = me;
        if (atomic_compare_exchange_strong_explicit(&sharing->tail, &mine, NULL, memory_order_release,
                                                    memory_order_relaxed)) {
            return;
        }
        while ((next = atomic_load_explicit(&me->next, memory_order_acquire)) == NULL) {
            urpc_relax();
        }
    }
    atomic_store_explicit(&next->locked, false, memory_order_release);
}

static void update_mutex(struct sharing *sharing)
{
    pthread_mutex_lock(&sharing->mutex);
    update(sharing);
    pthread_mutex_unlock(&sharing->mutex);
}

/* Work on its own for the pause, more or less; then the time, in ticks. Without a pause: no time is read. */
static uint64_t begin(struct sharing *sharing, struct worker *me)
{
    if (sharing->pause_ticks == 0) {
        return 0;
    }
    me->chance = me->chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    uint64_t pause = sharing->pause_ticks / 2 + (me->chance >> 33) % sharing->pause_ticks;
    uint64_t until = urpc_ticks(&sharing->watch) + pause, now;
    while ((now = urpc_ticks(&sharing->watch)) < until) {
    }
    return now;
}

static void keep(struct worker *me, uint64_t ticks, uint64_t operations, uint64_t most)
{
    if (ticks <= most) {
        me->ticks += ticks;
        me->kept += operations;
    }
}

/* After operation `number`: with pauses each is timed by itself, without in blocks. */
static void end(struct sharing *sharing, struct worker *me, uint64_t began, uint64_t number)
{
    if (began != 0) {
        uint64_t taken = urpc_ticks(&sharing->watch) - began;
        keep(me, taken > sharing->overhead ? taken - sharing->overhead : 0, 1, sharing->most);
    } else if (number % BLOCK == 0) {
        uint64_t now = urpc_ticks(&sharing->watch);
        keep(me, now - me->mark, BLOCK, 4 * sharing->most);
        me->mark = now;
    }
}

static void operate(struct sharing *sharing, struct worker *me)
{
    switch (sharing->way) {
    case URPC_SHARE_ATOMICS:
        update_atomically(sharing);
        break;
    case URPC_SHARE_SPIN:
        update_spin(sharing);
        break;
    case URPC_SHARE_MCS:
        update_mcs(sharing, &me->node);
        break;
    case URPC_SHARE_MUTEX:
        update_mutex(sharing);
        break;
    default:
        update(sharing);
    }
}

static void share(struct sharing *sharing, struct worker *me)
{
    for (; me->done < sharing->operations && !ended(sharing); me->done++) {
        uint64_t began = begin(sharing, me);
        operate(sharing, me);
        end(sharing, me, began, me->done + 1);
    }
}

/* Both by the short way of burst.h where it is open. */
static bool try_send(struct urpc_channel *channel)
{
    static const unsigned char request[REQUEST_BYTES];
    struct urpc_watch watch;
    if (urpc_publish_one(channel, request, REQUEST_BYTES)) {
        urpc_notify(channel);
        return true;
    }
    return urpc_try_send(channel, request, REQUEST_BYTES, &watch) == URPC_OK;
}

static bool try_receive(struct urpc_channel *channel)
{
    unsigned char answer[1][URPC_INLINE];
    uint32_t length;
    struct urpc_watch watch;
    if (urpc_take_burst(channel, answer, &length, 1) == 1) {
        urpc_settle(channel);
        return true;
    }
    return urpc_poll(channel, &watch) == URPC_OK && channel->length <= URPC_INLINE &&
           urpc_take(channel, answer) == URPC_OK;
}

static void call(struct sharing *sharing, struct worker *me)
{
    uint64_t window = sharing->way == URPC_SHARE_PIPELINED ? URPC_PIPELINE : 1;
    uint64_t asked = 0;
    while (asked < sharing->operations && !ended(sharing)) {
        uint64_t began = begin(sharing, me);
        while (!try_send(&me->client) && !urpc_crew_stopped(&sharing->crew)) {
        }
        asked++;
        do {
            while (try_receive(&me->client)) {
                me->done++;
            }
        } while (asked - me->done >= window && !urpc_crew_stopped(&sharing->crew));
        end(sharing, me, began, asked);
    }
    while (me->done < asked && !urpc_crew_stopped(&sharing->crew)) {
        me->done += try_receive(&me->client);
    }
    atomic_fetch_sub_explicit(&sharing->clients, 1, memory_order_relaxed);
}

static void serve(struct sharing *sharing, struct worker *me)
{
    while (atomic_load_explicit(&sharing->clients, memory_order_relaxed) > 0 &&
           !urpc_crew_stopped(&sharing->crew)) {
        for (int i = 1; i < sharing->crew.count; i++) {
            struct urpc_channel *channel = &sharing->workers[i].owner;
            while (try_receive(channel)) {
                update(sharing);
                me->done++;
                while (!try_send(channel) && !urpc_crew_stopped(&sharing->crew)) {
                }
            }
        }
    }
}

static bool by_messages(enum urpc_sharing way)
{
    return way == URPC_SHARE_CALLS || way == URPC_SHARE_PIPELINED;
}

static void play(void *work, int number)
{
    struct sharing *sharing = work;
    struct worker *me = &sharing->workers[number];
    me->chance = (uint64_t)number + 1;
    uint64_t start = urpc_ticks(&sharing->watch);
    me->mark = start;
    if (!by_messages(sharing->way)) {
        share(sharing, me);
    } else if (number == 0) {
        serve(sharing, me);
    } else {
        call(sharing, me);
    }
    me->whole = urpc_ticks(&sharing->watch) - start;
    atomic_store_explicit(&sharing->over, true, memory_order_relaxed);
    if (me->kept == 0) { /* too few for a block, or the owner: all of them */
        me->kept = me->done;
        me->ticks = me->whole;
    }
}

/* The clock that all members read, and how many of its ticks are a pause. */
static double set_clock(struct sharing *sharing, uint64_t pause_ns)
{
    urpc_stopwatch_start(&sharing->watch);
    double scale = urpc_stopwatch_scale(&sharing->watch);
    sharing->overhead = UINT64_MAX;
    for (int i = 0; i < 64; i++) {
        uint64_t start = urpc_ticks(&sharing->watch);
        uint64_t taken = urpc_ticks(&sharing->watch) - start;
        sharing->overhead = taken < sharing->overhead ? taken : sharing->overhead;
    }
    sharing->pause_ticks = (uint64_t)((double)pause_ns * 1000 / scale);
    sharing->most = (uint64_t)((double)INTERRUPTED_NS * 1000 / scale);
    return scale;
}

static void *zeroed_pages(size_t size)
{
    size_t whole = (size + 4095) / 4096 * 4096;
    void *memory = aligned_alloc(4096, whole);
    return memory == NULL ? NULL : memset(memory, 0, whole);
}

/* Channels between the first member and each of the others, in memory that all threads have anyway. */
static bool connect(struct sharing *sharing)
{
    sharing->owner_bell.memory = zeroed_pages(URPC_DOORBELL_SIZE);
    for (int i = 1; i < sharing->crew.count; i++) {
        struct worker *worker = &sharing->workers[i];
        worker->bell.memory = zeroed_pages(URPC_DOORBELL_SIZE);
        worker->segment = zeroed_pages(urpc_segment_layout(CAPACITY, URPC_PAGE).size);
        if (sharing->owner_bell.memory == NULL || worker->bell.memory == NULL || worker->segment == NULL) {
            return false;
        }
        urpc_channel_init(&worker->owner, worker->segment, CAPACITY, URPC_PAGE, 0, &sharing->owner_bell,
                          &worker->bell);
        urpc_channel_init(&worker->client, worker->segment, CAPACITY, URPC_PAGE, 1, &worker->bell,
                          &sharing->owner_bell);
    }
    return true;
}

/* Are all updates there that were made? Bare stores may lose some. */
static bool complete(const struct sharing *sharing)
{
    uint64_t made = 0;
    for (int i = 0; i < sharing->crew.count; i++) {
        made += by_messages(sharing->way) && i > 0 ? 0 : sharing->workers[i].done;
    }
    for (unsigned i = 0, done = 0; done < sharing->lines && sharing->way != URPC_SHARE_STORES;
         i = next_line(sharing, i), done++) {
        if (atomic_load(&sharing->state[i].header) != made) {
            return false;
        }
    }
    return true;
}

static void summarize(const struct sharing *sharing, double scale, uint64_t pause_ns,
                      struct urpc_shared *shared)
{
    bool messages = by_messages(sharing->way);
    double ticks = 0, operations = 0;
    for (int i = messages; i < sharing->crew.count; i++) {
        ticks += (double)sharing->workers[i].ticks;
        operations += (double)sharing->workers[i].kept;
    }
    const struct worker *owner = &sharing->workers[0];
    double latency = ticks * scale / operations;
    shared->latency_ps = (uint64_t)latency;
    shared->owner_ps = messages ? (uint64_t)((double)owner->whole * scale / (double)owner->done) : 0;
    shared->per_second =
        (uint64_t)((sharing->crew.count - messages) * 1e12 / (latency + (double)pause_ns * 1000));
}

int urpc_share(enum urpc_sharing way, const int *cores, int count, unsigned lines, size_t operations,
               uint64_t pause_ns, bool chained, struct urpc_shared *shared,
               const struct urpc_patience *patience)
{
    if (lines < 1 || lines > URPC_SHARED_LINES || operations < 1 || count < (by_messages(way) ? 2 : 1) ||
        count > URPC_CREW_MOST) {
        return EDOM;
    }
    struct sharing *sharing = zeroed_pages(sizeof *sharing);
    if (sharing == NULL) {
        return ENOMEM;
    }
    sharing->way = way;
    sharing->lines = lines;
    sharing->chained = chained;
    for (uint32_t i = 0; i < URPC_SHARED_LINES; i++) { /* in an order that no prefetcher guesses */
        uint32_t next = (i * 5 + 7) % URPC_SHARED_LINES;
        memcpy(sharing->state[i].payload, &next, sizeof next);
    }
    sharing->operations = operations;
    sharing->crew = (struct urpc_crew){.play = play, .work = sharing, .cores = cores, .count = count};
    atomic_init(&sharing->clients, count - 1);
    pthread_mutex_init(&sharing->mutex, NULL);
    sharing->workers = zeroed_pages((size_t)count * sizeof *sharing->workers);
    int error = sharing->workers == NULL || (by_messages(way) && !connect(sharing)) ? ENOMEM : 0;
    double scale = set_clock(sharing, pause_ns);
    if (error == 0) {
        error = urpc_crew_perform(&sharing->crew, patience);
    }
    if (error == 0) {
        error = complete(sharing) ? 0 : EPROTO;
    }
    if (error == 0) {
        summarize(sharing, scale, pause_ns, shared);
    }
    for (int i = 0; sharing->workers != NULL && i < count; i++) {
        free(sharing->workers[i].bell.memory);
        free(sharing->workers[i].segment);
    }
    free(sharing->owner_bell.memory);
    free(sharing->workers);
    pthread_mutex_destroy(&sharing->mutex);
    free(sharing);
    return error;
}
