/*
 * The asyncio face of a channel: what `await channel.receive_async()` awaits.
 *
 * A wait goes through three stages, and in each a task that is cancelled has taken nothing: the message is taken in the step that returns it.
 *
 *   look   a message that is there is returned at once, without a turn of the loop; but after STREAK of those the loop has one, since
 *          others may wait for theirs
 *   stay   for as long as the doorbell's pace says that spinning pays (pace.h), 50 us at most: the task stays ready, so that every turn of
 *          the loop runs what else there is to run and comes back here to look. In between, one task of the process spins for SPIN_NS,
 *          if the loop came back so soon that it has hardly anything else to do. Nobody sleeps meanwhile, so a sender makes no system call
 *   park   the wait goes to asynchronous.py: the loop sleeps on the doorbell's descriptor, and uses no processor time
 *
 * Which comes first, a turn of the loop or a spin, is learnt for each channel: where messages come from a task of the same loop, spinning
 * keeps that task from sending; where they come from another core, the turn only costs time.
 *
 * Why this is no coroutine of Python's: the frame, the attribute look-ups and the exception that returns a value would cost more than the
 * message. With a timeout it is one, since asyncio.timeout() is.
 */
#include "_urpc.h"

#include "wait.h"
#include <sched.h>

enum {
    SPIN_NS = 20000,      /* that a loop is held up at once: hardly more than one of its turns */
    BUSY_NS = 25000,      /* a turn that took longer had something to do */
    DISTURBED_NS = 20000, /* a spin that took so much longer: somebody else wants this core */
    STREAK = 128,         /* looks at a message that is there, */
    SPIN_STREAK = 16,     /* and what a spin counts as, before the loop has a turn */
    TRY_FAR = 32,         /* waits, after which it is tried again whether spinning first is better, */
    TRIES_FAR = 4,        /* so many times in a row */
};

enum stage { FRESH, STARTED, STAYING, PARKED, DONE };

typedef struct {
    PyObject_HEAD Channel *channel; /* or NULL, where a relay is waited for */
    Relay *relay;
    PyObject *data;  /* to send, or NULL: receive */
    PyObject *inner; /* while parked: a coroutine of asynchronous.py */
    uint64_t start;  /* of the wait, CLOCK_MONOTONIC ns */
    uint64_t turned; /* when the loop was given its last turn */
    uint64_t budget; /* ns to stay */
    enum stage stage;
    bool shared; /* somebody else was on this core */
} Awaiting;

static Doorbell *bell_of(const Awaiting *self)
{
    return self->channel != NULL ? self->channel->own : relay_bell(self->relay);
}

/* ---- what is awaited ---- */

/* The message, or True once sent; None or False for not yet; NULL with an exception. A new reference. */
static PyObject *attempt(Awaiting *self)
{
    if (self->relay != NULL) {
        return relay_try_receive((PyObject *)self->relay, NULL);
    }
    return self->data == NULL ? channel_try_receive((PyObject *)self->channel, NULL)
                              : channel_try_send((PyObject *)self->channel, self->data);
}

static bool is_not_yet(PyObject *result)
{
    return result == Py_None || result == Py_False;
}

/* Spin for what would make an attempt succeed: true if something has come. Who waits for room does not spin: the
 * receiver has a ring to empty before that is of use. */
static bool spin(Awaiting *self, uint64_t now)
{
    Channel *channel = self->channel;
    if (channel == NULL || self->data != NULL) {
        return false;
    }
    const struct urpc_doorbell *bell = channel->channel.own_doorbell;
    uint32_t ticket = urpc_doorbell_ticket(bell);
    struct urpc_watch watch;
    if (urpc_poll(&channel->channel, &watch) != URPC_AGAIN) {
        return true;
    }
    const struct urpc_sources sources = {.watches = &watch, .count = 1, .descriptors = -1};
    uint64_t left = self->start + self->budget - now;
    uint64_t until = now + (left < SPIN_NS ? left : SPIN_NS);
    bool come = urpc_spin(bell, ticket, &sources, until);
    self->shared |= !come && urpc_now() > until + DISTURBED_NS;
    return come;
}

/* ---- its life ---- */

