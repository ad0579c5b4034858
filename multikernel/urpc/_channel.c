/* Channel: how an end is made, looked at, forked and closed. What it carries is in _messages.c. */
#include "_urpc.h"

#include "relay.h"

#include <pthread.h>
#include <stddef.h>
#include <structmember.h>
#include <unistd.h>

/*
 * How often this process has forked. The one variable that is no object's: only the fork itself can count it,
 * and a channel compares it on every call, where getpid(2) would cost as much as the message.
 */
static unsigned forks;

static void count_fork(void)
{
    forks++;
}

static pthread_once_t counting = PTHREAD_ONCE_INIT;

static void count_forks(void)
{
    pthread_atfork(NULL, count_fork, count_fork);
}

void note_forks(void)
{
    pthread_once(&counting, count_forks);
}

unsigned count_of_forks(void)
{
    return forks;
}

/* After a fork both processes hold this end; it belongs to the one that uses it. */
static void see_fork(Channel *self)
{
    if (self->forks == forks) {
        return;
    }
    self->forks = forks;
    self->shared = true;
    if (self->process != getpid()) {
        self->process = getpid();
        self->used = false;
        self->measuring = false; /* by a thread of the parent */
    }
}

bool channel_usable(Channel *self)
{
    if (likely(!self->closed && !self->measuring && self->forks == forks)) {
        self->used = true;
        return true;
    }
    see_fork(self);
    if (self->closed) {
        PyErr_SetString(module_of(self)->closed, "this end of the channel has been closed");
        return false;
    }
    if (self->measuring) {
        PyErr_SetString(module_of(self)->error,
                        "another thread is measuring on this channel; wait until it is done");
        return false;
    }
    self->used = true;
    return true;
}

PyObject *raise_result(Channel *self, enum urpc_result result, Py_ssize_t length)
{
    Module *module = module_of(self);
    switch (result) {
    case URPC_CLOSED:
        /* It may have closed, and ended afterwards: then it died of nothing that concerns us. */
        if (self->channel.gone &&
            !(atomic_load_explicit(&self->channel.peer->status, memory_order_acquire) & 1)) {
            PyErr_SetString(module->peer_died,
                            "the process at the other end has died, and all it sent has been received");
            break;
        }
        PyErr_SetString(module->closed,
                        "the other end of the channel has been closed, and all it sent has been received");
        break;
    case URPC_TOO_LONG:
        PyErr_Format(module->too_long,
                     "a message of %zd bytes is longer than the %u that a channel of capacity %u carries; "
                     "send it in parts, make the capacity larger, or give the channel a pool",
                     length, urpc_max_message(self->channel.capacity), self->channel.capacity);
        break;
    case URPC_TIMEOUT:
        PyErr_SetString(PyExc_TimeoutError, "the other end did not answer in time");
        break;
    case URPC_STOPPED:
        break; /* by a signal handler, which has raised */
    default:
        PyErr_SetString(module->corrupt,
                        "the shared memory of this channel holds what no correct peer writes; "
                        "close it, and make a new one if the peer is to be trusted");
    }
    return NULL;
}

/* ---- making and ending ---- */

static bool add_pool(Channel *self, Pool *pool)
{
    if (!urpc_pool_init(&self->loans, pool->memory.address, pool->memory.parameter, pool->memory.grain,
                        self->side)) {
        PyErr_NoMemory();
        return false;
    }
    self->pool = (Pool *)Py_NewRef(pool);
    if (!urpc_pool_claim(&self->loans)) {
        PyErr_Format(
            module_of(self)->error,
            "side %d of this pool has been taken already; a pool serves one channel, once: create another",
            self->side);
        return false;
    }
    return true;
}

