/*
 * Trees of relays by themselves, for the sanitizers: relays SCENARIO SEED
 *
 *   tree      a random tree, a thread a member: broadcasts of all lengths are received by all in order, between
 *             ordinary messages on the same channels; reductions against the sum computed here; small rings and queues
 *   death     likewise, and one member stops half way: the root learns its name, the rest got all that was sent
 *   hostile   a member's children and parent send forged messages of its group: any result will do, any fault will not
 *
 * Exit status 0: all promises kept. 1: the reason is on stderr.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "relay.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CAPACITY = 8,
    MEMBERS = 7,
    BROADCASTS = 300,
    ROUNDS = 200,
    ORDINARY = 50,
    HOSTILE = 20000,
    SECONDS = 80
};

struct member {
    struct urpc_doorbell bell;
    struct urpc_relay relay;
    struct urpc_channel up, down[MEMBERS]; /* towards the parent, towards children */
    struct urpc_neighbour parent, children[MEMBERS];
    uint32_t number, count;
    uint64_t random;
    uint32_t ordinary; /* received from the parent */
    pthread_t thread;
};

static struct member members[MEMBERS];
static struct urpc_patience patience;
static uint32_t victim = MEMBERS; /* who dies, if anyone */

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

static void *map(uint64_t parameter, size_t size)
{
    void *memory;
    int fd;
    struct urpc_memory_header header = {.magic = 1, .version = 1, .parameter = (uint32_t)parameter};
    if (urpc_memory_create("relays", header, size, &fd, &memory) != URPC_MEMORY_OK) {
        fail("no memory");
    }
    close(fd);
    return memory;
}

/* A random tree: the parent of each is one before it. */
static void build(uint64_t seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i].number = i;
        members[i].random = seed + 77 * i + 1;
        members[i].bell = (struct urpc_doorbell){.memory = map(0, URPC_DOORBELL_SIZE)};
    }
    for (uint32_t i = 1; i < MEMBERS; i++) {
        struct member *child = &members[i], *parent = &members[next(&random) % i];
        void *segment = map(CAPACITY, urpc_segment_layout(CAPACITY, URPC_PAGE).size);
        struct urpc_channel *down = &parent->down[parent->count];
        if (!urpc_channel_init(down, segment, CAPACITY, URPC_PAGE, 0, &parent->bell, &child->bell) ||
            !urpc_channel_init(&child->up, segment, CAPACITY, URPC_PAGE, 1, &child->bell, &parent->bell)) {
            fail("side taken");
        }
        parent->children[parent->count++] = (struct urpc_neighbour){down, i};
        child->parent = (struct urpc_neighbour){&child->up, parent->number};
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct member *me = &members[i];
        me->relay = (struct urpc_relay){.member = i,
                                        .group = 5,
                                        .epoch = 3,
                                        .deliver = true,
                                        .automatic = i % 2,
                                        .limit = next(&random) % 2 * 500};
        if (urpc_relay_open(&me->relay, i == 0 ? NULL : &me->parent, me->children, me->count) !=
            URPC_RELAY_OK) {
            fail("no place in the tree");
        }
    }
}

static void leave(struct member *me)
{
    urpc_relay_leave(&me->relay);
    urpc_relay_free(&me->relay);
    for (uint32_t i = 0; i < me->count; i++) {
        urpc_relay_forget(&me->down[i]);
    }
    if (me->number > 0) {
        urpc_relay_forget(&me->up);
    }
}

/* Ordinary messages keep their order among relayed ones: number n of them comes after so many broadcasts. */
static void take_ordinary(struct member *me)
{
    struct urpc_watch watch;
    uint32_t number;
    while (me->number > 0 && urpc_poll(&me->up, &watch) == URPC_OK) {
        if (me->up.length != sizeof number || urpc_take(&me->up, &number) != URPC_OK ||
            number != me->ordinary) {
            fail("an ordinary message came out of order");
        }
        me->ordinary++;
    }
}

/* Work, or wait until there is some. */
static void wait_turn(struct member *me)
{
    struct urpc_watch watches[2 * MEMBERS + 2];
    uint32_t ticket = urpc_doorbell_ticket(&me->bell);
    me->bell.spin_ns = next(&me->random) % 2 * 2000;
    if (victim == MEMBERS && me->relay.losses > 0) {
        fail("a member was lost, and all live");
    }
    uint64_t moves = me->relay.moves;
    take_ordinary(me);
    urpc_relay_turn(&me->relay);
    struct urpc_watch ordinary;
    if ((me->number > 0 && urpc_poll(&me->up, &ordinary) == URPC_OK) || me->relay.moves != moves) {
        return;
    }
    size_t count = urpc_relay_watches(&me->relay, watches);
    if (urpc_await(&me->bell, ticket, watches, count, &patience) == URPC_EXPIRED) {
        fail("someone waited for ever");
    }
}

