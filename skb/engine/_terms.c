/*
 * Prolog terms to JSON text, and Python values to Prolog terms, each in one walk.
 *
 * Why C. A query's answers are one Prolog list; taking it apart through ctypes costs about 85 µs a row, and
 * SWI-Prolog's own JSON writer 8 µs. This walk costs well under one.
 *
 * The JSON form (the same in the API, the command line and files):
 *   integer, float          a number; integers of any size. inf and nan, which JSON has not, are {"float": "inf"}
 *   integer of over 4300 digits, which many readers of JSON do not take
 *                           {"integer": "1000..."}
 *   rational                {"rational": "1r3"}
 *   atom, string            a string
 *   list                    an array
 *   partial list [a|T]      {"f": "[|]", "args": [a, T]}
 *   compound                {"f": name, "args": [...]}
 *   dict                    {"dict": tag, "pairs": [[key, value], ...]}; a variable tag is null
 *   variable                {"var": "_1"}, the same number for the same variable within one text. Prolog numbers them
 *                           first, in linear time, by binding each to '$encoded variable'(Number). One with
 *                           constraints is '$encoded variable'(Number, Texts): {"var": "_1", "constraints": [...]}
 *   other objects           {"key": value}, for which Prolog says '$encoded object'(Key, Value): {"string": "..."}
 *                           where strings are to differ from atoms, {"cyclic": "..."}
 *   stream, other blob      {"blob": "stream"}: its type only
 *
 * Both walks use an explicit bound on depth (lists count once, however long), so that no term can exhaust the
 * C stack. Cyclic terms are refused by the caller, who asks Prolog.
 *
 * Threads: SWI-Prolog is embedded in the main thread; both functions are called there, with the GIL held
 * throughout.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <SWI-Prolog.h>
#include <math.h>
#include <stdbool.h>

/* Python's JSON readers give up at nesting of about 500 and at 4300 digits; a compound nests twice. */
enum { DEEPEST = 200, MOST_DIGITS = 4300 };

/* Growing output. After a failed allocation `failed` is set, and everything else is ignored. */
struct text {
    char *bytes;
    size_t length, room;
    bool failed;
};

