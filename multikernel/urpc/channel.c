#define _GNU_SOURCE
#include "channel.h"

#include <string.h>

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* Messages of trees in one look, so that a peer that sends nothing else leaves time for others. */
enum { DIVERTED_AT_ONCE = 64 };

struct urpc_layout urpc_segment_layout(uint32_t capacity, size_t grain)
{
    if (capacity < URPC_MIN_CAPACITY || capacity > URPC_MAX_CAPACITY || (capacity & (capacity - 1)) != 0) {
        return (struct urpc_layout){0, 0};
    }
    size_t ring = (size_t)capacity * URPC_LINE_SIZE, second = urpc_round_up(URPC_RINGS_OFFSET + ring, grain);
    return (struct urpc_layout){second, second + ring};
}

static struct urpc_line *ring_of(struct urpc_segment_memory *memory, uint32_t capacity, size_t grain,
                                 unsigned side)
{
    size_t offset = side == 0 ? URPC_RINGS_OFFSET : urpc_segment_layout(capacity, grain).second;
    return (struct urpc_line *)(void *)((unsigned char *)memory + offset);
}

bool urpc_channel_init(struct urpc_channel *channel, struct urpc_segment_memory *memory, uint32_t capacity,
                       size_t grain, unsigned side, const struct urpc_doorbell *own,
                       const struct urpc_doorbell *peer)
{
    *channel = (struct urpc_channel){
        .out = ring_of(memory, capacity, grain, side),
        .in = ring_of(memory, capacity, grain, !side),
        .capacity = capacity,
        .hands_back = urpc_should_hand_back(),
        .self = &memory->sides[side],
        .peer = &memory->sides[!side],
        .own_doorbell = own,
        .peer_doorbell = peer,
    };
    return atomic_exchange(&channel->self->claimed, 1) == 0;
}

/* Which line of the ring a position is. */
static size_t slot(const struct urpc_channel *channel, uint64_t position)
{
    return position & (channel->capacity - 1);
}

static enum urpc_result corrupt(struct urpc_channel *channel)
{
    channel->broken = URPC_CORRUPT;
    return URPC_CORRUPT;
}

/* Take the acknowledgement of a header that has just been read for the first time. False if it cannot be. */
static bool accept_acknowledgement(struct urpc_channel *channel, uint64_t header)
{
    uint64_t ahead = (urpc_header_acknowledged(header) - channel->acknowledged) & URPC_COUNT_MASK;
    if (ahead > channel->sent - channel->acknowledged) {
        return ahead > URPC_COUNT_MASK / 2; /* behind: status has told us more already */
    }
    channel->acknowledged += ahead;
    return true;
}

static bool is_message(const struct urpc_channel *channel, uint64_t header, uint64_t position)
{
    return urpc_header_sequence(header) == ((position + 1) & URPC_COUNT_MASK) &&
           (urpc_header_kind(header) == URPC_MESSAGE || urpc_header_kind(header) == URPC_LENT ||
            urpc_header_kind(header) == URPC_RELAYED) &&
           urpc_header_length(header) <= urpc_max_message(channel->capacity);
}

/* Learn all that can be known of what the peer has consumed. */
static enum urpc_result harvest(struct urpc_channel *channel, struct urpc_watch *watch)
{
    uint64_t status = atomic_load_explicit(&channel->peer->status, memory_order_acquire);
    if (status & 1 || channel->gone) {
        return URPC_CLOSED;
    }
    if (status >> 1 > channel->sent) {
        return corrupt(channel);
    }
    if (status >> 1 > channel->acknowledged) {
        channel->acknowledged = status >> 1;
    }
    if (channel->peeked < channel->consumed) {
        channel->peeked = channel->consumed;
    }
    const struct urpc_line *line;
    uint64_t header;
    for (;;) {
        line = &channel->in[slot(channel, channel->peeked)];
        header = atomic_load_explicit(&line->header, memory_order_acquire);
        if (channel->peeked - channel->consumed >= channel->capacity ||
            !is_message(channel, header, channel->peeked)) {
            break; /* the last, or one that urpc_poll will refuse */
        }
        if (!accept_acknowledgement(channel, header)) {
            return corrupt(channel);
        }
        channel->peeked += urpc_lines(urpc_header_length(header));
    }
    *watch = (struct urpc_watch){&line->header, &channel->peer->status, header, status};
    return URPC_OK;
}

