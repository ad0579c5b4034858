/* Channel: sending and receiving. */
#include "_urpc.h"

/* ---- sending ---- */

/* Calls urpc_try_send, and while there is no room waits, if it may. True, or false with an exception or none.
 */
static bool send_bytes(Channel *self, const void *data, size_t length, uint64_t timeout)
{
    struct waiting waiting = {.timeout = timeout};
    while (channel_usable(self)) {
        struct urpc_watch watch;
        enum urpc_result result = urpc_try_send(&self->channel, data, length, &watch);
        if (likely(result == URPC_OK)) {
            return true;
        }
        if (result != URPC_AGAIN) {
            raise_result(self, result, (Py_ssize_t)length);
            return false;
        }
        if (timeout == 0) {
            return false;
        }
        uint32_t ticket = urpc_doorbell_ticket(self->channel.own_doorbell);
        if (wait_relaying(&waiting, self->own, ticket, &watch, 1) != WAIT_AGAIN) {
            return false;
        }
    }
    return false;
}

/* 1 sent, 0 no room in time, -1 exception. */
static int send_object(Channel *self, PyObject *data, uint64_t timeout)
{
    bool sent;
    if (likely(PyBytes_CheckExact(data))) {
        sent = send_bytes(self, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data), timeout);
    } else {
        Py_buffer buffer;
        if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        sent = send_bytes(self, buffer.buf, (size_t)buffer.len, timeout);
        PyBuffer_Release(&buffer);
    }
    return sent ? 1 : PyErr_Occurred() ? -1 : 0;
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
        urpc_doorbell_notify(self->channel.peer_doorbell);
    }
    Py_DECREF(sequence);
    return result == URPC_OK || result == URPC_AGAIN ? PyLong_FromSsize_t(sent)
                                                     : raise_result(self, result, length);
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

/* While there is nothing to do but wait: make the object that the next message will probably need. */
static void prepare_spare(Channel *self)
{
    if (self->spare != NULL && PyBytes_GET_SIZE(self->spare) == self->expected) {
        return;
    }
    Py_XSETREF(self->spare, PyBytes_FromStringAndSize(NULL, self->expected));
    if (self->spare == NULL) {
        PyErr_Clear(); /* then the message itself will say that memory is short */
    }
}

/* The message that urpc_poll has found. */
static PyObject *take_bytes(Channel *self)
{
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
    return bytes;
}

/* A message; or NULL, with an exception or, when time is up, without. */
static PyObject *receive_bytes(Channel *self, uint64_t timeout)
{
    struct waiting waiting = {.timeout = timeout};
    while (channel_usable(self)) {
        struct urpc_watch watch;
        enum urpc_result result = urpc_poll(&self->channel, &watch);
        if (result == URPC_OK) {
            return take_bytes(self);
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
    PyObject *messages = PyList_New(0);
    while (messages != NULL && PyList_GET_SIZE(messages) < limit) {
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
    return messages;
}
