#define _GNU_SOURCE
#include "pinned.h"

#include "clock.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>

enum { NAP_NS = 1000000, NAPS_TO_A_QUESTION = 5 };

struct member {
    struct urpc_crew *crew;
    int me;
    pthread_t id;
};

static void *run(void *argument)
{
    struct member *member = argument;
    struct urpc_crew *crew = member->crew;
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(crew->cores[member->me], &cores);
    int error = pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    if (error) {
        atomic_store(&crew->error, error);
        atomic_store(&crew->stop, true);
    }
    atomic_fetch_add(&crew->ready, 1);
    while (atomic_load(&crew->ready) < crew->count && !urpc_crew_stopped(crew)) {
        urpc_relax();
    }
    if (!urpc_crew_stopped(crew)) {
        crew->play(crew->work, member->me);
    }
    atomic_fetch_add(&crew->finished, 1);
    return NULL;
}

int urpc_crew_perform(struct urpc_crew *crew, const struct urpc_patience *patience)
{
    if (crew->count < 1 || crew->count > URPC_CREW_MOST) {
        return EINVAL;
    }
    for (int i = 0; i < crew->count; i++) {
        if (crew->cores[i] < 0 || crew->cores[i] >= CPU_SETSIZE) {
            return EINVAL;
        }
    }
    struct member members[URPC_CREW_MOST];
    int started = 0;
    int error = 0;
    while (started < crew->count && error == 0) {
        members[started] = (struct member){.crew = crew, .me = started};
        error = pthread_create(&members[started].id, NULL, run, &members[started]);
        started += error == 0;
    }
    /* In short naps, so that deadlines and Ctrl-C count. */
    for (int nap = 1; error == 0 && atomic_load(&crew->finished) < crew->count; nap++) {
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        if (urpc_now() >= patience->deadline) {
            error = ETIMEDOUT;
        } else if (nap % NAPS_TO_A_QUESTION == 0 && patience->interrupted != NULL &&
                   patience->interrupted(patience->context)) {
            error = EINTR;
        }
    }
    atomic_store(&crew->stop, true);
    if (crew->release != NULL) {
        crew->release(crew->work);
    }
    while (started > 0) {
        pthread_join(members[--started].id, NULL);
    }
    return atomic_load(&crew->error) ? atomic_load(&crew->error) : error;
}
