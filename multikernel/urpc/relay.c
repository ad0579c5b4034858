#define _GNU_SOURCE
#include "relay.h"

#include <stdlib.h>
#include <string.h>

enum kind { BROADCAST = 1, RESULT, LOST, CUT, ACKNOWLEDGE, CONTRIBUTION, LOST_BELOW };

/* Rounds of a turn, so that a neighbour that never stops talking does not keep it for ever. */
enum { ROUNDS_OF_A_TURN = 16 };

static uint64_t word_of(const struct urpc_relay *relay, enum kind kind, unsigned what, uint64_t number)
{
    return relay->group | (uint64_t)relay->epoch << 12 | (uint64_t)kind << 21 | (uint64_t)what << 25 |
           number << 32;
}

static uint32_t word_group(uint64_t word)
{
    return word & (URPC_TREES - 1);
}

static uint32_t word_epoch(uint64_t word)
{
    return word >> 12 & (URPC_EPOCHS - 1);
}

static enum kind word_kind(uint64_t word)
{
    return (enum kind)(word >> 21 & 15);
}

static unsigned word_what(uint64_t word)
{
    return word >> 25 & 127;
}

static uint32_t word_number(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* How many epochs `epoch` is behind `now`; beyond half of them all it is ahead instead. */
static uint32_t age(uint32_t now, uint32_t epoch)
{
    return (now - epoch) & (URPC_EPOCHS - 1);
}

/* ---- queues ---- */

static size_t record_size(size_t length)
{
    return sizeof(struct urpc_record) + (length + 7) / 8 * 8;
}

/* Room for a record of so many bytes? False as well when there is no memory: then it is tried again later. */
static bool queue_reserve(struct urpc_queue *queue, size_t length)
{
    size_t needed = record_size(length), held = queue->tail - queue->head;
    if (held > 0 && held + needed > queue->limit) {
        return false;
    }
    if (queue->tail + needed <= queue->size) {
        return true;
    }
    if (held + needed > queue->size / 2) {
        size_t size = 2 * (held + needed);
        unsigned char *bytes = malloc(size);
        if (bytes == NULL) {
            return false;
        }
        if (held > 0) {
            memcpy(bytes, queue->bytes + queue->head, held);
        }
        free(queue->bytes);
        queue->bytes = bytes;
        queue->size = size;
    } else {
        memmove(queue->bytes, queue->bytes + queue->head,
                held); /* half of it has been popped since the last time */
    }
    queue->head = 0;
    queue->tail = held;
    return true;
}

static bool queue_push(struct urpc_queue *queue, uint32_t mark, const void *bytes, size_t length)
{
    if (!queue_reserve(queue, length)) {
        return false;
    }
    struct urpc_record *record = (struct urpc_record *)(queue->bytes + queue->tail);
    record->length = (uint32_t)length;
    record->mark = mark;
    if (length > 0) {
        memcpy(record->bytes, bytes, length);
    }
    queue->tail += record_size(length);
    return true;
}

const struct urpc_record *urpc_queue_front(const struct urpc_queue *queue)
{
    return queue->head == queue->tail ? NULL : (const struct urpc_record *)(queue->bytes + queue->head);
}

void urpc_queue_pop(struct urpc_queue *queue)
{
    queue->head += record_size(urpc_queue_front(queue)->length);
    if (queue->head == queue->tail) {
        queue->head = queue->tail = 0;
    }
}

static void queue_clear(struct urpc_queue *queue)
{
    free(queue->bytes);
    *queue = (struct urpc_queue){.limit = queue->limit};
}

/* ---- the tree ---- */

static struct urpc_port *parent_of(const struct urpc_relay *relay)
{
    return relay->ports[0];
}

/* Nobody above to hear from: the root, or what is the root of a part that has been cut off. */
static bool is_top(const struct urpc_relay *relay)
{
    return parent_of(relay) == NULL || parent_of(relay)->lost;
}

static void note_loss(struct urpc_relay *relay, uint32_t member, enum urpc_loss loss)
{
    for (uint32_t i = 0; i < relay->losses; i++) {
        if (relay->lost[i].member == member) {
            return;
        }
    }
    if (relay->losses < URPC_LOSSES) {
        relay->lost[relay->losses++] = (struct urpc_lost){member, loss};
        relay->moves++;
    }
}

void urpc_relay_lose(struct urpc_relay *relay, uint32_t index, enum urpc_loss loss)
{
    struct urpc_port *port = relay->ports[index];
    if (port->lost) {
        return;
    }
    port->lost = port->deaf = true;
    port->watching = port->blocked = false;
    relay->moves++;
    if (index == 0) {
        relay->cut = true;
        relay->spread = relay->losses; /* the root has told of those before */
    }
    note_loss(relay, port->member, loss);
}

/* Publish to a neighbour that may have gone. OK: sent, or there is nobody to send it to; AGAIN. */
static enum urpc_result publish(struct urpc_relay *relay, struct urpc_port *port, const void *message,
                                size_t length)
{
    port->blocked = false;
    if (port->deaf) {
        return URPC_OK;
    }
    switch (urpc_publish_as(port->channel, URPC_RELAYED, message, length, &port->output)) {
    case URPC_OK:
        relay->moves++;
        return URPC_OK;
    case URPC_AGAIN:
        port->blocked = true;
        return URPC_AGAIN;
    case URPC_CLOSED:
        port->deaf = true; /* lost once all it sent has been received: urpc_poll will say so */
        return URPC_OK;
    case URPC_TOO_LONG:
        urpc_relay_lose(relay, port->index, URPC_LOSS_TOO_LONG);
        return URPC_OK;
    default:
        urpc_relay_lose(relay, port->index, URPC_LOSS_CORRUPT);
        return URPC_OK;
    }
}

/* ---- downward ---- */

static void load_hand(struct urpc_relay *relay, uint64_t word, const void *bytes, size_t length)
{
    memcpy(relay->hand, &word, URPC_RELAY_WORD);
    if (length > 0) {
        memcpy(relay->hand + URPC_RELAY_WORD, bytes, length);
    }
    relay->hand_length = URPC_RELAY_WORD + length;
    relay->hand_next = 1;
    relay->hand_full = true;
    relay->moves++;
}

static uint64_t hand_word(const struct urpc_relay *relay)
{
    uint64_t word;
    memcpy(&word, relay->hand, URPC_RELAY_WORD);
    return word;
}

/* Give the hand to every child whose turn has not been. False when one has no room. */
static bool serve_children(struct urpc_relay *relay)
{
    uint32_t first = relay->hand_next;
    bool all = true;
    for (; relay->hand_next <= relay->children; relay->hand_next++) {
        struct urpc_port *port = relay->ports[relay->hand_next];
        if (publish(relay, port, relay->hand, relay->hand_length) == URPC_AGAIN) {
            all = false;
            break;
        }
        if (!port->deaf) {
            port->passed = relay->broadcasts;
        }
    }
    for (uint32_t i = first; i < relay->hand_next; i++) {
        if (!relay->ports[i]->deaf) {
            urpc_notify(relay->ports[i]->channel);
        }
    }
    return all;
}

/* Give the hand to this member. False when its queue is full. */
static bool serve_self(struct urpc_relay *relay)
{
    const unsigned char *bytes = relay->hand + URPC_RELAY_WORD;
    size_t length = relay->hand_length - URPC_RELAY_WORD;
    uint64_t word = hand_word(relay);
    switch (word_kind(word)) {
    case BROADCAST:
        if (parent_of(relay) == NULL) {
            return true;
        }
        if (relay->deliver && !queue_push(&relay->deliveries, 0, bytes, length)) {
            return false;
        }
        if (relay->automatic || !relay->deliver) {
            relay->acted = relay->broadcasts;
        }
        return true;
    case RESULT:
        return parent_of(relay) == NULL || queue_push(&relay->results, word_what(word), bytes, length);
    default:
        return true;
    }
}

static void pass_on(struct urpc_relay *relay)
{
    for (;;) {
        if (!relay->hand_full && is_top(relay) && relay->spread < relay->losses) {
            const struct urpc_lost *lost = &relay->lost[relay->spread++];
            bool cut = parent_of(relay) != NULL && lost->member == parent_of(relay)->member;
            load_hand(relay, word_of(relay, cut ? CUT : LOST, lost->loss, lost->member), NULL, 0);
        }
        if (!relay->hand_full || !serve_children(relay) || !serve_self(relay)) {
            return;
        }
        relay->hand_full = false;
        relay->moves++;
    }
}

/* ---- upward ---- */

/* Bring the reduction under way as far as contributions are there. True once it is complete. */
static bool combine(struct urpc_relay *relay)
{
    if (!relay->summing) {
        const struct urpc_record *own = urpc_queue_front(&relay->own);
        if (own == NULL) {
            return false;
        }
        relay->sum_length = own->length;
        relay->sum_mark = own->mark;
        if (own->length > 0) {
            memcpy(relay->sum + URPC_RELAY_WORD, own->bytes, own->length);
        }
        urpc_queue_pop(&relay->own);
        relay->sum_next = 1;
        relay->summing = true;
        relay->moves++;
    }
    for (; relay->sum_next <= relay->children; relay->sum_next++) {
        struct urpc_port *port = relay->ports[relay->sum_next];
        const struct urpc_record *part = urpc_queue_front(&port->contributions);
        if (part == NULL) {
            return false;
        }
        if (part->mark != relay->sum_mark || part->length != relay->sum_length) {
            note_loss(relay, port->member, URPC_LOSS_DISAGREED);
            return false;
        }
        urpc_reduce((enum urpc_operation)(part->mark & 7), (enum urpc_type)(part->mark >> 3 & 3),
                    relay->sum + URPC_RELAY_WORD, part->bytes, part->length / 8);
        urpc_queue_pop(&port->contributions);
        relay->moves++;
    }
    return true;
}

static void end_round(struct urpc_relay *relay)
{
    relay->rounds++;
    relay->summing = false;
    relay->moves++;
}

/* At the root: the result is this member's, and everyone's if they want it. */
static bool conclude(struct urpc_relay *relay)
{
    bool everyone = relay->sum_mark & URPC_EVERYONE;
    const unsigned char *vector = relay->sum + URPC_RELAY_WORD;
    if (relay->losses > 0 || (everyone && relay->hand_full) ||
        !queue_push(&relay->results, relay->sum_mark, vector, relay->sum_length)) {
        return false;
    }
    if (everyone) {
        load_hand(relay, word_of(relay, RESULT, relay->sum_mark, ++relay->results_down), vector,
                  relay->sum_length);
        pass_on(relay);
    }
    end_round(relay);
    return true;
}

/* Elsewhere: pass the sum to the parent. */
static bool pass_up(struct urpc_relay *relay)
{
    uint64_t word = word_of(relay, CONTRIBUTION, relay->sum_mark, relay->rounds + 1);
    memcpy(relay->sum, &word, URPC_RELAY_WORD);
    if (publish(relay, parent_of(relay), relay->sum, URPC_RELAY_WORD + relay->sum_length) == URPC_AGAIN) {
        return false;
    }
    end_round(relay);
    return true;
}

static uint64_t stable_below(const struct urpc_relay *relay)
{
    uint64_t least = relay->acted;
    for (uint32_t i = 1; i <= relay->children; i++) {
        uint64_t there = relay->ports[i]->acknowledged;
        least = there < least ? there : least;
    }
    return least;
}

static void rise(struct urpc_relay *relay)
{
    struct urpc_port *parent = parent_of(relay);
    uint64_t moves = relay->moves;
    bool room = true;
    while (combine(relay) && (room = parent == NULL ? conclude(relay) : pass_up(relay))) {
    }
    uint64_t stable = stable_below(relay);
    if (parent == NULL) {
        relay->moves += stable != relay->stable;
        relay->stable = stable;
        return;
    }
    for (; room && relay->reported < relay->losses; relay->reported++) {
        const struct urpc_lost *lost = &relay->lost[relay->reported];
        uint64_t word = word_of(relay, LOST_BELOW, lost->loss, lost->member);
        room = publish(relay, parent, &word, sizeof word) == URPC_OK;
        if (!room) {
            break;
        }
    }
    if (room && stable != relay->stable) {
        uint64_t word = word_of(relay, ACKNOWLEDGE, 0, stable);
        if (publish(relay, parent, &word, sizeof word) == URPC_OK) {
            relay->stable = stable;
        }
    }
    if (relay->moves != moves && !parent->deaf) {
        urpc_notify(parent->channel);
    }
}

/* All that can be done without looking at what has arrived. */
static void act(struct urpc_relay *relay)
{
    uint64_t moves;
    do {
        moves = relay->moves;
        pass_on(relay);
        rise(relay);
    } while (relay->moves != moves);
}

/* ---- what arrives ---- */

enum taken { TAKEN, HELD, REFUSED };

/* Consume the message whose word has been seen. The copy counts, since a hostile writer may have changed the line. */
static bool take(struct urpc_port *port, void *bytes, uint64_t seen)
{
    uint64_t word;
    if (urpc_take(port->channel, bytes) != URPC_OK) {
        return false;
    }
    memcpy(&word, bytes, URPC_RELAY_WORD);
    return word == seen;
}

static bool is_vector(uint64_t word, size_t length)
{
    return length % 8 == 0 && urpc_reducible(word_what(word) & 7, word_what(word) >> 3 & 3);
}

static enum taken take_from_parent(struct urpc_relay *relay, struct urpc_port *port, uint64_t word)
{
    if (relay->hand_full) {
        return HELD;
    }
    size_t length = port->channel->length;
    if (!take(port, relay->hand, word)) {
        return REFUSED;
    }
    switch (word_kind(word)) {
    case BROADCAST:
        if (word_number(word) != (uint32_t)(relay->broadcasts + 1)) {
            return REFUSED;
        }
        relay->broadcasts++;
        break;
    case RESULT:
        if (word_number(word) != (uint32_t)(relay->results_down + 1) || !is_vector(word, length)) {
            return REFUSED;
        }
        relay->results_down++;
        break;
    case CUT:
        relay->cut = true; /* fall through */
    case LOST:
        if (length != URPC_RELAY_WORD) {
            return REFUSED;
        }
        note_loss(relay, word_number(word), (enum urpc_loss)word_what(word));
        break;
    default:
        return REFUSED;
    }
    relay->hand_length = length;
    relay->hand_next = 1;
    relay->hand_full = true;
    return TAKEN;
}

static enum taken take_from_child(struct urpc_relay *relay, struct urpc_port *port, uint64_t word)
{
    size_t length = port->channel->length;
    if (word_kind(word) == CONTRIBUTION && !queue_reserve(&port->contributions, length - URPC_RELAY_WORD)) {
        return HELD;
    }
    if (!take(port, relay->scratch, word)) {
        return REFUSED;
    }
    uint32_t ahead;
    switch (word_kind(word)) {
    case CONTRIBUTION:
        if (word_number(word) != (uint32_t)(port->rounds + 1) || !is_vector(word, length)) {
            return REFUSED;
        }
        port->rounds++;
        queue_push(&port->contributions, word_what(word), relay->scratch + URPC_RELAY_WORD,
                   length - URPC_RELAY_WORD);
        return TAKEN;
    case ACKNOWLEDGE:
        ahead = word_number(word) - (uint32_t)port->acknowledged;
        if (length != URPC_RELAY_WORD || ahead > port->passed - port->acknowledged) {
            return REFUSED;
        }
        port->acknowledged += ahead;
        return TAKEN;
    case LOST_BELOW:
        if (length != URPC_RELAY_WORD) {
            return REFUSED;
        }
        note_loss(relay, word_number(word), (enum urpc_loss)word_what(word));
        return TAKEN;
    default:
        return REFUSED;
    }
}

static struct urpc_port *find_port(const struct urpc_channel *channel, uint32_t group)
{
    struct urpc_port *port = channel->ports;
    while (port != NULL && port->group != group) {
        port = port->next;
    }
    return port;
}

/* What urpc_poll calls for a relayed message. */
static enum urpc_result divert(struct urpc_channel *channel)
{
    uint64_t word = urpc_first_word(channel);
    struct urpc_port *port = find_port(channel, word_group(word));
    if (channel->length < URPC_RELAY_WORD) {
        channel->broken = URPC_CORRUPT;
        return URPC_OK;
    }
    if (port == NULL) {
        return URPC_CLOSED;
    }
    uint32_t behind = age(port->epoch, word_epoch(word));
    if (behind >= URPC_EPOCHS / 2) {
        return URPC_CLOSED;
    }
    struct urpc_relay *relay = port->relay;
    if (relay == NULL || behind > 0 || port->lost) {
        urpc_take(channel, NULL);
        return URPC_OK;
    }
    enum taken taken =
        port->index == 0 ? take_from_parent(relay, port, word) : take_from_child(relay, port, word);
    if (taken == HELD) {
        return URPC_AGAIN;
    }
    if (taken == REFUSED) {
        channel->broken = URPC_CORRUPT;
        urpc_relay_lose(relay, port->index, URPC_LOSS_CORRUPT);
    }
    relay->moves++;
    act(relay);
    return URPC_OK;
}

static void look(struct urpc_relay *relay, struct urpc_port *port)
{
    port->watching = false;
    if (port->lost) {
        return;
    }
    switch (urpc_poll(port->channel, &port->input)) {
    case URPC_OK:
        break; /* an ordinary message comes first */
    case URPC_AGAIN:
        port->watching = !port->lost;
        break;
    case URPC_CLOSED:
        urpc_relay_lose(relay, port->index, port->channel->gone ? URPC_LOSS_DIED : URPC_LOSS_CLOSED);
        break;
    default:
        urpc_relay_lose(relay, port->index, URPC_LOSS_CORRUPT);
    }
}

bool urpc_relay_turn(struct urpc_relay *relay)
{
    uint64_t began = relay->moves;
    for (int round = 0; round < ROUNDS_OF_A_TURN; round++) {
        uint64_t moves = relay->moves;
        for (uint32_t i = parent_of(relay) == NULL; i <= relay->children; i++) {
            look(relay, relay->ports[i]);
        }
        act(relay);
        if (relay->moves == moves) {
            break;
        }
    }
    return relay->moves != began;
}

size_t urpc_relay_watches(const struct urpc_relay *relay, struct urpc_watch *watches)
{
    size_t count = 0;
    for (uint32_t i = parent_of(relay) == NULL; i <= relay->children; i++) {
        const struct urpc_port *port = relay->ports[i];
        if (port->watching) {
            watches[count++] = port->input;
        }
        if (port->blocked) {
            watches[count++] = port->output;
        }
    }
    return count;
}

/* ---- what the member asks for ---- */

size_t urpc_relay_longest(const struct urpc_relay *relay)
{
    size_t longest = relay->longest;
    for (uint32_t i = parent_of(relay) == NULL; i <= relay->children; i++) {
        size_t here = urpc_max_message(relay->ports[i]->channel->capacity);
        longest = here < longest ? here : longest;
    }
    return longest - URPC_RELAY_WORD;
}

enum urpc_result urpc_relay_broadcast(struct urpc_relay *relay, const void *data, size_t length)
{
    if (length > urpc_relay_longest(relay)) {
        return URPC_TOO_LONG;
    }
    act(relay);
    if (relay->hand_full) {
        return URPC_AGAIN;
    }
    relay->acted = ++relay->broadcasts;
    load_hand(relay, word_of(relay, BROADCAST, 0, relay->broadcasts), data, length);
    act(relay);
    return URPC_OK;
}

void urpc_relay_acknowledge(struct urpc_relay *relay, uint64_t count)
{
    relay->acted = count > relay->acted ? count : relay->acted;
    act(relay);
}

enum urpc_result urpc_relay_contribute(struct urpc_relay *relay, unsigned mark, const void *vector,
                                       size_t length)
{
    if (length > urpc_relay_longest(relay)) {
        return URPC_TOO_LONG;
    }
    if (!queue_push(&relay->own, mark, vector, length)) {
        return URPC_AGAIN;
    }
    relay->awaited += parent_of(relay) == NULL || mark & URPC_EVERYONE;
    act(relay);
    return URPC_OK;
}

void urpc_relay_pop(struct urpc_relay *relay, struct urpc_queue *queue)
{
    relay->awaited -= queue == &relay->results;
    urpc_queue_pop(queue);
    act(relay);
}

bool urpc_relay_idle(const struct urpc_relay *relay)
{
    if (relay->losses > 0) {
        return true; /* what is under way will not end */
    }
    for (uint32_t i = 1; i <= relay->children; i++) {
        if (urpc_queue_front(&relay->ports[i]->contributions) != NULL) {
            return false;
        }
    }
    return !relay->hand_full && !relay->summing && urpc_queue_front(&relay->own) == NULL &&
           relay->awaited == 0 && relay->stable == relay->broadcasts;
}

/* ---- beginning and end ---- */

/* This group's port at a channel: a new one, or that of a relay that has ended. */
static enum urpc_relay_error attach(struct urpc_relay *relay, const struct urpc_neighbour *neighbour,
                                    uint32_t index)
{
    struct urpc_channel *channel = neighbour->channel;
    struct urpc_port *port = find_port(channel, relay->group);
    if (port == NULL) {
        port = calloc(1, sizeof *port);
        if (port == NULL) {
            return URPC_RELAY_MEMORY;
        }
        port->next = channel->ports;
        channel->ports = port;
    } else if (port->relay != NULL) {
        return URPC_RELAY_TAKEN;
    } else if (age(relay->epoch, port->epoch) == 0 || age(relay->epoch, port->epoch) >= URPC_EPOCHS / 2) {
        return URPC_RELAY_STALE;
    }
    queue_clear(&port->contributions);
    *port = (struct urpc_port){
        .next = port->next,
        .relay = relay,
        .channel = channel,
        .group = relay->group,
        .epoch = relay->epoch,
        .index = index,
        .member = neighbour->member,
        .contributions = {.limit = relay->limit},
    };
    channel->divert = divert;
    relay->ports[index] = port;
    return URPC_RELAY_OK;
}

static void detach(struct urpc_relay *relay)
{
    for (uint32_t i = 0; relay->ports != NULL && i <= relay->children; i++) {
        if (relay->ports[i] != NULL) {
            queue_clear(&relay->ports[i]->contributions);
            relay->ports[i]->relay = NULL;
        }
    }
    free(relay->ports);
    free(relay->hand);
    free(relay->sum);
    free(relay->scratch);
    relay->ports = NULL;
    relay->hand = relay->sum = relay->scratch = NULL;
    relay->children = 0;
}

static size_t longer(size_t longest, const struct urpc_neighbour *neighbour)
{
    size_t here = urpc_max_message(neighbour->channel->capacity);
    return here > longest ? here : longest;
}

enum urpc_relay_error urpc_relay_open(struct urpc_relay *relay, const struct urpc_neighbour *parent,
                                      const struct urpc_neighbour *children, uint32_t count)
{
    struct urpc_queue deliveries = relay->deliveries, results = relay->results, own = relay->own;
    queue_clear(&results);
    queue_clear(&own);
    deliveries.limit = results.limit = own.limit = relay->limit;
    *relay = (struct urpc_relay){
        .member = relay->member,
        .group = relay->group,
        .epoch = relay->epoch,
        .deliver = relay->deliver,
        .automatic = relay->automatic,
        .limit = relay->limit,
        .children = count,
        .deliveries = deliveries,
        .results = results,
        .own = own,
        .longest = parent == NULL && count == 0 ? urpc_max_message(URPC_MAX_CAPACITY) : 0,
        .ports = calloc((size_t)count + 1, sizeof(struct urpc_port *)),
    };
    relay->longest = parent != NULL ? longer(relay->longest, parent) : relay->longest;
    for (uint32_t i = 0; i < count; i++) {
        relay->longest = longer(relay->longest, &children[i]);
    }
    relay->hand = malloc(relay->longest);
    relay->sum = malloc(relay->longest);
    relay->scratch = malloc(relay->longest);
    enum urpc_relay_error error = URPC_RELAY_MEMORY;
    if (relay->ports != NULL && relay->hand != NULL && relay->sum != NULL && relay->scratch != NULL) {
        error = parent == NULL ? URPC_RELAY_OK : attach(relay, parent, 0);
        for (uint32_t i = 0; error == URPC_RELAY_OK && i < count; i++) {
            error = attach(relay, &children[i], i + 1);
        }
    }
    if (error != URPC_RELAY_OK) {
        detach(relay);
    }
    return error;
}

void urpc_relay_close(struct urpc_relay *relay)
{
    if (relay->ports == NULL) {
        return;
    }
    for (uint32_t i = parent_of(relay) == NULL; i <= relay->children; i++) {
        struct urpc_port *port = relay->ports[i];
        uint64_t word = word_of(relay, i == 0 ? LOST_BELOW : CUT, URPC_LOSS_CLOSED, relay->member);
        if (publish(relay, port, &word, sizeof word) == URPC_OK && !port->deaf) {
            urpc_notify(port->channel);
        }
    }
    detach(relay);
}

void urpc_relay_leave(struct urpc_relay *relay)
{
    detach(relay);
}

void urpc_relay_free(struct urpc_relay *relay)
{
    detach(relay);
    queue_clear(&relay->deliveries);
    queue_clear(&relay->results);
    queue_clear(&relay->own);
}

void urpc_relay_forget(struct urpc_channel *channel)
{
    while (channel->ports != NULL) {
        struct urpc_port *port = channel->ports;
        channel->ports = port->next;
        free(port);
    }
    channel->divert = NULL;
}
