/* WaitSet: one wait over the many channels of a doorbell. */
#include "_urpc.h"

typedef struct {
    PyObject_HEAD Doorbell *bell;
    Channel **channels;
    struct urpc_watch *watches; /* watches[i] is of channels[i], while waiting */
    Py_ssize_t count;
    Py_ssize_t room; /* of both arrays */
    bool waiting;
} WaitSet;

static PyObject *waitset_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"doorbell", NULL};
    Module *module = PyType_GetModuleState(type);
    Doorbell *bell;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!:WaitSet", names, module->doorbell, &bell)) {
        return NULL;
    }
    if (bell->fd < 0) {
        return descriptor(bell, -1, "doorbell");
    }
    WaitSet *self = (WaitSet *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->bell = (Doorbell *)Py_NewRef(bell);
    }
    return (PyObject *)self;
}

static void waitset_dealloc(PyObject *object)
{
    WaitSet *self = (WaitSet *)object;
    PyTypeObject *type = Py_TYPE(self);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_DECREF(self->channels[i]);
    }
    PyMem_Free(self->channels);
    PyMem_Free(self->watches);
    Py_DECREF(self->bell);
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t find(WaitSet *self, PyObject *channel)
{
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if ((PyObject *)self->channels[i] == channel) {
            return i;
        }
    }
    return -1;
}

static bool idle(WaitSet *self)
{
    if (self->waiting) {
        PyErr_SetString(module_of(self)->error,
                        "another thread waits on this wait set; end its wait with Doorbell.ring() first");
    }
    return !self->waiting;
}

static bool grow(WaitSet *self)
{
    if (self->count < self->room) {
        return true;
    }
    Py_ssize_t room = self->room == 0 ? 8 : 2 * self->room;
    Channel **channels = PyMem_Resize(self->channels, Channel *, room);
    if (channels != NULL) {
        self->channels = channels;
    }
    struct urpc_watch *watches = PyMem_Resize(self->watches, struct urpc_watch, room);
    if (watches != NULL) {
        self->watches = watches;
    }
    if (channels == NULL || watches == NULL) {
        PyErr_NoMemory();
        return false;
    }
    self->room = room;
    return true;
}

static PyObject *waitset_add(PyObject *object, PyObject *argument)
{
    WaitSet *self = (WaitSet *)object;
    if (!PyObject_TypeCheck(argument, module_of(self)->channel)) {
        return PyErr_Format(PyExc_TypeError, "a wait set holds channels, not %.100s",
                            Py_TYPE(argument)->tp_name);
    }
    Channel *channel = (Channel *)argument;
    if (!idle(self) || !channel_usable(channel)) {
        return NULL;
    }
    if (channel->own != self->bell) {
        PyErr_SetString(PyExc_ValueError, "this channel rings another doorbell than the wait set's");
        return NULL;
    }
    if (find(self, argument) >= 0) {
        PyErr_SetString(PyExc_ValueError, "this channel is in the wait set already");
        return NULL;
    }
    if (!grow(self)) {
        return NULL;
    }
    self->channels[self->count++] = (Channel *)Py_NewRef(argument);
    Py_RETURN_NONE;
}

static void drop(WaitSet *self, Py_ssize_t index)
{
    Channel *channel = self->channels[index];
    self->channels[index] = self->channels[--self->count];
    Py_DECREF(channel);
}

static PyObject *waitset_remove(PyObject *object, PyObject *channel)
{
    WaitSet *self = (WaitSet *)object;
    if (!idle(self)) {
        return NULL;
    }
    Py_ssize_t index = find(self, channel);
    if (index < 0) {
        PyErr_SetString(PyExc_ValueError, "this channel is not in the wait set");
        return NULL;
    }
    drop(self, index);
    Py_RETURN_NONE;
}

/* The channels with something to do, as a new list; sets the watches of the others. */
static PyObject *scan(WaitSet *self)
{
    PyObject *ready = PyList_New(0);
    for (Py_ssize_t i = 0; ready != NULL && i < self->count;) {
        Channel *channel = self->channels[i];
        if (channel->closed) {
            drop(self, i);
            continue;
        }
        if (!channel_usable(channel)) {
            Py_CLEAR(ready);
            break;
        }
        bool readable = urpc_poll(&channel->channel, &self->watches[i]) != URPC_AGAIN;
        bool room = urpc_room(&channel->channel);
        if ((readable || room) && PyList_Append(ready, (PyObject *)channel) < 0) {
            Py_CLEAR(ready);
        }
        i++;
    }
    return ready;
}

static PyObject *wait_for_ready(WaitSet *self, uint64_t timeout)
{
    const struct urpc_doorbell *bell = &self->bell->bell;
    struct waiting waiting = {.timeout = timeout};
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(bell);
        relays_turn(self->bell);
        PyObject *ready = scan(self);
        if (ready == NULL || PyList_GET_SIZE(ready) > 0 || relays_have_news(self->bell) ||
            urpc_doorbell_answer(bell) || timeout == 0) {
            return ready;
        }
        switch (wait_relaying(&waiting, self->bell, ticket, self->watches, (size_t)self->count)) {
        case WAIT_TIMEOUT:
            return ready;
        case WAIT_RAISED:
            Py_DECREF(ready);
            return NULL;
        default:
            Py_DECREF(ready);
        }
    }
}

static PyObject *waitset_wait(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                              PyObject *keywords)
{
    WaitSet *self = (WaitSet *)object;
    uint64_t timeout = URPC_FOREVER;
    if (!parse_call("wait", arguments, positional, keywords, 0, NULL, &timeout) || !idle(self)) {
        return NULL;
    }
    self->waiting = true;
    PyObject *ready = wait_for_ready(self, timeout);
    self->waiting = false;
    return ready;
}

static Py_ssize_t waitset_length(PyObject *self)
{
    return ((WaitSet *)self)->count;
}

static int waitset_contains(PyObject *self, PyObject *channel)
{
    return find((WaitSet *)self, channel) >= 0;
}

static PyMethodDef waitset_methods[] = {
    {"add", waitset_add, METH_O,
     PyDoc_STR("add($self, channel, /)\n--\n\n"
               "Wait for this channel too. It must have been made with the wait set's doorbell as its own.")},
    {"remove", waitset_remove, METH_O,
     PyDoc_STR("remove($self, channel, /)\n--\n\nNo longer wait for this channel.")},
    {"wait", FAST(waitset_wait), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("wait($self, timeout=None)\n--\n\n"
               "The channels that have something to do; blocks until there are any.\n\n"
               "A channel is ready while receive() would return or raise at once, and once when there is "
               "room again "
               "after try_send() returned False. The list is empty when time is up, or when the doorbell was "
               "rung by "
               "hand, or a relay on it has news (Relay.ready), and nothing is ready. A channel that has been "
               "closed here leaves the set by itself. One "
               "thread "
               "at a time; the cost of a look is the number of channels.")},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot waitset_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("WaitSet(doorbell)\n--\n\nOne wait over the many channels of a doorbell.")},
    {Py_tp_new, waitset_new},
    {Py_tp_dealloc, waitset_dealloc},
    {Py_tp_methods, waitset_methods},
    {Py_sq_length, waitset_length},
    {Py_sq_contains, waitset_contains},
    {0, NULL},
};

PyType_Spec waitset_spec = {
    .name = "multikernel.urpc.WaitSet",
    .basicsize = sizeof(WaitSet),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = waitset_slots,
};
