/* Segment and Doorbell: the two kinds of shared memory, as objects that own a descriptor and a mapping. */
#include "_urpc.h"

#include <fcntl.h>
#include <unistd.h>

enum { DEFAULT_CAPACITY = 64, MAX_SPIN_NS = 1000000000 };

void raise_memory_error(Module *module, enum urpc_memory_error error, const char *what)
{
    switch (error) {
    case URPC_MEMORY_UNSEALED:
        PyErr_Format(module->error,
                     "the size of this %s's memory is not sealed, so a peer could take it away under us; "
                     "attach only descriptors made by create()",
                     what);
        break;
    case URPC_MEMORY_HUGE:
        PyErr_Format(
            module->error,
            "this %s is made of huge pages, which a peer could take away under us; if you trust its maker, "
            "attach(fd, huge_pages=True)",
            what);
        break;
    case URPC_MEMORY_FOREIGN:
        PyErr_Format(
            module->error,
            "this descriptor holds no %s of this version (magic, version, grain and size do not fit); "
            "attach only descriptors made by create()",
            what);
        break;
    default:
        PyErr_SetFromErrno(PyExc_OSError);
    }
}

PyObject *descriptor(void *object, int fd, const char *what)
{
    if (fd < 0) {
        PyErr_Format(module_of(object)->closed, "this %s has been closed", what);
        return NULL;
    }
    return PyLong_FromLong(fd);
}

PyObject *refuse_pickle(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyErr_Format(
        PyExc_TypeError,
        "a %s cannot be pickled or copied: it is memory shared by descriptor; hand the descriptor over "
        "(pass_fds or socket.send_fds) and attach() there",
        Py_TYPE(self)->tp_name);
    return NULL;
}

PyObject *return_self(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(self);
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* A descriptor of our own for the memory behind another's, or -1 with an exception. */
static int own_descriptor(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return own;
}

/* ---- Segment ---- */

static PyObject *new_segment(Module *module, int fd, const struct urpc_memory *memory)
{
    Segment *self = PyObject_New(Segment, module->segment);
    if (self == NULL) {
        urpc_memory_unmap(memory->address, memory->size);
        close(fd);
        return NULL;
    }
    self->fd = fd;
    self->memory = *memory;
    return (PyObject *)self;
}

static PyObject *segment_create(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"capacity", "nodes", "page_size", NULL};
    long capacity = DEFAULT_CAPACITY;
    PyObject *nodes = NULL, *page_size = NULL;
    struct urpc_wish wish;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|l$OO:create", names, &capacity, &nodes,
                                     &page_size) ||
        !parse_wish(nodes, page_size, &wish)) {
        return NULL;
    }
    if (capacity < 0 || capacity > URPC_MAX_CAPACITY ||
        urpc_segment_layout((uint32_t)capacity, URPC_PAGE).size == 0) {
        return PyErr_Format(PyExc_ValueError, "capacity must be a power of two from %d to %d lines, not %ld",
                            URPC_MIN_CAPACITY, URPC_MAX_CAPACITY, capacity);
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    struct urpc_memory_header header = {
        .magic = URPC_CHANNEL_MAGIC, .version = URPC_CHANNEL_VERSION, .parameter = (uint32_t)capacity};
    wish.touch = true; /* rings are small, and all of them is used */
    int fd;
    struct urpc_memory memory;
    enum urpc_memory_error error =
        urpc_memory_create_placed("urpc-segment", header, urpc_segment_layout, &wish, &fd, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_wish_error(module, error, &wish, "segment");
        return NULL;
    }
    return new_segment(module, fd, &memory);
}

static PyObject *segment_attach(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"fd", "huge_pages", NULL};
    int fd, huge_pages = false;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|$p:attach", names, &fd, &huge_pages) ||
        (fd = own_descriptor(fd)) < 0) {
        return NULL;
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    struct urpc_memory memory;
    enum urpc_memory_error error = urpc_memory_attach(fd, URPC_CHANNEL_MAGIC, URPC_CHANNEL_VERSION,
                                                      urpc_segment_layout, huge_pages, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_memory_error(module, error, "segment");
        close(fd);
        return NULL;
    }
    return new_segment(module, fd, &memory);
}

static PyObject *segment_fd(PyObject *self, void *Py_UNUSED(closure))
{
    return descriptor(self, ((Segment *)self)->fd, "segment");
}

static PyObject *segment_capacity(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Segment *)self)->memory.parameter);
}

static PyObject *segment_nodes(PyObject *self, void *Py_UNUSED(closure))
{
    const struct urpc_memory *memory = &((Segment *)self)->memory;
    return nodes_of(memory, URPC_RINGS_OFFSET, urpc_segment_layout(memory->parameter, memory->grain).second);
}

static PyObject *segment_page_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((Segment *)self)->memory.page_size);
}

static PyObject *segment_close(PyObject *self, PyObject *Py_UNUSED(arguments))
{
    close_descriptor(&((Segment *)self)->fd);
    Py_RETURN_NONE;
}

