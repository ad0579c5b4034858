/* Pool and Buffer: payloads that are passed by reference (pool.h), as objects that memoryviews can look into. */
#include "_urpc.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- Pool ---- */

static PyObject *new_pool(Module *module, int fd, const struct urpc_memory *memory)
{
    Pool *self = PyObject_New(Pool, module->pool);
    if (self == NULL) {
        urpc_memory_unmap(memory->address, memory->size);
        close(fd);
        return NULL;
    }
    self->fd = fd;
    self->memory = *memory;
    return (PyObject *)self;
}

static PyObject *pool_create(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"size", "nodes", "page_size", NULL};
    long long size;
    PyObject *nodes = NULL, *page_size = NULL;
    struct urpc_wish wish;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "L|$OO:create", names, &size, &nodes, &page_size) ||
        !parse_wish(nodes, page_size, &wish)) {
        return NULL;
    }
    if (size < 1 || size > (long long)URPC_MAX_PAGES * URPC_PAGE) {
        return PyErr_Format(PyExc_ValueError, "size must be from 1 to %lld bytes for each end, not %lld",
                            (long long)URPC_MAX_PAGES * URPC_PAGE, size);
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    uint32_t pages = (uint32_t)((size - 1) / URPC_PAGE + 1);
    struct urpc_memory_header header = {
        .magic = URPC_POOL_MAGIC, .version = URPC_POOL_VERSION, .parameter = pages};
    int fd;
    struct urpc_memory memory;
    enum urpc_memory_error error =
        urpc_memory_create_placed("urpc-pool", header, urpc_pool_layout, &wish, &fd, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_wish_error(module, error, &wish, "pool");
        return NULL;
    }
    return new_pool(module, fd, &memory);
}

static PyObject *pool_attach(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"fd", "huge_pages", NULL};
    int given, fd, huge_pages = false;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|$p:attach", names, &given, &huge_pages)) {
        return NULL;
    }
    if ((fd = fcntl(given, F_DUPFD_CLOEXEC, 3)) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Module *module = PyType_GetModuleState((PyTypeObject *)type);
    struct urpc_memory memory;
    enum urpc_memory_error error =
        urpc_memory_attach(fd, URPC_POOL_MAGIC, URPC_POOL_VERSION, urpc_pool_layout, huge_pages, &memory);
    if (error != URPC_MEMORY_OK) {
        raise_memory_error(module, error, "pool");
        close(fd);
        return NULL;
    }
    return new_pool(module, fd, &memory);
}

static PyObject *pool_fd(PyObject *self, void *Py_UNUSED(closure))
{
    return descriptor(self, ((Pool *)self)->fd, "pool");
}

static PyObject *pool_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong((unsigned long long)((Pool *)self)->memory.parameter * URPC_PAGE);
}

static PyObject *pool_nodes(PyObject *self, void *Py_UNUSED(closure))
{
    const struct urpc_memory *memory = &((Pool *)self)->memory;
    return nodes_of(memory, urpc_pool_area(memory->parameter, memory->grain, 0),
                    urpc_pool_area(memory->parameter, memory->grain, 1));
}

static PyObject *pool_page_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((Pool *)self)->memory.page_size);
}

static PyObject *pool_close(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    Pool *self = (Pool *)object;
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
    Py_RETURN_NONE;
}

