/*
 * Bursts: many messages of one line each, in a loop of their own.
 *
 * urpc_publish, urpc_poll and urpc_take (channel.h) do everything that can happen to a message, one by one. A
 * stream between neighbouring cores takes less time a message than such a call. What counts then is
 *
 *   - how many lines are on their way at once. Stores are done in order, so those that wait for a line hold up all
 *     behind them, some sixty; every store of the channel's own state between two lines takes the place of one
 *     that the next line could have. So a burst keeps that state in registers.
 *   - fences, which wait for all of them. A burst has none; one call at its end, of either side, has (below).
 *   - lines besides those of the messages. A sender that is out of room waits a moment before it asks to be told
 *     when there is some (urpc_linger): asking would cost each side a line for each quarter of a ring.
 *
 * Bursts do the common case and nothing else, and leave every other to the functions: they stop where there is
 * anything to think about.
 *
 * Usage. Sender: urpc_publish_burst, and urpc_hint as often as it likes; for what it left, urpc_linger, and in the
 * end urpc_publish, which finds out why; before it does anything else, urpc_notify. Receiver: urpc_take_burst; where
 * it took nothing, urpc_poll and urpc_take; before it does anything else, urpc_settle. All may be mixed freely on
 * one channel: state, memory ordering and what is trusted are those of channel.h, by the same fields. In particular
 * a burst is no unit: each message is visible by itself, and a sender that is killed in the middle has sent those
 * before.
 */
#ifndef URPC_BURST_H
#define URPC_BURST_H

#include "channel.h"
#include "clock.h"
#include <string.h>

/* May a message of this length be published the short way, if there is room for it? */
static inline bool urpc_may_publish_short(const struct urpc_channel *channel, size_t length)
{
    return length <= URPC_INLINE && channel->broken == URPC_OK && !channel->gone && channel->wanted == 0 &&
           !(atomic_load_explicit(&channel->peer->status, memory_order_relaxed) & 1);
}

/* Publish up to `count` messages of `length` bytes each, up to URPC_INLINE, which lie one behind the other. How
 * many it published: 0 where urpc_publish has to find room, or what else there is. */
