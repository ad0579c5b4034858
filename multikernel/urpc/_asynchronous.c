/* The asyncio face of a channel: methods that hand over to multikernel/urpc/asynchronous.py. */
#include "_urpc.h"

/* function(self, *arguments, **keywords) of that module, which is imported when it is first needed: most
 * programs need no event loop. */
static PyObject *hand_over(const char *function, PyObject *self, PyObject *arguments, PyObject *keywords)
{
    PyObject *module = PyImport_ImportModule("multikernel.urpc.asynchronous");
    PyObject *callable = module == NULL ? NULL : PyObject_GetAttrString(module, function);
    PyObject *all = PyTuple_New(PyTuple_GET_SIZE(arguments) + 1);
    PyObject *result = NULL;
    if (callable != NULL && all != NULL) {
        PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); i++) {
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(arguments, i)));
        }
        result = PyObject_Call(callable, all, keywords);
    }
    Py_XDECREF(module);
    Py_XDECREF(callable);
    Py_XDECREF(all);
    return result;
}

PyObject *channel_receive_async(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    return hand_over("receive", self, arguments, keywords);
}

PyObject *channel_send_async(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    return hand_over("send", self, arguments, keywords);
}