static void append(struct text *text, const char *bytes, size_t length)
{
    if (text->failed)
        return;
    if (text->room - text->length < length) {
        size_t room = text->room * 2 > text->length + length ? text->room * 2 : text->length + length + 256;
        char *grown = PyMem_Realloc(text->bytes, room);
        if (grown == NULL) {
            text->failed = true;
            return;
        }
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void append_text(struct text *text, const char *bytes)
{
    append(text, bytes, strlen(bytes));
}

static void append_quoted(struct text *text, const char *bytes, size_t length)
{
    append(text, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        append(text, bytes + plain, i - plain);
        plain = i + 1;
        char escaped[8];
        if (byte == '"' || byte == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", byte);
        else
            snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        append_text(text, escaped);
    }
    append(text, bytes + plain, length - plain);
    append(text, "\"", 1);
}

/* Two term references for each level of depth, so that a walk over many rows needs no more of them than one
 * over few. */
struct levels {
    term_t scratch[DEEPEST + 1];
    int count;
    atom_t variable, object;
};

static term_t scratch(struct levels *levels, int depth)
{
    for (; levels->count <= depth; levels->count++)
        levels->scratch[levels->count] = PL_new_term_refs(2);
    return levels->scratch[depth];
}

static bool walk(struct text *text, struct levels *levels, term_t term, int depth, const char **problem);

/* Whether text that SWI-Prolog calls UTF-8 holds half of a surrogate pair (ED A0 80 to ED BF BF). */
static bool has_surrogate(const char *bytes, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++)
        if ((unsigned char)bytes[i] == 0xED && (unsigned char)bytes[i + 1] >= 0xA0)
            return true;
    return false;
}

static bool walk_blob(struct text *text, term_t term, const char **problem)
{
    PL_blob_t *type;
    void *data;
    size_t length;
    if (!PL_get_blob(term, &data, &length, &type)) {
        *problem = "a term of a kind that has no JSON form";
        return false;
    }
    append_text(text, "{\"blob\":");
    append_quoted(text, type->name, strlen(type->name));
    append_text(text, "}");
    return true;
}

static bool walk_text(struct text *text, term_t term, const char **problem)
{
    char *bytes;
    size_t length;
    if (!PL_get_nchars(term, &length, &bytes, CVT_ATOM | CVT_STRING | REP_UTF8 | BUF_DISCARDABLE))
        return walk_blob(text, term, problem);
    if (has_surrogate(bytes, length)) {
        *problem = "a text that is not Unicode (it has half of a surrogate pair)";
        return false;
    }
    append_quoted(text, bytes, length);
    return true;
}

static bool walk_number(struct text *text, term_t term, const char **problem)
{
    int64_t integer;
    if (PL_is_integer(term) && PL_get_int64(term, &integer)) { /* PL_get_int64 takes 1.0 for 1 */
        char digits[32];
        snprintf(digits, sizeof digits, "%lld", (long long)integer);
        append_text(text, digits);
        return true;
    }
    double real;
    if (PL_is_float(term) && PL_get_float(term, &real) && !isfinite(real)) {
        append_text(text, isnan(real) ? "{\"float\":\"nan\"}"
                          : real > 0  ? "{\"float\":\"inf\"}"
                                      : "{\"float\":\"-inf\"}");
        return true;
    }
    char *digits; /* SWI-Prolog writes the shortest digits that read back the same */
    size_t length;
    if (!PL_get_nchars(term, &length, &digits, CVT_NUMBER | BUF_DISCARDABLE)) {
        *problem = "a number that cannot be written";
        return false;
    }
    bool integer_text = length > MOST_DIGITS && PL_is_integer(term);
    bool rational = PL_is_rational(term) && !PL_is_integer(term);
    append_text(text, rational ? "{\"rational\":\"" : integer_text ? "{\"integer\":\"" : "");
    append(text, digits, length);
    append_text(text, rational || integer_text ? "\"}" : "");
    return true;
}

static bool walk_list(struct text *text, struct levels *levels, term_t list, int depth, const char **problem)
{
    term_t rest = scratch(levels, depth), head = rest + 1;
    if (!PL_put_term(rest, list)) {
        *problem = "a term too large for the stacks";
        return false;
    }
    append(text, "[", 1);
    for (bool first = true; PL_get_list(rest, head, rest); first = false) {
        if (!first)
            append(text, ",", 1);
        if (!walk(text, levels, head, depth + 1, problem))
            return false;
    }
    append(text, "]", 1);
    return true;
}

/* A dict is a compound of a tag, then values and keys in turn. */
static bool walk_dict(struct text *text, struct levels *levels, term_t term, int depth, const char **problem)
{
    atom_t name;
    size_t arity;
    term_t part = scratch(levels, depth);
    if (!PL_get_compound_name_arity(term, &name, &arity) || arity == 0 || !PL_get_arg(1, term, part)) {
        *problem = "a dict that cannot be read";
        return false;
    }
    append_text(text, "{\"dict\":");
    if (PL_is_atom(part) && !walk_text(text, part, problem))
        return false;
    if (!PL_is_atom(part))
        append_text(text, "null");
    append_text(text, ",\"pairs\":[");
    for (size_t i = 2; i < arity; i += 2) {
        append_text(text, i > 2 ? ",[" : "[");
        _PL_get_arg(i + 1, term, part);
        if (!walk(text, levels, part, depth + 1, problem))
            return false;
        append_text(text, ",");
        _PL_get_arg(i, term, part);
        if (!walk(text, levels, part, depth + 1, problem))
            return false;
        append_text(text, "]");
    }
    append_text(text, "]}");
    return true;
}

static bool walk_variable(struct text *text, struct levels *levels, term_t term, size_t arity, int depth,
                          const char **problem)
{
    term_t part = scratch(levels, depth);
    int64_t number;
    if (!PL_get_arg(1, term, part) || !PL_get_int64(part, &number)) {
        *problem = "a variable without a number";
        return false;
    }
    char variable[48];
    snprintf(variable, sizeof variable, "{\"var\":\"_%lld\"", (long long)number);
    append_text(text, variable);
    if (arity == 2) {
        append_text(text, ",\"constraints\":");
        _PL_get_arg(2, term, part);
        if (!walk(text, levels, part, depth + 1, problem))
            return false;
    }
    append_text(text, "}");
    return true;
}

static bool walk_object(struct text *text, struct levels *levels, term_t term, int depth,
                        const char **problem)
{
    term_t part = scratch(levels, depth);
    append_text(text, "{");
    _PL_get_arg(1, term, part);
    if (!walk_text(text, part, problem))
        return false;
    append_text(text, ":");
    _PL_get_arg(2, term, part);
    if (!walk(text, levels, part, depth + 1, problem))
        return false;
    append_text(text, "}");
    return true;
}

static bool walk_compound(struct text *text, struct levels *levels, term_t term, int depth,
                          const char **problem)
{
    atom_t name;
    size_t arity;
    if (!PL_get_compound_name_arity(term, &name, &arity)) {
        *problem = "a term of a kind that has no JSON form";
        return false;
    }
    term_t argument = scratch(levels, depth);
    if (name == levels->variable && (arity == 1 || arity == 2))
        return walk_variable(text, levels, term, arity, depth, problem);
    if (name == levels->object && arity == 2)
        return walk_object(text, levels, term, depth, problem);
    append_text(text, "{\"f\":");
    PL_put_atom(argument, name);
    if (!walk_text(text, argument, problem))
        return false;
    append_text(text, ",\"args\":[");
    for (size_t i = 1; i <= arity; i++) {
        if (i > 1)
            append(text, ",", 1);
        _PL_get_arg(i, term, argument);
        if (!walk(text, levels, argument, depth + 1, problem))
            return false;
    }
    append_text(text, "]}");
    return true;
}

static bool walk(struct text *text, struct levels *levels, term_t term, int depth, const char **problem)
{
    if (depth > DEEPEST) {
        *problem = "a term nested deeper than 200 levels";
        return false;
    }
    switch (PL_term_type(term)) {
    case PL_VARIABLE:
        *problem = "a variable that was not named";
        return false;
    case PL_ATOM:
    case PL_STRING:
        return walk_text(text, term, problem);
    case PL_INTEGER:
    case PL_RATIONAL:
    case PL_FLOAT:
        return walk_number(text, term, problem);
    case PL_NIL:
        append_text(text, "[]");
        return true;
    case PL_LIST_PAIR:
        if (PL_skip_list(term, 0, NULL) == PL_LIST)
            return walk_list(text, levels, term, depth, problem);
        return walk_compound(text, levels, term, depth, problem);
    case PL_TERM:
        return walk_compound(text, levels, term, depth, problem);
    case PL_DICT:
        return walk_dict(text, levels, term, depth, problem);
    default:
        return walk_blob(text, term, problem);
    }
}

/*
 * put(value, term): the table above in the other direction, with these differences: a string becomes an atom,
 * and {"string": s} a string; {"var": name} is the same variable wherever it stands in one value, but for "_", which is
 * another one each time, and its constraints are not put; true and false are the atoms; what is cyclic or a blob
 * cannot be put.
 */

enum { MOST_VARIABLES = 1000 };

/* The variables of the value that is being put: the arguments of one compound, and by name which. */
static struct {
    term_t compound;
    PyObject *numbers;
} variables;

static bool put(PyObject *value, term_t term, int depth);

static bool put_variable(PyObject *name, term_t term)
{
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_ValueError, "a variable is {\"var\": name}");
        return false;
    }
    if (PyUnicode_CompareWithASCIIString(name, "_") == 0)
        return PL_put_variable(term);
    if (variables.numbers == NULL &&
        ((variables.numbers = PyDict_New()) == NULL ||
         !PL_unify_functor(variables.compound, PL_new_functor(PL_new_atom("variables"), MOST_VARIABLES))))
        return false;
    PyObject *number = PyDict_GetItemWithError(variables.numbers, name);
    if (number != NULL)
        return PL_get_arg(PyLong_AsSize_t(number), variables.compound, term);
    Py_ssize_t count = PyDict_GET_SIZE(variables.numbers);
    if (count == MOST_VARIABLES)
        PyErr_Format(PyExc_ValueError, "more than %d variables", MOST_VARIABLES);
    if (PyErr_Occurred() || (number = PyLong_FromSsize_t(count + 1)) == NULL)
        return false;
    bool done = PyDict_SetItem(variables.numbers, name, number) == 0 &&
                PL_get_arg((size_t)count + 1, variables.compound, term);
    Py_DECREF(number);
    return done;
}

