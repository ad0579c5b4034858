/*
 * Ownership of lines: what makes a line cheap to write again.
 *
 * A core may write a line only when no other core has a copy. The writer of a ring finds every line as its reader
 * left it a lap ago, so how a reader leaves it decides what the next message in it costs:
 *
 *   shared   The reader only read. Its copy must be invalidated, and so must any other there might be: where the
 *            directory does not know who holds a shared line (AMD's probe filter knows owners, not sharers), all
 *            cores are asked.
 *   owned    The reader wrote it, and owns it alone. The writer's request goes to that one core and the line comes
 *            back ready to be written.
 *
 * *Handing back* makes a reader leave lines owned: it stores into the line it has just read the very header it has
 * read there. That changes nothing that anybody can see, and is ordered before the acknowledgement that lets the
 * writer use the line again (channel.h), so it can overwrite nothing. A reader that is killed before or after it
 * has changed nothing either. This has the speed of the design in which readers clear a flag, without its weakness:
 * a line still says which message it holds (docs/urpc.md has the figures). A prefetch for writing, which would take
 * ownership without a store, was tried in its place and changes nothing.
 *
 * It is done on AMD's processors, where it makes a stream two to three times as fast. Others may keep track of
 * sharers, and then the store is one more request; there it is left out until somebody measures it. The reader
 * decides by itself: writers do not notice.
 *
 * *Asking ahead* helps where lines are not handed back. Stores are done in order, so each waits for its line's
 * invalidation one by one. Asked for some lines ahead, as a store would ask, these overlap, and the store finds its
 * line ready. The lines ahead were read a lap ago, or were written and not read yet; the reader waits for none of
 * them, so nothing is taken from it.
 */
#ifndef URPC_OWNERSHIP_H
#define URPC_OWNERSHIP_H

#include "line.h"
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Should the readers of this machine hand lines back? Asks the processor: a microsecond or more in a virtual machine. */
static inline bool urpc_should_hand_back(void)
{
#if defined(__x86_64__)
    unsigned highest, vendor[3];
    return __get_cpuid(0, &highest, &vendor[0], &vendor[2], &vendor[1]) &&
           (memcmp(vendor, "AuthenticAMD", sizeof vendor) == 0 ||
            memcmp(vendor, "HygonGenuine", sizeof vendor) == 0);
#else
    return false;
#endif
}

/* Hand a line back whose header was read, before it is acknowledged. Relaxed: the acknowledgement is a release. */
static inline void urpc_hand_back(struct urpc_line *line, uint64_t header)
{
    atomic_store_explicit(&line->header, header, memory_order_relaxed);
}

enum { URPC_AHEAD = 8 }; /* lines: about as many as can be on their way at once */

static inline void urpc_ask_to_write(const void *line)
{
#if defined(__x86_64__)
    /* The compiler emits this only for processors known to have it; those that do not take it for a nop. */
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}

#endif
