/*
 * The relay: one member's place in a multicast tree over channels. It passes on what comes from its parent, gathers what comes from its
 * children, and reduces numbers on the way up, all of it in C, in whatever call of this library the member happens to be waiting in.
 *
 * What runs down and what runs up
 *
 *   down  BROADCAST      bytes from the root, number 1, 2, ...      up  ACKNOWLEDGE    everyone from here down has so many broadcasts
 *         RESULT         of a reduction that everyone is told           CONTRIBUTION   of this member and all below it to a reduction
 *         LOST           this member has gone: no more rounds           LOST           this member, below you, has gone
 *         CUT            and with it the way to the root
 *
 *   Each is a message of the channel, of kind URPC_RELAYED, so it keeps its place among ordinary ones. Its payload begins with a word:
 *
 *   from bit 0:  group:12   epoch:9   kind:4   what:7   number:32         and then the bytes, or the vector
 *
 *   A channel may carry many groups. Of a group that this end has no relay for yet, or of an epoch that is still to come, a message waits
 *   in the ring, and everything behind it: it came before its receiver was ready. Of an epoch that is past, or a relay that has been
 *   closed, it is dropped.
 *
 * Usage. urpc_relay_open; then urpc_relay_turn before every wait of this member, with urpc_relay_watches among what is waited for. Both
 * the turn and urpc_poll (of any of its channels, by whomever) do all the work there is: whoever has polled looks at `moves` before it
 * waits. Between turns: broadcast, contribute and
 * acknowledge put something in; the queues of deliveries and results, `stable` and `lost` are what comes out. One thread at a time.
 *
 * Order. Broadcasts and results reach every member in the order in which the root sent them, each once. A message goes to the children in
 * the order of the tree, then to this member. Reductions are numbered by the order in which each member contributes; number n combines
 * everyone's n-th contribution: a member's own first, then those of its children in the order of the tree, each combined in that way
 * already. So a sum of floats depends on the tree, and never on who was fast.
 *
 * Back-pressure. One message at a time is in the relay's *hand*, until every child's ring and this member's queue has taken it; what is
 * behind it stays in the parent's ring, whose writer is held by its acknowledgements in turn. So the slowest member sets the pace of its
 * tree, nothing is ever lost, and a relay needs no memory but its hand, its sum, and queues with limits. Upward, contributions of children
 * that are ahead wait in a queue for each child, and then in that child's ring. Acknowledgements are cumulative: those that find no room
 * become one.
 *
 *   Nobody waits for ever: what runs down waits only for children, what runs up only for the parent, and both are finite. A relay that has
 *   no room below still takes what comes from below, and a relay that has no room above still takes what comes from above, so no circle of
 *   full rings can close. (models/relay.pml goes through all interleavings; it fails if the intake of either direction waits for the
 *   other.)
 *
 * Ends. A neighbour that closes, dies or sends rubbish is *lost*. What it sent before counts. The others get what was sent. A child's loss
 * is reported upward, and from the root down to everyone, so that whoever waits for a round that can never be complete learns the name of
 * whom it lacks. The root ends no round once it knows of a loss, and tells of losses and results in one order: a round succeeds for all
 * who remain, or for none. A parent's loss is told downward as CUT. To go on, everyone opens the tree anew with the next epoch.
 *
 * Memory ordering. A relay owns no shared word: rings carry everything, and channel.h argues for them. What follows for users: a publish is
 * a release of the line and a take follows its acquire, in one thread with the next publish, so *happens before* runs along the tree. All
 * that the root did before a broadcast is visible to a member that has received it, and all that every member did before it acknowledged
 * or contributed is visible to whoever has seen the acknowledgement of all, or the result. On x86-64 these are plain stores and loads; on
 * AArch64 a store-release and a load-acquire for each hop, which are multi-copy atomic, and cumulative even where they would not be. The
 * one fence is the doorbell's, after all children's lines have been written: they share its price.
 *
 * Trust. A hostile neighbour can send what its place in the tree does not allow: numbers out of turn, more acknowledgements than there
 * were broadcasts, kinds of the other direction, vectors of odd lengths. That makes its channel corrupt, and it is lost. What it may say it
 * may also lie about: a child can report members lost that live, contribute what it likes, and fall silent.
 */
#ifndef URPC_RELAY_H
#define URPC_RELAY_H

#include "channel.h"
#include "reduce.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    URPC_RELAY_WORD = 8, /* bytes of a relayed message before its payload */
    URPC_TREES = 1 << 12,
    URPC_EPOCHS = 1 << 9, /* of which half are past */
    URPC_LOSSES = 32,     /* lost members that are named; there may be more */
};

/* Marks of a contribution, seven bits: operation, type, and these. */
enum { URPC_EVERYONE = 1 << 5, URPC_SCALAR = 1 << 6 };

static inline unsigned urpc_mark(enum urpc_operation operation, enum urpc_type type)
{
    return (unsigned)operation | (unsigned)type << 3;
}

enum urpc_loss {
    URPC_LOSS_CLOSED = 1, /* it closed its channel, or its relay */
    URPC_LOSS_DIED,
    URPC_LOSS_CORRUPT,
    URPC_LOSS_TOO_LONG, /* its channel is too small for a message of this group */
    URPC_LOSS_DISAGREED, /* it contributed another operation, type or length than its parent to the same reduction */
};

/* Records of bytes in private memory, first in first out. */
struct urpc_record {
    uint32_t length;
    uint32_t mark;
    unsigned char bytes[];
};

struct urpc_queue {
    unsigned char *bytes;
    size_t size, head, tail;
    size_t limit; /* a record more must not make it longer, unless it is the first */
};

