/* Channel: sending and receiving. */
#include "_urpc.h"

#include "burst.h"

enum {
    BURST = 64,     /* short messages taken at once */
    LEAST_KEPT = 2, /* bytes of a message: shorter ones are Python's own shared objects */
};

/* ---- sending ---- */

/* Publishes, and while there is no room waits, if it may. */
int send_of_kind(Channel *self, enum urpc_kind kind, const void *data, size_t length, uint64_t timeout)
{
    struct waiting waiting = {.timeout = timeout};
    while (channel_usable(self)) {
        struct urpc_watch watch;
        enum urpc_result result = urpc_publish_as(&self->channel, kind, data, length, &watch);
        if (likely(result == URPC_OK)) {
            urpc_notify(&self->channel);
            return 1;
        }
        if (result == URPC_TOO_LONG && self->pool != NULL) {
            return send_through_pool(self, data, length, timeout);
        }
        if (result != URPC_AGAIN) {
            raise_result(self, result, (Py_ssize_t)length);
            return -1;
        }
        if (timeout == 0) {
            return 0;
        }
        uint32_t ticket = urpc_doorbell_ticket(self->channel.own_doorbell);
        int waited = wait_relaying(&waiting, self->own, ticket, &watch, 1);
        if (waited != WAIT_AGAIN) {
            return waited == WAIT_TIMEOUT ? 0 : -1;
        }
    }
    return -1;
}

/* 1 sent, 0 no room in time, -1 exception. */
static int send_object(Channel *self, PyObject *data, uint64_t timeout)
{
    int sent;
    if (likely(PyBytes_CheckExact(data))) {
        if (unlikely(!channel_usable(self))) {
            return -1;
        }
        if (likely(
                urpc_publish_one(&self->channel, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)))) {
            urpc_notify(&self->channel);
            return 1;
        }
        sent = send_of_kind(self, URPC_MESSAGE, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data),
                            timeout);
    } else if (is_buffer(self, data)) {
        sent = send_buffer(self, data, timeout);
    } else {
        Py_buffer buffer;
        if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        sent = send_of_kind(self, URPC_MESSAGE, buffer.buf, (size_t)buffer.len, timeout);
        PyBuffer_Release(&buffer);
    }
    return sent;
}

PyObject *channel_send(PyObject *self, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords)
{
    PyObject *data;
    uint64_t timeout = URPC_FOREVER;
    if (likely(positional == 1 && keywords == NULL)) {
        data = arguments[0];
    } else if (!parse_call("send", arguments, positional, keywords, 1, &data, &timeout)) {
        return NULL;
    }
    int sent = send_object((Channel *)self, data, timeout);
    if (sent == 0) {
        PyErr_SetString(PyExc_TimeoutError, "no room in the ring in time: the other end does not receive");
    }
    return sent == 1 ? Py_NewRef(Py_None) : NULL;
}

PyObject *channel_try_send(PyObject *self, PyObject *data)
{
    int sent = send_object((Channel *)self, data, 0);
    return sent < 0 ? NULL : PyBool_FromLong(sent);
}

/* Publish one of several; the peer is notified afterwards. */
static enum urpc_result publish_object(Channel *self, PyObject *data, Py_ssize_t *length)
{
    Py_buffer buffer;
    struct urpc_watch watch;
    if (likely(PyBytes_CheckExact(data))) {
        *length = PyBytes_GET_SIZE(data);
        return urpc_publish(&self->channel, PyBytes_AS_STRING(data), (size_t)*length, &watch);
    }
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        return URPC_STOPPED;
    }
    *length = buffer.len;
    enum urpc_result result = urpc_publish(&self->channel, buffer.buf, (size_t)buffer.len, &watch);
    PyBuffer_Release(&buffer);
    return result;
}

