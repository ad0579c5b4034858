/*
 * The library by itself, for the sanitizers: stress SCENARIO SEED
 *
 *   duplex    two threads stream checked messages of all lengths both ways, spinning or blocking at random
 *   wakeups   a sender with random pauses around the receiver's spin budget: every message is a chance to be
 * lost hostile   the segment is scribbled over while both ends use it: any result will do, any fault will not
 *
 * Exit status 0: all promises kept. 1: the reason is on stderr.
 */
#define _GNU_SOURCE
#include "channel.h"
#include "clock.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY = 8, DUPLEX = 1500, WAKEUPS = 10000, HOSTILE = 40000, SECONDS = 80 };

struct end {
    struct urpc_channel channel;
    struct urpc_doorbell own, peer;
    uint64_t random;
};

static struct urpc_patience patience;

static void fail(const char *reason)
{
    fprintf(stderr, "%s\n", reason);
    _exit(1);
}

static uint32_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 16);
}

static void wait_on(struct end *end, uint32_t ticket, const struct urpc_watch *watch)
{
    if (urpc_await(&end->own, ticket, watch, 1, &patience) == URPC_EXPIRED) {
        fail("a wake-up was lost: deadline passed");
    }
}

static void send(struct end *end, const void *data, size_t length)
{
    for (;;) {
        struct urpc_watch watch;
        uint32_t ticket = urpc_doorbell_ticket(&end->own);
        switch (urpc_try_send(&end->channel, data, length, &watch)) {
        case URPC_OK:
            return;
        case URPC_AGAIN:
            wait_on(end, ticket, &watch);
            break;
        default:
            fail("sending failed");
        }
    }
}

static size_t receive(struct end *end, void *data)
{
    for (;;) {
        struct urpc_watch watch;
        uint32_t ticket = urpc_doorbell_ticket(&end->own);
        switch (urpc_poll(&end->channel, &watch)) {
        case URPC_OK:
            if (urpc_take(&end->channel, data) != URPC_OK) {
                fail("taking failed");
            }
            return end->channel.length;
        case URPC_AGAIN:
            wait_on(end, ticket, &watch);
            break;
        default:
            fail("receiving failed");
        }
    }
}

/* Message i of a stream: its length and every byte follow from i. */
static size_t make(uint32_t i, unsigned char *data)
{
    uint64_t random = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t length = next(&random) % (urpc_max_message(CAPACITY) + 1);
    for (size_t j = 0; j < length; j++) {
        data[j] = (unsigned char)next(&random);
    }
    return length;
}

static void *duplex(void *argument)
{
    struct end *end = argument;
    unsigned char data[CAPACITY * URPC_INLINE], expected[CAPACITY * URPC_INLINE];
    uint32_t sent = 0, received = 0;
    while (sent < DUPLEX || received < DUPLEX) {
        struct urpc_watch watch;
        end->own.spin_ns = next(&end->random) % 2 * 2000;
        size_t length = make(sent, data);
        /* Never block on room while there may be messages to take: both ends would wait. */
        if (sent < DUPLEX && next(&end->random) % 2 &&
            urpc_try_send(&end->channel, data, length, &watch) == URPC_OK) {
            sent++;
            continue;
        }
        uint32_t ticket = urpc_doorbell_ticket(&end->own);
        enum urpc_result result = urpc_poll(&end->channel, &watch);
        if (result == URPC_AGAIN && sent == DUPLEX) {
            wait_on(end, ticket, &watch);
        } else if (result == URPC_OK) {
            if (urpc_take(&end->channel, data) != URPC_OK) {
                fail("taking failed");
            }
            length = make(received++, expected);
            if (end->channel.length != length || memcmp(data, expected, length) != 0) {
                fail("a message came torn, doubled or out of order");
            }
        } else if (result != URPC_AGAIN) {
            fail("polling failed");
        } else {
            sched_yield();
        }
    }
    return NULL;
}

/*
 * A wake-up is lost, if ever, when the sender looks whether the receiver sleeps in the nanoseconds in which
 * the receiver looks for the last time whether there is a message. So both begin each round together, and
 * then delay by a few nanoseconds.
 */
static _Atomic uint32_t rounds_begun;

static void begin_round(uint32_t round, uint64_t *random)
{
    atomic_fetch_add(&rounds_begun, 1);
    for (uint32_t spins = 1; atomic_load(&rounds_begun) < 2 * (round + 1); spins++) {
        if (spins % 1000 == 0) {
            sched_yield(); /* the other may need this core */
        }
    }
    for (volatile uint32_t delay = next(random) % 64; delay > 0; delay--) {
    }
}

static void *sleeper(void *argument)
{
    struct end *end = argument;
    uint32_t data;
    for (uint32_t i = 0; i < WAKEUPS; i++) {
        begin_round(i, &end->random);
        if (receive(end, &data) != sizeof data || data != i) {
            fail("out of order");
        }
    }
    return NULL;
}

static void *waker(void *argument)
{
    struct end *end = argument;
    for (uint32_t i = 0; i < WAKEUPS; i++) {
        begin_round(i, &end->random);
        send(end, &i, sizeof i);
    }
    return NULL;
}

