/* WaitSet: one wait over the many channels of a doorbell, and over file descriptors. */
#include "_urpc.h"

#include "calls.h"
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_LOOK = 64 };

/* Descriptors are waited for by an epoll of our own, so that a wait costs what is ready of those, too. In it is
 * the socket that the doorbell calls while we sleep there, so that this one descriptor tells of everything. */
typedef struct {
    PyObject_HEAD Doorbell *bell;
    struct urpc_waitset set;
    int epoll;        /* or -1: no descriptor, and nobody has asked for fileno() */
    int calls;        /* the socket */
    uint64_t address; /* of the socket */
    pid_t poller;     /* who opened it */
    Py_ssize_t descriptors;
    bool waiting;
    unsigned forks; /* fork count when it was used last */
} WaitSet;

static PyObject *waitset_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"doorbell", NULL};
    Module *module = PyType_GetModuleState(type);
    Doorbell *bell; /* closed or not: closing ends the handing over, and the memory lives */
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!:WaitSet", names, module->doorbell, &bell)) {
        return NULL;
    }
    WaitSet *self = (WaitSet *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->bell = (Doorbell *)Py_NewRef(bell);
        self->epoll = self->calls = -1;
        self->forks = count_of_forks();
        urpc_waitset_init(&self->set, &bell->bell);
    }
    return (PyObject *)self;
}

static Channel *owner(struct urpc_channel *channel)
{
    return (Channel *)((char *)channel - offsetof(Channel, channel));
}

static void end_polling(WaitSet *self)
{
    if (self->epoll >= 0) {
        uint64_t expected = self->address;
        if (self->poller == getpid()) { /* else a parent may use it */
            atomic_compare_exchange_strong(&self->bell->bell.memory->address, &expected, 0);
        }
        close(self->epoll);
        close(self->calls);
        self->epoll = self->calls = -1;
        self->bell->polled = false;
    }
}

static void waitset_dealloc(PyObject *object)
{
    WaitSet *self = (WaitSet *)object;
    PyTypeObject *type = Py_TYPE(self);
    end_polling(self);
    while (self->set.count > 0) {
        struct urpc_channel *last = self->set.channels[self->set.count - 1];
        urpc_waitset_remove(&self->set, last);
        Py_DECREF(owner(last));
    }
    urpc_waitset_destroy(&self->set);
    Py_DECREF(self->bell);
    type->tp_free(self);
    Py_DECREF(type);
}

/* May the caller change it, or wait? */
static bool idle(WaitSet *self)
{
    if (self->forks != count_of_forks()) {
        self->forks = count_of_forks();
        urpc_waitset_inherit(&self->set);
    }
    if (self->waiting) {
        PyErr_SetString(module_of(self)->error,
                        "another thread waits on this wait set; end its wait with Doorbell.ring() first");
    }
    return !self->waiting;
}

/* ---- members ---- */

