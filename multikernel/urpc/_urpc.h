/*
 * The Python face of the C library: four types and a few functions, one file each. It holds no protocol: it
 * turns arguments into C, results into exceptions, and decides when the GIL is held.
 *
 *   held      while a channel's private state is touched, and for a first short spin: giving the GIL up and
 * taking it back costs more than a round trip between neighbouring cores released  for all longer spinning
 * and blocking, when only shared memory is looked at (wait.h), and while a measurement runs, during which the
 * channel belongs to it alone
 *
 * Nothing here unmaps memory before its object dies: closing ends the use, the last reference ends the
 * mapping.
 */
#ifndef URPC_BINDING_H
#define URPC_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "calls.h"
#include "channel.h"
#include "clock.h"
#include "pace.h"
#include "pool.h"
#include "waitset.h"

/* Functions of asynchronous.py. */
enum asynchronous { UNTIL_READY, RECEIVE_WITHIN, SEND_WITHIN, ASYNCHRONOUS_FUNCTIONS };

typedef struct {
    PyTypeObject *segment;
    PyTypeObject *doorbell;
    PyTypeObject *channel;
    PyTypeObject *waitset;
    PyTypeObject *pool;
    PyTypeObject *buffer;
    PyTypeObject *relay;
    PyTypeObject *awaiting;
    PyObject *asynchronous[ASYNCHRONOUS_FUNCTIONS]; /* each NULL until it is needed */
    void *spinner;   /* what is awaited that may spin now (_asynchronous.c), or NULL */
    unsigned streak; /* things awaited since an event loop last had a turn */
    PyObject *error;
    PyObject *closed;
    PyObject *peer_died;
    PyObject *too_long;
    PyObject *corrupt;
} Module;

typedef struct {
    PyObject_HEAD int fd;      /* -1 once closed */
    struct urpc_memory memory; /* parameter: capacity */
} Segment;

typedef struct relay_object Relay; /* _relay.h */

typedef struct {
    PyObject_HEAD int fd; /* -1 once closed */
    struct urpc_doorbell bell;
    struct urpc_pace pace;
    struct urpc_caller caller;
    bool polled;   /* a wait set of ours has its calls */
    Relay *relays; /* that wait on it; each takes itself out when it dies */
} Doorbell;

typedef struct {
    PyObject_HEAD int fd;      /* -1 once closed */
    struct urpc_memory memory; /* parameter: pages of an area */
} Pool;

typedef struct {
    PyObject_HEAD struct urpc_channel channel;
    Pool *pool;             /* or NULL */
    struct urpc_pool loans; /* this side of it */
    PyObject *weak_references;
    Segment *segment;
    Doorbell *own;
    Doorbell *peer;
    PyObject *spare; /* a bytes object of the size received last, made while there was time; or NULL */
    PyObject *last;  /* the short bytes object given out last, or NULL; made spare again if nobody keeps it */
    uint32_t expected; /* that size */
    uint8_t side;
    bool far;           /* in an event loop: spin first, and then give the loop a turn (_asynchronous.c) */
    uint8_t near_waits; /* waits since that was found out */
    bool closed;
    bool measuring; /* another thread runs a measurement on it, without the GIL */
    bool used;      /* this process has sent or received on it */
    bool shared;    /* a fork has happened since it was made: another process may hold this end too */
    unsigned forks; /* fork count when it was looked at last */
    pid_t process;
} Channel;

extern PyType_Spec segment_spec, doorbell_spec, channel_spec, waitset_spec, pool_spec, buffer_spec,
    relay_spec, awaiting_spec;
extern PyMethodDef floor_methods[];

