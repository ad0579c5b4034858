/* The floors and the benchmarks of shared memory, from Python. All run without the GIL, in threads of their own. */
#include "_urpc.h"

#include "floor.h"
#include "pinned.h"
#include "rings.h"
#include "sharing.h"
#include <errno.h>

struct floor_call {
    int core_a, core_b;
    size_t count;
    uint64_t timeout;
};

static bool two_cores(const struct floor_call *call)
{
    if (call->core_a == call->core_b) {
        PyErr_Format(
            PyExc_ValueError,
            "core_a and core_b are both %d: a cache line passes between two cores; name two different ones",
            call->core_a);
        return false;
    }
    return true;
}

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
    return two_cores(call);
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

static PyObject *raise_ring(const struct floor_call *call, int error, long capacity)
{
    if (error == EDOM) {
        return PyErr_Format(PyExc_ValueError, "a ring has 4 to 65536 lines, a power of two, not %ld",
                            capacity);
    }
    return raise_floor(call, error);
}

static const char *const designs[] = {
    [URPC_RING_CLEARED] = "cleared",
    [URPC_RING_SEQUENCE] = "sequence",
    [URPC_RING_RETURNED] = "returned",
};

/* Which ring, where, and how long: the arguments of all three benchmarks of rings. */
struct ring_call {
    struct floor_call floor;
    enum urpc_ring_design design;
    unsigned int size; /* lines of the ring, or messages of a burst */
};

static bool parse_ring(PyObject *arguments, PyObject *keywords, const char *size, unsigned int usual,
                       struct ring_call *call)
{
    char *names[] = {"design", "core_a", "core_b", "count", (char *)size, "timeout", NULL};
    const char *design;
    PyObject *count;
    PyObject *timeout = NULL;
    struct floor_call *floor = &call->floor;
    *call = (struct ring_call){.floor.timeout = DEFAULT_TIMEOUT_NS, .size = usual};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "siiO|IO", names, &design, &floor->core_a,
                                     &floor->core_b, &count, &call->size, &timeout) ||
        !parse_count(count, &floor->count) || (timeout != NULL && !parse_timeout(timeout, &floor->timeout)) ||
        !two_cores(floor)) {
        return false;
    }
    for (size_t i = 0; i < sizeof designs / sizeof *designs; i++) {
        if (strcmp(design, designs[i]) == 0) {
            call->design = (enum urpc_ring_design)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "design must be 'cleared', 'sequence' or 'returned', not '%s'", design);
    return false;
}

typedef int ring_benchmark(enum urpc_ring_design, int, int, uint32_t, size_t, uint64_t *,
                           const struct urpc_patience *);

static PyObject *of_ring(ring_benchmark *run, PyObject *arguments, PyObject *keywords)
{
    struct ring_call call;
    if (!parse_ring(arguments, keywords, "capacity", 64, &call)) {
        return NULL;
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(call.floor.timeout), run_signal_handlers, &thread};
    uint64_t ps = 0;
    int error =
        run(call.design, call.floor.core_a, call.floor.core_b, call.size, call.floor.count, &ps, &patience);
    PyEval_RestoreThread(thread);
    return error != 0 ? raise_ring(&call.floor, error, call.size) : PyLong_FromUnsignedLongLong(ps);
}

static PyObject *ring_stream(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    return of_ring(urpc_ring_stream, arguments, keywords);
}

static PyObject *ring_round_trip(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    return of_ring(urpc_ring_round_trip, arguments, keywords);
}

static PyObject *ring_costs(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    struct ring_call call;
    if (!parse_ring(arguments, keywords, "burst", 1, &call)) {
        return NULL;
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(call.floor.timeout), run_signal_handlers, &thread};
    uint64_t send = 0, receive = 0;
    int error = urpc_ring_costs(call.design, call.floor.core_a, call.floor.core_b, call.floor.count,
                                call.size, &send, &receive, &patience);
    PyEval_RestoreThread(thread);
    if (error == EDOM) {
        return PyErr_Format(PyExc_ValueError, "a burst has 1 to %d messages, not %u", URPC_RING_BURST,
                            call.size);
    }
    return error != 0 ? raise_floor(&call.floor, error)
                      : Py_BuildValue("(KK)", (unsigned long long)send, (unsigned long long)receive);
}

static const char *const ways[] = {
    [URPC_SHARE_STORES] = "stores",       [URPC_SHARE_ATOMICS] = "atomics",
    [URPC_SHARE_SPIN] = "spin",           [URPC_SHARE_MCS] = "mcs",
    [URPC_SHARE_MUTEX] = "mutex",         [URPC_SHARE_CALLS] = "calls",
    [URPC_SHARE_PIPELINED] = "pipelined",
};
enum { WAYS = sizeof ways / sizeof *ways };

