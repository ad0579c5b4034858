#define _GNU_SOURCE
#include "measure.h"

#include "burst.h"
#include "clock.h"
#include <string.h>

enum { PING_BYTES = 48, BURST = 16, EAGER_LOOKS = 200 };

static bool spins(const struct urpc_channel *channel)
{
    return urpc_spins(channel->own_doorbell);
}

/* What came of waiting, as a result. */
static enum urpc_result await(struct urpc_channel *channel, uint32_t ticket, const struct urpc_watch *watch,
                              const struct urpc_patience *patience)
{
    switch (urpc_await(channel->own_doorbell, ticket, watch, 1, patience)) {
    case URPC_EXPIRED:
        return URPC_TIMEOUT;
    case URPC_INTERRUPTED:
        return URPC_STOPPED;
    default:
        return URPC_AGAIN;
    }
}

/* Receive a message of these very many bytes: anything else is not part of a measurement. */
static enum urpc_result receive(struct urpc_channel *channel, void *data, uint32_t length,
                                const struct urpc_patience *patience)
{
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(channel->own_doorbell);
        struct urpc_watch watch;
        enum urpc_result result = urpc_poll(channel, &watch);
        if (result == URPC_OK) {
            return channel->length == length ? urpc_take(channel, data) : URPC_CORRUPT;
        }
        if (result == URPC_AGAIN) {
            result = await(channel, ticket, &watch, patience);
        }
        if (result != URPC_AGAIN) {
            return result;
        }
    }
}

static enum urpc_result send(struct urpc_channel *channel, const void *data, uint32_t length,
                             const struct urpc_patience *patience)
{
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(channel->own_doorbell);
        struct urpc_watch watch;
        enum urpc_result result = urpc_try_send(channel, data, length, &watch);
        if (result == URPC_AGAIN) {
            result = await(channel, ticket, &watch, patience);
        }
        if (result != URPC_AGAIN) {
            return result;
        }
    }
}

/*
 * Both ends of a round trip, by the short way of burst.h where it is open. Between neighbouring cores a message is
 * under way for some fifty nanoseconds: a pause between two looks, or the way through urpc_poll and urpc_take, would
 * be a good part of that. So where there is a core to spin on, the receiver looks some times without a pause first.
 */
static enum urpc_result send_ping(struct urpc_channel *channel, const struct urpc_patience *patience)
{
    static const unsigned char ping[PING_BYTES];
    if (urpc_publish_one(channel, ping, PING_BYTES)) {
        urpc_notify(channel);
        return URPC_OK;
    }
    return send(channel, ping, PING_BYTES, patience);
}

static enum urpc_result receive_ping(struct urpc_channel *channel, const struct urpc_patience *patience)
{
    unsigned char data[PING_BYTES];
    for (int looks = spins(channel) ? EAGER_LOOKS : 1; looks > 0; looks--) {
        if (urpc_take_one(channel, data, PING_BYTES)) {
            return URPC_OK;
        }
    }
    return receive(channel, data, PING_BYTES, patience);
}

static void to_picoseconds(const struct urpc_stopwatch *watch, uint64_t *ticks, size_t count,
                           uint64_t overhead)
{
    double scale = urpc_stopwatch_scale(watch);
    for (size_t i = 0; i < count; i++) {
        ticks[i] = ticks[i] > overhead ? (uint64_t)((double)(ticks[i] - overhead) * scale) : 0;
    }
}

/* Ticks between two readings with nothing between: the least of several, since all else is disturbance. */
static uint64_t reading_overhead(const struct urpc_stopwatch *watch)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 64; i++) {
        uint64_t start = urpc_ticks(watch);
        uint64_t taken = urpc_ticks(watch) - start;
        least = taken < least ? taken : least;
    }
    return least;
}

/* Times of `count` batches of so many round trips each. */
static enum urpc_result round_trips(struct urpc_channel *channel, size_t count, int batch, uint64_t *ps,
                                    const struct urpc_patience *patience)
{
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    uint64_t overhead = reading_overhead(&watch);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = urpc_ticks(&watch);
        for (int turn = 0; turn < batch; turn++) {
            enum urpc_result result = send_ping(channel, patience);
            if (result == URPC_OK) {
                result = receive_ping(channel, patience);
            }
            if (result != URPC_OK) {
                return result;
            }
        }
        ps[i] = urpc_ticks(&watch) - start;
    }
    to_picoseconds(&watch, ps, count, overhead);
    return URPC_OK;
}