/* The wait is over: `come`, or given up. What it took is a lesson. */
static void finish(Awaiting *self, bool come)
{
    Module *module = module_of(self);
    Doorbell *bell = bell_of(self);
    if (module->spinner == self) {
        module->spinner = NULL;
    }
    if (come && self->start != 0 && bell->bell.pace != NULL) {
        bool parked = self->stage == PARKED;
        int core = parked ? sched_getcpu() : -1;
        uint64_t now = urpc_now();
        uint64_t came = parked ? urpc_doorbell_came(&bell->bell, self->start, now) : now;
        struct urpc_wait_seen seen = {
            .spun = self->budget,
            .waited = now - self->start,
            .came = came - self->start,
            .in_spin = !parked,
            .shared = self->shared ||
                      (core >= 0 && atomic_load_explicit(&bell->bell.memory->waker, memory_order_relaxed) ==
                                        (uint32_t)core),
        };
        urpc_pace_end(bell->bell.pace, &seen);
    }
    self->stage = DONE;
    Py_CLEAR(self->inner);
}

/* Begin to wait: for how long does it pay to stay awake? */
static void begin(Awaiting *self, uint64_t now)
{
    Doorbell *bell = bell_of(self);
    self->start = now;
    self->budget = bell->bell.pace != NULL ? urpc_pace_begin(bell->bell.pace) : bell->bell.spin_ns;
    if (self->budget > 0 && self->budget < URPC_SPIN_MOST && bell->bell.pace != NULL) {
        self->budget = URPC_SPIN_MOST; /* turns of the loop make it hard to say what is typical */
    }
    self->stage = STAYING;
    self->turned = 0;
}

/* One of asynchronous.py's functions, which is imported when it is first needed: most programs need no event loop. */
static PyObject *function_of(Module *module, enum asynchronous which)
{
    static const char *const names[] = {"until_ready", "receive_within", "send_within"};
    if (module->asynchronous[which] == NULL) {
        PyObject *python = PyImport_ImportModule("multikernel.urpc.asynchronous");
        module->asynchronous[which] = python == NULL ? NULL : PyObject_GetAttrString(python, names[which]);
        Py_XDECREF(python);
    }
    return module->asynchronous[which];
}

static bool park(Awaiting *self)
{
    Module *module = module_of(self);
    if (module->spinner == self) {
        module->spinner = NULL;
    }
    PyObject *until_ready = function_of(module, UNTIL_READY);
    PyObject *what = self->relay != NULL ? (PyObject *)self->relay : (PyObject *)self->channel;
    self->inner = until_ready == NULL ? NULL : PyObject_CallOneArg(until_ready, what);
    self->stage = PARKED;
    return self->inner != NULL;
}

/* Is it this task's turn to spin, now that the loop has come back? */
static bool may_spin(Awaiting *self, Module *module, uint64_t now)
{
    if (module->spinner != NULL && module->spinner != self) {
        return false;
    }
    return self->turned == 0 ? self->channel != NULL && self->channel->far : now - self->turned < BUSY_NS;
}

/*
 * It came while this task stayed: from far away, or did it need a turn of the loop? One spin that is not in vain says
 * far; but a peer that was busy for once does not make it near. Where it is near, it is tried again now and then: two
 * loops that give each other's answers a turn first would do so for ever.
 */
static void learn_distance(Channel *channel, bool in_spin)
{
    if (in_spin) {
        channel->near_waits = 0;
        channel->far = true;
        return;
    }
    channel->near_waits++;
    channel->far = channel->far ? channel->near_waits < TRIES_FAR : channel->near_waits % TRY_FAR == 0;
    if (channel->far && channel->near_waits >= TRIES_FAR) {
        channel->near_waits = 0;
    }
}

static PySendResult give_turn(Module *module, PyObject **result)
{
    module->streak = 0;
    *result = Py_NewRef(Py_None); /* to asyncio: come back in the next turn */
    return PYGEN_NEXT;
}