static bool parse_way(const char *name, enum urpc_sharing *way)
{
    for (int i = 0; i < WAYS; i++) {
        if (strcmp(ways[i], name) == 0) {
            *way = (enum urpc_sharing)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "way must be 'stores', 'atomics', 'spin', 'mcs', 'mutex', 'calls' or 'pipelined', not '%s'",
                 name);
    return false;
}

/* The cores of a sequence of different ones; how many, or -1 with an exception. */
static Py_ssize_t parse_cores(PyObject *sequence, int *cores)
{
    PyObject *fast = PySequence_Fast(sequence, "cores must be a sequence of core numbers");
    if (fast == NULL) {
        return -1;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    if (count < 1 || count > URPC_CREW_MOST) {
        PyErr_Format(PyExc_ValueError, "name 1 to %d cores, not %zd", URPC_CREW_MOST, count);
        count = -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        cores[i] = (int)PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
        if (cores[i] == -1 && PyErr_Occurred()) {
            count = -1;
            break;
        }
        for (Py_ssize_t j = 0; j < i; j++) {
            if (cores[j] == cores[i]) {
                PyErr_Format(PyExc_ValueError, "core %d is named twice; name different cores", cores[i]);
                count = -1;
                break;
            }
        }
    }
    Py_DECREF(fast);
    return count;
}

static PyObject *shared_update(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"way", "cores", "lines", "operations", "pause_ns", "chained", "timeout", NULL};
    const char *name;
    PyObject *sequence, *operations;
    PyObject *timeout = NULL;
    unsigned int lines;
    unsigned int pause_ns = 0;
    int chained = 0;
    size_t count;
    uint64_t limit = DEFAULT_TIMEOUT_NS;
    int cores[URPC_CREW_MOST];
    enum urpc_sharing way;
    Py_ssize_t members;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sOIO|IpO", names, &name, &sequence, &lines,
                                     &operations, &pause_ns, &chained, &timeout) ||
        !parse_count(operations, &count) || (timeout != NULL && !parse_timeout(timeout, &limit)) ||
        !parse_way(name, &way) || (members = parse_cores(sequence, cores)) < 0) {
        return NULL;
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {deadline_after(limit), run_signal_handlers, &thread};
    struct urpc_shared shared;
    int error = urpc_share(way, cores, (int)members, lines, count, pause_ns, chained, &shared, &patience);
    PyEval_RestoreThread(thread);
    switch (error) {
    case 0:
        return Py_BuildValue("(KKK)", (unsigned long long)shared.latency_ps,
                             (unsigned long long)shared.owner_ps, (unsigned long long)shared.per_second);
    case EDOM:
        return PyErr_Format(PyExc_ValueError, "%s: 1 to %d lines, and %s; given were %u lines and %zd cores",
                            name, URPC_SHARED_LINES,
                            way >= URPC_SHARE_CALLS ? "two cores or more, the first of them the owner's"
                                                    : "one core or more",
                            lines, members);
    case EPROTO:
        PyErr_Format(PyExc_RuntimeError, "%s lost updates: this is an error in the benchmark", name);
        return NULL;
    default: {
        struct floor_call call = {.core_a = cores[0], .core_b = cores[members - 1]};
        return raise_floor(&call, error);
    }
    }
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
    {"ring_stream", FAST(ring_stream), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "ring_stream(design, core_a, core_b, count, capacity=64, timeout=10.0)\n--\n\n"
         "Picoseconds of one of so many 48-byte messages in a stream through a bare ring, whose reader "
         "clears a flag in each line ('cleared'), or which goes by positions ('sequence') and whose reader "
         "hands lines back ('returned').")},
    {"ring_round_trip", FAST(ring_round_trip), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("ring_round_trip(design, core_a, core_b, count, capacity=64, timeout=10.0)\n--\n\n"
               "Mean round trip, in picoseconds, over two such rings.")},
    {"ring_costs", FAST(ring_costs), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "ring_costs(design, core_a, core_b, count, burst=1, timeout=10.0)\n--\n\n"
         "Picoseconds that one message keeps the sender and the receiver of such a ring busy, in bursts of "
         "16 that the other leaves alone.")},
    {"shared_update", FAST(shared_update), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "shared_update(way, cores, lines, operations, pause_ns=0, chained=False, timeout=10.0)\n--\n\n"
         "What it costs these cores to change so many cache lines of shared state: picoseconds that an "
         "operation takes the core that wants it and the core that owns the state (0 where none does), and "
         "operations of all cores a second.\n\n"
         "By 'stores' without a lock, 'atomics', under a 'spin', 'mcs' or 'mutex' lock, or sent to the first "
         "core, as 'calls' that wait for the answer or 'pipelined'. With a pause, cores work on their own "
         "for "
         "about so long between operations, and only operations are timed. Chained lines each say where the "
         "next "
         "is.")},
    {NULL, NULL, 0, NULL},
};