static inline size_t urpc_publish_burst(struct urpc_channel *channel, const void *data, size_t length,
                                        size_t count)
{
    uint64_t sent = channel->sent;
    uint64_t room = channel->capacity - (sent - channel->acknowledged);
    if (!urpc_may_publish_short(channel, length)) {
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

/* A burst of one, of whatever length up to URPC_INLINE. */
static inline bool urpc_publish_one(struct urpc_channel *channel, const void *data, size_t length)
{
    uint64_t sent = channel->sent;
    if (sent - channel->acknowledged >= channel->capacity || !urpc_may_publish_short(channel, length)) {
        return false;
    }
    struct urpc_line *line = &channel->out[sent & (channel->capacity - 1)];
    urpc_copy_short(line->payload, data, length);
    /* release: the payload is visible with it */
    atomic_store_explicit(&line->header, urpc_header(sent + 1, channel->consumed, length, URPC_MESSAGE),
                          memory_order_release);
    channel->sent = sent + 1;
    channel->told = channel->consumed;
    return true;
}

/* Take the next message if it has just this length, of up to URPC_INLINE. Nothing is left to be settled. */
static inline bool urpc_take_one(struct urpc_channel *channel, void *data, uint32_t length)
{
    const uint64_t acknowledgement = URPC_COUNT_MASK << 20;
    uint64_t first = channel->consumed;
    struct urpc_line *line = &channel->in[first & (channel->capacity - 1)];
    /* acquire: the payload is read after it */
    uint64_t header = atomic_load_explicit(&line->header, memory_order_acquire);
    uint64_t ahead = (urpc_header_acknowledged(header) - channel->acknowledged) & URPC_COUNT_MASK;
    if ((header & ~acknowledgement) != urpc_header(first + 1, 0, length, URPC_MESSAGE) ||
        ahead > channel->sent - channel->acknowledged || channel->broken != URPC_OK ||
        first < channel->peeked) {
        return false;
    }
    urpc_copy_short(data, line->payload, length);
    if (channel->hands_back) {
        urpc_hand_back(line, header);
    }
    channel->acknowledged += ahead;
    channel->consumed = first + 1;
    urpc_tell_in_time(channel);
    return true;
}

/*
 * Wait a moment for room without asking for it: true if there is some now. A moment is what a receiver that keeps up
 * takes for a quarter of a ring; one who has to wait longer asks (urpc_publish), and may sleep. Of no use where the
 * receiver cannot run meanwhile, since both share a core.
 */
static inline bool urpc_linger(struct urpc_channel *channel)
{
    enum { LOOKS = 100 };
    for (int look = 0; look < LOOKS && channel->wanted == 0; look++) {
        uint64_t status = atomic_load_explicit(&channel->peer->status, memory_order_acquire);
        if (status & 1 || status >> 1 > channel->sent) {
            break; /* urpc_publish says what that is */
        }
        if (status >> 1 > channel->acknowledged) {
            channel->acknowledged = status >> 1;
            return true;
        }
        urpc_relax();
    }
    return false;
}

/* urpc_take_burst, where so many bytes of each line are copied: a constant, so that it becomes a few instructions. */
static inline __attribute__((always_inline)) size_t urpc_take_alike(struct urpc_channel *channel,
                                                                    unsigned char (*data)[URPC_INLINE],
                                                                    size_t count, uint32_t length,
                                                                    size_t copied)
{
    uint64_t first = channel->consumed, known = channel->acknowledged, sent = channel->sent;
    uint64_t quarter =
        channel->told + channel->capacity / 4; /* the position at which we tell how far we are */
    const uint64_t acknowledgement = URPC_COUNT_MASK << 20;
    struct urpc_line *in = channel->in;
    bool hands_back = channel->hands_back;
    uint64_t mask = channel->capacity - 1;
    uint64_t last = known << 20 & acknowledgement;
    size_t taken = 0;
    while (taken < count) {
        struct urpc_line *line = &in[(first + taken) & mask];
        /* acquire: the payload is read after it */
        uint64_t header = atomic_load_explicit(&line->header, memory_order_acquire);
        if ((header & ~acknowledgement) != urpc_header(first + taken + 1, 0, length, URPC_MESSAGE)) {
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
        memcpy(data[taken], line->payload, copied);
        if (hands_back) {
            urpc_hand_back(line, header);
        }
        taken++;
        if (first + taken >= quarter) {
            urpc_tell(channel, first + taken);
            quarter = first + taken + channel->capacity / 4;
        }
    }
    channel->acknowledged = known;
    channel->consumed = first + taken;
    return taken;
}

/*
 * Take up to `count` messages that are there and have all the same length, each to where URPC_INLINE bytes of `data`
 * are its own; what stands behind `length` there is anything. How many it took: it stops before a message of another
 * length or of several lines, and before one whose header is not as it must be. urpc_poll and urpc_take know what to
 * do with the last two.
 *
 * One length for all, since one for each would be a store for each.
 */
static inline size_t urpc_take_burst(struct urpc_channel *channel, unsigned char (*data)[URPC_INLINE],
                                     uint32_t *length, size_t count)
{
    enum { MOSTLY = 48 }; /* bytes that take one store less than URPC_INLINE */
    uint64_t header = atomic_load_explicit(&channel->in[channel->consumed & (channel->capacity - 1)].header,
                                           memory_order_relaxed);
    *length = urpc_header_length(header);
    if (channel->broken != URPC_OK || channel->consumed < channel->peeked || *length > URPC_INLINE) {
        return 0;
    }
    return *length <= MOSTLY ? urpc_take_alike(channel, data, count, *length, MOSTLY)
                             : urpc_take_alike(channel, data, count, *length, URPC_INLINE);
}

#endif
