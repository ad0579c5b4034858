/* Relay: a member's place in a multicast tree, as an object. The waits that keep relays going are in _relaying.c. */
#include "_relay.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_ROOM = 1 << 16 };

static const char *const operations[] = {"sum", "min", "max", "and", "or"};
static const char formats[] = {'q', 'Q', 'd'};

/* ---- errors ---- */

static bool usable(Relay *self)
{
    if (!self->open) {
        PyErr_SetString(module_of(self)->closed, "this relay has been closed");
    } else if (!relay_is_ours(self)) {
        PyErr_SetString(module_of(self)->error,
                        "this relay belongs to the process that made it; after a fork, make "
                        "the child's own");
    } else {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->tree); i++) {
            Channel *channel = (Channel *)PyTuple_GET_ITEM(self->tree, i);
            if (channel->measuring && !channel_usable(channel)) {
                return false;
            }
        }
        return true;
    }
    return false;
}

static const char *describe(enum urpc_loss loss)
{
    switch (loss) {
    case URPC_LOSS_CLOSED:
        return "has closed its end";
    case URPC_LOSS_DIED:
        return "has died";
    case URPC_LOSS_TOO_LONG:
        return "has a channel that is too small for a message of this group; make its capacity larger";
    case URPC_LOSS_DISAGREED:
        return "contributed another operation, type or length than its parent to the same reduction";
    default:
        return "sent what no correct member sends";
    }
}

static PyObject *exception_of(Module *module, enum urpc_loss loss)
{
    switch (loss) {
    case URPC_LOSS_CLOSED:
        return module->closed;
    case URPC_LOSS_DIED:
        return module->peer_died;
    case URPC_LOSS_TOO_LONG:
        return module->too_long;
    case URPC_LOSS_DISAGREED:
        return module->error;
    default:
        return module->corrupt;
    }
}

/* The first that was lost, as an exception that names it. */
static PyObject *raise_lost(Relay *self)
{
    const struct urpc_lost *lost = &self->relay.lost[0];
    PyObject *kind = exception_of(module_of(self), lost->loss);
    self->told = self->relay.losses;
    PyObject *text = PyUnicode_FromFormat("member %u of group %u %s; reset() the tree to go on without it",
                                          lost->member, self->relay.group, describe(lost->loss));
    PyObject *exception = text == NULL ? NULL : PyObject_CallOneArg(kind, text);
    PyObject *member = PyLong_FromUnsignedLong(lost->member);
    if (exception != NULL && member != NULL && PyObject_SetAttrString(exception, "member", member) == 0) {
        PyErr_SetObject(kind, exception);
    }
    Py_XDECREF(text);
    Py_XDECREF(exception);
    Py_XDECREF(member);
    return NULL;
}

static PyObject *raise_too_long(Relay *self, size_t length)
{
    return PyErr_Format(
        module_of(self)->too_long,
        "%zu bytes are more than the %zu that a relay of these channels carries; send them in parts, "
        "or make the channels' capacity larger",
        length, urpc_relay_longest(&self->relay));
}

/* Wait until something has been done. Like wait_for. */
static int wait_here(Relay *self, struct waiting *waiting)
{
    if (waiting->timeout == 0) {
        return relays_turn(self->bell) ? WAIT_AGAIN : WAIT_TIMEOUT;
    }
    return wait_relaying(waiting, self->bell, urpc_doorbell_ticket(&self->bell->bell), NULL, 0);
}

static PyObject *raise_timeout(const char *what)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TimeoutError, what);
    }
    return NULL;
}

static bool parse_waiting(const char *name, PyObject *const *arguments, Py_ssize_t positional,
                          PyObject *keywords, Py_ssize_t required, PyObject **values, struct waiting *waiting)
{
    *waiting = (struct waiting){.timeout = URPC_FOREVER};
    return parse_call(name, arguments, positional, keywords, required, values, &waiting->timeout);
}

/* ---- broadcasts ---- */