/* The oldest record, or NULL. Valid until the queue is changed. */
const struct urpc_record *urpc_queue_front(const struct urpc_queue *queue);
void urpc_queue_pop(struct urpc_queue *queue);

/* One group's end at a channel. Lives until its channel is forgotten: of a relay that has ended it knows which epochs are past. */
struct urpc_port {
    struct urpc_port *next;   /* of the same channel */
    struct urpc_relay *relay; /* NULL once that has ended */
    struct urpc_channel *channel;
    uint32_t group, epoch;
    uint32_t index;  /* among the relay's ports: 0 is the parent */
    uint32_t member; /* who is at the other end */
    bool deaf;       /* it has closed: nothing is sent, but there may be something left to receive */
    bool lost;       /* and there is not */
    bool watching;   /* input is set: wait for something to receive */
    bool blocked;    /* output is set: wait for room */
    struct urpc_watch input, output;
    uint64_t passed;                 /* of a child: broadcasts sent to it */
    uint64_t acknowledged;           /* of those, acknowledged by all from it down */
    uint64_t rounds;                 /* contributions received from it */
    struct urpc_queue contributions; /* of those, the ones that have not been combined */
};

struct urpc_lost {
    uint32_t member;
    enum urpc_loss loss;
};

struct urpc_relay {
    uint32_t member, group, epoch;
    bool deliver; /* this member wants the broadcasts, and does not merely pass them on */
    bool
        automatic; /* a broadcast is acknowledged here when it is in the queue, not when acknowledge says so */
    bool cut;      /* there is no way to the root any more */
    uint32_t children;
    struct urpc_port **ports; /* the parent (NULL at the root), then the children in the order of the tree */
    size_t longest;           /* bytes of hand, sum and scratch */
    size_t limit;             /* of each queue */
    uint64_t moves;           /* goes up whenever anything has been done */
    /* downward */
    unsigned char *hand; /* what is being passed on, its word first */
    size_t hand_length;
    uint32_t hand_next; /* whose turn it is */
    bool hand_full;
    uint64_t broadcasts;   /* sent at the root, or received in the hand */
    uint64_t results_down; /* likewise, results that everyone is told */
    struct urpc_queue deliveries, results;
    uint64_t acted;  /* broadcasts acknowledged here */
    uint64_t stable; /* and by everyone below; elsewhere than at the root, as the parent has been told */
    /* upward */
    struct urpc_queue own; /* this member's contributions */
    unsigned char *sum;    /* the reduction under way, its word first */
    uint32_t sum_length, sum_mark;
    uint32_t sum_next; /* whose contribution comes next */
    bool summing;
    uint64_t awaited; /* results that are due here, and have not been taken */
    uint64_t rounds;  /* done with: passed upward, or ended at the root */
    /* ends */
    struct urpc_lost lost[URPC_LOSSES];
    uint32_t losses, reported, spread;
    unsigned char *scratch;
};

struct urpc_neighbour {
    struct urpc_channel *channel;
    uint32_t member;
};

enum urpc_relay_error {
    URPC_RELAY_OK,
    URPC_RELAY_MEMORY, /* there is none */
    URPC_RELAY_TAKEN, /* another relay of this group is at one of these channels, or one channel is named twice */
    URPC_RELAY_STALE, /* this epoch is past at one of these channels */
};

/*
 * Take a place in a tree; `parent` is NULL at the root. The relay's member, group, epoch, deliver, automatic and limit are set by the
 * caller, the rest is zero, or what a relay that has been closed left: deliveries not taken yet are kept, all counts begin again.
 */
enum urpc_relay_error urpc_relay_open(struct urpc_relay *relay, const struct urpc_neighbour *parent,
                                      const struct urpc_neighbour *children, uint32_t count);

/* Leave the tree; neighbours are told, if there is room. What is under way stays undone. */
void urpc_relay_close(struct urpc_relay *relay);

/* Leave it without a word: neighbours take the next place in the same way, or this process has no say (fork). */
void urpc_relay_leave(struct urpc_relay *relay);

/* After either: give back its memory. */
void urpc_relay_free(struct urpc_relay *relay);

/* A channel is about to end; no relay uses it any more. */
void urpc_relay_forget(struct urpc_channel *channel);

/* Nothing is under way here: the tree may be opened anew. */
bool urpc_relay_idle(const struct urpc_relay *relay);

/* Longest broadcast from here, or vector to contribute, in bytes. */
size_t urpc_relay_longest(const struct urpc_relay *relay);

/* Do all there is to do now. True if that was anything. */
bool urpc_relay_turn(struct urpc_relay *relay);

/* After a turn: what to wait for. Room for 2 * (children + 1); returns how many there are. */
size_t urpc_relay_watches(const struct urpc_relay *relay, struct urpc_watch *watches);

/* At the root: begin a broadcast. OK, AGAIN while the one before is still in the hand, TOO_LONG. */
enum urpc_result urpc_relay_broadcast(struct urpc_relay *relay, const void *data, size_t length);

/* Everything delivered here so far has been acted upon. */
void urpc_relay_acknowledge(struct urpc_relay *relay, uint64_t count);

/* Contribute to the next reduction: OK, AGAIN while those before wait for others, TOO_LONG. `length` is a multiple of 8. */
enum urpc_result urpc_relay_contribute(struct urpc_relay *relay, unsigned mark, const void *vector,
                                       size_t length);

/* Take the oldest of the deliveries or results, which is there: there may be room for another now. */
void urpc_relay_pop(struct urpc_relay *relay, struct urpc_queue *queue);

/* Whoever is at this port is lost. */
void urpc_relay_lose(struct urpc_relay *relay, uint32_t index, enum urpc_loss loss);

#endif