static PyObject *waitset_add(PyObject *object, PyObject *argument)
{
    WaitSet *self = (WaitSet *)object;
    if (!PyObject_TypeCheck(argument, module_of(self)->channel)) {
        return PyErr_Format(PyExc_TypeError,
                            "a wait set holds channels, not %.100s; descriptors go to add_fd()",
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
    if (channel->channel.set != NULL) {
        PyErr_SetString(PyExc_ValueError, channel->channel.set == &self->set
                                              ? "this channel is in the wait set already"
                                              : "this channel is in another wait set; remove it there first");
        return NULL;
    }
    switch (urpc_waitset_add(&self->set, &channel->channel)) {
    case URPC_NO_MEMORY:
        return PyErr_NoMemory();
    case URPC_NO_SLOT:
        return PyErr_Format(module_of(self)->error,
                            "a wait set has room for %d channels; give the others a doorbell of their own",
                            URPC_SLOTS);
    default:
        Py_INCREF(argument);
        Py_RETURN_NONE;
    }
}

static bool contains(WaitSet *self, PyObject *object)
{
    return PyObject_TypeCheck(object, module_of(self)->channel) &&
           ((Channel *)object)->channel.set == &self->set;
}

static void drop(WaitSet *self, Channel *channel)
{
    urpc_waitset_remove(&self->set, &channel->channel);
    Py_DECREF(channel);
}

static PyObject *waitset_remove(PyObject *object, PyObject *channel)
{
    WaitSet *self = (WaitSet *)object;
    if (!idle(self)) {
        return NULL;
    }
    if (!contains(self, channel)) {
        PyErr_SetString(PyExc_ValueError, "this channel is not in the wait set");
        return NULL;
    }
    drop(self, (Channel *)channel);
    Py_RETURN_NONE;
}

/* ---- descriptors ---- */

static bool begin_polling(WaitSet *self)
{
    if (self->epoll >= 0) {
        return true;
    }
    if (self->bell->polled) {
        PyErr_SetString(module_of(self)->error,
                        "another wait set of this doorbell waits for descriptors or in an event loop, and a "
                        "doorbell calls one of them only; use that, or another doorbell");
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = -1};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int calls = epoll < 0 ? -1 : urpc_calls_open(&self->address);
    if (calls < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, calls, &event) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        if (epoll >= 0) {
            close(epoll);
        }
        if (calls >= 0) {
            close(calls);
        }
        return false;
    }
    self->epoll = epoll;
    self->calls = calls;
    self->bell->polled = true;
    self->poller = getpid();
    atomic_store_explicit(&self->bell->bell.memory->address, self->address, memory_order_release);
    return true;
}

static PyObject *waitset_add_fd(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"fd", "events", NULL};
    WaitSet *self = (WaitSet *)object;
    PyObject *file;
    unsigned events = EPOLLIN;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|I:add_fd", names, &file, &events)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0 || !idle(self) || !begin_polling(self)) {
        return NULL;
    }
    struct epoll_event event = {.events = events & (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP),
                                .data.fd = fd};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        if (errno == EEXIST) {
            return PyErr_Format(PyExc_ValueError, "descriptor %d is in the wait set already", fd);
        }
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    self->descriptors++;
    Py_RETURN_NONE;
}

static PyObject *waitset_remove_fd(PyObject *object, PyObject *file)
{
    WaitSet *self = (WaitSet *)object;
    int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0 || !idle(self)) {
        return NULL;
    }
    if (self->epoll < 0 || fd == self->calls || epoll_ctl(self->epoll, EPOLL_CTL_DEL, fd, NULL) < 0) {
        return PyErr_Format(PyExc_ValueError, "descriptor %d is not in the wait set", fd);
    }
    self->descriptors--;
    Py_RETURN_NONE;
}

/* Add (fd, events) of what is ready to a list, and forget the calls. */
static bool look_at_descriptors(WaitSet *self, PyObject *ready)
{
    if (self->descriptors == 0) {
        urpc_calls_drain(self->calls); /* all that there could be */
        return true;
    }
    struct epoll_event events[EVENTS_A_LOOK];
    int count = epoll_wait(self->epoll, events, EVENTS_A_LOOK, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == -1) {
            urpc_calls_drain(self->calls);
            continue;
        }
        PyObject *pair = Py_BuildValue("iI", events[i].data.fd, (unsigned)events[i].events);
        if (pair == NULL || PyList_Append(ready, pair) < 0) {
            Py_XDECREF(pair);
            return false;
        }
        Py_DECREF(pair);
    }
    if (count < 0 && errno != EINTR) {
        PyErr_SetFromErrno(PyExc_OSError);
        return false;
    }
    return true;
}

/* ---- waiting ---- */

