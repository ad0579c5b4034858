/* The waits that keep the relays of a doorbell going: whoever waits on it does their work first, and waits for their neighbours, too. */
#include "_relay.h"

#include <string.h>
#include <unistd.h>

enum { FEW_WATCHES = 64, FEW_RELAYS = 8, TURNS_BETWEEN_LOOKS = 64 };

bool relay_is_ours(Relay *self)
{
    if (self->forks != count_of_forks() && self->process == getpid()) {
        self->forks = count_of_forks();
    }
    return self->forks == count_of_forks();
}

bool relay_turn(Relay *self)
{
    if (!self->open || !relay_is_ours(self)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->tree); i++) {
        Channel *channel = (Channel *)PyTuple_GET_ITEM(self->tree, i);
        if (channel->measuring) {
            return false;
        }
        if (channel->closed) {
            urpc_relay_lose(&self->relay, (uint32_t)i + (self->relay.ports[0] == NULL), URPC_LOSS_CLOSED);
        }
    }
    return urpc_relay_turn(&self->relay);
}

bool relays_turn(Doorbell *bell)
{
    bool moved = false;
    for (Relay *relay = bell->relays; relay != NULL; relay = relay->next) {
        moved |= relay_turn(relay);
    }
    return moved;
}

bool relay_has_news(const Relay *self)
{
    const struct urpc_relay *relay = &self->relay;
    return self->open &&
           (urpc_queue_front(&relay->deliveries) != NULL || urpc_queue_front(&relay->results) != NULL ||
            relay->losses > self->told || (relay->ports[0] == NULL && relay->stable > self->seen));
}

bool relays_have_news(const Doorbell *bell)
{
    for (const Relay *relay = bell->relays; relay != NULL; relay = relay->next) {
        if (relay_has_news(relay)) {
            return true;
        }
    }
    return false;
}

Doorbell *relay_bell(const Relay *relay)
{
    return relay->bell;
}

static size_t most_watches(const Doorbell *bell, Py_ssize_t *relays)
{
    size_t most = 0;
    for (const Relay *relay = bell->relays; relay != NULL; relay = relay->next) {
        most += relay->open ? 2 * ((size_t)relay->relay.children + 1) : 0;
        ++*relays;
    }
    return most;
}

/* There was work, and the caller looks again: but not for ever, if there always is. */
static int keep_going(struct waiting *waiting)
{
    if (++waiting->worked % TURNS_BETWEEN_LOOKS != 0) {
        return WAIT_AGAIN;
    }
    if (PyErr_CheckSignals() < 0) {
        return WAIT_RAISED;
    }
    if (waiting->deadline == 0) {
        waiting->deadline = deadline_after(waiting->timeout);
    }
    return urpc_now() < waiting->deadline ? WAIT_AGAIN : WAIT_TIMEOUT;
}

int wait_relaying(struct waiting *waiting, Doorbell *bell, uint32_t ticket, const struct urpc_watch *watches,
                  size_t count)
{
    struct urpc_sources sources = {.watches = watches, .count = count, .descriptors = -1};
    return wait_relaying_any(waiting, bell, ticket, &sources);
}

/* What a doorbell's relays wait for, beside what the caller does, and the relays: held, since another thread may close them while we wait, and
 * the memory that is watched must stay mapped. */
struct joined {
    struct urpc_watch few[FEW_WATCHES], *all;
    Relay *few_held[FEW_RELAYS], **held;
    Py_ssize_t relays;
    struct urpc_sources sources;
};

static bool join(struct joined *joined, const Doorbell *bell, const struct urpc_sources *sources)
{
    Py_ssize_t relays = 0;
    size_t most = sources->count + most_watches(bell, &relays);
    joined->all = joined->few;
    joined->held = joined->few_held;
    joined->relays = 0;
    if (most > FEW_WATCHES && (joined->all = PyMem_New(struct urpc_watch, most)) == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (relays > FEW_RELAYS && (joined->held = PyMem_New(Relay *, relays)) == NULL) {
        if (joined->all != joined->few) {
            PyMem_Free(joined->all);
        }
        PyErr_NoMemory();
        return false;
    }
    size_t count = sources->count;
    if (count > 0) {
        memcpy(joined->all, sources->watches, count * sizeof *joined->all);
    }
    for (Relay *relay = bell->relays; relay != NULL; relay = relay->next) {
        joined->held[joined->relays++] = (Relay *)Py_NewRef(relay);
        if (relay->open && relay_is_ours(relay)) {
            count += urpc_relay_watches(&relay->relay, joined->all + count);
        }
    }
    joined->sources = *sources;
    joined->sources.watches = joined->all;
    joined->sources.count = count;
    return true;
}

static void part(struct joined *joined)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace); /* the last reference to a relay may be ours */
    while (joined->relays > 0) {
        Py_DECREF(joined->held[--joined->relays]);
    }
    PyErr_Restore(type, value, trace);
    if (joined->held != joined->few_held) {
        PyMem_Free(joined->held);
    }
    if (joined->all != joined->few) {
        PyMem_Free(joined->all);
    }
}

int wait_relaying_any(struct waiting *waiting, Doorbell *bell, uint32_t ticket,
                      const struct urpc_sources *sources)
{
    if (likely(bell->relays == NULL)) {
        return wait_for_any(waiting, &bell->bell, ticket, sources);
    }
    if (relays_turn(bell)) {
        return keep_going(waiting);
    }
    struct joined joined;
    if (!join(&joined, bell, sources)) {
        return WAIT_RAISED;
    }
    int result = wait_for_any(waiting, &bell->bell, ticket, &joined.sources);
    part(&joined);
    return result;
}

int arm_relaying(Doorbell *bell, uint32_t ticket, const struct urpc_sources *sources)
{
    if (likely(bell->relays == NULL)) {
        return urpc_arm(&bell->bell, ticket, sources);
    }
    struct joined joined;
    if (relays_turn(bell)) {
        return 0;
    }
    if (!join(&joined, bell, sources)) {
        return -1;
    }
    bool armed = urpc_arm(&bell->bell, ticket, &joined.sources);
    part(&joined);
    return armed;
}