static PyObject *relay_broadcast(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                                 PyObject *keywords)
{
    Relay *self = (Relay *)object;
    PyObject *data;
    struct waiting waiting;
    Py_buffer buffer;
    if (!parse_waiting("broadcast", arguments, positional, keywords, 1, &data, &waiting) || !usable(self)) {
        return NULL;
    }
    if (self->relay.ports[0] != NULL) {
        return PyErr_Format(module_of(self)->error,
                            "member %u is not the root of group %u, and only the root broadcasts",
                            self->relay.member, self->relay.group);
    }
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *number = NULL;
    while (usable(self)) {
        enum urpc_result result = urpc_relay_broadcast(&self->relay, buffer.buf, (size_t)buffer.len);
        if (result == URPC_OK) {
            number = PyLong_FromUnsignedLongLong(self->relay.broadcasts);
            break;
        }
        if (result == URPC_TOO_LONG) {
            raise_too_long(self, (size_t)buffer.len);
            break;
        }
        if (wait_here(self, &waiting) != WAIT_AGAIN) {
            raise_timeout("the broadcast before is still on its way: a child does not receive");
            break;
        }
    }
    PyBuffer_Release(&buffer);
    /* Gone to all children, as far as there is time: what is left goes on in later waits. */
    while (number != NULL && self->open && self->relay.hand_full && waiting.timeout > 0) {
        int woken = wait_here(self, &waiting);
        if (woken == WAIT_RAISED) {
            Py_CLEAR(number);
        }
        if (woken != WAIT_AGAIN) {
            break;
        }
    }
    return number;
}

/* All that has been broadcast has been acknowledged: 1; not yet: 0; or it never will be: -1. */
static int gathered(Relay *self, uint64_t wanted)
{
    self->seen = self->relay.stable;
    if (self->relay.stable >= wanted) {
        return 1;
    }
    if (self->relay.losses > 0) {
        raise_lost(self);
        return -1;
    }
    return 0;
}

static bool is_root(Relay *self)
{
    if (usable(self) && self->relay.ports[0] != NULL) {
        PyErr_Format(module_of(self)->error,
                     "member %u is not the root of group %u, where acknowledgements are gathered",
                     self->relay.member, self->relay.group);
        return false;
    }
    return self->open && !PyErr_Occurred();
}

static PyObject *relay_gather(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                              PyObject *keywords)
{
    Relay *self = (Relay *)object;
    struct waiting waiting;
    if (!parse_waiting("gather", arguments, positional, keywords, 0, NULL, &waiting) || !is_root(self)) {
        return NULL;
    }
    uint64_t wanted = self->relay.broadcasts;
    while (usable(self)) {
        int done = gathered(self, wanted);
        if (done != 0) {
            return done > 0 ? PyLong_FromUnsignedLongLong(wanted) : NULL;
        }
        if (wait_here(self, &waiting) != WAIT_AGAIN) {
            return gathered(self, wanted) > 0 ? PyLong_FromUnsignedLongLong(wanted)
                                              : raise_timeout("not everyone has acknowledged in time");
        }
    }
    return NULL;
}

static PyObject *relay_try_gather(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Relay *self = (Relay *)object;
    if (!is_root(self)) {
        return NULL;
    }
    relays_turn(self->bell);
    return gathered(self, self->relay.broadcasts) < 0 ? NULL
                                                      : PyLong_FromUnsignedLongLong(self->relay.stable);
}

static PyObject *take_delivery(Relay *self)
{
    const struct urpc_record *record = urpc_queue_front(&self->relay.deliveries);
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)record->bytes, record->length);
    if (bytes != NULL) {
        self->taken++;
        urpc_relay_pop(&self->relay, &self->relay.deliveries);
    }
    return bytes;
}

/* The next broadcast; NULL with an exception, or without when there is none in time. */
static PyObject *receive(Relay *self, struct waiting *waiting)
{
    while (usable(self)) {
        if (urpc_queue_front(&self->relay.deliveries) == NULL) {
            relays_turn(self->bell);
        }
        if (urpc_queue_front(&self->relay.deliveries) != NULL) {
            return take_delivery(self);
        }
        if (self->relay.cut) {
            return raise_lost(self);
        }
        if (waiting->timeout == 0 || wait_here(self, waiting) != WAIT_AGAIN) {
            return NULL;
        }
    }
    return NULL;
}

static PyObject *relay_receive(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                               PyObject *keywords)
{
    struct waiting waiting;
    if (!parse_waiting("receive", arguments, positional, keywords, 0, NULL, &waiting)) {
        return NULL;
    }
    PyObject *bytes = receive((Relay *)object, &waiting);
    return bytes != NULL ? bytes : raise_timeout("no broadcast in time");
}

PyObject *relay_try_receive(PyObject *object, PyObject *Py_UNUSED(unused))
{
    struct waiting waiting = {.timeout = 0};
    PyObject *bytes = receive((Relay *)object, &waiting);
    return bytes == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : bytes;
}