/* The channels with something to do, as a new list. */
static PyObject *scan(WaitSet *self)
{
    struct urpc_waitset *set = &self->set;
    PyObject *ready;
again:
    ready = PyList_New(0);
    size_t count = ready == NULL ? 0 : urpc_waitset_gather(set);
    for (size_t i = 0; i < count; i++) {
        Channel *channel = owner(set->candidates[i]);
        if (channel->closed) {
            drop(self, channel);
            Py_DECREF(ready);
            goto again; /* the places of the others have changed */
        }
        if (!channel_usable(channel) ||
            (urpc_waitset_look(set, i) && PyList_Append(ready, (PyObject *)channel) < 0)) {
            Py_DECREF(ready);
            return NULL;
        }
    }
    return ready;
}

/* Look until something is ready or time is up: the channels, and in `files` the descriptors. */
static PyObject *wait_for_ready(WaitSet *self, uint64_t timeout, PyObject *files)
{
    const struct urpc_doorbell *bell = &self->bell->bell;
    struct waiting waiting = {.timeout = timeout};
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(bell);
        if (self->epoll >= 0 && !look_at_descriptors(self, files)) {
            return NULL;
        }
        relays_turn(self->bell);
        PyObject *ready = scan(self);
        if (ready == NULL || PyList_GET_SIZE(ready) > 0 || PyList_GET_SIZE(files) > 0 ||
            relays_have_news(self->bell) || urpc_doorbell_answer(bell) || timeout == 0) {
            return ready;
        }
        struct urpc_sources sources = urpc_waitset_sources(&self->set);
        sources.descriptors = self->descriptors > 0 ? self->epoll : -1;
        switch (wait_relaying_any(&waiting, self->bell, ticket, &sources)) {
        case WAIT_TIMEOUT:
            return ready;
        case WAIT_RAISED:
            Py_DECREF(ready);
            return NULL;
        default:
            urpc_waitset_sweep(&self->set);
            Py_DECREF(ready);
        }
    }
}

/* The two lists of a wait, or NULL. */
static PyObject *waitset_do(const char *name, WaitSet *self, PyObject *const *arguments,
                            Py_ssize_t positional, PyObject *keywords, PyObject **files)
{
    uint64_t timeout = URPC_FOREVER;
    if (!parse_call(name, arguments, positional, keywords, 0, NULL, &timeout) || !idle(self) ||
        (*files = PyList_New(0)) == NULL) {
        return NULL;
    }
    self->waiting = true;
    PyObject *ready = wait_for_ready(self, timeout, *files);
    self->waiting = false;
    if (ready == NULL) {
        Py_DECREF(*files);
    }
    return ready;
}

static PyObject *waitset_wait(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                              PyObject *keywords)
{
    PyObject *files;
    PyObject *ready = waitset_do("wait", (WaitSet *)object, arguments, positional, keywords, &files);
    if (ready != NULL) {
        Py_DECREF(files);
    }
    return ready;
}

static PyObject *waitset_select(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                                PyObject *keywords)
{
    PyObject *files;
    PyObject *ready = waitset_do("select", (WaitSet *)object, arguments, positional, keywords, &files);
    return ready == NULL ? NULL : Py_BuildValue("NN", ready, files);
}

static PyObject *waitset_fileno(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    WaitSet *self = (WaitSet *)object;
    return idle(self) && begin_polling(self) ? PyLong_FromLong(self->epoll) : NULL;
}

/* For asynchronous.py, whose wait sets hold no descriptors: an epoll in the loop's own costs every wake-up more. */
static PyObject *waitset_calls(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    WaitSet *self = (WaitSet *)object;
    return idle(self) && begin_polling(self) ? PyLong_FromLong(self->calls) : NULL;
}

