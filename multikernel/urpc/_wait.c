#include "_urpc.h"

#include <math.h>

/* Turns of 32 looks that a wait spins with the GIL held: a few microseconds. */
enum { TURNS_WITH_GIL = 4 };

bool parse_timeout(PyObject *timeout, uint64_t *ns)
{
    if (timeout == Py_None) {
        *ns = URPC_FOREVER;
        return true;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return false;
    }
    if (isnan(seconds) || seconds < 0) {
        PyErr_Format(PyExc_ValueError, "timeout must be None or a number of seconds from 0, not %R", timeout);
        return false;
    }
    *ns = seconds < 1e9 ? (uint64_t)(seconds * 1e9) : URPC_FOREVER;
    return true;
}

uint64_t deadline_after(uint64_t ns)
{
    return ns == URPC_FOREVER ? URPC_FOREVER : urpc_now() + ns;
}

bool parse_call(const char *name, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords,
                Py_ssize_t required, PyObject **values, uint64_t *timeout)
{
    if (positional < required || positional > required + 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd argument%s and an optional timeout (%zd given)", name,
                     required, required == 1 ? "" : "s", positional);
        return false;
    }
    for (Py_ssize_t i = 0; i < required; i++) {
        values[i] = arguments[i];
    }
    PyObject *given = positional > required ? arguments[required] : NULL;
    for (Py_ssize_t i = 0; keywords != NULL && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, i);
        if (!PyUnicode_Check(keyword) || PyUnicode_CompareWithASCIIString(keyword, "timeout") != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", name, keyword);
            return false;
        }
        if (given != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got more than one timeout", name);
            return false;
        }
        given = arguments[positional + i];
    }
    return given == NULL || parse_timeout(given, timeout);
}

bool run_signal_handlers(void *thread)
{
    PyThreadState **state = thread;
    PyEval_RestoreThread(*state);
    bool raised = PyErr_CheckSignals() < 0;
    *state = PyEval_SaveThread();
    return raised;
}

int wait_for(struct waiting *waiting, const struct urpc_doorbell *bell, uint32_t ticket,
             const struct urpc_watch *watches, size_t count)
{
    const struct urpc_sources sources = {.watches = watches, .count = count, .descriptors = -1};
    return wait_for_any(waiting, bell, ticket, &sources);
}

int wait_for_any(struct waiting *waiting, const struct urpc_doorbell *bell, uint32_t ticket,
                 const struct urpc_sources *sources)
{
    for (; urpc_spins(bell) && waiting->turns < TURNS_WITH_GIL; waiting->turns++) {
        if (urpc_spin(bell, ticket, sources, 0)) {
            return WAIT_AGAIN;
        }
    }
    if (waiting->deadline == 0) {
        waiting->deadline = deadline_after(waiting->timeout);
    }
    PyThreadState *thread = PyEval_SaveThread();
    struct urpc_patience patience = {waiting->deadline, run_signal_handlers, &thread};
    enum urpc_woken woken = urpc_await_any(bell, ticket, sources, &patience);
    PyEval_RestoreThread(thread);
    if (woken == URPC_INTERRUPTED || PyErr_CheckSignals() < 0) {
        return WAIT_RAISED;
    }
    return woken == URPC_EXPIRED ? WAIT_TIMEOUT : WAIT_AGAIN;
}