static inline Module *module_of(void *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

/* _memory.c: what went wrong, as an exception. */
void raise_memory_error(Module *module, enum urpc_memory_error error, const char *what);
/* _placement.c. The same of memory that was wished for: a node that there is not, by its number. */
void raise_wish_error(Module *module, enum urpc_memory_error error, const struct urpc_wish *wish,
                      const char *what);
/* The arguments `nodes` and `page_size`, or NULL; false with an exception. */
bool parse_wish(PyObject *nodes, PyObject *page_size, struct urpc_wish *wish);
/* The nodes of two addresses in shared memory, as a tuple; None for what the kernel does not say. */
PyObject *nodes_of(const struct urpc_memory *memory, size_t first, size_t second);
/* Descriptor `fd` as an object, or Closed. */
PyObject *descriptor(void *object, int fd, const char *what);
PyObject *refuse_pickle(PyObject *self, PyObject *unused);
PyObject *return_self(PyObject *self, PyObject *unused);

/* _wait.c: time-outs and waiting. A timeout is None or seconds; nanoseconds, or URPC_FOREVER. */
bool parse_timeout(PyObject *timeout, uint64_t *ns);
uint64_t deadline_after(uint64_t ns);
/* Parse (required positional..., timeout=default), fast where the caller gave no keyword. */
bool parse_call(const char *name, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords,
                Py_ssize_t required, PyObject **values, uint64_t *timeout);
/* A patience's callback that runs Python's signal handlers; its context is a PyThreadState *. */
bool run_signal_handlers(void *thread);

/* The waits of one call: some turns of spinning under the GIL, and only then a look at the clock, and waits
 * without. */
struct waiting {
    uint64_t timeout;
    uint64_t deadline; /* 0 until the first wait without the GIL */
    int turns;
    unsigned worked; /* times that a relay had work, and the wait was put off */
};
enum { WAIT_AGAIN = 1, WAIT_TIMEOUT = 0, WAIT_RAISED = -1 };
int wait_for(struct waiting *waiting, const struct urpc_doorbell *bell, uint32_t ticket,
             const struct urpc_watch *watches, size_t count);
int wait_for_any(struct waiting *waiting, const struct urpc_doorbell *bell, uint32_t ticket,
                 const struct urpc_sources *sources);

/* _relaying.c. wait_for, where a doorbell may have relays: their work is done first, and their neighbours waited
 * for as well. */
int wait_relaying(struct waiting *waiting, Doorbell *bell, uint32_t ticket, const struct urpc_watch *watches,
                  size_t count);
int wait_relaying_any(struct waiting *waiting, Doorbell *bell, uint32_t ticket,
                      const struct urpc_sources *sources);
/* urpc_arm, likewise: 1 armed, 0 there is something to look at first, -1 with an exception. */
int arm_relaying(Doorbell *bell, uint32_t ticket, const struct urpc_sources *sources);
/* Do the work of all relays of a doorbell; true if there was any. */
bool relays_turn(Doorbell *bell);
Doorbell *relay_bell(const Relay *relay);
PyObject *relay_try_receive(PyObject *relay, PyObject *unused);
/* Has any of them something that its owner has not been told? */
bool relays_have_news(const Doorbell *bell);

/* _channel.c */
void note_forks(void);
unsigned count_of_forks(void);
/* True if a call may go on; else an exception has been set. */
bool channel_usable(Channel *self);
PyObject *raise_result(Channel *self, enum urpc_result result, Py_ssize_t length);

/* Methods of Channel that stand elsewhere: in _messages.c ... */
#define FAST_METHOD(name)                                                                                    \
    PyObject *name(PyObject *self, PyObject *const *arguments, Py_ssize_t positional, PyObject *keywords)
FAST_METHOD(channel_send);
FAST_METHOD(channel_receive);
PyObject *channel_try_send(PyObject *self, PyObject *data);
PyObject *channel_try_send_many(PyObject *self, PyObject *messages);
PyObject *channel_try_receive(PyObject *self, PyObject *unused);
PyObject *channel_try_receive_many(PyObject *self, PyObject *const *arguments, Py_ssize_t positional);
/* ... in _asynchronous.c ... */
FAST_METHOD(channel_receive_async);
FAST_METHOD(channel_send_async);
FAST_METHOD(relay_receive_async);
FAST_METHOD(channel_receive_view);
PyObject *channel_try_receive_view(PyObject *self, PyObject *unused);
FAST_METHOD(channel_send_many);
FAST_METHOD(channel_receive_many);
/* Send bytes as a message of a kind: 1 sent, 0 no room in time, -1 exception. */
int send_of_kind(Channel *self, enum urpc_kind kind, const void *data, size_t length, uint64_t timeout);
/* ... in _pool.c, with what those in _messages.c need of it ... */
FAST_METHOD(channel_allocate);
bool is_buffer(const Channel *self, PyObject *object);
int send_buffer(Channel *self, PyObject *buffer, uint64_t timeout);
/* Copy a message that no ring holds into the pool, and send it by reference. Results as send_of_kind. */
int send_through_pool(Channel *self, const void *data, size_t length, uint64_t timeout);
/* The loan that urpc_poll has found: copied and given back, or as it is. */
PyObject *take_loan_as_bytes(Channel *self);
PyObject *take_loan_as_buffer(Channel *self);
/* ... and in _measure.c */
FAST_METHOD(channel_ping);
FAST_METHOD(channel_ping_batches);
FAST_METHOD(channel_echo);
FAST_METHOD(channel_measure_send);
FAST_METHOD(channel_measure_receive);
FAST_METHOD(channel_measure_stream);
FAST_METHOD(channel_measure_drain);
/* A number of rounds or messages, 1 to 10 million; false with an exception. Measurements end after a default
 * time. */
bool parse_count(PyObject *argument, size_t *count);
#define DEFAULT_TIMEOUT_NS UINT64_C(10000000000)

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define FAST(function) ((PyCFunction)(void (*)(void))(function))

#endif