PyObject *channel_try_send_many(PyObject *object, PyObject *messages)
{
    Channel *self = (Channel *)object;
    PyObject *sequence = PySequence_Fast(messages, "try_send_many() takes a sequence of bytes-like objects");
    if (sequence == NULL) {
        return NULL;
    }
    enum urpc_result result = URPC_OK;
    Py_ssize_t sent = 0;
    Py_ssize_t length = 0;
    for (; sent < PySequence_Fast_GET_SIZE(sequence); sent++) {
        /* Looked at for each: taking an object's buffer may run Python, which may close the channel. */
        result = channel_usable(self)
                     ? publish_object(self, PySequence_Fast_GET_ITEM(sequence, sent), &length)
                     : URPC_STOPPED;
        if (result != URPC_OK) {
            break;
        }
    }
    if (sent > 0) {
        urpc_notify(&self->channel);
    }
    Py_DECREF(sequence);
    return result == URPC_OK || result == URPC_AGAIN ? PyLong_FromSsize_t(sent)
                                                     : raise_result(self, result, length);
}

PyObject *channel_send_many(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                            PyObject *keywords)
{
    Channel *self = (Channel *)object;
    PyObject *messages;
    uint64_t timeout = URPC_FOREVER;
    if (!parse_call("send_many", arguments, positional, keywords, 1, &messages, &timeout)) {
        return NULL;
    }
    PyObject *sequence = PySequence_Fast(messages, "send_many() takes a sequence of bytes-like objects");
    if (sequence == NULL) {
        return NULL;
    }
    bool told = true;
    Py_ssize_t length = 0, sent = 0;
    enum urpc_result result = URPC_OK;
    for (; result == URPC_OK && sent < PySequence_Fast_GET_SIZE(sequence); sent++) {
        PyObject *message = PySequence_Fast_GET_ITEM(sequence, sent);
        result = !channel_usable(self)      ? URPC_STOPPED
                 : is_buffer(self, message) ? URPC_AGAIN
                                            : publish_object(self, message, &length);
        told &= result != URPC_OK;
        if (result == URPC_AGAIN || (result == URPC_TOO_LONG && self->pool != NULL)) {
            if (!told) {
                urpc_notify(&self->channel);
                told = true;
            }
            Py_INCREF(message); /* while others may run, and take it out of the list */
            int done = send_object(self, message, timeout);
            Py_DECREF(message);
            if (done == 0) {
                PyErr_Format(PyExc_TimeoutError,
                             "no room in time after %zd messages: the other end does not receive", sent);
            }
            result = done == 1 ? URPC_OK : URPC_STOPPED;
        }
    }
    if (!told) {
        urpc_notify(&self->channel);
    }
    Py_DECREF(sequence);
    return result == URPC_OK ? Py_NewRef(Py_None) : raise_result(self, result, length);
}

/* ---- receiving ---- */

/* A bytes object of this size whose content is still to be written: the spare one if it fits. */
static PyObject *blank_bytes(Channel *self, uint32_t length)
{
    PyObject *bytes = self->spare;
    if (bytes != NULL && PyBytes_GET_SIZE(bytes) == length) {
        self->spare = NULL;
        return bytes;
    }
    return PyBytes_FromStringAndSize(NULL, length);
}

/* Of a bytes object that will be another. The field is deprecated, and there is no other way to it. */
static void forget_hash(PyObject *bytes)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ((PyBytesObject *)bytes)->ob_shash = -1;
#pragma GCC diagnostic pop
}

/*
 * While there is nothing to do but wait: have the object ready that the next message will probably need. Mostly
 * that is the last one again, which nobody else holds any more: so a loop that receives and lets go makes and frees
 * no objects, and frees none when the message has come and time counts.
 */
static void prepare_spare(Channel *self)
{
    if (self->last != NULL && Py_REFCNT(self->last) == 1 && PyBytes_GET_SIZE(self->last) == self->expected) {
        Py_XSETREF(self->spare, self->last);
        self->last = NULL;
        forget_hash(self->spare);
    }
    if (self->spare != NULL && PyBytes_GET_SIZE(self->spare) == self->expected) {
        return;
    }
    Py_XSETREF(self->spare, PyBytes_FromStringAndSize(NULL, self->expected));
    if (self->spare == NULL) {
        PyErr_Clear(); /* then the message itself will say that memory is short */
    }
}

