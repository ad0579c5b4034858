/* Measurements from Python: methods of Channel. All run without the GIL. */
#include "_urpc.h"

#include "measure.h"

enum { MAX_COUNT = 10000000 };

bool parse_count(PyObject *argument, size_t *count)
{
    Py_ssize_t value = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) {
        return false;
    }
    if (value < 1 || value > MAX_COUNT) {
        PyErr_Format(PyExc_ValueError, "the count must be from 1 to %d, not %zd", MAX_COUNT, value);
        return false;
    }
    *count = (size_t)value;
    return true;
}

static PyObject *list_of(const uint64_t *values, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(values[i]);
        if (value == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, value);
    }
    return list;
}

typedef enum urpc_result measurement(struct urpc_channel *, size_t, uint64_t *, const struct urpc_patience *);

static enum urpc_result echo(struct urpc_channel *channel, size_t rounds, uint64_t *ps,
                             const struct urpc_patience *patience)
{
    (void)ps; /* an echo takes no times */
    return urpc_measure_echo(channel, rounds, patience);
}

static enum urpc_result drain(struct urpc_channel *channel, size_t blocks, uint64_t *ps,
                              const struct urpc_patience *patience)
{
    (void)ps;
    return urpc_measure_drain(channel, blocks, patience);
}

static PyObject *measure(PyObject *object, const char *name, measurement *run, PyObject *const *arguments,
                         Py_ssize_t positional, PyObject *keywords)
{
    Channel *self = (Channel *)object;
    PyObject *given;
    size_t count;
    uint64_t timeout = DEFAULT_TIMEOUT_NS;
    if (!parse_call(name, arguments, positional, keywords, 1, &given, &timeout) ||
        !parse_count(given, &count) || !channel_usable(self)) {
        return NULL;
    }
    bool silent = run == echo || run == drain;
    uint64_t *ps = silent ? NULL : PyMem_New(uint64_t, count);
    if (ps == NULL && !silent) {
        return PyErr_NoMemory();
    }
    /* Relays, which need the GIL, leave a channel alone while it is measured; what comes for them waits. */
    enum urpc_result (*divert)(struct urpc_channel *) = self->channel.divert;
    self->channel.divert = NULL;
    self->measuring = true;
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(timeout), run_signal_handlers, &thread};
    enum urpc_result result = run(&self->channel, count, ps, &patience);
    PyEval_RestoreThread(thread);
    self->measuring = false;
    self->channel.divert = divert;
    PyObject *answer = NULL;
    if (result != URPC_OK) {
        raise_result(self, result, 0);
    } else {
        answer = silent ? Py_NewRef(Py_None) : list_of(ps, count);
    }
    PyMem_Free(ps);
    return answer;
}

FAST_METHOD(channel_ping)
{
    return measure(self, "ping", urpc_measure_ping, arguments, positional, keywords);
}

FAST_METHOD(channel_ping_batches)
{
    return measure(self, "ping_batches", urpc_measure_ping_batches, arguments, positional, keywords);
}

FAST_METHOD(channel_echo)
{
    return measure(self, "echo", echo, arguments, positional, keywords);
}

FAST_METHOD(channel_measure_send)
{
    return measure(self, "measure_send", urpc_measure_send, arguments, positional, keywords);
}

FAST_METHOD(channel_measure_receive)
{
    return measure(self, "measure_receive", urpc_measure_receive, arguments, positional, keywords);
}

FAST_METHOD(channel_measure_stream)
{
    return measure(self, "measure_stream", urpc_measure_stream, arguments, positional, keywords);
}

FAST_METHOD(channel_measure_drain)
{
    return measure(self, "measure_drain", drain, arguments, positional, keywords);
}
