/* The module: its types, exceptions and functions put together. */
#include "_urpc.h"

static PyObject *max_message(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long capacity = PyLong_AsLong(argument);
    if (capacity == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (capacity < 0 || capacity > URPC_MAX_CAPACITY ||
        urpc_segment_layout((uint32_t)capacity, URPC_PAGE).size == 0) {
        return PyErr_Format(PyExc_ValueError, "capacity must be a power of two from %d to %d lines, not %ld",
                            URPC_MIN_CAPACITY, URPC_MAX_CAPACITY, capacity);
    }
    return PyLong_FromUnsignedLong(urpc_max_message((uint32_t)capacity));
}

static PyObject *calibrate(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments))
{
    Py_BEGIN_ALLOW_THREADS;
    urpc_stopwatch_calibrate();
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"calibrate", calibrate, METH_NOARGS,
     PyDoc_STR(
         "calibrate()\n--\n\n"
         "Have this thread's clock ready for measurements: 2 ms. Those of the next seconds then take no "
         "longer than what they measure.")},
    {"max_message", max_message, METH_O,
     PyDoc_STR("max_message(capacity, /)\n--\n\n"
               "Longest message, in bytes, of a channel whose rings have this many lines: three quarters of "
               "a ring.")},
    {NULL, NULL, 0, NULL},
};

static PyObject *add_exception(PyObject *module, const char *name, const char *doc, PyObject *base)
{
    PyObject *qualified = PyUnicode_FromFormat("multikernel.urpc.%s", name);
    if (qualified == NULL) {
        return NULL;
    }
    PyObject *members = base == NULL ? Py_BuildValue("{sO}", "member", Py_None) : PyDict_New();
    PyObject *exception =
        members == NULL ? NULL : PyErr_NewExceptionWithDoc(PyUnicode_AsUTF8(qualified), doc, base, members);
    Py_XDECREF(members);
    Py_DECREF(qualified);
    if (exception != NULL && PyModule_AddObjectRef(module, name, exception) < 0) {
        Py_CLEAR(exception);
    }
    return exception;
}

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int execute(PyObject *object)
{
    Module *module = PyModule_GetState(object);
    note_forks();
    if ((module->segment = add_type(object, &segment_spec)) == NULL ||
        (module->doorbell = add_type(object, &doorbell_spec)) == NULL ||
        (module->channel = add_type(object, &channel_spec)) == NULL ||
        (module->waitset = add_type(object, &waitset_spec)) == NULL ||
        (module->pool = add_type(object, &pool_spec)) == NULL ||
        (module->buffer = add_type(object, &buffer_spec)) == NULL ||
        (module->relay = add_type(object, &relay_spec)) == NULL ||
        (module->awaiting = add_type(object, &awaiting_spec)) == NULL ||
        (module->error =
             add_exception(object, "UrpcError",
                           "Something about a channel or a tree, and not the system, is wrong. `member`: "
                           "who, in a tree; else None.",
                           NULL)) == NULL ||
        (module->closed = add_exception(object, "Closed", "This end or the other has been closed.",
                                        module->error)) == NULL ||
        (module->peer_died = add_exception(
             object, "PeerDied",
             "The process at the other end has died (see watch_peer); all it sent has been received.",
             module->closed)) == NULL ||
        (module->too_long = add_exception(object, "MessageTooLong", "More than max_message(capacity) bytes.",
                                          module->error)) == NULL ||
        (module->corrupt = add_exception(
             object, "Corrupt", "Shared memory holds what no correct peer writes.", module->error)) == NULL) {
        return -1;
    }
    return PyModule_AddIntConstant(object, "MAX_INLINE", URPC_INLINE) < 0 ||
                   PyModule_AddFunctions(object, floor_methods) < 0
               ? -1
               : 0;
}

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    Module *module = PyModule_GetState(object);
    Py_VISIT(module->segment);
    Py_VISIT(module->doorbell);
    Py_VISIT(module->channel);
    Py_VISIT(module->waitset);
    Py_VISIT(module->relay);
    Py_VISIT(module->awaiting);
    for (int i = 0; i < ASYNCHRONOUS_FUNCTIONS; i++) {
        Py_VISIT(module->asynchronous[i]);
    }
    Py_VISIT(module->error);
    Py_VISIT(module->closed);
    Py_VISIT(module->peer_died);
    Py_VISIT(module->too_long);
    Py_VISIT(module->corrupt);
    return 0;
}

static int clear(PyObject *object)
{
    Module *module = PyModule_GetState(object);
    Py_CLEAR(module->segment);
    Py_CLEAR(module->doorbell);
    Py_CLEAR(module->channel);
    Py_CLEAR(module->waitset);
    Py_CLEAR(module->relay);
    Py_CLEAR(module->awaiting);
    for (int i = 0; i < ASYNCHRONOUS_FUNCTIONS; i++) {
        Py_CLEAR(module->asynchronous[i]);
    }
    Py_CLEAR(module->error);
    Py_CLEAR(module->closed);
    Py_CLEAR(module->peer_died);
    Py_CLEAR(module->too_long);
    Py_CLEAR(module->corrupt);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "multikernel.urpc._urpc",
    .m_doc = PyDoc_STR("The C core of multikernel.urpc, bound to Python."),
    .m_size = sizeof(Module),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__urpc(void)
{
    return PyModuleDef_Init(&definition);
}
