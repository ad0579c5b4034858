/*
 * The line: one cache line of a ring, header and payload together.
 *
 *   byte  0        8                                                   64
 *         | header |                  payload                          |
 *
 *   header, from bit 0:   sequence:20   acknowledged:20   length:20   kind:4
 *
 * Why one line. A message costs what its cache lines cost: writing a line that the other core holds
 * invalidates its copy, and reading it fetches it back. With the header beside the payload that is one
 * invalidate and one fill a message, the least there can be.
 *
 * Why a sequence, and not a "used" bit that the reader clears. A bit says full or empty, and is believed; a reader
 * that is killed between copying and clearing loses or doubles a message. Here the header of the line at position p
 * holds the low bits of p + 1, so a reader knows a new line from one of the lap before by its value alone, and knows
 * a wrong one from both. A ring that is all zeros is an empty ring. Readers never change a line; they may store what
 * they found in it (ownership.h).
 *
 * Acknowledged counts, modulo 2^20, the lines that the writer of this header has consumed of the opposite
 * ring. It rides for free in every message, so two ends that answer each other never write anything else.
 *
 * Length is that of the whole message. A message longer than one line goes on in the lines behind, each with
 * its own sequence and the kind CONTINUED; see channel.h for the order in which they become visible.
 */
#ifndef URPC_LINE_H
#define URPC_LINE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    URPC_LINE_SIZE = 64,
    URPC_INLINE = 56, /* payload bytes of one line */
    URPC_MIN_CAPACITY = 8,
    URPC_MAX_CAPACITY = 16384, /* lines of a ring; see the assertions below for what bounds it */
};

enum urpc_kind {
    URPC_UNWRITTEN = 0,
    URPC_MESSAGE = 1,   /* the first line of a message, and mostly the only one */
    URPC_CONTINUED = 2, /* a further line of it */
    URPC_LENT = 3,      /* the only line of a message that refers to a pool: pool.h */
    URPC_RELAYED = 4,   /* the first line of a message of a tree: relay.h */
};

#define URPC_COUNT_BITS 20
#define URPC_COUNT_MASK ((UINT64_C(1) << URPC_COUNT_BITS) - 1)

/* Header: written by the ring's writer, release. Read by its reader, acquire, and stored back unchanged, relaxed, before it is
 * acknowledged (ownership.h). The payload is guarded by it.
 */
struct urpc_line {
    _Atomic uint64_t header;
    unsigned char payload[URPC_INLINE];
};

_Static_assert(sizeof(struct urpc_line) == URPC_LINE_SIZE, "a line is one cache line");
_Static_assert(offsetof(struct urpc_line, payload) == 8, "the header comes first");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs 64-bit atomics without locks");
_Static_assert((URPC_MAX_CAPACITY & (URPC_MAX_CAPACITY - 1)) == 0, "capacities are powers of two");
/* A sequence tells this lap from the last, and an acknowledgement at most two rings old keeps its sign. */
_Static_assert(4 * URPC_MAX_CAPACITY <= (1 << (URPC_COUNT_BITS - 1)), "counts must span several laps");
_Static_assert(URPC_MAX_CAPACITY *URPC_INLINE < (1 << 20), "a length must fit its field");

static inline uint64_t urpc_header(uint64_t sequence, uint64_t acknowledged, uint64_t length,
                                   enum urpc_kind kind)
{
    return (sequence & URPC_COUNT_MASK) | (acknowledged & URPC_COUNT_MASK) << 20 | length << 40 |
           (uint64_t)kind << 60;
}

static inline uint64_t urpc_header_sequence(uint64_t header)
{
    return header & URPC_COUNT_MASK;
}

static inline uint64_t urpc_header_acknowledged(uint64_t header)
{
    return header >> 20 & URPC_COUNT_MASK;
}

static inline uint32_t urpc_header_length(uint64_t header)
{
    return header >> 40 & URPC_COUNT_MASK;
}

static inline enum urpc_kind urpc_header_kind(uint64_t header)
{
    return (enum urpc_kind)(header >> 60);
}

/* Copy up to a line's payload: a call of memcpy costs as much as the rest of a short message. */
static inline void urpc_copy_short(void *to, const void *from, size_t length)
{
    char *out = to;
    const char *in = from;
    if (length >= 16) {
        /* The last 16 bytes, and as many times 16 before them as there are; these may overlap. */
        char last[16];
        memcpy(last, in + length - 16, 16);
        if (length > 16) {
            memcpy(out, in, 16);
        }
        if (length > 32) {
            memcpy(out + 16, in + 16, 16);
        }
        if (length > 48) {
            memcpy(out + 32, in + 32, 16);
        }
        memcpy(out + length - 16, last, 16);
    } else if (length >= 8) {
        char last[8];
        memcpy(last, in + length - 8, 8);
        memcpy(out, in, 8);
        memcpy(out + length - 8, last, 8);
    } else {
        for (size_t i = 0; i < length; i++) {
            out[i] = in[i];
        }
    }
}

/* Lines that a message of so many bytes takes; an empty message takes one. */
static inline uint32_t urpc_lines(size_t length)
{
    return length <= URPC_INLINE ? 1 : (uint32_t)((length + URPC_INLINE - 1) / URPC_INLINE);
}

#endif