static PyObject *relay_acknowledge(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Relay *self = (Relay *)object;
    if (!usable(self)) {
        return NULL;
    }
    urpc_relay_acknowledge(&self->relay, self->taken);
    relay_turn(self);
    Py_RETURN_NONE;
}

/* ---- reductions ---- */

static bool parse_operation(PyObject *name, unsigned type, unsigned *operation)
{
    for (*operation = 0; *operation <= URPC_OR; ++*operation) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, operations[*operation]) == 0) {
            if (!urpc_reducible(*operation, type)) {
                PyErr_Format(PyExc_ValueError, "%R is of the bits of integers, and these are floats", name);
                return false;
            }
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no operation %R; there are 'sum', 'min', 'max', 'and' and 'or'",
                 name);
    return false;
}

/* Put a contribution in: with an exception, or true. */
static bool contribute_bytes(Relay *self, struct waiting *waiting, unsigned mark, const void *bytes,
                             size_t length)
{
    while (usable(self)) {
        switch (urpc_relay_contribute(&self->relay, mark, bytes, length)) {
        case URPC_OK:
            relay_turn(self); /* what children have contributed already need not wait for our next wait */
            return true;
        case URPC_TOO_LONG:
            raise_too_long(self, length);
            return false;
        default:
            if (self->relay.losses > 0) {
                raise_lost(self);
                return false;
            }
            if (wait_here(self, waiting) != WAIT_AGAIN) {
                raise_timeout("no room for another contribution: those before wait for other members");
                return false;
            }
        }
    }
    return false;
}

static bool contribute_vector(Relay *self, struct waiting *waiting, PyObject *vector, PyObject *operation,
                              unsigned flags)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(vector, &buffer, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0) {
        return false;
    }
    const char *format = buffer.format == NULL ? "B" : buffer.format;
    format += *format == '@' || *format == '=' || *format == '<';
    unsigned type;
    bool known = buffer.itemsize == 8 && strlen(format) == 1 && strchr("qlQLd", *format) != NULL;
    if (!known) {
        PyErr_Format(PyExc_TypeError,
                     "a vector holds int64, uint64 or float64 (formats 'q', 'Q', 'd'), and this one items of "
                     "format '%s'",
                     buffer.format == NULL ? "B" : buffer.format);
        PyBuffer_Release(&buffer);
        return false;
    }
    type = *format == 'd' ? URPC_FLOAT64 : *format == 'Q' || *format == 'L' ? URPC_UINT64 : URPC_INT64;
    unsigned number;
    bool done =
        parse_operation(operation, type, &number) &&
        contribute_bytes(self, waiting, urpc_mark((enum urpc_operation)number, (enum urpc_type)type) | flags,
                         buffer.buf, (size_t)buffer.len);
    PyBuffer_Release(&buffer);
    return done;
}

static bool contribute(Relay *self, struct waiting *waiting, PyObject *value, PyObject *operation,
                       unsigned flags)
{
    unsigned number;
    if (PyFloat_Check(value)) {
        double one = PyFloat_AS_DOUBLE(value);
        return parse_operation(operation, URPC_FLOAT64, &number) &&
               contribute_bytes(self, waiting,
                                urpc_mark((enum urpc_operation)number, URPC_FLOAT64) | flags | URPC_SCALAR,
                                &one, sizeof one);
    }
    if (PyLong_Check(value)) {
        long long one = PyLong_AsLongLong(value);
        return !(one == -1 && PyErr_Occurred()) && parse_operation(operation, URPC_INT64, &number) &&
               contribute_bytes(self, waiting,
                                urpc_mark((enum urpc_operation)number, URPC_INT64) | flags | URPC_SCALAR,
                                &one, sizeof one);
    }
    return contribute_vector(self, waiting, value, operation, flags);
}

static PyObject *take_result(Relay *self)
{
    const struct urpc_record *record = urpc_queue_front(&self->relay.results);
    unsigned type = record->mark >> 3 & 3;
    PyObject *result = NULL;
    if (record->mark & URPC_SCALAR && record->length == 8) {
        int64_t integer;
        double real;
        memcpy(&integer, record->bytes, 8);
        memcpy(&real, record->bytes, 8);
        result = type == URPC_FLOAT64 ? PyFloat_FromDouble(real) : PyLong_FromLongLong(integer);
    } else {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)record->bytes, record->length);
        PyObject *view = bytes == NULL ? NULL : PyMemoryView_FromObject(bytes);
        result = view == NULL ? NULL : PyObject_CallMethod(view, "cast", "C", formats[type]);
        Py_XDECREF(bytes);
        Py_XDECREF(view);
    }
    if (result != NULL) {
        urpc_relay_pop(&self->relay, &self->relay.results);
    }
    return result;
}