/* Look, stay or park: what the task is to do next, or what it was waiting for. */
static PySendResult go_on(Awaiting *self, PyObject **result)
{
    Module *module = module_of(self);
    if (self->stage == FRESH) {
        self->stage = STARTED;
        if (++module->streak >= STREAK) {
            return give_turn(module, result);
        }
    }
    bool in_spin = false;
    for (;;) {
        relays_turn(bell_of(self)); /* mostly there are none */
        *result = attempt(self);
        if (*result == NULL || !is_not_yet(*result)) {
            if (self->stage == STAYING && *result != NULL && self->channel != NULL) {
                learn_distance(self->channel, in_spin);
            }
            finish(self, *result != NULL);
            if (*result == Py_True) {
                Py_SETREF(*result, Py_NewRef(Py_None));
            }
            return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
        }
        Py_CLEAR(*result);
        if (self->stage != PARKED) {
            uint64_t now = urpc_now();
            if (self->stage == STARTED) {
                begin(self, now);
            }
            if (now - self->start < self->budget) {
                if (may_spin(self, module, now)) {
                    module->spinner = self;
                    module->streak += SPIN_STREAK;
                    in_spin = spin(self, now);
                    if (in_spin) {
                        continue;
                    }
                    now = urpc_now();
                }
                if (now - self->start < self->budget) {
                    self->turned = now;
                    return give_turn(module, result);
                }
            }
        }
        in_spin = false;
        module->streak = 0;
        if (!park(self)) {
            finish(self, false);
            return PYGEN_ERROR;
        }
        PySendResult sent = PyIter_Send(self->inner, Py_None, result);
        if (sent != PYGEN_RETURN) {
            if (sent == PYGEN_ERROR) {
                finish(self, false);
            }
            return sent;
        }
        Py_CLEAR(*result);
        Py_CLEAR(self->inner);
    }
}

static PySendResult awaiting_send(PyObject *object, PyObject *value, PyObject **result)
{
    Awaiting *self = (Awaiting *)object;
    if (self->stage == DONE) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse what has been awaited already");
        *result = NULL;
        return PYGEN_ERROR;
    }
    if (self->inner != NULL) {
        PySendResult sent = PyIter_Send(self->inner, value, result);
        if (sent != PYGEN_RETURN) {
            if (sent == PYGEN_ERROR) {
                finish(self, false);
            }
            return sent;
        }
        Py_CLEAR(*result);
        Py_CLEAR(self->inner);
    }
    return go_on(self, result);
}

/* As methods and iteration have it: a value that was yielded, or StopIteration with what is returned. */
static PyObject *as_iteration(PySendResult sent, PyObject *result)
{
    if (sent == PYGEN_RETURN) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
        Py_DECREF(result);
        return NULL;
    }
    return sent == PYGEN_NEXT ? result : NULL;
}

static PyObject *awaiting_send_method(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = awaiting_send(self, value, &result);
    return as_iteration(sent, result);
}

static PyObject *awaiting_next(PyObject *self)
{
    return awaiting_send_method(self, Py_None);
}

static void raise_given(PyObject *type, PyObject *value)
{
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
    }
}

/* A task that is cancelled: nothing has been taken. */
static PyObject *awaiting_throw(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    Awaiting *self = (Awaiting *)object;
    if (count < 1 || count > 3) {
        return PyErr_Format(PyExc_TypeError, "throw() takes 1 to 3 arguments (%zd given)", count);
    }
    if (self->inner == NULL) {
        if (self->stage != DONE) {
            finish(self, false);
        }
        raise_given(arguments[0], count > 1 ? arguments[1] : NULL);
        return NULL;
    }
    PyObject *inner = Py_NewRef(self->inner);
    PyObject *method = PyObject_GetAttrString(inner, "throw");
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, arguments, (size_t)count, NULL);
    Py_XDECREF(method);
    Py_DECREF(inner);
    if (result == NULL) {
        finish(self, false);
    }
    return result;
}

static PyObject *awaiting_close(PyObject *object, PyObject *Py_UNUSED(unused))
{
    Awaiting *self = (Awaiting *)object;
    PyObject *inner = self->inner == NULL ? NULL : Py_NewRef(self->inner);
    if (self->stage != DONE) {
        finish(self, false);
    }
    PyObject *closed = inner == NULL ? Py_NewRef(Py_None) : PyObject_CallMethod(inner, "close", NULL);
    Py_XDECREF(inner);
    return closed;
}

static void awaiting_finalize(PyObject *object)
{
    Awaiting *self = (Awaiting *)object;
    if (self->stage == FRESH) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "'%s' was never awaited",
                             self->data == NULL ? "receive_async" : "send_async") < 0) {
            PyErr_WriteUnraisable(object);
        }
        PyErr_Restore(type, value, trace);
    } else if (self->stage != DONE) {
        finish(self, false);
    }
}

static int awaiting_traverse(PyObject *object, visitproc visit, void *arg)
{
    Awaiting *self = (Awaiting *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)self->channel);
    Py_VISIT((PyObject *)self->relay);
    Py_VISIT(self->data);
    Py_VISIT(self->inner);
    return 0;
}