static void segment_dealloc(PyObject *object)
{
    Segment *self = (Segment *)object;
    PyTypeObject *type = Py_TYPE(self);
    close_descriptor(&self->fd);
    urpc_memory_unmap(self->memory.address, self->memory.size);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef segment_methods[] = {
    {"create", FAST(segment_create), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR(
         "create(capacity=64, *, nodes=None, page_size=None)\n--\n\n"
         "Make the memory of a channel: two rings of `capacity` lines of 64 bytes, a power of two from 8 to "
         "16384.\n\n"
         "`nodes` are the NUMA nodes on which the ring that side 0 writes and the one that side 1 writes "
         "should lie, None for either: "
         "where it is first touched. Raises ValueError for a node that is not there or has no memory for "
         "this process. `page_size`, in "
         "bytes, asks for huge pages; where there are none left, ordinary ones are taken. What came of both "
         "stands in the properties of "
         "these names.")},
    {"attach", FAST(segment_attach), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR(
         "attach(fd, *, huge_pages=False)\n--\n\n"
         "Map a segment that another process made. The descriptor stays the caller's to close.\n\n"
         "One made of huge pages is taken only with `huge_pages`: whoever else has it could take a page "
         "away, and touching it would then "
         "end this process (SIGBUS). "
         "Raises UrpcError if it holds no sealed segment of this version, OSError if it cannot be mapped.")},
    {"close", segment_close, METH_NOARGS,
     PyDoc_STR(
         "close($self, /)\n--\n\n"
         "Close the descriptor. Channels made of this segment go on; their memory goes with the last.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", segment_close, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef segment_properties[] = {
    {"fd", segment_fd, NULL, PyDoc_STR("The descriptor to hand to another process. Not inherited by exec."),
     NULL},
    {"capacity", segment_capacity, NULL, PyDoc_STR("Lines of each ring."), NULL},
    {"nodes", segment_nodes, NULL,
     PyDoc_STR("Where the first page of each ring lies, the one that side 0 writes first, by the kernel's "
               "account; None where it gives "
               "none."),
     NULL},
    {"page_size", segment_page_size, NULL, PyDoc_STR("Bytes of the pages that it is made of."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot segment_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("The shared memory of one channel. Serves one life: each side can be taken once.")},
    {Py_tp_dealloc, segment_dealloc},
    {Py_tp_methods, segment_methods},
    {Py_tp_getset, segment_properties},
    {0, NULL},
};

PyType_Spec segment_spec = {
    .name = "multikernel.urpc.Segment",
    .basicsize = sizeof(Segment),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = segment_slots,
};

/* ---- Doorbell ---- */

/* A budget that stands for learning one, wherever budgets are numbers. */
#define ADAPTIVE UINT32_MAX

/* None keeps *spin_ns as it is. */
static bool parse_spin(PyObject *given, uint32_t *spin_ns)
{
    if (given == NULL || given == Py_None) {
        return true;
    }
    long ns = PyLong_AsLong(given);
    if (ns == -1 && PyErr_Occurred()) {
        return false;
    }
    if (ns < 0 || ns > MAX_SPIN_NS) {
        PyErr_Format(PyExc_ValueError, "spin_ns must be from 0 (always block) to %d, not %ld", MAX_SPIN_NS,
                     ns);
        return false;
    }
    *spin_ns = (uint32_t)ns;
    return true;
}

static void set_spin(Doorbell *self, uint32_t spin_ns)
{
    self->bell.spin_ns = spin_ns == ADAPTIVE ? 0 : spin_ns;
    self->bell.pace = spin_ns == ADAPTIVE ? &self->pace : NULL;
    urpc_pace_init(&self->pace, sysconf(_SC_NPROCESSORS_ONLN) == 1);
}

static PyObject *new_doorbell(Module *module, int fd, uint32_t spin_ns, void *memory)
{
    Doorbell *self = PyObject_New(Doorbell, module->doorbell);
    if (self == NULL) {
        urpc_memory_unmap(memory, URPC_DOORBELL_SIZE);
        close(fd);
        return NULL;
    }
    self->fd = fd;
    self->bell = (struct urpc_doorbell){.memory = memory, .caller = &self->caller};
    atomic_init(&self->caller.socket, -1);
    self->polled = false;
    self->relays = NULL;
    set_spin(self, spin_ns);
    return (PyObject *)self;
}

static PyObject *doorbell_create(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"spin_ns", NULL};
    PyObject *spin = NULL;
    uint32_t spin_ns = ADAPTIVE;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:create", names, &spin) ||
        !parse_spin(spin, &spin_ns)) {
        return NULL;
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    struct urpc_memory_header header = {
        .magic = URPC_DOORBELL_MAGIC, .version = URPC_DOORBELL_VERSION, .parameter = spin_ns};
    int fd;
    void *memory;
    enum urpc_memory_error error =
        urpc_memory_create("urpc-doorbell", header, URPC_DOORBELL_SIZE, &fd, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_memory_error(module, error, "doorbell");
        return NULL;
    }
    return new_doorbell(module, fd, spin_ns, memory);
}

static PyObject *doorbell_attach(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"fd", "spin_ns", NULL};
    int fd;
    PyObject *spin = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|O:attach", names, &fd, &spin) ||
        (fd = own_descriptor(fd)) < 0) {
        return NULL;
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    struct urpc_memory memory;
    enum urpc_memory_error error = urpc_memory_attach(fd, URPC_DOORBELL_MAGIC, URPC_DOORBELL_VERSION,
                                                      urpc_doorbell_layout, false, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_memory_error(module, error, "doorbell");
        close(fd);
        return NULL;
    }
    uint32_t stored = memory.parameter;
    uint32_t spin_ns = stored == ADAPTIVE || stored < MAX_SPIN_NS ? stored : MAX_SPIN_NS;
    if (!parse_spin(spin, &spin_ns)) {
        urpc_memory_unmap(memory.address, memory.size);
        close(fd);
        return NULL;
    }
    return new_doorbell(module, fd, spin_ns, memory.address);
}

static PyObject *doorbell_fd(PyObject *self, void *Py_UNUSED(closure))
{
    return descriptor(self, ((Doorbell *)self)->fd, "doorbell");
}

static PyObject *doorbell_spin(PyObject *self, void *Py_UNUSED(closure))
{
    const struct urpc_doorbell *bell = &((Doorbell *)self)->bell;
    return bell->pace != NULL ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(bell->spin_ns);
}

static PyObject *doorbell_spins(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(urpc_spins(&((Doorbell *)self)->bell));
}

static int doorbell_set_spin(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    uint32_t spin_ns = ADAPTIVE;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "spin_ns cannot be deleted; set it to nanoseconds, or to None");
        return -1;
    }
    if (!parse_spin(value, &spin_ns)) {
        return -1;
    }
    set_spin((Doorbell *)self, spin_ns);
    return 0;
}

static PyObject *doorbell_ring(PyObject *self, PyObject *Py_UNUSED(arguments))
{
    if (((Doorbell *)self)->fd < 0) {
        return descriptor(self, -1, "doorbell");
    }
    urpc_doorbell_ring(&((Doorbell *)self)->bell);
    Py_RETURN_NONE;
}

static PyObject *doorbell_close(PyObject *self, PyObject *Py_UNUSED(arguments))
{
    close_descriptor(&((Doorbell *)self)->fd);
    Py_RETURN_NONE;
}

static void doorbell_dealloc(PyObject *object)
{
    Doorbell *self = (Doorbell *)object;
    PyTypeObject *type = Py_TYPE(self);
    close_descriptor(&self->fd);
    urpc_caller_close(&self->caller);
    urpc_memory_unmap(self->bell.memory, URPC_DOORBELL_SIZE);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef doorbell_methods[] = {
    {"create", FAST(doorbell_create), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("create(spin_ns=None)\n--\n\n"
               "Make a doorbell. Its owner spins `spin_ns` nanoseconds before it blocks.\n\n"
               "None learns that from how long messages take to come: at most 50 us, and hardly ever where "
               "messages are rare, where kernels share a core, or where more of them run than there are "
               "cores. 0 always blocks at once.")},
    {"attach", FAST(doorbell_attach), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR(
         "attach(fd, spin_ns=None)\n--\n\n"
         "Map a doorbell that another process made. Without spin_ns, the budget it was created with. The "
         "descriptor stays the caller's to close.\n\n"
         "Raises UrpcError if it holds no sealed doorbell of this version, OSError if it cannot be mapped.")},
    {"ring", doorbell_ring, METH_NOARGS,
     PyDoc_STR(
         "ring($self, /)\n--\n\n"
         "End the owner's present WaitSet.wait, or its next one if it does not wait now. From any process or "
         "thread; several rings before a wait count as one. Never blocks.")},
    {"close", doorbell_close, METH_NOARGS,
     PyDoc_STR(
         "close($self, /)\n--\n\nClose the descriptor. Channels and wait sets that use the doorbell go on, "
         "and wait sets can still be made.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", doorbell_close, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef doorbell_properties[] = {
    {"fd", doorbell_fd, NULL, PyDoc_STR("The descriptor to hand to another process. Not inherited by exec."),
     NULL},
    {"spin_ns", doorbell_spin, doorbell_set_spin,
     PyDoc_STR("How long this process spins before it blocks on this doorbell, in nanoseconds; None if that "
               "is learnt. May be set."),
     NULL},
    {"spins", doorbell_spins, NULL,
     PyDoc_STR("Whether the next wait would spin first, as far as has been set or learnt."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot doorbell_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("What one kernel sleeps on, and what those who send to it ring if it does.")},
    {Py_tp_dealloc, doorbell_dealloc},
    {Py_tp_methods, doorbell_methods},
    {Py_tp_getset, doorbell_properties},
    {0, NULL},
};

PyType_Spec doorbell_spec = {
    .name = "multikernel.urpc.Doorbell",
    .basicsize = sizeof(Doorbell),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = doorbell_slots,
};