/* The next result; NULL with an exception, or without when there is none in time. */
static PyObject *await_result(Relay *self, struct waiting *waiting)
{
    while (usable(self)) {
        if (urpc_queue_front(&self->relay.results) == NULL) {
            relays_turn(self->bell);
        }
        if (urpc_queue_front(&self->relay.results) != NULL) {
            return take_result(self);
        }
        if (self->relay.awaited == 0) {
            return PyErr_Format(
                module_of(self)->error,
                "member %u awaits no result: it has contributed to nothing whose result it is told",
                self->relay.member);
        }
        if (self->relay.losses > 0) {
            return raise_lost(self);
        }
        if (waiting->timeout == 0 || wait_here(self, waiting) != WAIT_AGAIN) {
            return NULL;
        }
    }
    return NULL;
}

static PyObject *relay_result(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                              PyObject *keywords)
{
    struct waiting waiting;
    if (!parse_waiting("result", arguments, positional, keywords, 0, NULL, &waiting)) {
        return NULL;
    }
    PyObject *result = await_result((Relay *)object, &waiting);
    return result != NULL ? result : raise_timeout("no result in time: not everyone has contributed");
}

static PyObject *relay_try_result(PyObject *object, PyObject *Py_UNUSED(unused))
{
    struct waiting waiting = {.timeout = 0};
    PyObject *result = await_result((Relay *)object, &waiting);
    return result == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : result;
}

/* Results come in order: those before have to be taken first. */
static bool in_step(Relay *self)
{
    if (usable(self) && self->relay.awaited > 0) {
        PyErr_Format(module_of(self)->error, "%llu results are still due here; take them with result() first",
                     (unsigned long long)self->relay.awaited);
    }
    return !PyErr_Occurred();
}

static PyObject *relay_contribute(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"", "", "everyone", "timeout", NULL};
    PyObject *value, *operation, *timeout = Py_None;
    int everyone = 0;
    struct waiting waiting = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$pO:contribute", names, &value, &operation,
                                     &everyone, &timeout) ||
        !parse_timeout(timeout, &waiting.timeout) ||
        !contribute((Relay *)object, &waiting, value, operation, everyone ? URPC_EVERYONE : 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *relay_reduce(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                              PyObject *keywords)
{
    Relay *self = (Relay *)object;
    PyObject *values[2];
    struct waiting waiting;
    if (!parse_waiting("reduce", arguments, positional, keywords, 2, values, &waiting) || !in_step(self) ||
        !contribute(self, &waiting, values[0], values[1], 0)) {
        return NULL;
    }
    if (self->relay.ports[0] != NULL) {
        Py_RETURN_NONE;
    }
    PyObject *result = await_result(self, &waiting);
    return result != NULL ? result : raise_timeout("no result in time: not everyone has contributed");
}

static PyObject *relay_all_reduce(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                                  PyObject *keywords)
{
    Relay *self = (Relay *)object;
    PyObject *values[2];
    struct waiting waiting;
    if (!parse_waiting("all_reduce", arguments, positional, keywords, 2, values, &waiting) ||
        !in_step(self) || !contribute(self, &waiting, values[0], values[1], URPC_EVERYONE)) {
        return NULL;
    }
    PyObject *result = await_result(self, &waiting);
    return result != NULL ? result : raise_timeout("no result in time: not everyone has contributed");
}

static PyObject *relay_barrier(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                               PyObject *keywords)
{
    Relay *self = (Relay *)object;
    struct waiting waiting;
    if (!parse_waiting("barrier", arguments, positional, keywords, 0, NULL, &waiting) || !in_step(self) ||
        !contribute_bytes(self, &waiting, urpc_mark(URPC_SUM, URPC_INT64) | URPC_EVERYONE, NULL, 0)) {
        return NULL;
    }
    PyObject *result = await_result(self, &waiting);
    if (result == NULL) {
        return raise_timeout("not everyone has come to the barrier in time");
    }
    Py_DECREF(result);
    Py_RETURN_NONE;
}

/* ---- the tree ---- */

static bool parse_neighbour(Relay *self, PyObject *member, PyObject *channel,
                            struct urpc_neighbour *neighbour)
{
    unsigned long number = PyLong_AsUnsignedLong(member);
    if ((number == (unsigned long)-1 && PyErr_Occurred()) || number > UINT32_MAX) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "a member is a number from 0 to 2**32 - 1, not %R", member);
        return false;
    }
    if (!PyObject_TypeCheck(channel, module_of(self)->channel)) {
        PyErr_Format(PyExc_TypeError, "member %lu is reached over a channel, not %.100s", number,
                     Py_TYPE(channel)->tp_name);
        return false;
    }
    if (!channel_usable((Channel *)channel)) {
        return false;
    }
    if (((Channel *)channel)->own != self->bell) {
        PyErr_Format(PyExc_ValueError, "the channel to member %lu rings another doorbell than the relay's",
                     number);
        return false;
    }
    *neighbour = (struct urpc_neighbour){&((Channel *)channel)->channel, (uint32_t)number};
    return true;
}