static int awaiting_clear(PyObject *object)
{
    Awaiting *self = (Awaiting *)object;
    Py_CLEAR(self->data);
    Py_CLEAR(self->inner);
    return 0;
}

static void awaiting_dealloc(PyObject *object)
{
    Awaiting *self = (Awaiting *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object) < 0) {
        return; /* somebody has it again */
    }
    PyObject_GC_UnTrack(object);
    awaiting_clear(object);
    Py_XDECREF((PyObject *)self->channel);
    Py_XDECREF((PyObject *)self->relay);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef awaiting_methods[] = {
    {"send", awaiting_send_method, METH_O, PyDoc_STR("send($self, value, /)\n--\n\nAs a coroutine's.")},
    {"throw", FAST(awaiting_throw), METH_FASTCALL,
     PyDoc_STR("throw($self, kind, value=None, traceback=None, /)\n--\n\nAs a coroutine's: it has taken no "
               "message.")},
    {"close", awaiting_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\nAs a coroutine's.")},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyObject *return_self_alone(PyObject *self)
{
    return Py_NewRef(self);
}

static PyType_Slot awaiting_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("What receive_async() and send_async() give: a coroutine, to be awaited once.")},
    {Py_tp_dealloc, awaiting_dealloc},
    {Py_tp_finalize, awaiting_finalize},
    {Py_tp_traverse, awaiting_traverse},
    {Py_tp_clear, awaiting_clear},
    {Py_tp_iter, return_self_alone},
    {Py_tp_iternext, awaiting_next},
    {Py_am_await, return_self_alone},
    {Py_am_send, awaiting_send},
    {Py_tp_methods, awaiting_methods},
    {0, NULL},
};

PyType_Spec awaiting_spec = {
    .name = "multikernel.urpc._urpc.Awaiting",
    .basicsize = sizeof(Awaiting),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = awaiting_slots,
};

/* ---- methods of Channel and Relay ---- */

static PyObject *awaiting(Module *module, Channel *channel, Relay *relay, PyObject *data)
{
    Awaiting *self = (Awaiting *)module->awaiting->tp_alloc(module->awaiting, 0);
    if (self != NULL) {
        self->channel = (Channel *)Py_XNewRef((PyObject *)channel);
        self->relay = (Relay *)Py_XNewRef((PyObject *)relay);
        self->data = Py_XNewRef(data);
    }
    return (PyObject *)self;
}

/* With a timeout: a coroutine of asynchronous.py, which awaits the call without one. */
static PyObject *within(Module *module, enum asynchronous which, PyObject *self, PyObject *data,
                        uint64_t timeout)
{
    PyObject *function = function_of(module, which);
    PyObject *seconds = function == NULL ? NULL : PyFloat_FromDouble((double)timeout / 1e9);
    PyObject *result =
        seconds == NULL ? NULL : PyObject_CallFunctionObjArgs(function, self, seconds, data, NULL);
    Py_XDECREF(seconds);
    return result;
}

/* receive_async() of a channel or of a relay; the other is NULL. */
static PyObject *receive_async(Channel *channel, Relay *relay, PyObject *const *arguments,
                               Py_ssize_t positional, PyObject *keywords)
{
    PyObject *self = channel != NULL ? (PyObject *)channel : (PyObject *)relay;
    Module *module = module_of(self);
    uint64_t timeout = URPC_FOREVER;
    if ((positional > 0 || keywords != NULL) &&
        !parse_call("receive_async", arguments, positional, keywords, 0, NULL, &timeout)) {
        return NULL;
    }
    return timeout == URPC_FOREVER ? awaiting(module, channel, relay, NULL)
                                   : within(module, RECEIVE_WITHIN, self, NULL, timeout);
}

FAST_METHOD(channel_receive_async)
{
    return receive_async((Channel *)self, NULL, arguments, positional, keywords);
}

FAST_METHOD(relay_receive_async)
{
    return receive_async(NULL, (Relay *)self, arguments, positional, keywords);
}

FAST_METHOD(channel_send_async)
{
    Module *module = module_of(self);
    uint64_t timeout = URPC_FOREVER;
    PyObject *data;
    if (likely(positional == 1 && keywords == NULL)) {
        data = arguments[0];
    } else if (!parse_call("send_async", arguments, positional, keywords, 1, &data, &timeout)) {
        return NULL;
    }
    return timeout == URPC_FOREVER ? awaiting(module, (Channel *)self, NULL, data)
                                   : within(module, SEND_WITHIN, self, data, timeout);
}
