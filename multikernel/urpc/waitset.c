#define _GNU_SOURCE
#include "waitset.h"

#include "clock.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    SWEEP_NS = 1000000000,
    LOOKS_A_TURN = 8, /* a channel nobody speaks of is in no near cache: looking costs several misses */
};

void urpc_waitset_init(struct urpc_waitset *set, const struct urpc_doorbell *bell)
{
    *set = (struct urpc_waitset){.bell = bell, .swept = urpc_now()};
}

/* Close the gaps that looking has left. */
static void compact(struct urpc_waitset *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->candidate_count; i++) {
        if (set->candidates[i] != NULL) {
            set->candidates[kept++] = set->candidates[i];
        }
    }
    set->candidate_count = kept;
}

void urpc_waitset_suggest(struct urpc_channel *channel)
{
    struct urpc_waitset *set = channel->set;
    if (set == NULL || set->by_slot == NULL || channel->candidate) {
        return; /* where channels are watched, all are looked at */
    }
    if (set->candidate_count == set->room) {
        compact(set);
    }
    channel->candidate = true;
    set->candidates[set->candidate_count++] = channel;
}

/* ---- slots ---- */

static _Atomic uint32_t *marker(const struct urpc_waitset *set)
{
    return &set->bell->memory->marker;
}

static bool is_ours(const struct urpc_waitset *set)
{
    return atomic_load_explicit(marker(set), memory_order_relaxed) == (uint32_t)getpid();
}

/* Tell the sender which slot to mark, 0 for none. The fence is the one that doorbell.h asks for between this
 * and the next look at the channel. */
