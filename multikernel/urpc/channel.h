/*
 * The channel: a duplex pair of rings of lines in one shared segment, one writer and one reader each.
 *
 *   offset 0     header: magic, version, capacity
 *          128   side 0: status | wanted | claimed, two lines apart each
 *          512   side 1: likewise
 *          4096  ring written by side 0, read by side 1: `capacity` lines
 *          ...   ring written by side 1, read by side 0, at the next multiple of the header's grain (memory.h)
 *
 * Each ring has whole pages of its own, so that each can lie on a node of its own: the one that is nearest to its two ends is not the same
 * for both directions, since at a draw it is the receiver's. The lines of control lie with the first. Price: a ring of fewer than 64 lines
 * fills a part of its page only. The offsets are computed once, in urpc_channel_init; sending and receiving know two pointers.
 *
 * Usage. Each side: urpc_channel_init once. Sender: urpc_publish, then urpc_notify
 * (urpc_try_send does both). Receiver: urpc_poll; on URPC_OK make room for channel->length bytes, then
 * urpc_take. On URPC_AGAIN the watch says what to wait for. One thread at a time per side.
 *
 * Order and delivery. First in, first out, nothing lost and nothing doubled. A message is visible whole or
 * not at all: the lines behind the first are written first, and the first line's header last. So a sender
 * that is killed half way leaves nothing behind, and a receiver never waits for the rest of a message.
 *
 * Flow control. A sender is never more than `capacity` lines ahead of what it knows to be consumed. It learns
 * that (a) from the `acknowledged` field of every message that comes the other way, and (b) from the peer's
 * `status` line, which the peer writes whenever a quarter of the ring has been consumed and not told
 * otherwise. The sender reads it only to see whether the peer has closed, and when it is out of room. A
 * receiver that has consumed everything has thus told all but less than a quarter, and a message takes at
 * most three quarters of the ring: so whenever all earlier messages have been received, the next one fits. No
 * timer and no flush is needed for progress, and the quarter keeps (b) to one line in capacity/4 messages.
 *
 * A sender out of room also looks at acknowledgements in messages that it has not received yet, up to
 * `peeked`, so that two ends with full rings do not wait for each other. Each header's acknowledgement is
 * taken exactly once, when it is peeked or when it is received. It is 20 bits wide, and must not be read when
 * it is ambiguous: (b) is read before the unread headers are, with acquire, so a header that is not seen then
 * was written after (b) and acknowledges no less; and no more than a ring is sent between two such looks.
 * Hence the field is never more than two rings behind, and 20 bits are more than enough (line.h asserts it).
 * Positions themselves are 64 bits wide.
 *
 * Waiting for room. A sender that finds none writes the position it needs acknowledged into its `wanted` line
 * and looks once more. A receiver that writes `status` then reads `wanted`, and rings the sender's doorbell
 * when it has got there. Both have a seq_cst fence between their store and their load: the same argument as
 * in doorbell.h. A receiver of many may put the second half off (urpc_settle) until it does something else, or
 * finds the ring empty, which it does before it waits.
 *
 * Handing back. A receiver may store into a line that it has read the header that it found there, to leave the
 * line its own (ownership.h says why). Nobody else writes the line before it is acknowledged, and every
 * acknowledgement is a release behind that store, so it can replace nothing but itself.
 *
 * Memory ordering, by operation
 *   publish   payload: plain stores. Header: release, so the payload is visible with it. Further lines:
 * relaxed headers, ordered by the first line's release. poll      header: acquire; the payload is read only
 * after it fits. take      plain loads of payload; relaxed loads of the further headers, ordered by poll's
 * acquire. acknowledge  status, or the header of the next message: release, after the payload has been copied
 * out, so the writer cannot overwrite what is still being read. harvest   status and unread headers: acquire,
 * before the lines they free are written again. close     status: release, after the last message; the reader
 * loads it with acquire and then looks at the ring once more, so that a message sent before the close is
 * never missed.
 *
 * Trust. The peer may be hostile, or dead with its last words half written. Every word that comes from shared
 * memory is read once, and checked before it is used: sequences, kinds, lengths and acknowledgements that
 * cannot be give URPC_CORRUPT, which sticks. All indices are our own counters, masked. A hostile peer can
 * forge payload and stop talking, as it could with a socket.
 */
#ifndef URPC_CHANNEL_H
#define URPC_CHANNEL_H

#include "doorbell.h"
#include "line.h"
#include "memory.h"
#include "ownership.h"
#include "wait.h"
#include <stdbool.h>