static void pool_dealloc(PyObject *object)
{
    Pool *self = (Pool *)object;
    PyTypeObject *type = Py_TYPE(self);
    if (self->fd >= 0) {
        close(self->fd);
    }
    urpc_memory_unmap(self->memory.address, self->memory.size);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef pool_methods[] = {
    {"create", FAST(pool_create), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("create(size, *, nodes=None, page_size=None)\n--\n\n"
               "Make the memory for payloads of one channel: `size` bytes for each end, in blocks of 4096. "
               "Memory is taken from the system as it is first used, huge pages at once.\n\n"
               "`nodes` are the NUMA nodes on which side 0's half and side 1's should lie, None for either: "
               "where it is first touched. "
               "Raises ValueError for a node that is not there or has no memory for this process. "
               "`page_size`, in bytes, asks for huge "
               "pages; where there are not enough left, ordinary ones are taken.")},
    {"attach", FAST(pool_attach), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR(
         "attach(fd, *, huge_pages=False)\n--\n\n"
         "Map a pool that another process made. The descriptor stays the caller's to close.\n\n"
         "One made of huge pages is taken only with `huge_pages`: whoever else has it could take a page "
         "away, and touching it would then "
         "end this process (SIGBUS). "
         "Raises UrpcError if it holds no sealed pool of this version, OSError if it cannot be mapped.")},
    {"close", pool_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\n"
               "Close the descriptor. Channels and buffers go on; the memory goes with the last.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", pool_close, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pool_properties[] = {
    {"fd", pool_fd, NULL, PyDoc_STR("The descriptor to hand to another process. Not inherited by exec."),
     NULL},
    {"size", pool_size, NULL, PyDoc_STR("Bytes that each end has to allocate from."), NULL},
    {"nodes", pool_nodes, NULL,
     PyDoc_STR("Where the first page of each half lies, side 0's first, by the kernel's account; None where "
               "it gives none."),
     NULL},
    {"page_size", pool_page_size, NULL, PyDoc_STR("Bytes of the pages that it is made of."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Shared memory for payloads that a channel passes by reference.")},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {Py_tp_getset, pool_properties},
    {0, NULL},
};

PyType_Spec pool_spec = {
    .name = "multikernel.urpc.Pool",
    .basicsize = sizeof(Pool),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = pool_slots,
};

/* ---- Buffer ---- */

typedef enum { GONE, OWN, SENDING, BORROWED } Whose;

typedef struct {
    PyObject_HEAD Channel *channel;
    void *address;
    Py_ssize_t length;
    Py_ssize_t views; /* that look into it now */
    Whose whose;
    struct urpc_block block; /* if it is our own */
    struct urpc_loan loan;   /* if it is borrowed */
    unsigned forks;          /* fork count when it was made */
} Buffer;

static Buffer *new_buffer(Channel *channel, void *address, size_t length, Whose whose)
{
    Buffer *self = PyObject_New(Buffer, module_of(channel)->buffer);
    if (self != NULL) {
        self->channel = (Channel *)Py_NewRef(channel);
        self->address = address;
        self->length = (Py_ssize_t)length;
        self->views = 0;
        self->whose = whose;
        self->forks = count_of_forks();
    }
    return self;
}

static void give_back(Channel *channel, const struct urpc_loan *loan)
{
    urpc_pool_return(&channel->loans, loan);
    urpc_notify(&channel->channel);
}

/* Let go of the block. A process that inherited a borrowed one through a fork leaves that to the other. */
static void let_go(Buffer *self)
{
    if (self->whose == OWN) {
        urpc_pool_drop(&self->channel->loans, self->block);
    } else if (self->whose == BORROWED && self->forks == count_of_forks()) {
        give_back(self->channel, &self->loan);
    }
    self->whose = GONE;
    self->length = 0;
}

static bool unseen(Buffer *self, const char *what)
{
    if (self->views > 0) {
        PyErr_Format(PyExc_BufferError, "cannot %s a buffer while %zd views look into it; release them first",
                     what, self->views);
        return false;
    }
    return true;
}

static PyObject *buffer_release(PyObject *object, PyObject *Py_UNUSED(arguments))
{
    Buffer *self = (Buffer *)object;
    if (self->whose == SENDING) {
        PyErr_SetString(PyExc_BufferError, "another thread is sending this buffer");
        return NULL;
    }
    if (!unseen(self, "release")) {
        return NULL;
    }
    let_go(self);
    Py_RETURN_NONE;
}

static void buffer_dealloc(PyObject *object)
{
    Buffer *self = (Buffer *)object;
    PyTypeObject *type = Py_TYPE(self);
    let_go(self);
    Py_DECREF(self->channel);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int buffer_get(PyObject *object, Py_buffer *view, int flags)
{
    Buffer *self = (Buffer *)object;
    if (self->whose != OWN && self->whose != BORROWED) {
        PyErr_SetString(PyExc_ValueError, "this buffer is no longer ours: it has been sent or released");
        view->obj = NULL;
        return -1;
    }
    if (PyBuffer_FillInfo(view, object, self->address, self->length, 0, flags) < 0) {
        return -1;
    }
    self->views++;
    return 0;
}

static void buffer_put(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    ((Buffer *)object)->views--;
}

static Py_ssize_t buffer_length(PyObject *object)
{
    return ((Buffer *)object)->length;
}

static PyMethodDef buffer_methods[] = {
    {"release", buffer_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\n"
               "Give the memory back to the end that allocated it. Releasing twice does nothing; the last "
               "reference "
               "releases by itself. Raises BufferError while a memoryview looks into it.")},
    {"__enter__", return_self, METH_NOARGS, NULL},
    {"__exit__", buffer_release, METH_VARARGS, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Memory of a pool that this end may read and write: allocated here, or received.\n\n"
                       "It has the buffer protocol (memoryview, numpy.frombuffer). Once sent or released it "
                       "is nobody's business here: looking into it raises ValueError.")},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_methods, buffer_methods},
    {Py_bf_getbuffer, buffer_get},
    {Py_bf_releasebuffer, buffer_put},
    {Py_sq_length, buffer_length},
    {0, NULL},
};

PyType_Spec buffer_spec = {
    .name = "multikernel.urpc.Buffer",
    .basicsize = sizeof(Buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = buffer_slots,
};

/* ---- on a channel ---- */

static bool has_pool(Channel *self)
{
    if (self->pool == NULL) {
        PyErr_SetString(
            module_of(self)->error,
            "this channel has no pool; make it with one: Channel(..., pool=...) or pair(pool=size)");
    }
    return self->pool != NULL;
}

/* Take a block, waiting for room: 1, 0 when time is up, -1 with an exception. */
static int take_block(Channel *self, size_t size, uint64_t timeout, struct urpc_block *block)
{
    if (size > (size_t)self->pool->memory.parameter * URPC_PAGE) {
        PyErr_Format(module_of(self)->too_long,
                     "%zu bytes are more than the pool of this channel has (%zu); make a larger one", size,
                     (size_t)self->pool->memory.parameter * URPC_PAGE);
        return -1;
    }
    struct waiting waiting = {.timeout = timeout};
    while (channel_usable(self)) {
        if (self->channel.gone) {
            urpc_pool_reclaim(&self->loans);
        }
        const _Atomic uint64_t *returns = urpc_pool_returns(&self->loans);
        uint64_t seen = atomic_load_explicit(returns, memory_order_acquire);
        if (urpc_pool_take(&self->loans, size, block)) {
            return 1;
        }
        if (timeout == 0) {
            return 0;
        }
        struct urpc_watch watch = {returns, returns, seen, seen};
        uint32_t ticket = urpc_doorbell_ticket(self->channel.own_doorbell);
        int waited = wait_relaying(&waiting, self->own, ticket, &watch, 1);
        if (waited != WAIT_AGAIN) {
            return waited == WAIT_TIMEOUT ? 0 : -1;
        }
    }
    return -1;
}

PyObject *channel_allocate(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                           PyObject *keywords)
{
    Channel *self = (Channel *)object;
    PyObject *wanted;
    uint64_t timeout = URPC_FOREVER;
    if (!parse_call("allocate", arguments, positional, keywords, 1, &wanted, &timeout)) {
        return NULL;
    }
    Py_ssize_t size = PyNumber_AsSsize_t(wanted, PyExc_OverflowError);
    if (size < 0) {
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_ValueError, "size must be 0 or more, not %zd", size);
    }
    struct urpc_block block;
    if (!channel_usable(self) || !has_pool(self)) {
        return NULL;
    }
    int taken = take_block(self, (size_t)size, timeout, &block);
    if (taken != 1) {
        if (taken == 0) {
            PyErr_SetString(PyExc_TimeoutError,
                            "no room in the pool in time: the other end gives nothing back");
        }
        return NULL;
    }
    Buffer *buffer = new_buffer(self, urpc_pool_address(&self->loans, block), (size_t)size, OWN);
    if (buffer == NULL) {
        urpc_pool_drop(&self->loans, block);
        return NULL;
    }
    buffer->block = block;
    return (PyObject *)buffer;
}

/* Send what refers to a block of ours: 1 sent, 0 no room in time, -1 exception; the block is ours still if not 1. */
static int send_loan(Channel *self, struct urpc_block block, size_t length, uint64_t timeout)
{
    struct urpc_loan loan = {block.page, block.generation, length};
    if (!urpc_pool_lend(&self->loans, block)) {
        PyErr_NoMemory();
        return -1;
    }
    int sent = send_of_kind(self, URPC_LENT, &loan, sizeof loan, timeout);
    if (sent != 1) {
        urpc_pool_unlend(&self->loans, block);
    }
    return sent;
}

bool is_buffer(const Channel *self, PyObject *object)
{
    return self->pool != NULL && Py_IS_TYPE(object, module_of((void *)self)->buffer);
}

int send_buffer(Channel *self, PyObject *object, uint64_t timeout)
{
    Buffer *buffer = (Buffer *)object;
    if (!channel_usable(self)) {
        return -1;
    }
    if (buffer->whose == BORROWED || (buffer->whose == OWN && buffer->channel != self)) {
        PyErr_SetString(PyExc_ValueError, "only a buffer that this channel allocated can be passed by "
                                          "reference; send bytes(buffer), or copy it into one that it did");
        return -1;
    }
    if (buffer->whose != OWN) {
        PyErr_SetString(PyExc_ValueError, "this buffer is no longer ours: it has been sent or released");
        return -1;
    }
    if (!unseen(buffer, "send")) {
        return -1;
    }
    buffer->whose = SENDING;
    int sent = send_loan(self, buffer->block, (size_t)buffer->length, timeout);
    buffer->whose = sent == 1 ? GONE : OWN;
    if (sent == 1) {
        buffer->length = 0;
    }
    return sent;
}

int send_through_pool(Channel *self, const void *data, size_t length, uint64_t timeout)
{
    struct urpc_block block;
    uint64_t deadline = timeout == 0 || timeout == URPC_FOREVER ? timeout : deadline_after(timeout);
    int taken = take_block(self, length, timeout, &block);
    if (taken != 1) {
        return taken;
    }
    memcpy(urpc_pool_address(&self->loans, block), data, length);
    if (deadline != 0 && deadline != URPC_FOREVER) {
        uint64_t now = urpc_now();
        timeout = deadline > now ? deadline - now : 0;
    }
    int sent = send_loan(self, block, length, timeout);
    if (sent != 1) {
        urpc_pool_drop(&self->loans, block);
    }
    return sent;
}

/* The loan that urpc_poll has found, consumed: where it is, or NULL with an exception. */
static void *take_loan(Channel *self, struct urpc_loan *loan)
{
    if (self->channel.length != sizeof *loan || self->pool == NULL) {
        self->channel.broken = URPC_CORRUPT;
        raise_result(self, URPC_CORRUPT, 0);
        return NULL;
    }
    enum urpc_result result = urpc_take(&self->channel, loan);
    void *address = result == URPC_OK ? urpc_pool_borrow(&self->loans, loan) : NULL;
    if (address == NULL) {
        self->channel.broken = URPC_CORRUPT;
        raise_result(self, URPC_CORRUPT, 0);
    }
    return address;
}

PyObject *take_loan_as_bytes(Channel *self)
{
    struct urpc_loan loan;
    void *address = take_loan(self, &loan);
    if (address == NULL) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(address, (Py_ssize_t)loan.length);
    give_back(self, &loan);
    return bytes;
}

PyObject *take_loan_as_buffer(Channel *self)
{
    struct urpc_loan loan;
    void *address = take_loan(self, &loan);
    if (address == NULL) {
        return NULL;
    }
    Buffer *buffer = new_buffer(self, address, loan.length, BORROWED);
    if (buffer == NULL) {
        give_back(self, &loan);
        return NULL;
    }
    buffer->loan = loan;
    return (PyObject *)buffer;
}