/* Keep a short message that is given out, so that it can be spare again. */
static void keep(Channel *self, PyObject *bytes)
{
    if (PyBytes_GET_SIZE(bytes) >= LEAST_KEPT && self->last != bytes) {
        Py_XSETREF(self->last, Py_NewRef(bytes));
    }
}

/* The next message, if it is what the spare object was made for: the short way. Else NULL, without an exception. */
static PyObject *take_expected(Channel *self)
{
    PyObject *bytes = self->spare;
    if (bytes == NULL || PyBytes_GET_SIZE(bytes) != self->expected ||
        !urpc_take_one(&self->channel, PyBytes_AS_STRING(bytes), self->expected)) {
        return NULL;
    }
    self->spare = NULL;
    keep(self, bytes);
    return bytes;
}

/* The message that urpc_poll has found. */
static PyObject *take_bytes(Channel *self)
{
    if (unlikely(urpc_is_loan(&self->channel))) {
        return take_loan_as_bytes(self);
    }
    uint32_t length = self->channel.length;
    PyObject *bytes = blank_bytes(self, length);
    if (bytes == NULL) {
        return NULL;
    }
    enum urpc_result result = urpc_take(&self->channel, PyBytes_AS_STRING(bytes));
    if (result != URPC_OK) {
        Py_DECREF(bytes);
        return raise_result(self, result, length);
    }
    self->expected = length <= URPC_INLINE ? length : 0;
    if (length <= URPC_INLINE) {
        keep(self, bytes);
    }
    return bytes;
}

/* The same, without a copy of what was passed by reference. */
static PyObject *take_object(Channel *self)
{
    return urpc_is_loan(&self->channel) ? take_loan_as_buffer(self) : take_bytes(self);
}

/* A message; or NULL, with an exception or, when time is up, without. */
static inline PyObject *receive_by(Channel *self, uint64_t timeout, PyObject *(*take)(Channel *))
{
    struct waiting waiting = {.timeout = timeout};
    while (channel_usable(self)) {
        struct urpc_watch watch;
        PyObject *expected = take_expected(self);
        if (likely(expected != NULL)) {
            return expected;
        }
        enum urpc_result result = urpc_poll(&self->channel, &watch);
        if (result == URPC_OK) {
            return take(self);
        }
        if (result != URPC_AGAIN) {
            return raise_result(self, result, 0);
        }
        if (timeout == 0) {
            return NULL;
        }
        prepare_spare(self);
        uint32_t ticket = urpc_doorbell_ticket(self->channel.own_doorbell);
        if (wait_relaying(&waiting, self->own, ticket, &watch, 1) != WAIT_AGAIN) {
            return NULL;
        }
    }
    return NULL;
}

static PyObject *receive_bytes(Channel *self, uint64_t timeout)
{
    return receive_by(self, timeout, take_bytes);
}

/* A memoryview of what was received; it alone keeps that. */
static PyObject *view_of(PyObject *received)
{
    PyObject *view = received == NULL ? NULL : PyMemoryView_FromObject(received);
    Py_XDECREF(received);
    return view;
}

PyObject *channel_receive(PyObject *self, PyObject *const *arguments, Py_ssize_t positional,
                          PyObject *keywords)
{
    uint64_t timeout = URPC_FOREVER;
    if (!likely(positional == 0 && keywords == NULL) &&
        !parse_call("receive", arguments, positional, keywords, 0, NULL, &timeout)) {
        return NULL;
    }
    PyObject *bytes = receive_bytes((Channel *)self, timeout);
    if (bytes == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_TimeoutError, "no message in time");
    }
    return bytes;
}

PyObject *channel_try_receive(PyObject *self, PyObject *Py_UNUSED(arguments))
{
    PyObject *bytes = receive_bytes((Channel *)self, 0);
    return bytes == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : bytes;
}

PyObject *channel_receive_view(PyObject *self, PyObject *const *arguments, Py_ssize_t positional,
                               PyObject *keywords)
{
    uint64_t timeout = URPC_FOREVER;
    if (!parse_call("receive_view", arguments, positional, keywords, 0, NULL, &timeout)) {
        return NULL;
    }
    PyObject *view = view_of(receive_by((Channel *)self, timeout, take_object));
    if (view == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_TimeoutError, "no message in time");
    }
    return view;
}