#define URPC_CHANNEL_MAGIC UINT64_C(0x6e61686363707275) /* "urpcchan", read as little-endian bytes */
enum { URPC_CHANNEL_VERSION = 3, URPC_RINGS_OFFSET = 4096 };

/* What one side writes, for the other to read. */
struct urpc_side {
    /* Lines consumed, shifted left by one; bit 0: closed. Written by this side, release; read by the other,
     * acquire. */
    alignas(URPC_APART) _Atomic uint64_t status;
    /* Which mark of this side's doorbell tells of this channel; 0: none (doorbell.h). Written by this side and
     * read by the other, each with a fence before its next load. Beside status, which the other side has just
     * read. */
    _Atomic uint32_t slot;
    /* The position that this side needs acknowledged, or 0. Written by this side, read by the other after a
     * fence. */
    alignas(URPC_APART) _Atomic uint64_t wanted;
    /* 1 once a channel has been made of this side: a segment serves one life. Exchanged by who makes it. */
    alignas(URPC_APART) _Atomic uint32_t claimed;
};
_Static_assert(sizeof(struct urpc_side) == 3 * URPC_APART, "words of a side have lines of their own");

struct urpc_segment_memory {
    struct urpc_memory_header header; /* parameter: capacity */
    alignas(URPC_APART) struct urpc_side sides[2];
    /* Side 0's ring; side 1's begins at urpc_segment_layout's `second`. */
    alignas(URPC_RINGS_OFFSET) struct urpc_line rings[];
};
_Static_assert(offsetof(struct urpc_segment_memory, rings) == URPC_RINGS_OFFSET, "rings begin on a page");

enum urpc_result {
    URPC_OK = 0,
    URPC_AGAIN,    /* nothing to receive, or no room to send: wait on the watch */
    URPC_CLOSED,   /* the peer has closed, and everything it sent has been received */
    URPC_CORRUPT,  /* shared memory holds what no correct peer writes */
    URPC_TOO_LONG, /* more than urpc_max_message */
    URPC_TIMEOUT,  /* the last two: only from what waits (measure.h) */
    URPC_STOPPED,
};

struct urpc_waitset;
struct urpc_port;

/* One side of a channel, private to its process. */
struct urpc_channel {
    /* for sending */
    struct urpc_line *out;
    uint64_t sent;         /* lines written */
    uint64_t acknowledged; /* of those, known to be consumed */
    uint64_t wanted;       /* copy of our wanted line */
    /* for receiving */
    struct urpc_line *in;
    uint64_t consumed; /* lines read */
    uint64_t told;     /* of those, acknowledged to the peer */
    bool unsettled;    /* told in `status`, and not yet looked whether the peer waits for that */
    uint64_t peeked;   /* acknowledgements in lines before this one have been taken */
    uint32_t length;   /* of the message that urpc_poll found */
    uint64_t header;   /* its header, as it was checked */
    /* fixed */
    uint32_t capacity;
    bool hands_back; /* lines that have been read (ownership.h) */
    struct urpc_side *self;
    struct urpc_side *peer;
    const struct urpc_doorbell *own_doorbell;
    const struct urpc_doorbell *peer_doorbell;
    enum urpc_result broken; /* URPC_OK, or URPC_CORRUPT for ever */
    bool gone;               /* the peer's process has ended, and closed nothing (urpc_peer_died) */
    /* in a wait set (waitset.h) */
    struct urpc_waitset *set; /* or NULL */
    size_t place;             /* in its list */
    uint32_t slot;            /* as in self->slot */
    bool candidate;           /* it will be looked at */
    /* For trees (relay.h): what urpc_poll does with a message of one. OK: dealt with; AGAIN: it has to wait;
     * CLOSED, or NULL here: there is nobody yet to take it. */
    enum urpc_result (*divert)(struct urpc_channel *channel);
    struct urpc_port *ports;
};

/* Where the rings are in a segment whose rings have this capacity: `size` is 0 if it is no power of two between the limits. */
struct urpc_layout urpc_segment_layout(uint32_t capacity, size_t grain);

/* Longest message, in bytes: three quarters of the ring. */
static inline uint32_t urpc_max_message(uint32_t capacity)
{
    return (capacity - capacity / 4) * URPC_INLINE;
}

/* Become side 0 or 1 of a segment. Capacity and grain are those that its header was checked to have: nothing is read of it here. False if
 * that side has been taken before. */
