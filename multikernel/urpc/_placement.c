/* Where memory is to lie, and in which pages: arguments that Segment and Pool have in common, and what came of them. */
#include "_urpc.h"

#define MAX_PAGE_SIZE (1LL << 34) /* 16 GiB, the largest that Linux has on any processor */

void raise_wish_error(Module *module, enum urpc_memory_error error, const struct urpc_wish *wish,
                      const char *what)
{
    if (error != URPC_MEMORY_NO_NODE && error != URPC_MEMORY_NO_SECOND_NODE) {
        raise_memory_error(module, error, what);
        return;
    }
    PyErr_Format(PyExc_ValueError,
                 "this %s cannot lie on node %d: there is no such node, it has no memory, or this process "
                 "may use none of it "
                 "(cpuset); name one of Mems_allowed_list in /proc/self/status, or None",
                 what, wish->nodes[error == URPC_MEMORY_NO_SECOND_NODE]);
}

static bool parse_node(PyObject *given, int *node)
{
    if (given == Py_None) {
        *node = URPC_ANYWHERE;
        return true;
    }
    long number = PyLong_AsLong(given);
    if (number == -1 && PyErr_Occurred()) {
        return false;
    }
    if (number < 0 || number >= URPC_MAX_NODES) {
        PyErr_Format(PyExc_ValueError, "a node is a number from 0 to %d, or None, not %ld",
                     URPC_MAX_NODES - 1, number);
        return false;
    }
    *node = (int)number;
    return true;
}

bool parse_wish(PyObject *nodes, PyObject *page_size, struct urpc_wish *wish)
{
    *wish = (struct urpc_wish){.nodes = {URPC_ANYWHERE, URPC_ANYWHERE}};
    if (nodes != NULL && nodes != Py_None) {
        PyObject *pair = PySequence_Tuple(nodes);
        if (pair == NULL) {
            return false;
        }
        if (PyTuple_GET_SIZE(pair) != 2) {
            PyErr_Format(PyExc_ValueError, "nodes are two: one for what each side writes, or None, not %zd",
                         PyTuple_GET_SIZE(pair));
            Py_DECREF(pair);
            return false;
        }
        bool parsed = parse_node(PyTuple_GET_ITEM(pair, 0), &wish->nodes[0]) &&
                      parse_node(PyTuple_GET_ITEM(pair, 1), &wish->nodes[1]);
        Py_DECREF(pair);
        if (!parsed) {
            return false;
        }
    }
    if (page_size != NULL && page_size != Py_None) {
        long long size = PyLong_AsLongLong(page_size);
        if (size == -1 && PyErr_Occurred()) {
            return false;
        }
        if (size < URPC_PAGE || size > MAX_PAGE_SIZE || (size & (size - 1)) != 0) {
            PyErr_Format(PyExc_ValueError,
                         "page_size must be a power of two from %d to %lld bytes, or None, not %lld; the "
                         "sizes of this machine's "
                         "huge pages stand in /sys/kernel/mm/hugepages",
                         URPC_PAGE, MAX_PAGE_SIZE, size);
            return false;
        }
        wish->page_size = (size_t)size;
    }
    return true;
}

PyObject *nodes_of(const struct urpc_memory *memory, size_t first, size_t second)
{
    PyObject *pair = PyTuple_New(2);
    for (int half = 0; half < 2 && pair != NULL; half++) {
        int node = urpc_memory_node((unsigned char *)memory->address + (half == 0 ? first : second));
        PyObject *number = node == URPC_ANYWHERE ? Py_NewRef(Py_None) : PyLong_FromLong(node);
        if (number == NULL) {
            Py_CLEAR(pair);
        } else {
            PyTuple_SET_ITEM(pair, half, number);
        }
    }
    return pair;
}