static bool put_atom(PyObject *value, term_t term, int type)
{
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(value, &length);
    if (bytes == NULL)
        return false;
    if (PL_put_variable(term), !PL_unify_chars(term, type | REP_UTF8, (size_t)length, bytes)) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

/* Whether a text is an integer, or two with an `r` between: what Prolog may be asked to read, as it reads no other
 * term from such a text. */
static bool is_rational(const char *text)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] == '\0')
        return digits > 0;
    const char *below = text + digits + 1;
    return text[digits] == 'r' && *below != '\0' && below[strspn(below, "0123456789")] == '\0';
}

static bool put_digits(PyObject *digits, term_t term)
{
    const char *bytes = digits == NULL ? NULL : PyUnicode_AsUTF8(digits);
    bool done = bytes != NULL && is_rational(bytes) &&
                PL_put_term_from_chars(term, REP_UTF8 | CVT_EXCEPTION, (size_t)-1, bytes);
    if (!done && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "%R is no number", digits);
    Py_XDECREF(digits);
    return done;
}

static bool put_list(PyObject *value, term_t term, int depth)
{
    PyObject *items = PySequence_Fast(value, "a list");
    if (items == NULL)
        return false;
    bool done = PL_put_nil(term);
    term_t head = PL_new_term_ref();
    for (Py_ssize_t i = PySequence_Fast_GET_SIZE(items); done && i-- > 0;)
        done = put(PySequence_Fast_GET_ITEM(items, i), head, depth + 1) && PL_cons_list(term, head, term);
    PL_reset_term_refs(head);
    Py_DECREF(items);
    return done;
}