/* Take the place that `parent`, None or a pair, and `children`, a mapping, describe. */
static bool take_place(Relay *self, PyObject *parent, PyObject *children)
{
    struct urpc_neighbour *neighbours = NULL;
    PyObject *items = PyMapping_Items(children);
    if (items == NULL) {
        return false;
    }
    Py_ssize_t count = PyList_GET_SIZE(items), above = parent != Py_None;
    PyObject *tree = PyTuple_New(count + above);
    neighbours = PyMem_New(struct urpc_neighbour, (size_t)(count + above + 1));
    bool good = tree != NULL && neighbours != NULL;
    if (good && above && !(PyTuple_Check(parent) && PyTuple_GET_SIZE(parent) == 2)) {
        PyErr_SetString(PyExc_TypeError,
                        "the parent is None, or a pair: its member number, and the channel to it");
        good = false;
    }
    for (Py_ssize_t i = 0; good && i < count + above; i++) {
        PyObject *pair = i < above ? parent : PyList_GET_ITEM(items, i - above);
        good = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 &&
               parse_neighbour(self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), &neighbours[i]);
        if (good) {
            PyTuple_SET_ITEM(tree, i, Py_NewRef(PyTuple_GET_ITEM(pair, 1)));
        }
    }
    enum urpc_relay_error error = URPC_RELAY_OK;
    if (good) {
        error =
            urpc_relay_open(&self->relay, above ? &neighbours[0] : NULL, neighbours + above, (uint32_t)count);
    }
    switch (error) {
    case URPC_RELAY_MEMORY:
        PyErr_NoMemory();
        break;
    case URPC_RELAY_TAKEN:
        PyErr_Format(PyExc_ValueError,
                     "another relay of group %u is at one of these channels, or one is named twice",
                     self->relay.group);
        break;
    case URPC_RELAY_STALE:
        PyErr_Format(
            PyExc_ValueError,
            "epoch %u of group %u is past at one of these channels; every new tree takes the next epoch",
            self->relay.epoch, self->relay.group);
        break;
    default:
        break;
    }
    good = good && error == URPC_RELAY_OK;
    if (good) {
        Py_XSETREF(self->tree, Py_NewRef(tree));
        self->taken = self->seen = self->told = 0;
        self->open = true;
    }
    PyMem_Free(neighbours);
    Py_DECREF(items);
    Py_XDECREF(tree);
    return good;
}

static PyObject *relay_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"doorbell", "member",  "parent",    "children", "group",
                            "epoch",    "deliver", "automatic", "room",     NULL};
    Module *module = PyType_GetModuleState(type);
    Doorbell *bell;
    PyObject *parent, *children;
    unsigned long long member;
    unsigned group = 0, epoch = 0;
    Py_ssize_t room = DEFAULT_ROOM;
    int deliver = 1, automatic = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!KOO|$IIppn:Relay", names, module->doorbell,
                                     &bell, &member, &parent, &children, &group, &epoch, &deliver, &automatic,
                                     &room)) {
        return NULL;
    }
    if (group >= URPC_TREES || epoch >= URPC_EPOCHS || member > UINT32_MAX || room < 0) {
        return PyErr_Format(
            PyExc_ValueError,
            "group %u, epoch %u, member %llu, room %zd: groups go from 0 to %d, epochs from 0 to %d, "
            "members from 0 to 2**32 - 1, and room from 0",
            group, epoch, member, room, URPC_TREES - 1, URPC_EPOCHS - 1);
    }
    Relay *self = (Relay *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->bell = (Doorbell *)Py_NewRef(bell);
    self->forks = count_of_forks();
    self->process = getpid();
    self->relay = (struct urpc_relay){
        .member = (uint32_t)member,
        .group = group,
        .epoch = epoch,
        .deliver = deliver,
        .automatic = automatic,
        .limit = (size_t)room,
    };
    if (!take_place(self, parent, children)) {
        Py_DECREF(self);
        return NULL;
    }
    self->next = bell->relays;
    bell->relays = self;
    return (PyObject *)self;
}

