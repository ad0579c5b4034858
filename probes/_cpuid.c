/* The CPUID instruction, and nothing more.
 *
 *   execute(leaf, subleaf) -> (eax, ebx, ecx, edx), or None where there is no such instruction
 *   here() -> the core this thread runs on at this moment
 *
 * CPUID answers for the core that executes it. Which core that is, and that the thread stays there, is the
 * caller's business (probes/live.py); so is what the numbers mean. On a processor that is not x86 the module
 * loads all the same and says None, so that no caller needs to guard the import.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sched.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HAVE_CPUID 1
#endif

static PyObject *execute(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "execute takes a leaf and a subleaf");
        return NULL;
    }
    unsigned long leaf = PyLong_AsUnsignedLong(args[0]);
    if (leaf == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    unsigned long subleaf = PyLong_AsUnsignedLong(args[1]);
    if (subleaf == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (leaf > 0xffffffffUL || subleaf > 0xffffffffUL) {
        PyErr_SetString(PyExc_OverflowError, "leaf and subleaf are 32-bit numbers");
        return NULL;
    }
#ifdef HAVE_CPUID
    /* An 80386 or early 80486 has no CPUID: __get_cpuid_max answers 0 there, and at least 1 elsewhere. */
    if (__get_cpuid_max(0, NULL) == 0) {
        Py_RETURN_NONE;
    }
    unsigned int eax, ebx, ecx, edx;
    __cpuid_count((unsigned int)leaf, (unsigned int)subleaf, eax, ebx, ecx, edx);
    return Py_BuildValue("(IIII)", eax, ebx, ecx, edx);
#else
    Py_RETURN_NONE;
#endif
}

static PyObject *here(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    int core = sched_getcpu();
    if (core < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(core);
}

static PyMethodDef methods[] = {
    {"execute", (PyCFunction)(void (*)(void))execute, METH_FASTCALL,
     "execute(leaf, subleaf) -> registers or None"},
    {"here", here, METH_NOARGS, "here() -> core that this thread runs on"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "probes._cpuid",
    .m_doc = "The CPUID instruction.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__cpuid(void)
{
    return PyModule_Create(&module);
}