static bool fits(const struct urpc_channel *channel, uint32_t lines)
{
    return channel->sent - channel->acknowledged + lines <= channel->capacity;
}

/* The slow path of publish: OK once there is room, or AGAIN, with the peer asked to ring when there is. */
static enum urpc_result make_room(struct urpc_channel *channel, uint32_t lines, struct urpc_watch *watch)
{
    enum urpc_result result = harvest(channel, watch);
    if (result != URPC_OK || fits(channel, lines)) {
        return result;
    }
    uint64_t needed = channel->sent + lines - channel->capacity;
    if (channel->wanted != needed) {
        channel->wanted = needed;
        atomic_store_explicit(&channel->self->wanted, needed, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        result = harvest(channel, watch);
        if (result != URPC_OK || fits(channel, lines)) {
            return result;
        }
    }
    return URPC_AGAIN;
}

enum urpc_result urpc_publish_as(struct urpc_channel *channel, enum urpc_kind kind, const void *data,
                                 size_t length, struct urpc_watch *watch)
{
    if (unlikely(channel->broken)) {
        return channel->broken;
    }
    if (unlikely(atomic_load_explicit(&channel->peer->status, memory_order_relaxed) & 1 || channel->gone)) {
        return URPC_CLOSED;
    }
    if (unlikely(length > urpc_max_message(channel->capacity))) {
        return URPC_TOO_LONG;
    }
    uint32_t lines = urpc_lines(length);
    if (unlikely(!fits(channel, lines))) {
        enum urpc_result result = make_room(channel, lines, watch);
        if (result != URPC_OK) {
            return result;
        }
    }
    if (unlikely(channel->wanted != 0)) {
        channel->wanted = 0;
        atomic_store_explicit(&channel->self->wanted, 0, memory_order_relaxed);
    }
    uint64_t first = channel->sent;
    size_t done = length < URPC_INLINE ? length : URPC_INLINE;
    struct urpc_line *line = &channel->out[slot(channel, first)];
    urpc_copy_short(line->payload, data, done);
    for (uint32_t i = 1; i < lines; i++) {
        struct urpc_line *next = &channel->out[slot(channel, first + i)];
        size_t part = length - done < URPC_INLINE ? length - done : URPC_INLINE;
        memcpy(next->payload, (const unsigned char *)data + done, part);
        atomic_store_explicit(&next->header,
                              urpc_header(first + i + 1, channel->consumed, length, URPC_CONTINUED),
                              memory_order_relaxed);
        done += part;
    }
    atomic_store_explicit(&line->header, urpc_header(first + 1, channel->consumed, length, kind),
                          memory_order_release);
    channel->sent += lines;
    channel->told = channel->consumed;
    return URPC_OK;
}

/* A header that is not the next message: what the lap before left there, or something else? */
static bool is_stale(const struct urpc_channel *channel, uint64_t header)
{
    if (channel->consumed < channel->capacity) {
        return header == 0;
    }
    return urpc_header_sequence(header) == ((channel->consumed + 1 - channel->capacity) & URPC_COUNT_MASK) &&
           (urpc_header_kind(header) == URPC_MESSAGE || urpc_header_kind(header) == URPC_LENT ||
            urpc_header_kind(header) == URPC_RELAYED || urpc_header_kind(header) == URPC_CONTINUED);
}

/* The next message, whosever it is. */
static inline enum urpc_result look(struct urpc_channel *channel, struct urpc_watch *watch)
{
    if (unlikely(channel->broken)) {
        return channel->broken;
    }
    const struct urpc_line *line = &channel->in[slot(channel, channel->consumed)];
    uint64_t header = atomic_load_explicit(&line->header, memory_order_acquire);
    if (!is_message(channel, header, channel->consumed)) {
        uint64_t status = atomic_load_explicit(&channel->peer->status, memory_order_acquire);
        bool closed = status & 1 || channel->gone;
        if (closed) {
            header = atomic_load_explicit(&line->header, memory_order_acquire);
        }
        if (is_stale(channel, header)) {
            urpc_settle(channel);
            *watch = (struct urpc_watch){&line->header, &channel->peer->status, header, status};
            return closed ? URPC_CLOSED : URPC_AGAIN;
        }
        if (!is_message(channel, header, channel->consumed)) {
            return corrupt(channel);
        }
    }
    channel->header = header;
    channel->length = urpc_header_length(header);
    return URPC_OK;
}

enum urpc_result urpc_poll(struct urpc_channel *channel, struct urpc_watch *watch)
{
    for (int diverted = 0;; diverted++) {
        enum urpc_result result = look(channel, watch);
        if (result != URPC_OK || likely(urpc_header_kind(channel->header) != URPC_RELAYED)) {
            return result;
        }
        const struct urpc_line *line = &channel->in[slot(channel, channel->consumed)];
        uint64_t status = atomic_load_explicit(&channel->peer->status, memory_order_acquire);
        /* One that waits is looked at again when the peer does something; after many, at once. */
        uint64_t seen = diverted == DIVERTED_AT_ONCE ? ~channel->header : channel->header;
        if (diverted < DIVERTED_AT_ONCE) {
            result = channel->divert == NULL ? URPC_CLOSED : channel->divert(channel);
        } else {
            result = URPC_AGAIN;
        }
        if (result != URPC_OK) {
            *watch = (struct urpc_watch){&line->header, &channel->peer->status, seen, status};
            return result == URPC_CLOSED && (status & 1 || channel->gone) ? URPC_CLOSED : URPC_AGAIN;
        }
    }
}

uint64_t urpc_first_word(const struct urpc_channel *channel)
{
    uint64_t word;
    memcpy(&word, channel->in[slot(channel, channel->consumed)].payload, sizeof word);
    return word;
}

void urpc_settle_told(struct urpc_channel *channel)
{
    channel->unsettled = false;
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t wanted = atomic_load_explicit(&channel->peer->wanted, memory_order_relaxed);
    if (wanted != 0 && wanted <= channel->consumed) {
        urpc_notify(channel);
    }
}

enum urpc_result urpc_take(struct urpc_channel *channel, void *data)
{
    uint32_t length = channel->length;
    uint32_t lines = urpc_lines(length);
    size_t done = length < URPC_INLINE ? length : URPC_INLINE;
    struct urpc_line *line = &channel->in[slot(channel, channel->consumed)];
    if (likely(data != NULL)) {
        urpc_copy_short(data, line->payload, done);
    }
    if (channel->hands_back) {
        urpc_hand_back(line, channel->header);
    }
    for (uint32_t i = 1; i < lines; i++) {
        uint64_t position = channel->consumed + i;
        struct urpc_line *next = &channel->in[slot(channel, position)];
        uint64_t header = atomic_load_explicit(&next->header, memory_order_relaxed);
        if (urpc_header_sequence(header) != ((position + 1) & URPC_COUNT_MASK) ||
            urpc_header_kind(header) != URPC_CONTINUED) {
            return corrupt(channel);
        }
        size_t part = length - done < URPC_INLINE ? length - done : URPC_INLINE;
        if (data != NULL) {
            memcpy((unsigned char *)data + done, next->payload, part);
        }
        if (channel->hands_back) {
            urpc_hand_back(next, header);
        }
        done += part;
    }
    if (channel->consumed >= channel->peeked && unlikely(!accept_acknowledgement(channel, channel->header))) {
        return corrupt(channel);
    }
    channel->consumed += lines;
    urpc_tell_in_time(channel);
    return URPC_OK;
}

bool urpc_room(struct urpc_channel *channel)
{
    struct urpc_watch watch;
    if (channel->wanted == 0 || (!channel->broken && harvest(channel, &watch) == URPC_OK &&
                                 channel->acknowledged < channel->wanted)) {
        return false;
    }
    channel->wanted = 0;
    atomic_store_explicit(&channel->self->wanted, 0, memory_order_relaxed);
    return true;
}

void urpc_channel_close(struct urpc_channel *channel)
{
    atomic_store_explicit(&channel->self->status, channel->consumed << 1 | 1, memory_order_release);
    urpc_notify(channel);
}

void urpc_peer_died(struct urpc_channel *channel)
{
    channel->gone = true;
    if (channel->slot != 0) {
        urpc_doorbell_mark(channel->own_doorbell, channel->slot);
    }
    urpc_doorbell_move(channel->own_doorbell);
}
