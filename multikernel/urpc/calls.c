#define _GNU_SOURCE
#include "calls.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The first byte of an abstract name is 0, and its end is given by the length. */
static socklen_t name(uint64_t address, struct sockaddr_un *where)
{
    *where = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(where->sun_path + 1, sizeof where->sun_path - 1, "urpc-doorbell-%016llx",
                          (unsigned long long)address);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int bind_to(int calls, uint64_t address)
{
    struct sockaddr_un here;
    socklen_t length = name(address, &here);
    return bind(calls, (struct sockaddr *)&here, length);
}

int urpc_calls_open(uint64_t *address)
{
    int calls = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (calls < 0) {
        return -1;
    }
    while (getrandom(address, sizeof *address, 0) == sizeof *address) {
        *address |= 1; /* 0 is nobody's */
        if (bind_to(calls, *address) == 0) {
            return calls;
        }
        if (errno != EADDRINUSE) {
            break;
        }
    }
    int error = errno;
    close(calls);
    errno = error;
    return -1;
}

void urpc_calls_drain(int calls)
{
    char nothing;
    recv(calls, &nothing, sizeof nothing, MSG_DONTWAIT);
}

static int socket_of(struct urpc_caller *caller)
{
    int known = atomic_load_explicit(&caller->socket, memory_order_relaxed);
    if (known >= 0) {
        return known;
    }
    int fresh = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fresh >= 0 && atomic_compare_exchange_strong(&caller->socket, &known, fresh)) {
        return fresh;
    }
    if (fresh >= 0) {
        close(fresh);
    }
    return known;
}

void urpc_caller_close(struct urpc_caller *caller)
{
    int known = atomic_exchange(&caller->socket, -1);
    if (known >= 0) {
        close(known);
    }
}

void urpc_call(struct urpc_caller *caller, uint64_t address)
{
    struct sockaddr_un there;
    int from = caller == NULL || address == 0 ? -1 : socket_of(caller);
    if (from >= 0) {
        socklen_t length = name(address, &there);
        sendto(from, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&there, length);
    }
}
