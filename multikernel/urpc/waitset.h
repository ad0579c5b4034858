/*
 * The wait set: which of many channels have something to do, at a cost that depends on those which have.
 *
 * Usage: urpc_waitset_add each channel. Then, again and again:
 *
 *   ticket = urpc_doorbell_ticket(bell)
 *   for i below urpc_waitset_gather(set):  urpc_waitset_look(set, i)  says whether set->candidates[i] is ready
 *   none is: sources = urpc_waitset_sources(set);  urpc_await_any(bell, ticket, &sources, ...)
 *
 * Up to URPC_WATCHED channels it looks at each one's next line: a fill when there is something, and else a
 * line that stays in this core's cache; their senders pay nothing. With more, it gives each a slot of the
 * doorbell and looks at those only that
 *
 *   - have been marked since (doorbell.h),
 *   - were ready the last time: marks tell of changes, and a channel is ready as long as there is something,
 *   - have been added or closed since,
 *   - and every few looks at one more, whose turn it is; and at all, when a second of sleep has passed.
 *
 * The last is for peers that are not correct: everyone who sends here can also wipe out marks. A wiped mark
 * delays its message by a second at most while we sleep, or by as many such turns as there are channels
 * while we do not; it loses none.
 *
 * A wait set belongs to one thread at a time. One wait set of a doorbell uses the marks; further ones of the
 * same process, and the channels of one that could not get memory for them, are watched one by one.
 */
#ifndef URPC_WAITSET_H
#define URPC_WAITSET_H

#include "channel.h"
#include "wait.h"

enum { URPC_WATCHED = 8 }; /* two or three fills for marks against a look at this many cached lines */

struct urpc_waitset {
    const struct urpc_doorbell *bell;
    struct urpc_channel **channels;
    size_t count;
    size_t room;                      /* of each array but by_slot */
    struct urpc_channel **candidates; /* to look at; NULL once there was nothing */
    size_t candidate_count;
    struct urpc_watch *watches;    /* of candidates[i], where all channels are watched */
    struct urpc_channel **by_slot; /* URPC_SLOTS of them; NULL: channels are watched */
    uint32_t next_slot;            /* where to look for a free one */
    size_t looks;                  /* ever taken */
    size_t turn;                   /* of channels: who is looked at without reason */
    uint64_t swept;                /* when all were, CLOCK_MONOTONIC ns */
};

enum urpc_added { URPC_ADDED, URPC_NO_MEMORY, URPC_NO_SLOT };

void urpc_waitset_init(struct urpc_waitset *set, const struct urpc_doorbell *bell);

/* Wait for this channel, which is in no wait set and has the set's doorbell for its own. */
enum urpc_added urpc_waitset_add(struct urpc_waitset *set, struct urpc_channel *channel);

/* No longer wait for a channel of this set. */
void urpc_waitset_remove(struct urpc_waitset *set, struct urpc_channel *channel);

/* Remove all channels and free the memory. */
void urpc_waitset_destroy(struct urpc_waitset *set);

/* After a fork, in the process that goes on with the set: have the marks come here. */
void urpc_waitset_inherit(struct urpc_waitset *set);

/* Look at this channel of a wait set next time, whether it is marked or not. */
void urpc_waitset_suggest(struct urpc_channel *channel);

/* Look at all channels next time, if a second has passed since that was last done. */
void urpc_waitset_sweep(struct urpc_waitset *set);

/* Say which channels to look at: set->candidates, so many. */
size_t urpc_waitset_gather(struct urpc_waitset *set);

/* Has this candidate a message, an error, or room that it asked for? */
bool urpc_waitset_look(struct urpc_waitset *set, size_t candidate);

/* What to wait for when no candidate was ready. */
struct urpc_sources urpc_waitset_sources(const struct urpc_waitset *set);

#endif
