/*
 * Python's side of the search for placements (placement_walk.h).
 *
 * A Walk copies all it is given, checks that every index lies where it may, and lets go of the GIL while it walks: several can walk side
 * by side, one to a thread.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "placement_walk.h"

typedef struct {
    PyObject_HEAD struct walk walk;
    bool walking;
} WalkObject;

/* Copy the items of a buffer, `count` of them or, if that is negative, as many as there are. */
static void *copied(PyObject *source, const char *name, size_t width, Py_ssize_t count, Py_ssize_t *found)
{
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    void *copy = NULL;
    if ((size_t)view.itemsize != width || (count >= 0 && view.len != count * (Py_ssize_t)width)) {
        PyErr_Format(PyExc_ValueError, "%s has %zd bytes in items of %zd; %zd items of %zu are needed", name,
                     view.len, view.itemsize, count, width);
    } else {
        copy = PyMem_Malloc((size_t)view.len + 1);
        if (copy == NULL)
            PyErr_NoMemory();
        else
            memcpy(copy, view.buf, (size_t)view.len);
        if (found != NULL)
            *found = view.len / (Py_ssize_t)width;
    }
    PyBuffer_Release(&view);
    return copy;
}

static bool within(const int32_t *items, Py_ssize_t count, Py_ssize_t limit, const char *name)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (items[i] < 0 || items[i] >= limit) {
            PyErr_Format(PyExc_ValueError, "%s[%zd] is %d; it must be from 0 to below %zd", name, i,
                         (int)items[i], limit);
            return false;
        }
    }
    return true;
}

static bool allocate(void **place, size_t count, size_t width)
{
    *place = PyMem_Calloc(count == 0 ? 1 : count, width);
    if (*place == NULL)
        PyErr_NoMemory();
    return *place != NULL;
}

static bool read_term(struct walk *walk, PyObject *item, struct walk_term *term)
{
    PyObject *weight, *distance;
    Py_ssize_t n = walk->dispatchers, cores = walk->cores;
    if (!PyArg_ParseTuple(item, "OO:term", &weight, &distance))
        return false;
    term->weight = copied(weight, "weight", sizeof(int64_t), n * n, NULL);
    if (term->weight == NULL)
        return false;
    term->distance = copied(distance, "distance", sizeof(int64_t), cores * cores, NULL);
    if (term->distance == NULL || !allocate((void **)&term->back, (size_t)(cores * cores), sizeof(int64_t)) ||
        !allocate((void **)&term->both, (size_t)(n * n), sizeof(int64_t)) ||
        !allocate((void **)&term->correction, (size_t)(cores * cores), sizeof(int64_t)))
        return false;
    for (Py_ssize_t i = 0; i < cores; i++)
        for (Py_ssize_t j = 0; j < cores; j++) {
            int64_t there = term->distance[i * cores + j], back = term->distance[j * cores + i];
            term->back[i * cores + j] = back;
            term->correction[i * cores + j] =
                there + back - term->distance[i * cores + i] - term->distance[j * cores + j];
        }
    for (Py_ssize_t a = 0; a < n; a++)
        for (Py_ssize_t b = 0; b < n; b++)
            term->both[a * n + b] = a == b ? 0 : term->weight[a * n + b] + term->weight[b * n + a];
    for (Py_ssize_t a = 0; a < n; a++)
        term->weight[a * n + a] = 0;
    return true;
}

static bool read_capacity(struct walk *walk, PyObject *item, struct walk_capacity *capacity)
{
    PyObject *weight, *part, *most;
    Py_ssize_t parts = 0;
    if (!PyArg_ParseTuple(item, "OOO:capacity", &weight, &part, &most))
        return false;
    capacity->weight = copied(weight, "weight", sizeof(int64_t), walk->dispatchers, NULL);
    if (capacity->weight == NULL)
        return false;
    capacity->part = copied(part, "part", sizeof(int32_t), walk->cores, NULL);
    if (capacity->part == NULL)
        return false;
    capacity->most = copied(most, "most", sizeof(int64_t), -1, &parts);
    if (capacity->most == NULL || !allocate((void **)&capacity->used, (size_t)parts, sizeof(int64_t)))
        return false;
    return within(capacity->part, walk->cores, parts, "part");
}

