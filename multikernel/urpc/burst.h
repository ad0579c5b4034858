/*
 * Bursts: many messages of one line each, in a loop of their own.
 *
 * urpc_publish, urpc_poll and urpc_take (channel.h) do everything that can happen to a message, one by one. A
 * stream between neighbouring cores takes less time a message than such a call: what counts then is how many
 * lines are on their way at once, and every store of the channel's own state between two lines takes a place in
 * the store buffer that the next line could have. These keep that state in registers for a burst, do the common
 * case and nothing else, and leave every other to the functions: they stop where there is anything to think about.
 *
 * Usage. Sender: urpc_publish_burst; for what it left, urpc_publish, which finds out why; then one
 * urpc_doorbell_notify. Receiver: urpc_take_burst; where it took nothing, urpc_poll and urpc_take. All may be
 * mixed freely on one channel: state, memory ordering and what is trusted are those of channel.h, by the same
 * fields. In particular a burst is no unit: each message is visible by itself, and a sender that is killed in the
 * middle has sent those before.
 */
#ifndef URPC_BURST_H
#define URPC_BURST_H

#include "ahead.h"
#include "channel.h"
#include <string.h>

/* Publish up to `count` messages of `length` bytes each, up to URPC_INLINE, which lie one behind the other. How
 * many it published: 0 where urpc_publish has to find room, or what else there is. */
static inline size_t urpc_publish_burst(struct urpc_channel *channel, const void *data, size_t length,
                                        size_t count)
{
    uint64_t sent = channel->sent;
    uint64_t room = channel->capacity - (sent - channel->acknowledged);
    if (length > URPC_INLINE || channel->broken != URPC_OK || channel->gone || channel->wanted != 0 ||
        (atomic_load_explicit(&channel->peer->status, memory_order_relaxed) & 1)) {
        return 0;
    }
    count = count < room ? count : room;
    struct urpc_line *out = channel->out;
    uint64_t mask = channel->capacity - 1, consumed = channel->consumed;
    const unsigned char *message = data;
    for (size_t i = 0; i < count; i++, message += length) {
        struct urpc_line *line = &out[(sent + i) & mask];
        urpc_ask_to_write(&out[(sent + i + URPC_AHEAD) & mask]);
        memcpy(line->payload, message, length);
        /* release: the payload is visible with it */
        atomic_store_explicit(&line->header, urpc_header(sent + i + 1, consumed, length, URPC_MESSAGE),
                              memory_order_release);
    }
    channel->sent = sent + count;
    if (count > 0) {
        channel->told = consumed;
    }
    return count;
}

/*
 * Take up to `count` messages that are there, each into URPC_INLINE bytes of `data`, of which `lengths` says how
 * many are its own; all are written, since a copy of a fixed size is a few instructions. How many it took: it stops
 * before a message of several lines, one whose header is not as it must be, and one after which the peer is to be
 * told how far we are. urpc_poll and urpc_take know what to do with those.
 */
static inline size_t urpc_take_burst(struct urpc_channel *channel, unsigned char (*data)[URPC_INLINE],
                                     uint8_t *lengths, size_t count)
{
    uint64_t first = channel->consumed;
    uint64_t quarter =
        channel->told + channel->capacity / 4 - 1; /* the position whose message makes us tell */
    uint64_t known = channel->acknowledged, sent = channel->sent;
    if (channel->broken != URPC_OK || first < channel->peeked) {
        return 0;
    }
    uint64_t left = quarter > first ? quarter - first : 0;
    count = count < left ? count : left;
    const uint64_t fixed = URPC_COUNT_MASK | UINT64_C(15) << 60; /* sequence and kind: what must be so */
    const uint64_t acknowledgement = URPC_COUNT_MASK << 20;
    const struct urpc_line *in = channel->in;
    uint64_t mask = channel->capacity - 1;
    uint64_t last = known << 20 & acknowledgement;
    size_t taken = 0;
    for (; taken < count; taken++) {
        const struct urpc_line *line = &in[(first + taken) & mask];
        /* acquire: the payload is read after it */
        uint64_t header = atomic_load_explicit(&line->header, memory_order_acquire);
        uint32_t length = urpc_header_length(header);
        if ((header & fixed) != urpc_header(first + taken + 1, 0, 0, URPC_MESSAGE) || length > URPC_INLINE) {
            break;
        }
        if ((header & acknowledgement) != last) {
            uint64_t ahead = (urpc_header_acknowledged(header) - known) & URPC_COUNT_MASK;
            if (ahead > sent - known) {
                break;
            }
            known += ahead;
            last = header & acknowledgement;
        }
        memcpy(data[taken], line->payload, URPC_INLINE);
        lengths[taken] = (uint8_t)length;
    }
    channel->acknowledged = known;
    channel->consumed = first + taken;
    return taken;
}

#endif