static PyObject *relay_reset(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"parent", "children", "epoch", NULL};
    Relay *self = (Relay *)object;
    PyObject *parent, *children, *given = Py_None;
    if (!usable(self) ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$O:reset", names, &parent, &children, &given)) {
        return NULL;
    }
    long epoch = (long)((self->relay.epoch + 1) % URPC_EPOCHS);
    if (given != Py_None && (epoch = PyLong_AsLong(given)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (epoch < 0 || epoch >= URPC_EPOCHS) {
        return PyErr_Format(PyExc_ValueError, "epochs go from 0 to %d, and then from 0 again",
                            URPC_EPOCHS - 1);
    }
    relays_turn(self->bell);
    if (!urpc_relay_idle(&self->relay)) {
        return PyErr_Format(
            module_of(self)->error,
            "member %u of group %u still has something under way; gather() and take all results first",
            self->relay.member, self->relay.group);
    }
    urpc_relay_leave(&self->relay);
    self->open = false; /* until the new place has been taken */
    self->relay.epoch = (uint32_t)epoch;
    return take_place(self, parent, children) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *relay_close(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Relay *self = (Relay *)object;
    if (self->open) {
        self->open = false;
        if (relay_is_ours(self)) {
            urpc_relay_close(&self->relay);
        } else {
            urpc_relay_leave(&self->relay);
        }
        urpc_doorbell_move(&self->bell->bell); /* other threads may wait for it */
    }
    Py_RETURN_NONE;
}

static void relay_dealloc(PyObject *object)
{
    Relay *self = (Relay *)object;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(relay_close(object, NULL));
    for (Relay **place = &self->bell->relays; *place != NULL; place = &(*place)->next) {
        if (*place == self) {
            *place = self->next;
            break;
        }
    }
    urpc_relay_free(&self->relay);
    Py_XDECREF(self->tree);
    Py_DECREF(self->bell);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- looking ---- */

static PyObject *relay_lost(PyObject *object, void *Py_UNUSED(closure))
{
    Relay *self = (Relay *)object;
    PyObject *lost = PyDict_New();
    for (uint32_t i = 0; lost != NULL && i < self->relay.losses; i++) {
        PyObject *member = PyLong_FromUnsignedLong(self->relay.lost[i].member);
        PyObject *kind = exception_of(module_of(self), self->relay.lost[i].loss);
        if (member == NULL || PyDict_SetItem(lost, member, kind) < 0) {
            Py_CLEAR(lost);
        }
        Py_XDECREF(member);
    }
    self->told = self->relay.losses;
    return lost;
}

static PyObject *relay_member(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Relay *)self)->relay.member);
}

static PyObject *relay_group(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Relay *)self)->relay.group);
}

static PyObject *relay_epoch(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Relay *)self)->relay.epoch);
}

static PyObject *relay_doorbell(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Relay *)self)->bell);
}

/* Goes up with everything that is done, so that asynchronous.py sees that it is worth looking again. */
static PyObject *relay_moves(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Relay *)self)->relay.moves);
}

static PyObject *relay_longest(PyObject *object, void *Py_UNUSED(closure))
{
    return usable((Relay *)object) ? PyLong_FromSize_t(urpc_relay_longest(&((Relay *)object)->relay)) : NULL;
}

static PyObject *relay_ready(PyObject *object, void *Py_UNUSED(closure))
{
    Relay *self = (Relay *)object;
    relay_turn(self);
    return PyBool_FromLong(relay_has_news(self));
}

static PyObject *relay_idle(PyObject *object, void *Py_UNUSED(closure))
{
    Relay *self = (Relay *)object;
    relay_turn(self);
    return usable(self) ? PyBool_FromLong(urpc_relay_idle(&self->relay)) : NULL;
}

static PyObject *relay_closed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!((Relay *)self)->open);
}

#define WAITS METH_FASTCALL | METH_KEYWORDS