static PyObject *channel_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"segment", "side", "own_doorbell", "peer_doorbell", "pool", NULL};
    Module *module = PyType_GetModuleState(type);
    Segment *segment;
    Doorbell *own, *peer;
    PyObject *pool = Py_None;
    int side;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!iO!O!|O:Channel", names, module->segment,
                                     &segment, &side, module->doorbell, &own, module->doorbell, &peer,
                                     &pool)) {
        return NULL;
    }
    if (pool != Py_None && !Py_IS_TYPE(pool, module->pool)) {
        return PyErr_Format(PyExc_TypeError, "pool must be a Pool or None, not %s", Py_TYPE(pool)->tp_name);
    }
    if (side != 0 && side != 1) {
        return PyErr_Format(PyExc_ValueError, "side must be 0 or 1, not %d", side);
    }
    if (segment->fd < 0) {
        return descriptor(segment, -1, "segment");
    }
    if (own->fd < 0 || peer->fd < 0) {
        return descriptor(own, -1, "doorbell");
    }
    Channel *self = (Channel *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->segment = (Segment *)Py_NewRef(segment);
    self->own = (Doorbell *)Py_NewRef(own);
    self->peer = (Doorbell *)Py_NewRef(peer);
    self->side = (uint8_t)side;
    self->forks = forks;
    self->process = getpid();
    if (!urpc_channel_init(&self->channel, segment->memory.address, segment->memory.parameter,
                           segment->memory.grain, (unsigned)side, &own->bell, &peer->bell)) {
        self->closed = true; /* so that the end, which is another's, is not closed */
        Py_DECREF(self);
        return PyErr_Format(
            module->error,
            "side %d of this segment has been taken already; a segment serves one channel, once: "
            "create another",
            side);
    }
    if (pool != Py_None && !add_pool(self, (Pool *)pool)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Close this end, and tell the peer unless the end is another process's. */
static void end(Channel *self)
{
    if (self->closed) {
        return;
    }
    see_fork(self);
    self->closed = true;
    if (self->used || !self->shared) {
        urpc_channel_close(&self->channel);
    }
    urpc_waitset_suggest(&self->channel);           /* so that its wait set lets go of it */
    urpc_doorbell_move(self->channel.own_doorbell); /* threads of ours that wait on it look again */
}

static PyObject *channel_close(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    Channel *self = (Channel *)object;
    if (!self->closed && self->measuring && !channel_usable(self)) {
        return NULL;
    }
    end(self);
    Py_RETURN_NONE;
}

static void channel_dealloc(PyObject *object)
{
    Channel *self = (Channel *)object;
    PyTypeObject *type = Py_TYPE(self);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    end(self);
    urpc_relay_forget(&self->channel);
    Py_XDECREF(self->spare);
    Py_XDECREF(self->last);
    if (self->pool != NULL) {
        urpc_pool_end(&self->loans);
        Py_DECREF(self->pool);
    }
    Py_DECREF(self->segment);
    Py_DECREF(self->own);
    Py_DECREF(self->peer);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Known to whoever watches processes: peers.py. */
static PyObject *channel_peer_died(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    Channel *self = (Channel *)object;
    if (!self->closed) {
        urpc_peer_died(&self->channel);
    }
    Py_RETURN_NONE;
}

/* ---- looking ---- */

static PyObject *channel_readable(PyObject *object, void *Py_UNUSED(closure))
{
    Channel *self = (Channel *)object;
    struct urpc_watch watch;
    return channel_usable(self) ? PyBool_FromLong(urpc_poll(&self->channel, &watch) != URPC_AGAIN) : NULL;
}

static PyObject *channel_closed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Channel *)self)->closed);
}

static PyObject *channel_capacity(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Channel *)self)->channel.capacity);
}

static PyObject *channel_side(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Channel *)self)->side);
}

static PyObject *channel_segment(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Channel *)self)->segment);
}

static PyObject *channel_own(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Channel *)self)->own);
}

static PyObject *channel_peer(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Channel *)self)->peer);
}