enum urpc_result urpc_measure_ping(struct urpc_channel *channel, size_t rounds, uint64_t *ps,
                                   const struct urpc_patience *patience)
{
    return round_trips(channel, rounds, 1, ps, patience);
}

enum urpc_result urpc_measure_ping_batches(struct urpc_channel *channel, size_t batches, uint64_t *ps,
                                           const struct urpc_patience *patience)
{
    enum urpc_result result = round_trips(channel, batches, URPC_PING_BATCH, ps, patience);
    for (size_t i = 0; i < batches && result == URPC_OK; i++) {
        ps[i] /= URPC_PING_BATCH;
    }
    return result;
}

enum urpc_result urpc_measure_echo(struct urpc_channel *channel, size_t rounds,
                                   const struct urpc_patience *patience)
{
    for (size_t round = 0; round < rounds; round++) {
        enum urpc_result result = receive_ping(channel, patience);
        if (result == URPC_OK) {
            result = send_ping(channel, patience);
        }
        if (result != URPC_OK) {
            return result;
        }
    }
    return URPC_OK;
}

/*
 * Both ends go through the same bursts: of `size` messages and a "done", first one lap that is not timed,
 * then `count` messages that are. Calls one end's part of each burst with where its times go.
 */
typedef enum urpc_result burst(struct urpc_channel *channel, const struct urpc_stopwatch *watch, size_t size,
                               uint64_t *ticks, const struct urpc_patience *patience);

static enum urpc_result bursts(struct urpc_channel *channel, burst *one, size_t count, uint64_t *ps,
                               const struct urpc_patience *patience)
{
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    uint64_t overhead = reading_overhead(&watch);
    uint64_t untimed[BURST];
    size_t size = channel->capacity / 4 - 1 < BURST ? channel->capacity / 4 - 1 : BURST;
    for (size_t lines = 0; lines < channel->capacity; lines += size + 1) {
        enum urpc_result result = one(channel, &watch, size, untimed, patience);
        if (result != URPC_OK) {
            return result;
        }
    }
    for (size_t done = 0; done < count; done += size) {
        enum urpc_result result =
            one(channel, &watch, count - done < size ? count - done : size, ps + done, patience);
        if (result != URPC_OK) {
            return result;
        }
    }
    to_picoseconds(&watch, ps, count, overhead);
    return URPC_OK;
}

static enum urpc_result send_burst(struct urpc_channel *channel, const struct urpc_stopwatch *watch,
                                   size_t size, uint64_t *ticks, const struct urpc_patience *patience)
{
    unsigned char data[PING_BYTES] = {0};
    enum urpc_result result = receive(channel, data, 0, patience); /* "ready" */
    for (size_t i = 0; i < size && result == URPC_OK; i++) {
        uint64_t start = urpc_ticks(watch);
        result = send(channel, data, sizeof data, patience);
        ticks[i] = urpc_ticks(watch) - start;
    }
    return result == URPC_OK ? send(channel, data, 0, patience) : result; /* "done" */
}

/* Wait until the line `ahead` of the next one is written, without touching those before it. */
static enum urpc_result await_line(struct urpc_channel *channel, size_t ahead,
                                   const struct urpc_patience *patience)
{
    uint64_t position = channel->consumed + ahead;
    const struct urpc_line *line = &channel->in[position & (channel->capacity - 1)];
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(channel->own_doorbell);
        uint64_t status = atomic_load_explicit(&channel->peer->status, memory_order_acquire);
        uint64_t header = atomic_load_explicit(&line->header, memory_order_acquire);
        if (urpc_header_sequence(header) == ((position + 1) & URPC_COUNT_MASK)) {
            return URPC_OK;
        }
        if (status & 1) {
            return URPC_CLOSED;
        }
        struct urpc_watch watch = {&line->header, &channel->peer->status, header, status};
        enum urpc_result result = await(channel, ticket, &watch, patience);
        if (result != URPC_AGAIN) {
            return result;
        }
    }
}

