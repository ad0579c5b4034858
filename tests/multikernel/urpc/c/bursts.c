/*
 * Bursts mixed with single messages, short and long, both ways at once: nothing is lost, doubled, torn or out of
 * order, whichever calls the two ends use. Run with a seed; built plain and with each sanitizer.
 */
#define _GNU_SOURCE
#include "burst.h"
#include "channel.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY = 16, MESSAGES = 30000, LONGEST = 300, MOST = 12 };

struct end {
    struct urpc_channel channel;
    struct urpc_doorbell bell;
    unsigned side;
    uint64_t chance;
    uint32_t sent, received;
    uint64_t in_bursts;
};

static uint32_t chance(struct end *end, uint32_t below)
{
    end->chance = end->chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(end->chance >> 33) % below;
}

static void fail(const struct end *end, const char *what)
{
    fprintf(stderr, "side %u, %u sent, %u received: %s\n", end->side, end->sent, end->received, what);
    exit(1);
}

/* Length and bytes of message `number` of a side follow from both. */
static uint32_t length_of(unsigned side, uint32_t number)
{
    uint32_t mixed = (number * 2654435761u) ^ (side * 97u);
    return (mixed >> 8) % 3 == 0 ? 4 + mixed % (LONGEST - 4) : 4 + (number / 20 + side) % (URPC_INLINE - 3);
}

static void fill(unsigned side, uint32_t number, unsigned char *data, uint32_t length)
{
    memcpy(data, &number, 4);
    for (uint32_t i = 4; i < length; i++) {
        data[i] = (unsigned char)(number * 31 + i * 7 + side);
    }
}

static void check(struct end *end, const unsigned char *data, uint32_t length)
{
    unsigned char expected[LONGEST];
    uint32_t right = length_of(!end->side, end->received);
    fill(!end->side, end->received, expected, right);
    if (length != right || memcmp(data, expected, length) != 0) {
        fail(end, "a message is not what was sent");
    }
    end->received++;
}

static void send_some(struct end *end)
{
    unsigned char data[MOST * URPC_INLINE + LONGEST];
    uint32_t length = length_of(end->side, end->sent);
    uint32_t count = 0, most = 1 + chance(end, MOST);
    /* as many as follow with the same length, since a burst has one */
    while (length <= URPC_INLINE && count < most && end->sent + count < MESSAGES &&
           length_of(end->side, end->sent + count) == length) {
        fill(end->side, end->sent + count, data + count * length, length);
        count++;
    }
    size_t done =
        count > 0 && chance(end, 4) != 0 ? urpc_publish_burst(&end->channel, data, length, count) : 0;
    end->in_bursts += done;
    if (done == 0 && chance(end, 2)) {
        fill(end->side, end->sent, data, length);
        done = urpc_publish_one(&end->channel, data, length);
    }
    if (done == 0) {
        struct urpc_watch watch;
        fill(end->side, end->sent, data, length);
        switch (urpc_publish(&end->channel, data, length, &watch)) {
        case URPC_OK:
            done = 1;
            break;
        case URPC_AGAIN:
            break;
        default:
            fail(end, "publish failed");
        }
    }
    if (done == 0 && chance(end, 2)) {
        urpc_linger(&end->channel);
    }
    end->sent += (uint32_t)done;
    if (chance(end, 2)) {
        urpc_hint(&end->channel);
    }
    urpc_notify(&end->channel);
}

static void receive_some(struct end *end)
{
    unsigned char data[MOST][URPC_INLINE];
    uint32_t length;
    size_t taken =
        chance(end, 4) != 0 ? urpc_take_burst(&end->channel, data, &length, 1 + chance(end, MOST)) : 0;
    for (size_t i = 0; i < taken; i++) {
        check(end, data[i], length);
    }
    end->in_bursts += taken;
    struct urpc_watch watch;
    unsigned char whole[LONGEST];
    uint32_t expected = length_of(!end->side, end->received);
    if (taken == 0 && expected <= URPC_INLINE && chance(end, 2) &&
        urpc_take_one(&end->channel, whole, expected)) {
        check(end, whole, expected);
        return;
    }
    if (taken > 0) {
        urpc_settle(&end->channel);
        return;
    }
    switch (urpc_poll(&end->channel, &watch)) {
    case URPC_OK:
        if (end->channel.length > LONGEST || urpc_take(&end->channel, whole) != URPC_OK) {
            fail(end, "take failed");
        }
        check(end, whole, end->channel.length);
        break;
    case URPC_AGAIN:
        sched_yield();
        break;
    default:
        fail(end, "poll failed");
    }
}

static void *play(void *argument)
{
    struct end *end = argument;
    while (end->sent < MESSAGES || end->received < MESSAGES) {
        if (end->sent < MESSAGES && chance(end, 2)) {
            send_some(end);
        }
        if (end->received < MESSAGES && chance(end, 2)) {
            receive_some(end);
        }
    }
    return NULL;
}

static void *pages(size_t size)
{
    void *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    return memory == NULL ? NULL : memset(memory, 0, (size + 4095) / 4096 * 4096);
}

int main(int count, char **arguments)
{
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    struct urpc_segment_memory *segment = pages(urpc_segment_layout(CAPACITY, URPC_PAGE).size);
    struct end *ends = pages(2 * sizeof *ends);
    for (unsigned side = 0; side < 2; side++) {
        ends[side] =
            (struct end){.side = side, .chance = seed * 2 + side, .bell.memory = pages(URPC_DOORBELL_SIZE)};
    }
    for (unsigned side = 0; side < 2; side++) {
        urpc_channel_init(&ends[side].channel, segment, CAPACITY, URPC_PAGE, side, &ends[side].bell,
                          &ends[!side].bell);
        ends[side].channel.hands_back = seed & 1;
    }
    pthread_t thread;
    pthread_create(&thread, NULL, play, &ends[1]);
    play(&ends[0]);
    pthread_join(thread, NULL);
    if (ends[0].in_bursts < MESSAGES / 10) {
        fail(&ends[0], "hardly a message went in a burst: nothing was tested");
    }
    for (unsigned side = 0; side < 2; side++) {
        free(ends[side].bell.memory);
    }
    free(ends);
    free(segment);
    return 0;
}