static PyObject *waitset_arm(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    WaitSet *self = (WaitSet *)object;
    const struct urpc_doorbell *bell = &self->bell->bell;
    if (!idle(self) || !begin_polling(self)) {
        return NULL;
    }
    urpc_waitset_sweep(&self->set);
    for (;;) {
        uint32_t ticket = urpc_doorbell_ticket(bell);
        PyObject *ready = scan(self);
        if (ready == NULL) {
            return NULL;
        }
        bool any = PyList_GET_SIZE(ready) > 0;
        Py_DECREF(ready);
        if (any || atomic_load_explicit(&bell->memory->rung, memory_order_relaxed) != 0) {
            Py_RETURN_FALSE;
        }
        struct urpc_sources sources = urpc_waitset_sources(&self->set);
        int armed = arm_relaying(self->bell, ticket, &sources);
        if (armed < 0) {
            return NULL;
        }
        if (armed) {
            Py_RETURN_TRUE;
        }
    }
}

static Py_ssize_t waitset_length(PyObject *self)
{
    return (Py_ssize_t)((WaitSet *)self)->set.count;
}

static int waitset_contains(PyObject *self, PyObject *channel)
{
    return contains((WaitSet *)self, channel);
}

static PyMethodDef waitset_methods[] = {
    {"add", waitset_add, METH_O,
     PyDoc_STR(
         "add($self, channel, /)\n--\n\n"
         "Wait for this channel too. It must have been made with the wait set's doorbell as its own, and "
         "be in no other wait set. A wait set holds 4096 channels.")},
    {"remove", waitset_remove, METH_O,
     PyDoc_STR("remove($self, channel, /)\n--\n\nNo longer wait for this channel.")},
    {"add_fd", FAST(waitset_add_fd), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("add_fd($self, fd, events=1)\n--\n\n"
               "Wait for a descriptor too, or for an object that has a fileno(): `events` are those of "
               "select.poll() (POLLIN, POLLOUT, POLLPRI, POLLRDHUP); errors and hang-ups always count.\n\n"
               "One wait set of a doorbell can do this at a time. Take it out with remove_fd() before you "
               "close it. Raises OSError for what cannot be polled, such as a regular file.")},
    {"remove_fd", waitset_remove_fd, METH_O,
     PyDoc_STR("remove_fd($self, fd, /)\n--\n\nNo longer wait for this descriptor.")},
    {"wait", FAST(waitset_wait), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "wait($self, timeout=None)\n--\n\n"
         "The channels that have something to do; blocks until there are any.\n\n"
         "A channel is ready while receive() would return or raise at once, and once when there is "
         "room again "
         "after try_send() returned False. The list is empty when time is up, when the doorbell was "
         "rung by "
         "hand, or a relay on it has news (Relay.ready), and nothing is ready, and when only descriptors "
         "are (select() tells which). A channel that has been closed here leaves the set by itself. One "
         "thread "
         "at a time; the cost of a look is the number of channels that are ready.")},
    {"select", FAST(waitset_select), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("select($self, timeout=None)\n--\n\n"
               "As wait(), with descriptors: the channels that are ready, and (descriptor, events) of each "
               "descriptor that is.")},
    {"fileno", waitset_fileno, METH_NOARGS,
     PyDoc_STR(
         "fileno($self, /)\n--\n\n"
         "A descriptor to wait on elsewhere, as in an event loop: it becomes readable when a descriptor "
         "of the set is ready, and, once arm() has returned True, when a channel is. Belongs to the "
         "wait set.")},
    {"_calls", waitset_calls, METH_NOARGS,
     PyDoc_STR("_calls($self, /)\n--\n\nAs fileno(), for a wait set without descriptors.")},
    {"arm", waitset_arm, METH_NOARGS,
     PyDoc_STR("arm($self, /)\n--\n\n"
               "Have fileno() become readable, once, when a channel has something to do: True. False if one "
               "has already, or the doorbell was rung. Call wait(0) or select(0) then, as after the "
               "descriptor became readable. Never blocks.\n\n"
               "Work for a relay of the doorbell makes it readable, too, and wait(0) does that work; look at "
               "Relay.ready "
               "after arm() as well.")},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot waitset_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("WaitSet(doorbell)\n--\n\nOne wait over the many channels of a doorbell, and "
                       "over file descriptors.")},
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