PyObject *channel_try_receive_view(PyObject *self, PyObject *Py_UNUSED(arguments))
{
    PyObject *view = view_of(receive_by((Channel *)self, 0, take_object));
    return view == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : view;
}

/* Take short messages in bursts, as long as there are any: false with an exception. */
static bool take_bursts(Channel *self, PyObject *messages, Py_ssize_t limit)
{
    unsigned char data[BURST][URPC_INLINE];
    uint32_t length;
    while (PyList_GET_SIZE(messages) < limit) {
        Py_ssize_t left = limit - PyList_GET_SIZE(messages);
        size_t taken = urpc_take_burst(&self->channel, data, &length, left < BURST ? (size_t)left : BURST);
        for (size_t i = 0; i < taken; i++) {
            PyObject *bytes = PyBytes_FromStringAndSize((const char *)data[i], length);
            int appended = bytes == NULL ? -1 : PyList_Append(messages, bytes);
            Py_XDECREF(bytes);
            if (appended < 0) {
                return false; /* memory is short: what was taken is lost with the process, or nearly */
            }
        }
        if (taken == 0) {
            break;
        }
    }
    return true;
}

/* Add all that is there, at most `limit`, to a list: it, or NULL with an exception if it was empty before an error. */
static PyObject *take_all(Channel *self, PyObject *messages, Py_ssize_t limit)
{
    while (messages != NULL && PyList_GET_SIZE(messages) < limit) {
        if (!channel_usable(self) || !take_bursts(self, messages, limit)) {
            if (PyList_GET_SIZE(messages) > 0) {
                PyErr_Clear();
                break;
            }
            Py_CLEAR(messages);
            break;
        }
        if (PyList_GET_SIZE(messages) == limit) {
            break;
        }
        PyObject *bytes = receive_bytes(self, 0);
        if (bytes == NULL) {
            /* What has been received is not lost to an error behind it: the next call will meet it again. */
            if (PyErr_Occurred() && PyList_GET_SIZE(messages) == 0) {
                Py_CLEAR(messages);
            } else {
                PyErr_Clear();
            }
            break;
        }
        if (PyList_Append(messages, bytes) < 0) {
            Py_CLEAR(messages);
        }
        Py_DECREF(bytes);
    }
    urpc_settle(&self->channel);
    return messages;
}

PyObject *channel_receive_many(PyObject *object, PyObject *const *arguments, Py_ssize_t positional,
                               PyObject *keywords)
{
    Channel *self = (Channel *)object;
    uint64_t timeout = URPC_FOREVER;
    if (!(positional == 0 && keywords == NULL) &&
        !parse_call("receive_many", arguments, positional, keywords, 0, NULL, &timeout)) {
        return NULL;
    }
    PyObject *messages = take_all(self, PyList_New(0), self->channel.capacity);
    if (messages == NULL || PyList_GET_SIZE(messages) > 0) {
        return messages;
    }
    PyObject *bytes = receive_bytes(self, timeout);
    if (bytes == NULL || PyList_Append(messages, bytes) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TimeoutError, "no message in time");
        }
        Py_XDECREF(bytes);
        Py_DECREF(messages);
        return NULL;
    }
    Py_DECREF(bytes);
    return take_all(self, messages, self->channel.capacity);
}

PyObject *channel_try_receive_many(PyObject *object, PyObject *const *arguments, Py_ssize_t positional)
{
    Channel *self = (Channel *)object;
    Py_ssize_t limit = PY_SSIZE_T_MAX;
    if (positional > 1) {
        PyErr_SetString(PyExc_TypeError, "try_receive_many() takes at most one argument, the limit");
        return NULL;
    }
    if (positional == 1) {
        limit = PyNumber_AsSsize_t(arguments[0], PyExc_OverflowError);
        if (limit < 0) {
            return PyErr_Occurred()
                       ? NULL
                       : PyErr_Format(PyExc_ValueError, "limit must be 0 or more, not %zd", limit);
        }
    }
    return take_all(self, PyList_New(0), limit);
}
