/*
 * Crews: threads of this process, each pinned to a core, that begin together, and whom a deadline or Ctrl-C
 * ends. What the floors and the benchmarks of shared memory are played by.
 *
 * Usage. Fill in `play`, `work`, `cores` and `count`, the rest zero; urpc_crew_perform. Each member runs
 * play(work, number) once all are on their cores; whoever loops looks at urpc_crew_stopped now and then.
 */
#ifndef URPC_PINNED_H
#define URPC_PINNED_H

#include "doorbell.h"
#include "wait.h"

enum { URPC_CREW_MOST = 64 };

struct urpc_crew {
    void (*play)(void *work, int me);
    void (*release)(void *work); /* called once they must stop: wakes those who sleep. May be NULL */
    void *work;
    const int *cores;
    int count;
    _Atomic int ready; /* members on their cores, counted by themselves; all begin when all are */
    _Atomic int finished;
    _Atomic int error; /* an errno; written by the member that meets it */
    /* Written by who performs, or by a member with an error; polled by all, so it has its line to itself. */
    alignas(URPC_APART) _Atomic bool stop;
    alignas(URPC_APART) char end[1];
};

static inline bool urpc_crew_stopped(const struct urpc_crew *crew)
{
    return atomic_load_explicit(&crew->stop, memory_order_relaxed);
}

/* Run all parts to their end. 0, or an errno: EINVAL if a core cannot be had, ETIMEDOUT, EINTR if patience
 * gave up, or what a member left in `error`. */
int urpc_crew_perform(struct urpc_crew *crew, const struct urpc_patience *patience);

#endif
