/*
 * Wait sets of many channels, for the sanitizers: marks SCENARIO SEED
 *
 *   rounds    two senders send one message each, together, to one of very many channels: each is a chance for a mark, or a
 *             wake-up, to be lost
 *   calls     the same, with a receiver that sleeps in poll(2)
 *   hostile   the doorbell is scribbled over while messages come: none is lost, and there is no fault
 *   members   channels come and go while messages come
 *   pace      what is learnt about spinning
 *
 * Exit status 0: all promises kept. 1: the reason is on stderr.
 */
#define _GNU_SOURCE
#include "calls.h"
#include "clock.h"
#include "pace.h"
#include "waitset.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CAPACITY = 8, SENDERS = 2, EACH = 66, CHANNELS = SENDERS * EACH, ROUNDS = 6000, SECONDS = 80 };
/* A sleeper looks at everything once a second: one that was woken only by that has lost something. */
enum { LOST_NS = 900000000 };

static struct urpc_channel near[CHANNELS], far[CHANNELS];
static struct urpc_doorbell bell, others;
static struct urpc_waitset set;
static struct urpc_caller caller = {-1};
static struct urpc_patience patience;
static uint64_t seed;

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

static void *memory_of(size_t size)
{
    struct urpc_memory_header header = {.magic = 1, .version = 1, .parameter = CAPACITY};
    void *memory;
    int fd;
    if (urpc_memory_create("marks", header, size, &fd, &memory) != URPC_MEMORY_OK) {
        fail("no memory");
    }
    close(fd);
    return memory;
}

static void open_all(void)
{
    bell.memory = memory_of(URPC_DOORBELL_SIZE);
    bell.caller = &caller;
    others.memory = memory_of(URPC_DOORBELL_SIZE);
    urpc_waitset_init(&set, &bell);
    for (int i = 0; i < CHANNELS; i++) {
        void *segment = memory_of(urpc_segment_layout(CAPACITY, URPC_PAGE).size);
        if (!urpc_channel_init(&near[i], segment, CAPACITY, URPC_PAGE, 0, &bell, &others) ||
            !urpc_channel_init(&far[i], segment, CAPACITY, URPC_PAGE, 1, &others, &bell) ||
            urpc_waitset_add(&set, &near[i]) != URPC_ADDED) {
            fail("a channel could not be made");
        }
    }
}

/* One message of any channel, if there is one. */
static bool take_one(uint32_t *data)
{
    size_t candidates = urpc_waitset_gather(&set);
    bool taken = false;
    for (size_t i = 0; i < candidates; i++) {
        struct urpc_channel *channel = set.candidates[i];
        if (!urpc_waitset_look(&set, i) || taken) {
            continue;
        }
        struct urpc_watch watch;
        if (urpc_poll(channel, &watch) != URPC_OK || channel->length != sizeof *data ||
            urpc_take(channel, data) != URPC_OK) {
            fail("polling failed");
        }
        taken = true;
    }
    return taken;
}

/* ---- rounds ---- */

static int epoll = -1, calls;
static _Atomic uint32_t rounds_begun;

static void begin_round(uint32_t round, uint64_t *random)
{
    atomic_fetch_add(&rounds_begun, 1);
    for (uint32_t spins = 1; atomic_load(&rounds_begun) < (SENDERS + 1) * (round + 1); spins++) {
        if (spins % 100 == 0) {
            sched_yield();
        }
    }
    for (volatile uint32_t delay = next(random) % 64; delay > 0; delay--) {
    }
}

static void *send_rounds(void *argument)
{
    uint64_t first = *(uint64_t *)argument, random = seed + 77 * (first + 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        begin_round(i, &random);
        struct urpc_watch watch;
        if (urpc_try_send(&far[first + next(&random) % EACH], &i, sizeof i, &watch) != URPC_OK) {
            fail("sending failed");
        }
    }
    return NULL;
}

static void receive_rounds(void)
{
    uint64_t random = seed;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        begin_round(i, &random);
        bell.spin_ns = next(&random) % 2 * 2000;
        for (int got = 0; got < SENDERS;) {
            uint32_t data, ticket = urpc_doorbell_ticket(&bell);
            urpc_calls_drain(calls);
            if (take_one(&data)) {
                if (data != i) {
                    fail("a message came in the wrong round");
                }
                got++;
                continue;
            }
            struct urpc_sources sources = urpc_waitset_sources(&set);
            sources.descriptors = epoll;
            uint64_t start = urpc_now();
            if (urpc_await_any(&bell, ticket, &sources, &patience) != URPC_WOKEN) {
                fail("time is up");
            }
            if (urpc_now() - start > LOST_NS) {
                fail("a mark or a wake-up was lost");
            }
        }
    }
}