static void publish_slot(struct urpc_channel *channel, uint32_t slot)
{
    channel->slot = slot;
    atomic_store_explicit(&channel->self->slot, slot, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    urpc_waitset_suggest(channel);
}

/* A free slot exists: add has made sure. */
static void give_slot(struct urpc_waitset *set, struct urpc_channel *channel)
{
    while (set->by_slot[set->next_slot] != NULL) {
        set->next_slot = (set->next_slot + 1) % URPC_SLOTS;
    }
    set->by_slot[set->next_slot] = channel;
    publish_slot(channel, set->next_slot + 1);
    set->next_slot = (set->next_slot + 1) % URPC_SLOTS;
}

/* Have all channels marked from now on, if no other wait set of this process has the marks. */
static void begin_marks(struct urpc_waitset *set)
{
    if (is_ours(set)) {
        return;
    }
    set->by_slot = calloc(URPC_SLOTS, sizeof *set->by_slot);
    if (set->by_slot == NULL) {
        return;
    }
    atomic_store_explicit(marker(set), (uint32_t)getpid(), memory_order_relaxed);
    set->candidate_count = 0;
    for (size_t i = 0; i < set->count; i++) {
        set->channels[i]->candidate = false;
        give_slot(set, set->channels[i]);
    }
}

void urpc_waitset_inherit(struct urpc_waitset *set)
{
    if (set->by_slot == NULL || is_ours(set)) {
        return;
    }
    atomic_store_explicit(marker(set), (uint32_t)getpid(), memory_order_relaxed);
    for (size_t i = 0; i < set->count; i++) {
        publish_slot(set->channels[i], set->channels[i]->slot);
    }
}

/* ---- members ---- */

static bool grow(struct urpc_waitset *set)
{
    if (set->count < set->room) {
        return true;
    }
    size_t room = set->room == 0 ? URPC_WATCHED : 2 * set->room;
    struct urpc_channel **channels = realloc(set->channels, room * sizeof(struct urpc_channel *));
    if (channels != NULL) {
        set->channels = channels;
    }
    struct urpc_channel **candidates = realloc(set->candidates, room * sizeof(struct urpc_channel *));
    if (candidates != NULL) {
        set->candidates = candidates;
    }
    struct urpc_watch *watches = realloc(set->watches, room * sizeof(struct urpc_watch));
    if (watches != NULL) {
        set->watches = watches;
    }
    if (channels == NULL || candidates == NULL || watches == NULL) {
        return false;
    }
    set->room = room;
    return true;
}

enum urpc_added urpc_waitset_add(struct urpc_waitset *set, struct urpc_channel *channel)
{
    if (set->by_slot != NULL && set->count == URPC_SLOTS) {
        return URPC_NO_SLOT;
    }
    if (!grow(set)) {
        return URPC_NO_MEMORY;
    }
    channel->set = set;
    channel->place = set->count;
    channel->candidate = false;
    channel->slot = 0;
    set->channels[set->count++] = channel;
    if (set->by_slot != NULL) {
        give_slot(set, channel);
    } else if (set->count > URPC_WATCHED && set->count <= URPC_SLOTS) {
        begin_marks(set);
    }
    return URPC_ADDED;
}

void urpc_waitset_remove(struct urpc_waitset *set, struct urpc_channel *channel)
{
    if (channel->slot != 0) {
        set->by_slot[channel->slot - 1] = NULL;
        if (is_ours(set)) {
            atomic_store_explicit(&channel->self->slot, 0, memory_order_relaxed);
        }
        channel->slot = 0;
    }
    for (size_t i = 0; channel->candidate && i < set->candidate_count; i++) {
        if (set->candidates[i] == channel) {
            set->candidates[i] = NULL;
            channel->candidate = false;
        }
    }
    struct urpc_channel *last = set->channels[--set->count];
    set->channels[channel->place] = last;
    last->place = channel->place;
    channel->set = NULL;
}

void urpc_waitset_destroy(struct urpc_waitset *set)
{
    bool ours = set->by_slot != NULL && is_ours(set);
    while (set->count > 0) {
        urpc_waitset_remove(set, set->channels[set->count - 1]);
    }
    if (ours) {
        atomic_store_explicit(marker(set), 0, memory_order_relaxed);
    }
    free(set->channels);
    free(set->candidates);
    free(set->watches);
    free(set->by_slot);
}

/* ---- looking ---- */

static void suggest_all(struct urpc_waitset *set)
{
    for (size_t i = 0; i < set->count; i++) {
        urpc_waitset_suggest(set->channels[i]);
    }
}

void urpc_waitset_sweep(struct urpc_waitset *set)
{
    uint64_t now = set->by_slot == NULL ? set->swept : urpc_now();
    if (now - set->swept >= SWEEP_NS) {
        set->swept = now;
        suggest_all(set);
    }
}

static void suggest_marked(struct urpc_waitset *set)
{
    uint64_t groups = urpc_doorbell_take_groups(set->bell);
    if (groups == 0) {
        return;
    }
    for (; groups != 0; groups &= groups - 1) {
        unsigned group = (unsigned)__builtin_ctzll(groups);
        for (uint64_t marks = urpc_doorbell_take_marks(set->bell, group); marks != 0; marks &= marks - 1) {
            struct urpc_channel *channel = set->by_slot[__builtin_ctzll(marks) * URPC_GROUPS + group];
            if (channel != NULL) {
                urpc_waitset_suggest(channel);
            }
        }
    }
    atomic_thread_fence(memory_order_seq_cst); /* R3 of doorbell.h */
}

size_t urpc_waitset_gather(struct urpc_waitset *set)
{
    if (set->by_slot == NULL) {
        for (size_t i = 0; i < set->count; i++) {
            set->candidates[i] = set->channels[i]; /* all, in the order of their adding */
            set->channels[i]->candidate = true;
        }
        return set->candidate_count = set->count;
    }
    compact(set);
    suggest_marked(set);
    if (set->count > 0 && ++set->looks % LOOKS_A_TURN == 0) {
        set->turn = set->turn + 1 < set->count ? set->turn + 1 : 0;
        urpc_waitset_suggest(set->channels[set->turn]);
    }
    return set->candidate_count;
}

bool urpc_waitset_look(struct urpc_waitset *set, size_t candidate)
{
    struct urpc_channel *channel = set->candidates[candidate];
    bool readable = urpc_poll(channel, &set->watches[candidate]) != URPC_AGAIN;
    bool room = urpc_room(channel);
    if (!readable && !room) {
        set->candidates[candidate] = NULL;
        channel->candidate = false;
    }
    return readable || room;
}

struct urpc_sources urpc_waitset_sources(const struct urpc_waitset *set)
{
    bool marked = set->by_slot != NULL;
    return (struct urpc_sources){
        .watches = set->watches, .count = marked ? 0 : set->count, .marked = marked, .descriptors = -1};
}