static PyMethodDef relay_methods[] = {
    {"broadcast", FAST(relay_broadcast), WAITS,
     PyDoc_STR(
         "broadcast($self, data, /, timeout=None)\n--\n\n"
         "At the root: send bytes, up to `longest`, down the tree; the number of the broadcast, from 1.\n\n"
         "Blocks until every child's ring has taken it. Raises TimeoutError if the broadcast before still "
         "waits for a "
         "child's ring when time is up: nothing has been sent then. One that has begun is never taken back: "
         "what is "
         "left of it goes on in this member's later waits. Members that are lost are left out; gather() "
         "tells. Raises "
         "UrpcError elsewhere than at the root, MessageTooLong, Closed if the relay is closed.")},
    {"gather", FAST(relay_gather), WAITS,
     PyDoc_STR("gather($self, timeout=None)\n--\n\n"
               "At the root: wait until all that has been broadcast has been acknowledged by every member; "
               "how many that "
               "were.\n\n"
               "Raises TimeoutError, and if a member is lost that has not acknowledged: PeerDied, Closed, "
               "Corrupt, or another "
               "UrpcError by the reason, with `member` saying who. All that it did before it acknowledged is "
               "visible then.")},
    {"try_gather", relay_try_gather, METH_NOARGS,
     PyDoc_STR("try_gather($self, /)\n--\n\n"
               "How many broadcasts, from the first on, every member has acknowledged. Never blocks; raises "
               "as gather() "
               "does.")},
    {"receive", FAST(relay_receive), WAITS,
     PyDoc_STR("receive($self, timeout=None)\n--\n\n"
               "The next broadcast, in the order of the root; blocks until there is one.\n\n"
               "Raises TimeoutError; once the way to the root is cut and all that came has been received, "
               "PeerDied, Closed or "
               "Corrupt with the `member` that is lost.")},
    {"try_receive", relay_try_receive, METH_NOARGS,
     PyDoc_STR("try_receive($self, /)\n--\n\nThe next broadcast, or None. Never blocks; raises as receive() "
               "does.")},
    {"receive_async", FAST(relay_receive_async), WAITS,
     PyDoc_STR("receive_async($self, timeout=None)\n--\n\n"
               "For `await` in an asyncio event loop: receive(), which waits without blocking the loop.\n\n"
               "Raises as receive() does. Where it is cancelled, no broadcast has been taken. While it "
               "waits, the loop "
               "does the work of this relay and of all others of its doorbell, as attend() has it.")},
    {"acknowledge", relay_acknowledge, METH_NOARGS,
     PyDoc_STR("acknowledge($self, /)\n--\n\n"
               "Everything received here so far has been acted upon. For relays that are not `automatic`. "
               "Never blocks.")},
    {"contribute", (PyCFunction)(void (*)(void))relay_contribute, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "contribute($self, value, operation, /, *, everyone=False, timeout=None)\n--\n\n"
         "Contribute to the next reduction, and do not wait for its result: result() gives it, at the root, "
         "or to "
         "everyone.\n\n"
         "`value` is an int of 64 bits, a float, or a buffer of int64, uint64 or float64 ('q', 'Q', 'd') of "
         "up to "
         "`longest` bytes; `operation` is 'sum', 'min', 'max', and for integers 'and', 'or' of their bits. "
         "Sums of "
         "integers are modulo 2**64. Every member contributes the same operation, type, length and "
         "`everyone`; the n-th "
         "contributions of all make the n-th result. Blocks only while `room` bytes of earlier ones wait.")},
    {"result", FAST(relay_result), WAITS,
     PyDoc_STR("result($self, timeout=None)\n--\n\n"
               "The next result that is due here; blocks until everyone has contributed.\n\n"
               "An int or float if that was contributed, else a memoryview of that format. Raises "
               "TimeoutError (call it again "
               "to wait on), UrpcError if none is due, and as gather() does if a member is lost: then no "
               "result comes any "
               "more, to anyone.")},
    {"try_result", relay_try_result, METH_NOARGS,
     PyDoc_STR("try_result($self, /)\n--\n\nThe next result, or None if it has not come. Never blocks; "
               "raises as result() "
               "does.")},
    {"reduce", FAST(relay_reduce), WAITS,
     PyDoc_STR("reduce($self, value, operation, /, timeout=None)\n--\n\n"
               "contribute(), then at the root the result, which it waits for; elsewhere None, at once.")},
    {"all_reduce", FAST(relay_all_reduce), WAITS,
     PyDoc_STR("all_reduce($self, value, operation, /, timeout=None)\n--\n\n"
               "contribute(everyone=True), then the result, at every member.\n\n"
               "After a TimeoutError the contribution stands: result() waits on.")},
    {"barrier", FAST(relay_barrier), WAITS,
     PyDoc_STR("barrier($self, timeout=None)\n--\n\n"
               "Wait until every member is here: an empty all_reduce(). After a TimeoutError this member "
               "still counts as "
               "here; result() waits on.")},
    {"reset", (PyCFunction)(void (*)(void))relay_reset, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("reset($self, parent, children, *, epoch=None)\n--\n\n"
               "Take another place, in a new tree of the same group: the next epoch, or the one given. Every "
               "member does.\n\n"
               "Nothing may be under way here, unless a member is lost: then what is under way is given up. "
               "Broadcasts "
               "received and not taken yet are kept; messages of earlier epochs are dropped, of later ones "
               "wait. Numbers begin "
               "again. Raises UrpcError if something is under way, ValueError for a tree that cannot be "
               "(then the relay is "
               "closed).")},
    {"close", relay_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\n"
               "Leave the tree. Neighbours that are still in it, and have room, see this member as lost; the "
               "channels stay "
               "open.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", relay_close, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef relay_properties[] = {
    {"member", relay_member, NULL, PyDoc_STR("This member's number."), NULL},
    {"group", relay_group, NULL, PyDoc_STR("The group's number."), NULL},
    {"epoch", relay_epoch, NULL, PyDoc_STR("Which of the group's trees this is."), NULL},
    {"doorbell", relay_doorbell, NULL, PyDoc_STR("The doorbell that it was made with."), NULL},
    {"_moves", relay_moves, NULL, PyDoc_STR("A number that goes up with everything it does."), NULL},
    {"longest", relay_longest, NULL,
     PyDoc_STR("Bytes of the longest broadcast or vector: 8 less than the smallest of its channels carries."),
     NULL},
    {"ready", relay_ready, NULL,
     PyDoc_STR("Whether there is anything new: a broadcast, a result, at the root acknowledgements that "
               "try_gather() has not "
               "told, a loss. While there is, WaitSet.wait on its doorbell does not block."),
     NULL},
    {"idle", relay_idle, NULL, PyDoc_STR("Whether nothing is under way here, so that reset() may be called."),
     NULL},
    {"lost", relay_lost, NULL,
     PyDoc_STR(
         "The members known to be lost (of many, the first 32), each with the exception that says why."),
     NULL},
    {"closed", relay_closed, NULL, PyDoc_STR("Whether it has been closed."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot relay_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Relay(doorbell, member, parent, children, *, group=0, epoch=0, deliver=True, "
                       "automatic=True, room=65536)\n--\n\n"
                       "One member's place in a multicast tree: broadcasts down, acknowledgements and "
                       "reductions up, all passed on in C.\n\n"
                       "`parent` is (member, channel), or None at the root; `children` maps members to "
                       "channels, in the order in which they "
                       "are served. All channels, and so all that this relay waits for, belong to "
                       "`doorbell`. Members are numbers that "
                       "errors name. A channel may carry ordinary messages and up to 4,096 groups; what "
                       "belongs to a group that has no relay "
                       "here yet waits in the ring, with all behind it, and relayed messages behind an "
                       "ordinary one wait until that has "
                       "been received.\n\n"
                       "Work is done in every wait on the doorbell (of a channel, a wait set, a relay) and "
                       "in every look at one of its "
                       "channels, without running Python. One that computes for long holds up its tree.\n\n"
                       "deliver=False: this member only passes broadcasts on. automatic=False: a broadcast "
                       "counts as acknowledged here when "
                       "acknowledge() says so, and not as soon as it is here. `room`: bytes of broadcasts, "
                       "results and contributions "
                       "(of each child) that may wait here before they are held back; one always may.\n\n"
                       "Raises ValueError if a channel belongs to another doorbell, has a relay of this "
                       "group, or has seen this epoch of "
                       "it.")},
    {Py_tp_new, relay_new},
    {Py_tp_dealloc, relay_dealloc},
    {Py_tp_methods, relay_methods},
    {Py_tp_getset, relay_properties},
    {0, NULL},
};

PyType_Spec relay_spec = {
    .name = "multikernel.urpc.Relay",
    .basicsize = sizeof(Relay),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = relay_slots,
};
