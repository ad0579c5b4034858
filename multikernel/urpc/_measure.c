/* Measurements from Python: methods of Channel, and the floors. All run without the GIL. */
#include "_urpc.h"

#include "floor.h"
#include "measure.h"
#include <errno.h>

enum { MAX_COUNT = 10000000 };
#define DEFAULT_TIMEOUT_NS UINT64_C(10000000000)

static bool parse_count(PyObject *argument, size_t *count)
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
    uint64_t *ps = run == echo ? NULL : PyMem_New(uint64_t, count);
    if (ps == NULL && run != echo) {
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
        answer = run == echo ? Py_NewRef(Py_None) : list_of(ps, count);
    }
    PyMem_Free(ps);
    return answer;
}

FAST_METHOD(channel_ping)
{
    return measure(self, "ping", urpc_measure_ping, arguments, positional, keywords);
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

/* ---- floors ---- */

struct floor_call {
    int core_a, core_b;
    size_t count;
    uint64_t timeout;
};

static bool parse_floor(PyObject *arguments, PyObject *keywords, struct floor_call *call)
{
    static char *names[] = {"core_a", "core_b", "rounds", "timeout", NULL};
    PyObject *count;
    PyObject *timeout = NULL;
    call->timeout = DEFAULT_TIMEOUT_NS;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "iiO|O", names, &call->core_a, &call->core_b,
                                     &count, &timeout) ||
        !parse_count(count, &call->count) || (timeout != NULL && !parse_timeout(timeout, &call->timeout))) {
        return false;
    }
    if (call->core_a == call->core_b) {
        PyErr_Format(
            PyExc_ValueError,
            "core_a and core_b are both %d: a cache line passes between two cores; name two different ones",
            call->core_a);
        return false;
    }
    return true;
}

static PyObject *raise_floor(const struct floor_call *call, int error)
{
    switch (error) {
    case EINTR:
        return NULL; /* a signal handler has raised */
    case ETIMEDOUT:
        PyErr_SetString(PyExc_TimeoutError,
                        "the cores did not finish in time: is another program pinned to one?");
        return NULL;
    case EINVAL:
        return PyErr_Format(PyExc_ValueError,
                            "cores %d and %d cannot both be used: offline, or not this process's",
                            call->core_a, call->core_b);
    default:
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
}

static int ascending(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

typedef int round_trips(int, int, size_t, uint64_t *, const struct urpc_patience *);

static PyObject *median_round_trip(round_trips *run, size_t batch, PyObject *arguments, PyObject *keywords)
{
    struct floor_call call;
    if (!parse_floor(arguments, keywords, &call)) {
        return NULL;
    }
    size_t samples = (call.count + batch - 1) / batch;
    uint64_t *ps = PyMem_New(uint64_t, samples);
    if (ps == NULL) {
        return PyErr_NoMemory();
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(call.timeout), run_signal_handlers, &thread};
    int error = run(call.core_a, call.core_b, samples, ps, &patience);
    PyEval_RestoreThread(thread);
    PyObject *answer = NULL;
    if (error != 0) {
        raise_floor(&call, error);
    } else {
        qsort(ps, samples, sizeof *ps, ascending);
        answer = PyLong_FromUnsignedLongLong(ps[samples / 2]);
    }
    PyMem_Free(ps);
    return answer;
}

static PyObject *bare_ping_pong(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    return median_round_trip(urpc_floor_bare, URPC_FLOOR_BATCH, arguments, keywords);
}

static PyObject *futex_ping_pong(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    return median_round_trip(urpc_floor_futex, 1, arguments, keywords);
}

static PyObject *ordering_costs(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    struct floor_call call;
    if (!parse_floor(arguments, keywords, &call)) {
        return NULL;
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(call.timeout), run_signal_handlers, &thread};
    struct urpc_ordering ordering;
    int error = urpc_floor_ordering(call.core_a, call.core_b, call.count, &ordering, &patience);
    PyEval_RestoreThread(thread);
    if (error != 0) {
        return raise_floor(&call, error);
    }
    return Py_BuildValue("(KKK)", (unsigned long long)ordering.plain_ps,
                         (unsigned long long)ordering.fence_ps, (unsigned long long)ordering.membarrier_ps);
}

PyMethodDef floor_methods[] = {
    {"bare_ping_pong", FAST(bare_ping_pong), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "bare_ping_pong(core_a, core_b, rounds, timeout=10.0)\n--\n\n"
         "The physical floor: median round trip, in picoseconds, of two flags in two cache lines between two "
         "threads pinned to the cores, spinning.\n\n"
         "Raises ValueError if the cores are the same or cannot be used, TimeoutError.")},
    {"futex_ping_pong", FAST(futex_ping_pong), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("futex_ping_pong(core_a, core_b, rounds, timeout=10.0)\n--\n\n"
               "The same with both threads blocked in a futex between turns: two wake-ups a round trip.")},
    {"ordering_costs", FAST(ordering_costs), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("ordering_costs(core_a, core_b, rounds, timeout=10.0)\n--\n\n"
               "Picoseconds of a message in a one-way stream without a fence, of one with, and of one "
               "membarrier(GLOBAL_EXPEDITED) while the other core runs (0 where the kernel has none).")},
    {NULL, NULL, 0, NULL},
};