struct memory {
    void *segment, *bells[2];
};

static void open_ends(struct memory *memory, struct end ends[2], uint64_t seed)
{
    struct urpc_memory_header header = {.magic = 1, .version = 1, .parameter = CAPACITY};
    int fd;
    if (urpc_memory_create("stress", header, urpc_segment_layout(CAPACITY, URPC_PAGE).size, &fd, &memory->segment) !=
        URPC_MEMORY_OK) {
        fail("no memory");
    }
    close(fd);
    for (int i = 0; i < 2; i++) {
        if (urpc_memory_create("stress", header, URPC_DOORBELL_SIZE, &fd, &memory->bells[i]) !=
            URPC_MEMORY_OK) {
            fail("no memory");
        }
        close(fd);
    }
    for (unsigned i = 0; i < 2; i++) {
        ends[i].own = (struct urpc_doorbell){.memory = memory->bells[i]};
        ends[i].peer = (struct urpc_doorbell){.memory = memory->bells[!i]};
        ends[i].random = seed + 77 * i + 1;
        if (!urpc_channel_init(&ends[i].channel, memory->segment, CAPACITY, URPC_PAGE, i, &ends[i].own, &ends[i].peer)) {
            fail("side taken");
        }
        ends[i].channel.hands_back = seed & 1; /* whatever this processor would do */
    }
}

static _Atomic bool done;

/* Words that nearly fit: the likeliest to get past a check. */
static uint64_t forged(uint64_t *random)
{
    uint64_t any = (uint64_t)next(random) << 32 | next(random);
    switch (next(random) % 4) {
    case 0:
        return any;
    case 1:
        return urpc_header(next(random) % 64, next(random) % 64, next(random) % 500, next(random) % 4);
    case 2:
        return urpc_header(next(random) % 64, 0, any & URPC_COUNT_MASK, URPC_MESSAGE);
    default:
        return next(random) % 128;
    }
}

static void *scribble(void *argument)
{
    struct memory *memory = argument;
    uint64_t random = 12345;
    size_t words = urpc_segment_layout(CAPACITY, URPC_PAGE).size / 8;
    while (!atomic_load(&done)) {
        _Atomic uint64_t *segment = memory->segment;
        /* Mostly the control lines and ring headers. */
        size_t word = next(&random) % 3
                          ? ((next(&random) % 2 ? URPC_RINGS_OFFSET : urpc_segment_layout(CAPACITY, URPC_PAGE).second) +
                             next(&random) % CAPACITY * URPC_LINE_SIZE) /
                                8
                          : next(&random) % words;
        atomic_store_explicit(&segment[word], forged(&random), memory_order_relaxed);
        for (int i = 0; i < 20; i++) {
            urpc_relax();
        }
    }
    return NULL;
}

static void hostile(struct memory *memory, struct end ends[2])
{
    pthread_t thread;
    pthread_create(&thread, NULL, scribble, memory);
    unsigned long results[8] = {0};
    struct urpc_side *sides = ((struct urpc_segment_memory *)memory->segment)->sides;
    /* On a busy machine the scribbler may have to be waited for. */
    for (uint32_t i = 0; i < HOSTILE || (results[URPC_CORRUPT] == 0 && i < 200 * HOSTILE); i++) {
        struct end *end = &ends[next(&ends[0].random) % 2];
        struct urpc_watch watch;
        enum urpc_result result;
        unsigned char data[CAPACITY * URPC_INLINE];
        if (next(&end->random) % 2) {
            result = urpc_try_send(&end->channel, data, next(&end->random) % 340, &watch);
        } else if ((result = urpc_poll(&end->channel, &watch)) == URPC_OK) {
            unsigned char *exact = malloc(end->channel.length + 1); /* a byte too many is a fault here */
            result = urpc_take(&end->channel, exact);
            free(exact);
        }
        urpc_room(&end->channel);
        results[result]++;
        if (result == URPC_CLOSED || result == URPC_CORRUPT) {
            /* Begin again, somewhere else in the life of the counters. */
            end->channel.broken = URPC_OK;
            atomic_store(&sides[0].status, 0);
            atomic_store(&sides[1].status, 0);
            end->channel.consumed = end->channel.told = next(&end->random) % 64;
            end->channel.sent = end->channel.acknowledged = next(&end->random) % 64;
            end->channel.peeked = 0;
            end->channel.wanted = 0;
        }
    }
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    if (results[URPC_OK] == 0 || results[URPC_CORRUPT] == 0) {
        fail("the scribbler was not hostile enough to tell");
    }
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fail("usage: stress duplex|wakeups|hostile SEED");
    }
    patience.deadline = urpc_now() + SECONDS * UINT64_C(1000000000);
    static struct memory memory;
    static struct end ends[2];
    open_ends(&memory, ends, strtoull(arguments[2], NULL, 10));
    if (strcmp(arguments[1], "hostile") == 0) {
        hostile(&memory, ends);
        return 0;
    }
    bool streams = strcmp(arguments[1], "duplex") == 0;
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, streams ? duplex : sleeper, &ends[0]);
    pthread_create(&threads[1], NULL, streams ? duplex : waker, &ends[1]);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    return 0;
}