static bool put_compound(PyObject *name, PyObject *arguments, term_t term, int depth)
{
    if (!PyUnicode_Check(name) || !PyList_Check(arguments)) {
        PyErr_SetString(PyExc_ValueError, "a compound is {\"f\": name, \"args\": [...]}");
        return false;
    }
    Py_ssize_t arity = PyList_GET_SIZE(arguments);
    term_t first = PL_new_term_refs((int)arity + 1), atom = first + (int)arity;
    bool done = true;
    for (Py_ssize_t i = 0; done && i < arity; i++)
        done = put(PyList_GET_ITEM(arguments, i), first + (int)i, depth + 1);
    atom_t text;
    if (done && put_atom(name, atom, PL_ATOM) && PL_get_atom(atom, &text)) {
        functor_t functor = PL_new_functor_sz(text, (size_t)arity);
        done = arity > 0 ? PL_cons_functor_v(term, functor, first) /* which makes an atom of x() */
                         : PL_put_variable(term) && PL_unify_compound(term, functor);
    } else {
        done = false;
    }
    PL_reset_term_refs(first);
    return done;
}

static bool put_float(PyObject *name, term_t term)
{
    PyObject *real = PyFloat_FromString(name);
    if (real == NULL)
        return false;
    bool done = PL_put_float(term, PyFloat_AS_DOUBLE(real));
    Py_DECREF(real);
    return done;
}

/* Prolog makes the dict, since it knows what may be a key, and their order. */
static bool put_dict(PyObject *tag, PyObject *pairs, term_t term, int depth)
{
    if (!PyList_Check(pairs) || !(tag == Py_None || PyUnicode_Check(tag))) {
        PyErr_SetString(PyExc_ValueError,
                        "a dict is {\"dict\": tag or null, \"pairs\": [[key, value], ...]}");
        return false;
    }
    term_t arguments = PL_new_term_refs(3), list = arguments + 2, parts = PL_new_term_refs(2);
    functor_t pair = PL_new_functor(PL_new_atom("-"), 2);
    bool done = tag == Py_None ? PL_put_variable(arguments + 1) : put_atom(tag, arguments + 1, PL_ATOM);
    done = done && PL_put_nil(list);
    for (Py_ssize_t i = PyList_GET_SIZE(pairs); done && i-- > 0;) {
        PyObject *item = PyList_GET_ITEM(pairs, i);
        if (!PyList_Check(item) || PyList_GET_SIZE(item) != 2) {
            PyErr_SetString(PyExc_ValueError, "a pair of a dict is [key, value]");
            return false;
        }
        done = put(PyList_GET_ITEM(item, 0), parts, depth + 1) &&
               put(PyList_GET_ITEM(item, 1), parts + 1, depth + 1) && PL_cons_functor_v(parts, pair, parts) &&
               PL_cons_list(list, parts, list);
    }
    done = done && PL_put_variable(arguments);
    if (done &&
        !PL_call_predicate(NULL, PL_Q_PASS_EXCEPTION, PL_predicate("dict_pairs", 3, "system"), arguments)) {
        PL_clear_exception();
        PyErr_SetString(PyExc_ValueError, "a dict's keys are names or small integers, each once");
        return false;
    }
    done = done && PL_put_term(term, arguments);
    PL_reset_term_refs(arguments);
    return done;
}

