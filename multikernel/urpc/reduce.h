/*
 * Reductions: vectors of 64-bit numbers, combined element by element.
 *
 * Integers are added modulo 2^64, as the machine does; `and` and `or` are of their bits, and undefined for floats. A float that is no number
 * makes every sum, minimum and maximum that it takes part in no number either, wherever it comes from: so the result depends on the order
 * of combining only as far as the rounding of sums does, and relay.h fixes that order.
 */
#ifndef URPC_REDUCE_H
#define URPC_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

enum urpc_operation { URPC_SUM, URPC_MIN, URPC_MAX, URPC_AND, URPC_OR };
enum urpc_type { URPC_INT64, URPC_UINT64, URPC_FLOAT64 };

/* Is there such an operation on numbers of this type? Both may be any integer. */
bool urpc_reducible(unsigned operation, unsigned type);

/* into[i] := into[i] operation from[i], for `count` numbers at no particular alignment. They do not overlap. */
void urpc_reduce(enum urpc_operation operation, enum urpc_type type, void *into, const void *from,
                 size_t count);

#endif