/* Broadcast i: its length and bytes follow from i. */
static size_t make(uint32_t i, unsigned char *data)
{
    uint64_t random = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t length = next(&random) % (urpc_max_message(CAPACITY) - URPC_RELAY_WORD + 1);
    for (size_t j = 0; j < length; j++) {
        data[j] = (unsigned char)next(&random);
    }
    return length;
}

static void contribute(struct member *me, uint32_t round)
{
    uint64_t vector[3] = {round, me->number, UINT64_C(1) << me->number};
    unsigned mark = urpc_mark(URPC_SUM, URPC_UINT64) | (round % 2 ? URPC_EVERYONE : 0);
    while (urpc_relay_contribute(&me->relay, mark, vector, sizeof vector) == URPC_AGAIN) {
        wait_turn(me);
    }
}

static void check_result(struct member *me, uint32_t round)
{
    const struct urpc_record *record;
    while ((record = urpc_queue_front(&me->relay.results)) == NULL) {
        wait_turn(me);
    }
    uint64_t vector[3];
    if (record->length != sizeof vector) {
        fail("a result of another length");
    }
    memcpy(vector, record->bytes, sizeof vector);
    if (vector[0] != (uint64_t)round * MEMBERS || vector[1] != MEMBERS * (MEMBERS - 1) / 2 ||
        vector[2] != (1 << MEMBERS) - 1) {
        fail("a wrong sum");
    }
    urpc_relay_pop(&me->relay, &me->relay.results);
}

static void lead(struct member *me)
{
    unsigned char data[CAPACITY * URPC_INLINE];
    uint32_t sent = 0, ordinary = 0;
    while (sent < BROADCASTS) {
        size_t length = make(sent, data);
        if (next(&me->random) % 8 == 0 && ordinary < ORDINARY) {
            /* To every child, between broadcasts. */
            struct urpc_watch watch;
            for (uint32_t i = 0; i < me->count; i++) {
                while (urpc_try_send(&me->down[i], &ordinary, sizeof ordinary, &watch) == URPC_AGAIN) {
                    wait_turn(me);
                }
            }
            ordinary++;
        }
        if (urpc_relay_broadcast(&me->relay, data, length) == URPC_OK) {
            sent++;
        } else {
            wait_turn(me);
        }
    }
    while (me->relay.stable < BROADCASTS && me->relay.losses == 0) {
        wait_turn(me);
    }
}

static void follow(struct member *me)
{
    unsigned char expected[CAPACITY * URPC_INLINE];
    for (uint32_t i = 0; i < BROADCASTS; i++) {
        const struct urpc_record *record;
        while ((record = urpc_queue_front(&me->relay.deliveries)) == NULL) {
            if (me->relay.cut) {
                fail("cut off, and not by the victim");
            }
            wait_turn(me);
        }
        size_t length = make(i, expected);
        if (record->length != length || memcmp(record->bytes, expected, length) != 0) {
            fail("a broadcast came torn, doubled or out of order");
        }
        urpc_relay_pop(&me->relay, &me->relay.deliveries);
        if (me->number == victim && i == BROADCASTS / 2) {
            return;
        }
        if (!me->relay.automatic && next(&me->random) % 4 == 0) {
            urpc_relay_acknowledge(&me->relay, i + 1);
        }
    }
    urpc_relay_acknowledge(&me->relay, BROADCASTS);
}

static void *tree(void *argument)
{
    struct member *me = argument;
    me->number == 0 ? lead(me) : follow(me);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        contribute(me, round);
        if (me->number == 0 || round % 2) {
            check_result(me, round);
        }
    }
    while (me->relay.hand_full) { /* the last result is still on its way down */
        wait_turn(me);
    }
    return NULL;
}

/* The victim is the last member, and so a leaf: nobody else is cut off. */
static void *death(void *argument)
{
    struct member *me = argument;
    me->number == 0 ? lead(me) : follow(me);
    if (me->number == victim) {
        urpc_channel_close(&me->up);
        return NULL;
    }
    contribute(me, 1);
    while (me->relay.losses == 0) {
        wait_turn(me);
    }
    if (me->relay.lost[0].member != victim || me->relay.lost[0].loss != URPC_LOSS_CLOSED) {
        fail("another was lost than the victim");
    }
    if (urpc_queue_front(&me->relay.results) != NULL) {
        fail("a result without the victim");
    }
    /* What is under way for those below has to leave before this member does. */
    while (me->relay.hand_full || (me->number > 0 && me->relay.reported < me->relay.losses)) {
        wait_turn(me);
    }
    return NULL;
}

