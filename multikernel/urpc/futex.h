/* The two futex calls that we make. Shared between processes, so without FUTEX_PRIVATE_FLAG. */
#ifndef URPC_FUTEX_H
#define URPC_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Returns 0 when woken, else an errno: EAGAIN (the word was not `expected`), ETIMEDOUT, EINTR. `deadline` is
 * CLOCK_MONOTONIC nanoseconds; UINT64_MAX is never. */
static inline int urpc_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                             .tv_nsec = (long)(deadline % 1000000000)};
    const struct timespec *limit = deadline == UINT64_MAX ? NULL : &until;
    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, limit, NULL, FUTEX_BITSET_MATCH_ANY) == 0
               ? 0
               : errno;
}

static inline void urpc_futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

#endif