static enum urpc_result receive_burst(struct urpc_channel *channel, const struct urpc_stopwatch *watch,
                                      size_t size, uint64_t *ticks, const struct urpc_patience *patience)
{
    unsigned char data[PING_BYTES] = {0};
    enum urpc_result result = send(channel, data, 0, patience); /* "ready" */
    if (result == URPC_OK) {
        result = await_line(channel, size, patience);
    }
    for (size_t i = 0; i < size && result == URPC_OK; i++) {
        uint64_t start = urpc_ticks(watch);
        result = receive(channel, data, sizeof data, patience);
        ticks[i] = urpc_ticks(watch) - start;
    }
    return result == URPC_OK ? receive(channel, data, 0, patience) : result; /* "done" */
}

enum urpc_result urpc_measure_send(struct urpc_channel *channel, size_t count, uint64_t *ps,
                                   const struct urpc_patience *patience)
{
    return bursts(channel, send_burst, count, ps, patience);
}

enum urpc_result urpc_measure_receive(struct urpc_channel *channel, size_t count, uint64_t *ps,
                                      const struct urpc_patience *patience)
{
    return bursts(channel, receive_burst, count, ps, patience);
}

/* Publish a message, and wait for room if there is none. Whoever waits rings first: what was published
 * without a notice may be what the peer, asleep, would have to take. */
static enum urpc_result publish(struct urpc_channel *channel, const void *data, uint32_t length,
                                const struct urpc_patience *patience)
{
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(channel->own_doorbell);
        struct urpc_watch watch;
        enum urpc_result result = urpc_publish(channel, data, length, &watch);
        if (result == URPC_AGAIN) {
            urpc_notify(channel);
            result = await(channel, ticket, &watch, patience);
        }
        if (result != URPC_AGAIN) {
            return result;
        }
    }
}

/* Send one block, in bursts; where a burst stops short, the next message is published with all care. */
static enum urpc_result stream_block(struct urpc_channel *channel, unsigned char (*burst)[PING_BYTES],
                                     const struct urpc_patience *patience)
{
    for (int sent = 0; sent < URPC_STREAM_BLOCK; sent += URPC_STREAM_BATCH) {
        size_t done = 0;
        while ((done += urpc_publish_burst(channel, burst[done], PING_BYTES, URPC_STREAM_BATCH - done)) <
               URPC_STREAM_BATCH) {
            if (spins(channel) && urpc_linger(channel)) {
                continue;
            }
            enum urpc_result result = publish(channel, burst[done++], PING_BYTES, patience);
            if (result != URPC_OK) {
                return result;
            }
        }
        urpc_hint(channel);
    }
    urpc_notify(channel);
    return URPC_OK;
}

enum urpc_result urpc_measure_stream(struct urpc_channel *channel, size_t blocks, uint64_t *ps,
                                     const struct urpc_patience *patience)
{
    struct urpc_stopwatch watch;
    urpc_stopwatch_start(&watch);
    unsigned char burst[URPC_STREAM_BATCH + 1][PING_BYTES] = {{0}};
    enum urpc_result result = receive(channel, burst, 0, patience); /* "ready" */
    for (size_t block = 0; block < blocks && result == URPC_OK; block++) {
        uint64_t start = urpc_ticks(&watch);
        result = stream_block(channel, burst, patience);
        ps[block] = urpc_ticks(&watch) - start;
    }
    if (result != URPC_OK) {
        return result;
    }
    to_picoseconds(&watch, ps, blocks, 0);
    for (size_t block = 0; block < blocks; block++) {
        ps[block] /= URPC_STREAM_BLOCK;
    }
    return receive(channel, burst, 0, patience); /* "done" */
}

enum urpc_result urpc_measure_drain(struct urpc_channel *channel, size_t blocks,
                                    const struct urpc_patience *patience)
{
    unsigned char data[URPC_STREAM_BATCH][URPC_INLINE] = {{0}};
    enum urpc_result result = send(channel, data, 0, patience); /* "ready" */
    size_t left = blocks * URPC_STREAM_BLOCK;
    while (left > 0 && result == URPC_OK) {
        uint32_t length;
        size_t taken =
            urpc_take_burst(channel, data, &length, left < URPC_STREAM_BATCH ? left : URPC_STREAM_BATCH);
        if (taken == 0) {
            urpc_settle(channel);
            result = receive_ping(channel, patience);
            taken = 1;
        } else if (length != PING_BYTES) {
            result = URPC_CORRUPT;
        }
        left -= taken;
    }
    urpc_settle(channel);
    return result == URPC_OK ? send(channel, data, 0, patience) : result; /* "done" */
}
