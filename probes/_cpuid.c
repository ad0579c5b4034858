#define PY_SSIZE_T_CLEAN
#include <Python.h>

static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "probes._cpuid", .m_size = 0};

PyMODINIT_FUNC PyInit__cpuid(void)
{
    return PyModule_Create(&module);
}
