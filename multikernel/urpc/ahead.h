/*
 * Asking for lines ahead of writing them.
 *
 * The writer of a ring whose reader only reads finds every line shared: before a store can be done, the reader's
 * copy must be invalidated. Stores are done in order, so each waits for that one by one. Asked for some lines
 * ahead, as a store would ask, the invalidations overlap, and the store finds its line ready. The lines ahead were
 * read a lap ago, or were written and not read yet; the reader waits for none of them, so nothing is taken from it.
 */
#ifndef URPC_AHEAD_H
#define URPC_AHEAD_H

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