bool urpc_channel_init(struct urpc_channel *channel, struct urpc_segment_memory *memory, uint32_t capacity,
                       size_t grain, unsigned side, const struct urpc_doorbell *own,
                       const struct urpc_doorbell *peer);

/* The peer's process is known to have ended: what it sent can be received, then it counts as closed. Its
 * stores are visible by then, since whoever learns of the end of a process (pidfd) is ordered after it. Wakes
 * whoever waits on our doorbell. */
void urpc_peer_died(struct urpc_channel *channel);

/* Put a message into the ring, without notifying: OK, AGAIN, CLOSED, CORRUPT or TOO_LONG. Never part of it.
 */
enum urpc_result urpc_publish_as(struct urpc_channel *channel, enum urpc_kind kind, const void *data,
                                 size_t length, struct urpc_watch *watch);

static inline enum urpc_result urpc_publish(struct urpc_channel *channel, const void *data, size_t length,
                                            struct urpc_watch *watch)
{
    return urpc_publish_as(channel, URPC_MESSAGE, data, length, watch);
}

/*
 * In the midst of publishing: the same as urpc_notify, without the fence. Who sends many has a sleeping peer start
 * on the first of them, and pays for one fence only. It may miss a peer that is just falling asleep, so
 * urpc_notify must follow, at the latest before the sender waits or does something else.
 */
static inline void urpc_hint(const struct urpc_channel *channel)
{
    uint32_t slot = atomic_load_explicit(&channel->peer->slot, memory_order_relaxed);
    if (__builtin_expect(slot != 0, 0)) {
        urpc_doorbell_mark(channel->peer_doorbell, slot);
    }
    urpc_doorbell_rouse(channel->peer_doorbell);
}

/* After something was published: mark this channel if the peer has marks, and wake the peer if it sleeps. */
static inline void urpc_notify(const struct urpc_channel *channel)
{
    atomic_thread_fence(memory_order_seq_cst);
    urpc_hint(channel);
}

/* Publish, and notify. */
static inline enum urpc_result urpc_try_send(struct urpc_channel *channel, const void *data, size_t length,
                                             struct urpc_watch *watch)
{
    enum urpc_result result = urpc_publish(channel, data, length, watch);
    if (result == URPC_OK) {
        urpc_notify(channel);
    }
    return result;
}

/* Tell the peer how far we are; urpc_settle must follow. */
static inline void urpc_tell(struct urpc_channel *channel, uint64_t consumed)
{
    channel->told = consumed;
    channel->unsettled = true;
    /* release: what was read before has been, when the peer writes those lines again */
    atomic_store_explicit(&channel->self->status, consumed << 1, memory_order_release);
}

/* After something was told: wake the peer if that is what it waits for. */
void urpc_settle_told(struct urpc_channel *channel);

static inline void urpc_settle(struct urpc_channel *channel)
{
    if (__builtin_expect(channel->unsettled, 0)) {
        urpc_settle_told(channel);
    }
}

/* After something was consumed: tell and settle, if a quarter of the ring has been since. */
static inline void urpc_tell_in_time(struct urpc_channel *channel)
{
    if (channel->consumed - channel->told >= channel->capacity / 4) {
        urpc_tell(channel, channel->consumed);
        urpc_settle_told(channel);
    }
}

/* Is there a message? OK (then `length` is set), AGAIN, CLOSED or CORRUPT. Messages of trees are dealt with on
 * the way, and none of the caller's business: a relay passes them on, or they wait in the ring, and with them
 * what is behind them (AGAIN, or CLOSED). */
enum urpc_result urpc_poll(struct urpc_channel *channel, struct urpc_watch *watch);

/* Does the message that urpc_poll has just found refer to a pool (pool.h)? */
static inline bool urpc_is_loan(const struct urpc_channel *channel)
{
    return urpc_header_kind(channel->header) == URPC_LENT;
}

/* Copy out, and consume, the message that urpc_poll has just found: OK or CORRUPT. `data` has room for
 * `length`, or is NULL: then it is only consumed. */
enum urpc_result urpc_take(struct urpc_channel *channel, void *data);

/* The first eight bytes of that message, however many there are; not consumed, and not to be trusted. */
uint64_t urpc_first_word(const struct urpc_channel *channel);

/*
 * After URPC_AGAIN from publish: is there now the room that was wanted, or a reason why there never will be?
 * Says so once: a sender that does not come back for its room is not told of it for ever.
 */
bool urpc_room(struct urpc_channel *channel);

/* Nothing more will be sent. The peer receives what was, then URPC_CLOSED. */
void urpc_channel_close(struct urpc_channel *channel);

#endif