static void forge(struct member *from, struct urpc_channel *channel)
{
    unsigned char data[CAPACITY * URPC_INLINE];
    struct urpc_watch watch;
    size_t length = next(&from->random) % (sizeof data);
    uint32_t choice = next(&from->random);
    /* Mostly right but for one field; the counts are small, so many are what is expected next. */
    uint64_t word = (choice % 16 ? 5 : choice >> 4 & 7) |
                    (uint64_t)(choice >> 7 & 15 ? 3 : choice >> 11 & 511) << 12 |
                    (uint64_t)(next(&from->random) % 9) << 21 | (uint64_t)(next(&from->random) % 128) << 25 |
                    (uint64_t)(next(&from->random) % 4) << 32;
    memset(data, (int)choice, sizeof data);
    memcpy(data, &word, sizeof word);
    if (next(&from->random) % 2) {
        length = length / 8 * 8;
    }
    if (next(&from->random) % 3 == 0) {
        length = sizeof word;
    }
    urpc_publish_as(channel, next(&from->random) % 8 ? URPC_RELAYED : URPC_MESSAGE, data, length, &watch);
}

static void hostile(uint64_t seed)
{
    unsigned long lost[8] = {0}, delivered = 0, results = 0;
    for (uint32_t world = 0; world < HOSTILE / 40; world++) {
        struct member target = {.random = seed + world + 1};
        struct member peers[3] = {
            {.random = seed + 3 * world + 1}, {.random = seed + 3 * world + 2}, {.random = 9 + world}};
        struct urpc_channel ends[3];
        void *maps[7];
        size_t pages[7];
        target.bell = (struct urpc_doorbell){.memory = maps[0] = map(0, pages[0] = URPC_DOORBELL_SIZE)};
        struct urpc_channel *mine[3] = {&target.up, &target.down[0], &target.down[1]};
        for (int i = 0; i < 3; i++) {
            peers[i].bell =
                (struct urpc_doorbell){.memory = maps[1 + i] = map(0, pages[1 + i] = URPC_DOORBELL_SIZE)};
            maps[4 + i] = map(CAPACITY, pages[4 + i] = urpc_segment_layout(CAPACITY, URPC_PAGE).size);
            urpc_channel_init(mine[i], maps[4 + i], CAPACITY, URPC_PAGE, 0, &target.bell, &peers[i].bell);
            urpc_channel_init(&ends[i], maps[4 + i], CAPACITY, URPC_PAGE, 1, &peers[i].bell, &target.bell);
        }
        struct urpc_neighbour parent = {&target.up, 1};
        struct urpc_neighbour children[2] = {{&target.down[0], 2}, {&target.down[1], 3}};
        target.relay = (struct urpc_relay){.member = 4,
                                           .group = 5,
                                           .epoch = 3,
                                           .deliver = true,
                                           .automatic = true,
                                           .limit = world % 2 * 300};
        if (urpc_relay_open(&target.relay, world % 4 ? &parent : NULL, children, 2) != URPC_RELAY_OK) {
            fail("no place in the tree");
        }
        for (int i = 0; i < 40; i++) {
            uint32_t who = next(&target.random) % 3;
            unsigned char data[CAPACITY * URPC_INLINE];
            struct urpc_watch watch;
            forge(&peers[who], &ends[who]);
            urpc_relay_contribute(&target.relay, next(&target.random) % 2 ? URPC_EVERYONE : 0, data, 8);
            if (world % 4 == 0) {
                urpc_relay_broadcast(&target.relay, data, next(&target.random) % 20);
            }
            urpc_relay_turn(&target.relay);
            if (urpc_poll(mine[who], &watch) == URPC_OK) {
                urpc_take(mine[who], data);
            }
            if (urpc_queue_front(&target.relay.deliveries) != NULL) {
                urpc_relay_pop(&target.relay, &target.relay.deliveries);
                delivered++;
            }
            if (urpc_queue_front(&target.relay.results) != NULL) {
                urpc_relay_pop(&target.relay, &target.relay.results);
                results++;
            }
        }
        for (uint32_t i = 0; i < target.relay.losses; i++) {
            lost[target.relay.lost[i].loss % 8]++;
        }
        target.count = 2;
        target.number = 1;
        leave(&target);
        for (int i = 0; i < 7; i++) {
            urpc_memory_unmap(maps[i], pages[i]);
        }
    }
    if (lost[URPC_LOSS_CORRUPT] == 0 || delivered == 0 || results == 0) {
        fail("the forger was not hostile enough to tell");
    }
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fail("usage: relays tree|death|hostile SEED");
    }
    uint64_t seed = strtoull(arguments[2], NULL, 10);
    patience.deadline = urpc_now() + SECONDS * UINT64_C(1000000000);
    if (strcmp(arguments[1], "hostile") == 0) {
        hostile(seed);
        return 0;
    }
    build(seed);
    bool dies = strcmp(arguments[1], "death") == 0;
    victim = dies ? MEMBERS - 1 : MEMBERS;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        pthread_create(&members[i].thread, NULL, dies ? death : tree, &members[i]);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        pthread_join(members[i].thread, NULL);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        leave(&members[i]);
    }
    return 0;
}