static bool put_mapping(PyObject *value, term_t term, int depth)
{
    PyObject *item;
    Py_ssize_t size = PyDict_GET_SIZE(value);
    if (size == 2 && (item = PyDict_GetItemString(value, "f")) != NULL &&
        PyDict_GetItemString(value, "args") != NULL)
        return put_compound(item, PyDict_GetItemString(value, "args"), term, depth);
    if ((size == 1 || (size == 2 && PyDict_GetItemString(value, "constraints") != NULL)) &&
        (item = PyDict_GetItemString(value, "var")) != NULL)
        return put_variable(item, term);
    if (size == 2 && (item = PyDict_GetItemString(value, "dict")) != NULL &&
        PyDict_GetItemString(value, "pairs") != NULL)
        return put_dict(item, PyDict_GetItemString(value, "pairs"), term, depth);
    if (size == 1 && (item = PyDict_GetItemString(value, "string")) != NULL && PyUnicode_Check(item))
        return put_atom(item, term, PL_STRING);
    if (size == 1 &&
        ((item = PyDict_GetItemString(value, "rational")) != NULL ||
         (item = PyDict_GetItemString(value, "integer")) != NULL) &&
        PyUnicode_Check(item))
        return put_digits(Py_NewRef(item), term);
    if (size == 1 && (item = PyDict_GetItemString(value, "float")) != NULL && PyUnicode_Check(item))
        return put_float(item, term);
    PyErr_Format(PyExc_ValueError,
                 "%R is no term; an object is {\"f\", \"args\"}, {\"string\"}, {\"rational\"}, {\"float\"}, "
                 "{\"var\"} or {\"dict\", \"pairs\"}",
                 value);
    return false;
}

static bool put(PyObject *value, term_t term, int depth)
{
    if (depth > DEEPEST) {
        PyErr_SetString(PyExc_ValueError, "a value nested deeper than 200 levels");
        return false;
    }
    if (PyBool_Check(value))
        return PL_put_bool(term, value == Py_True);
    if (PyLong_Check(value)) {
        int overflow;
        long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow ? put_digits(PyObject_Str(value), term) : PL_put_int64(term, integer);
    }
    if (PyFloat_Check(value))
        return PL_put_float(term, PyFloat_AS_DOUBLE(value));
    if (PyUnicode_Check(value))
        return put_atom(value, term, PL_ATOM);
    if (PyList_Check(value))
        return put_list(value, term, depth);
    if (PyDict_Check(value))
        return put_mapping(value, term, depth);
    if (value == Py_None)
        PyErr_SetString(PyExc_ValueError, "null has no Prolog term; use numbers, strings, lists and objects");
    else
        PyErr_Format(PyExc_ValueError, "%R has no Prolog term; use numbers, strings, lists and objects",
                     value);
    return false;
}

static PyObject *terms_to_json(PyObject *module, PyObject *handle)
{
    (void)module;
    term_t term = PyLong_AsUnsignedLong(handle);
    if (PyErr_Occurred())
        return NULL;
    struct levels *levels = PyMem_Calloc(1, sizeof *levels);
    if (levels == NULL)
        return PyErr_NoMemory();
    levels->variable = PL_new_atom("$encoded variable");
    levels->object = PL_new_atom("$encoded object");
    struct text text = {0};
    const char *problem = NULL;
    fid_t frame = PL_open_foreign_frame();
    bool done = walk(&text, levels, term, 0, &problem);
    PL_discard_foreign_frame(frame);
    PL_unregister_atom(levels->variable);
    PL_unregister_atom(levels->object);
    PyObject *result = NULL;
    if (text.failed)
        PyErr_NoMemory();
    else if (!done)
        PyErr_SetString(PyExc_ValueError, problem);
    else
        result = PyBytes_FromStringAndSize(text.bytes, (Py_ssize_t)text.length);
    PyMem_Free(text.bytes);
    PyMem_Free(levels);
    return result;
}

static PyObject *terms_put(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "put(value, term) takes 2 arguments");
        return NULL;
    }
    term_t term = PyLong_AsUnsignedLong(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    variables.compound = PL_new_term_ref();
    bool done = put(arguments[0], term, 0);
    Py_CLEAR(variables.numbers);
    if (!done) {
        if (!PyErr_Occurred())
            PyErr_NoMemory(); /* the only other way in which SWI-Prolog refuses: its stacks are full */
        PL_clear_exception();
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"to_json", terms_to_json, METH_O,
     "to_json(term: int) -> bytes\n\nThe JSON text of a term, given its handle."},
    {"put", (PyCFunction)(void (*)(void))terms_put, METH_FASTCALL,
     "put(value, term: int) -> None\n\nMake the term of this handle the value, which is what json.loads "
     "gives."},
    {0},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "skb.engine._terms",
    .m_doc = "Prolog terms to JSON text, and Python values to Prolog terms.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__terms(void)
{
    return PyModuleDef_Init(&module);
}