static void rounds(void)
{
    uint64_t first[SENDERS];
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        first[i] = (uint64_t)i * EACH;
        pthread_create(&threads[i], NULL, send_rounds, &first[i]);
    }
    receive_rounds();
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void open_calls(void)
{
    uint64_t address;
    struct epoll_event event = {.events = EPOLLIN};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    calls = urpc_calls_open(&address);
    if (calls < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, calls, &event) < 0) {
        fail("no socket to be called on");
    }
    atomic_store(&bell.memory->address, address);
}

/* ---- hostile ---- */

enum { MESSAGES = 400 }; /* a channel */
static _Atomic bool done;

static void *scribble(void *argument)
{
    (void)argument;
    uint64_t random = seed + 1;
    uint32_t *words = (uint32_t *)bell.memory;
    while (!atomic_load(&done)) {
        size_t at = next(&random) % 2 ? 4096 + next(&random) % 4096 : next(&random) % 512;
        uint32_t value = next(&random) % 3 ? 0 : next(&random);
        atomic_store_explicit((_Atomic uint32_t *)&words[at / 4], value, memory_order_relaxed);
        for (int i = 0; i < 50; i++) {
            urpc_relax();
        }
    }
    return NULL;
}

static void *send_all(void *argument)
{
    (void)argument;
    uint64_t random = seed + 2;
    uint32_t sent[CHANNELS] = {0};
    for (uint32_t total = 0; total < CHANNELS * MESSAGES;) {
        uint32_t i = next(&random) % CHANNELS;
        struct urpc_watch watch;
        if (sent[i] < MESSAGES && urpc_try_send(&far[i], &sent[i], sizeof sent[i], &watch) == URPC_OK) {
            sent[i]++;
            total++;
        } else if (next(&random) % 64 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void receive_all(bool churn)
{
    uint64_t random = seed;
    uint32_t received[CHANNELS] = {0};
    for (uint32_t total = 0; total < CHANNELS * MESSAGES;) {
        if (churn && next(&random) % 4 == 0) {
            struct urpc_channel *channel = &near[next(&random) % CHANNELS];
            urpc_waitset_remove(&set, channel);
            if (urpc_waitset_add(&set, channel) != URPC_ADDED) {
                fail("a channel could not be added again");
            }
        }
        uint32_t ticket = urpc_doorbell_ticket(&bell);
        size_t candidates = urpc_waitset_gather(&set);
        bool any = false;
        for (size_t i = 0; i < candidates; i++) {
            struct urpc_channel *channel = set.candidates[i];
            uint32_t data;
            struct urpc_watch watch;
            if (urpc_waitset_look(&set, i) && urpc_poll(channel, &watch) == URPC_OK) {
                any = true;
                if (urpc_take(channel, &data) != URPC_OK || data != received[channel - near]++) {
                    fail("a message was lost or out of order");
                }
                total++;
            }
        }
        if (!any && total < CHANNELS * MESSAGES) {
            struct urpc_sources sources = urpc_waitset_sources(&set);
            if (urpc_await_any(&bell, ticket, &sources, &patience) == URPC_EXPIRED) {
                fail("a message was lost: deadline passed");
            }
            urpc_waitset_sweep(&set);
        }
    }
}

static void stream(bool scribbled)
{
    pthread_t sender, scribbler;
    pthread_create(&sender, NULL, send_all, NULL);
    if (scribbled) {
        pthread_create(&scribbler, NULL, scribble, NULL);
    }
    receive_all(!scribbled);
    atomic_store(&done, true);
    pthread_join(sender, NULL);
    if (scribbled) {
        pthread_join(scribbler, NULL);
    }
}

/* ---- pace ---- */

static void feed(struct urpc_pace *pace, int waits, uint64_t arrives, bool shared)
{
    for (int i = 0; i < waits; i++) {
        uint64_t spun = urpc_pace_begin(pace);
        bool in_spin = arrives <= spun && !shared;
        /* On a shared core the sender begins when we stop spinning. */
        uint64_t waited = arrives + (shared ? spun : 0);
        struct urpc_wait_seen seen = {.spun = spun, .in_spin = in_spin, .waited = waited, .came = waited};
        urpc_pace_end(pace, &seen);
    }
}

static uint64_t spun_in(struct urpc_pace *pace, int waits, uint64_t arrives, bool shared)
{
    uint64_t total = 0;
    for (int i = 0; i < waits; i++) {
        uint64_t spun = urpc_pace_begin(pace);
        total += spun;
        uint64_t waited = arrives + (shared ? spun : 0);
        struct urpc_wait_seen seen = {
            .spun = spun, .in_spin = arrives <= spun && !shared, .waited = waited, .came = waited};
        urpc_pace_end(pace, &seen);
    }
    return total;
}

/* One wait of somebody who takes so long to wake up, where the message comes after so long: was he awake then? */
static bool awake_for(struct urpc_pace *pace, uint64_t comes, uint64_t wake_up)
{
    uint64_t spun = urpc_pace_begin(pace);
    bool in_spin = comes <= spun;
    struct urpc_wait_seen seen = {
        .spun = spun, .in_spin = in_spin, .waited = comes + (in_spin ? 0 : wake_up), .came = comes};
    urpc_pace_end(pace, &seen);
    return in_spin;
}

/* Two who send to each other in turn, and need `work` for an answer. */
static void converse(struct urpc_pace *one, struct urpc_pace *other, int turns, uint64_t work,
                     uint64_t wake_up)
{
    uint64_t comes = work;
    for (int i = 0; i < turns; i++) {
        comes = work + (awake_for(one, comes, wake_up) ? 0 : wake_up);
        comes = work + (awake_for(other, comes, wake_up) ? 0 : wake_up);
    }
}

static void expect(bool kept, const char *promise)
{
    if (!kept) {
        fail(promise);
    }
}

static void learn(void)
{
    struct urpc_pace pace;
    urpc_pace_init(&pace, true);
    feed(&pace, 100, 500, false);
    expect(urpc_pace_begin(&pace) == 0, "one core: nobody spins");

    urpc_pace_init(&pace, false);
    expect(urpc_pace_spins(&pace), "before anything is known, spin");
    feed(&pace, 100, 5000, false);
    uint64_t budget = urpc_pace_begin(&pace);
    expect(budget > 5000 && budget < 20000, "quick messages are waited for about twice as long as they take");
    feed(&pace, 100, 10000000, false);
    expect(!urpc_pace_spins(&pace), "rare messages are not spun for");
    expect(spun_in(&pace, 100000, 10000000, false) < UINT64_C(100000) * 1000,
           "and tries cost less than a microsecond a wait");
    feed(&pace, 50, 3000, false);
    expect(urpc_pace_spins(&pace), "quick messages bring spinning back");

    for (uint64_t wake_up = 20000; wake_up <= 150000; wake_up += 10000) {
        struct urpc_pace one, other;
        urpc_pace_init(&one, false);
        urpc_pace_init(&other, false);
        feed(&one, 5000, 10000000, false);
        feed(&other, 5000, 10000000, false);
        converse(&one, &other, 10000, 4000, wake_up);
        expect(urpc_pace_spins(&one) && urpc_pace_spins(&other),
               "two who both block find out that spinning would pay");
    }

    urpc_pace_init(&pace, false);
    feed(&pace, 3000, 4000, true);
    expect(spun_in(&pace, 1000, 4000, true) <= 2 * URPC_SPIN_MOST,
           "on a shared core all but two of a thousand waits block at once");
    feed(&pace, 30000, 4000, false);
    expect(urpc_pace_spins(&pace), "spinning comes back when the core is no longer shared");

    urpc_pace_init(&pace, false);
    uint64_t random = seed;
    for (int i = 0; i < 100000; i++) {
        uint64_t spun = urpc_pace_begin(&pace);
        expect(spun <= URPC_TRY_NS, "no spin is longer than the longest");
        struct urpc_wait_seen seen = {.spun = spun,
                                      .in_spin = next(&random) % 2,
                                      .shared = next(&random) % 8 == 0,
                                      .waited = (uint64_t)next(&random) << next(&random) % 32,
                                      .came = (uint64_t)next(&random) << next(&random) % 32};
        urpc_pace_end(&pace, &seen);
    }
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fail("usage: marks rounds|calls|hostile|members|pace SEED");
    }
    const char *scenario = arguments[1];
    seed = strtoull(arguments[2], NULL, 10);
    patience.deadline = urpc_now() + SECONDS * UINT64_C(1000000000);
    if (strcmp(scenario, "pace") == 0) {
        learn();
        return 0;
    }
    open_all();
    if (set.by_slot == NULL) {
        fail("so many channels are not marked");
    }
    if (strcmp(scenario, "calls") == 0) {
        open_calls();
    }
    if (strcmp(scenario, "rounds") == 0 || strcmp(scenario, "calls") == 0) {
        rounds();
    } else {
        stream(strcmp(scenario, "hostile") == 0);
    }
    urpc_waitset_destroy(&set);
    return 0;
}