static PyMethodDef channel_methods[] = {
    {"send", FAST(channel_send), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "send($self, data, /, timeout=None)\n--\n\n"
         "Send one message of 0 to max_message(capacity) bytes; blocks while the ring has no room for it.\n\n"
         "Messages arrive whole, once, in order. Raises TimeoutError if there is no room in time (nothing "
         "has "
         "been sent then), Closed if either end is closed, MessageTooLong, Corrupt.")},
    {"try_send", channel_try_send, METH_O,
     PyDoc_STR("try_send($self, data, /)\n--\n\n"
               "Send one message if the ring has room for all of it now: True if sent. Never blocks.\n\n"
               "There is always room if everything sent before has been received. After False, WaitSet.wait "
               "on this "
               "end's doorbell returns the channel once there is. Raises as send() does.")},
    {"try_send_many", channel_try_send_many, METH_O,
     PyDoc_STR("try_send_many($self, messages, /)\n--\n\n"
               "Send as many of a sequence of messages as there is room for, in order, and wake the receiver "
               "once for "
               "all: the number sent. Never blocks.\n\n"
               "Raises as send() does; those before the one at fault have been sent.")},
    {"send_many", FAST(channel_send_many), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("send_many($self, messages, /, timeout=None)\n--\n\n"
               "Send a sequence of messages in order, and wake the receiver seldom; blocks while there is no "
               "room.\n\n"
               "Raises as send() does; those before the one at fault have been sent.")},
    {"receive_many", FAST(channel_receive_many), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "receive_many($self, timeout=None)\n--\n\n"
         "All messages that are there; blocks until there is one. At most as many as the ring has lines.\n\n"
         "Raises as receive() does, but only if there is no message before the error.")},
    {"allocate", FAST(channel_allocate), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("allocate($self, size, /, timeout=None)\n--\n\n"
               "A Buffer of `size` bytes from this channel's pool, to be filled and sent without a copy: "
               "send(buffer) "
               "passes it on. Its content is not cleared. Blocks while the pool has no room.\n\n"
               "Raises TimeoutError if the other end gives nothing back in time, MessageTooLong if the pool "
               "is smaller, "
               "UrpcError if there is none, Closed.")},
    {"receive_view", FAST(channel_receive_view), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "receive_view($self, timeout=None)\n--\n\n"
         "As receive(), but a memoryview: of what was passed by reference, without a copy, else of the "
         "bytes.\n\n"
         "What was passed by reference may be written to, and goes back to its sender when the view and all "
         "that "
         "were made from it are gone: `with channel.receive_view() as view:`. A hostile peer can change it "
         "while you look; bytes(view) holds still.")},
    {"try_receive_view", channel_try_receive_view, METH_NOARGS,
     PyDoc_STR("try_receive_view($self, /)\n--\n\nAs receive_view(), or None if there is no message now. "
               "Never blocks.")},
    {"receive", FAST(channel_receive), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "receive($self, timeout=None)\n--\n\n"
         "The next message; blocks until there is one.\n\n"
         "Raises TimeoutError if none comes in time, Closed once the other end is closed and all it sent has "
         "been received, or this end is closed, Corrupt.")},
    {"try_receive", channel_try_receive, METH_NOARGS,
     PyDoc_STR("try_receive($self, /)\n--\n\n"
               "The next message, or None if there is none now. Never blocks. Raises as receive() does.")},
    {"try_receive_many", FAST(channel_try_receive_many), METH_FASTCALL,
     PyDoc_STR("try_receive_many($self, limit=sys.maxsize, /)\n--\n\n"
               "All messages that are there now, at most `limit`. Never blocks. Raises as receive() does, "
               "but only if "
               "there is no message before the error.")},
    {"send_async", FAST(channel_send_async), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "send_async($self, data, /, timeout=None)\n--\n\n"
         "For `await` in an asyncio event loop: send(), which waits for room without blocking the loop.\n\n"
         "Raises as send() does. Where it is cancelled, nothing has been sent.")},
    {"receive_async", FAST(channel_receive_async), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("receive_async($self, timeout=None)\n--\n\n"
               "For `await` in an asyncio event loop: receive(), which waits without blocking the loop.\n\n"
               "Stays awake for a moment, as the doorbell has learnt that it pays, while the loop goes on "
               "with what else "
               "there is; then the loop sleeps. Raises as receive() does. Where it is cancelled, no message "
               "has been taken. Several tasks "
               "may wait on one channel; each message goes to one of them.")},
    {"ping", FAST(channel_ping), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "ping($self, rounds, /, timeout=10.0)\n--\n\n"
         "Time round trips of 48-byte messages to an end that runs echo(rounds): picoseconds, one a "
         "round.\n\n"
         "Spins or blocks as the doorbells say. Raises TimeoutError when the whole is not done in time, "
         "Closed, "
         "Corrupt (also when the other end sends something else). After an error the ends are out of step: "
         "close the channel. The same holds for the other measurements.")},
    {"ping_batches", FAST(channel_ping_batches), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "ping_batches($self, batches, /, timeout=10.0)\n--\n\n"
         "Time batches of 32 round trips to an end that runs echo(32 * batches): picoseconds of one, the "
         "mean of each batch. Nobody reads the time in between, as ping does.")},
    {"echo", FAST(channel_echo), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("echo($self, rounds, /, timeout=10.0)\n--\n\nAnswer the other end's ping(rounds).")},
    {"measure_send", FAST(channel_measure_send), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("measure_send($self, count, /, timeout=10.0)\n--\n\n"
               "How long one message keeps the sender busy, in picoseconds, for each of `count`: into lines "
               "that the "
               "receiver read last, with the fence and the look at the doorbell. The other end runs "
               "measure_receive(count).")},
    {"measure_receive", FAST(channel_measure_receive), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("measure_receive($self, count, /, timeout=10.0)\n--\n\n"
               "How long one message that is there keeps the receiver busy, in picoseconds, for each of "
               "`count`: from "
               "lines that the sender wrote last. The other end runs measure_send(count).")},
    {"measure_stream", FAST(channel_measure_stream), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("measure_stream($self, blocks, /, timeout=10.0)\n--\n\n"
               "Stream so many blocks of 256 48-byte messages to an end that runs measure_drain(blocks): "
               "picoseconds a message, the mean of each block. The peer's doorbell is looked at once for 32 "
               "messages.")},
    {"measure_drain", FAST(channel_measure_drain), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("measure_drain($self, blocks, /, timeout=10.0)\n--\n\n"
               "Receive the other end's measure_stream(blocks).")},
    {"_peer_died", channel_peer_died, METH_NOARGS,
     PyDoc_STR(
         "_peer_died($self, /)\n--\n\nThe process at the other end has ended. watch_peer() calls this.")},
    {"close", channel_close, METH_NOARGS,
     PyDoc_STR(
         "close($self, /)\n--\n\n"
         "Close this end. The other receives what was sent, then Closed. Closing twice does nothing.\n\n"
         "An end that was inherited through fork belongs to the process that uses it: in one that never did, "
         "close() lets go of it without closing it for the other process.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", channel_close, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef channel_properties[] = {
    {"readable", channel_readable, NULL,
     PyDoc_STR("Whether receive() would return or raise at once, rather than wait."), NULL},
    {"closed", channel_closed, NULL, PyDoc_STR("Whether this end has been closed here."), NULL},
    {"capacity", channel_capacity, NULL, PyDoc_STR("Lines of each ring."), NULL},
    {"side", channel_side, NULL, PyDoc_STR("0 or 1."), NULL},
    {"segment", channel_segment, NULL, PyDoc_STR("The memory it lives in."), NULL},
    {"own_doorbell", channel_own, NULL, PyDoc_STR("What this end sleeps on."), NULL},
    {"peer_doorbell", channel_peer, NULL, PyDoc_STR("What this end rings."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef channel_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Channel, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot channel_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Channel(segment, side, own_doorbell, peer_doorbell, pool=None)\n--\n\n"
                       "One end of a duplex channel: whole messages, in order, never lost.\n\n"
                       "One process at a time per end. Threads may share it under the GIL; a message goes "
                       "to one of them.")},
    {Py_tp_new, channel_new},
    {Py_tp_dealloc, channel_dealloc},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, channel_properties},
    {Py_tp_members, channel_members},
    {0, NULL},
};

PyType_Spec channel_spec = {
    .name = "multikernel.urpc.Channel",
    .basicsize = sizeof(Channel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = channel_slots,
};
