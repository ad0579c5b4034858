#define PY_SSIZE_T_CLEAN
#include <Python.h>

static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "multikernel.urpc._urpc", .m_size = 0};

PyMODINIT_FUNC PyInit__urpc(void)
{
    return PyModule_Create(&module);
}
