/*
 * Three rings, written by hand and stripped of all but their way of telling that a line is free again: what the
 * channel's design was chosen by, and what its throughput is held against.
 *
 *   CLEARED   The header of a line is a flag. The sender waits until it is clear, writes the payload and sets
 *             it; the receiver copies and clears it. Nothing else is shared, and sender and receiver keep one
 *             number each. But both write every line, and the sender must fetch it back from the receiver.
 *   SEQUENCE  The header holds the position. The receiver never writes a line; it tells how far it is in a
 *             word of its own, once in a quarter of a ring, or in the messages that go the other way.
 *   RETURNED  The same, and the receiver hands each line back by storing the header that it found there
 *             (ownership.h): what the channel does where that pays.
 *
 * Messages have 48 bytes. None of them can sleep, close, fragment, or survive a peer that lies: a channel
 * that carries 0.8 of what the best of these does pays a fifth for all of that.
 *
 * Memory ordering. A header is stored with release, after the payload, and loaded with acquire, before it.
 * CLEARED's clearing and SEQUENCE's `consumed` are stored with release, after the payload was copied out, and
 * loaded by the sender with acquire, before it writes the line again. On x86-64 these are plain loads and
 * stores; on AArch64 they are ldar and stlr, or ldapr where there is one.
 *
 * All results are picoseconds. Returns 0 or an errno, as urpc_crew_perform.
 */
#ifndef URPC_RINGS_H
#define URPC_RINGS_H

#include "wait.h"

enum urpc_ring_design { URPC_RING_CLEARED, URPC_RING_SEQUENCE, URPC_RING_RETURNED };

/* The time of one message, in the median block of `count` that stream from core a to core b through a ring of `capacity` lines, a
 * power of two from 4 on. */
int urpc_ring_stream(enum urpc_ring_design design, int core_a, int core_b, uint32_t capacity, size_t count,
                     uint64_t *ps, const struct urpc_patience *patience);

/* The round trip, in the median block of `count`, over two such rings; acknowledgements ride in the answers. */
int urpc_ring_round_trip(enum urpc_ring_design design, int core_a, int core_b, uint32_t capacity,
                         size_t count, uint64_t *ps, const struct urpc_patience *patience);

/*
 * What one message of a burst keeps each end busy when the other leaves it alone, as measure.h has it for the
 * channel: the sender writes the burst while the receiver waits elsewhere, ends with a fence, and only then
 * does the receiver take it. Means over `count` messages, in bursts of 1 to URPC_RING_BURST. In a long burst
 * the lines' journeys overlap; a message alone shows how many there are.
 */
enum { URPC_RING_BURST = 16 };
int urpc_ring_costs(enum urpc_ring_design design, int core_a, int core_b, size_t count, unsigned burst,
                    uint64_t *send_ps, uint64_t *receive_ps, const struct urpc_patience *patience);

#endif