static bool read_group(struct walk *walk, PyObject *item, struct walk_group *group)
{
    PyObject *member, *part;
    Py_ssize_t members = 0;
    if (!PyArg_ParseTuple(item, "OO:group", &member, &part))
        return false;
    group->member = copied(member, "member", sizeof(int32_t), -1, &members);
    if (group->member == NULL)
        return false;
    group->members = (int32_t)members;
    group->part = copied(part, "part", sizeof(int32_t), walk->cores, NULL);
    return group->part != NULL && within(group->member, members, walk->dispatchers, "member");
}

static bool start(struct walk *walk, PyObject *at)
{
    int32_t *copy = copied(at, "at", sizeof(int32_t), walk->dispatchers, NULL);
    if (copy == NULL)
        return false;
    bool good = within(copy, walk->dispatchers, walk->cores, "at");
    if (good)
        memcpy(walk->at, copy, sizeof(int32_t) * (size_t)walk->dispatchers);
    PyMem_Free(copy);
    if (good)
        walk_settle(walk);
    return good;
}

static void walk_dealloc(WalkObject *self)
{
    struct walk *walk = &self->walk;
    for (int32_t i = 0; walk->term != NULL && i < walk->terms; i++) {
        PyMem_Free(walk->term[i].weight);
        PyMem_Free(walk->term[i].distance);
        PyMem_Free(walk->term[i].back);
        PyMem_Free(walk->term[i].both);
        PyMem_Free(walk->term[i].correction);
    }
    for (int32_t i = 0; walk->capacity != NULL && i < walk->capacities; i++) {
        PyMem_Free(walk->capacity[i].weight);
        PyMem_Free(walk->capacity[i].part);
        PyMem_Free(walk->capacity[i].most);
        PyMem_Free(walk->capacity[i].used);
    }
    for (int32_t i = 0; walk->group != NULL && i < walk->groups; i++) {
        PyMem_Free(walk->group[i].member);
        PyMem_Free(walk->group[i].part);
    }
    void *owned[] = {walk->term,      walk->capacity, walk->group, walk->linear, walk->room,
                     walk->load,      walk->at,       walk->pull,  walk->tabu,   walk->best_at,
                     walk->best_pull, walk->queued,   walk->queue};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        PyMem_Free(owned[i]);
    free(walk->log);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyObject *walk_new(PyTypeObject *type, PyObject *arguments, PyObject *options)
{
    static char *names[] = {"terms", "linear", "room", "capacities", "groups", "at", "seed", NULL};
    PyObject *terms, *linear, *room, *capacities, *groups, *at;
    unsigned long long seed;
    if (!PyArg_ParseTupleAndKeywords(arguments, options, "O!OOO!O!OK:Walk", names, &PyList_Type, &terms,
                                     &linear, &room, &PyList_Type, &capacities, &PyList_Type, &groups, &at,
                                     &seed))
        return NULL;
    WalkObject *self = (WalkObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    struct walk *walk = &self->walk;
    Py_ssize_t cores = 0, dispatchers = PyObject_Length(at);
    if (dispatchers < 0)
        goto failed;
    walk->room = copied(room, "room", sizeof(int32_t), -1, &cores);
    if (walk->room == NULL)
        goto failed;
    if (dispatchers < 1 || cores < 1 || dispatchers > 1 << 14 || cores > 1 << 14) {
        PyErr_Format(PyExc_ValueError, "%zd dispatchers and %zd cores; from 1 to 16384 of each are possible",
                     dispatchers, cores);
        goto failed;
    }
    walk->dispatchers = (int32_t)dispatchers;
    walk->cores = (int32_t)cores;
    walk->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    size_t pairs = (size_t)(dispatchers * cores);
    walk->linear = copied(linear, "linear", sizeof(int64_t), (Py_ssize_t)pairs, NULL);
    if (walk->linear == NULL || !allocate((void **)&walk->load, (size_t)cores, sizeof(int32_t)) ||
        !allocate((void **)&walk->at, (size_t)dispatchers, sizeof(int32_t)) ||
        !allocate((void **)&walk->best_at, (size_t)dispatchers, sizeof(int32_t)) ||
        !allocate((void **)&walk->pull, pairs, sizeof(int64_t)) ||
        !allocate((void **)&walk->best_pull, pairs, sizeof(int64_t)) ||
        !allocate((void **)&walk->queued, (size_t)dispatchers, sizeof(bool)) ||
        !allocate((void **)&walk->queue, (size_t)dispatchers, sizeof(int32_t)) ||
        !allocate((void **)&walk->tabu, pairs, sizeof(uint64_t)) ||
        !allocate((void **)&walk->term, (size_t)PyList_GET_SIZE(terms), sizeof *walk->term) ||
        !allocate((void **)&walk->capacity, (size_t)PyList_GET_SIZE(capacities), sizeof *walk->capacity) ||
        !allocate((void **)&walk->group, (size_t)PyList_GET_SIZE(groups), sizeof *walk->group))
        goto failed;
    walk->terms = (int32_t)PyList_GET_SIZE(terms);
    walk->capacities = (int32_t)PyList_GET_SIZE(capacities);
    walk->groups = (int32_t)PyList_GET_SIZE(groups);
    for (int32_t i = 0; i < walk->terms; i++)
        if (!read_term(walk, PyList_GET_ITEM(terms, i), &walk->term[i]))
            goto failed;
    for (int32_t i = 0; i < walk->capacities; i++)
        if (!read_capacity(walk, PyList_GET_ITEM(capacities, i), &walk->capacity[i]))
            goto failed;
    for (int32_t i = 0; i < walk->groups; i++)
        if (!read_group(walk, PyList_GET_ITEM(groups, i), &walk->group[i]))
            goto failed;
    if (start(walk, at))
        return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static bool resting(WalkObject *self)
{
    if (self->walking)
        PyErr_SetString(PyExc_RuntimeError, "this walk is under way in another thread");
    return !self->walking;
}

static PyObject *walk_by(WalkObject *self, PyObject *arguments,
                         bool (*walk_on)(struct walk *, uint64_t, int64_t, int64_t))
{
    unsigned long long patience;
    long long enough, end;
    if (!PyArg_ParseTuple(arguments, "KLL", &patience, &enough, &end) || !resting(self))
        return NULL;
    bool done;
    self->walking = true;
    Py_BEGIN_ALLOW_THREADS;
    done = walk_on(&self->walk, patience, enough, end);
    Py_END_ALLOW_THREADS;
    self->walking = false;
    return PyBool_FromLong(done);
}

static PyObject *walk_method_run(WalkObject *self, PyObject *arguments)
{
    return walk_by(self, arguments, walk_run);
}

static PyObject *walk_method_climb(WalkObject *self, PyObject *arguments)
{
    return walk_by(self, arguments, walk_climb);
}

static PyObject *walk_best(WalkObject *self, void *closure)
{
    (void)closure;
    if (!resting(self))
        return NULL;
    PyObject *list = PyList_New(self->walk.dispatchers);
    for (int32_t a = 0; list != NULL && a < self->walk.dispatchers; a++) {
        PyObject *core = PyLong_FromLong(self->walk.best_at[a]);
        if (core == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, a, core);
    }
    return list;
}

static PyObject *walk_best_cost(WalkObject *self, void *closure)
{
    (void)closure;
    return resting(self) ? PyLong_FromLongLong(self->walk.best_cost) : NULL;
}

static PyObject *walk_steps(WalkObject *self, void *closure)
{
    (void)closure;
    return resting(self) ? PyLong_FromUnsignedLongLong(self->walk.steps) : NULL;
}

static PyMethodDef walk_methods[] = {
    {"run", (PyCFunction)walk_method_run, METH_VARARGS,
     "run(patience, enough, end)\n--\n\nWalk on until `patience` steps brought nothing, the cost is "
     "`enough`, or the "
     "monotonic clock says `end` (ns); tell whether it was not the clock."},
    {"climb", (PyCFunction)walk_method_climb, METH_VARARGS,
     "climb(patience, enough, end)\n--\n\nThe same by iterated local search; a step is a disturbance."},
    {0},
};

static PyGetSetDef walk_getset[] = {
    {"best", (getter)walk_best, NULL, "The best assignment met.", NULL},
    {"best_cost", (getter)walk_best_cost, NULL, "Its cost.", NULL},
    {"steps", (getter)walk_steps, NULL, "How many steps were taken.", NULL},
    {0},
};

static PyType_Slot walk_slots[] = {
    {Py_tp_new, walk_new},
    {Py_tp_dealloc, walk_dealloc},
    {Py_tp_methods, walk_methods},
    {Py_tp_getset, walk_getset},
    {Py_tp_doc, "A walk through placements (placement_walk.h)."},
    {0},
};

static PyType_Spec walk_spec = {
    .name = "skb.solver._placement.Walk",
    .basicsize = sizeof(WalkObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = walk_slots,
};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&walk_spec);
    if (type == NULL)
        return -1;
    int status = PyModule_AddObjectRef(module, "Walk", type);
    Py_DECREF(type);
    return status;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "skb.solver._placement",
    .m_doc = "The search for placements, in C.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__placement(void)
{
    return PyModuleDef_Init(&module);
}
