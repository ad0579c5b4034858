#include "reduce.h"

#include <stdint.h>
#include <string.h>

bool urpc_reducible(unsigned operation, unsigned type)
{
    return operation <= URPC_OR && type <= URPC_FLOAT64 && !(type == URPC_FLOAT64 && operation >= URPC_AND);
}

static uint64_t combine_unsigned(enum urpc_operation operation, uint64_t one, uint64_t other)
{
    switch (operation) {
    case URPC_SUM:
        return one + other;
    case URPC_MIN:
        return other < one ? other : one;
    case URPC_MAX:
        return other > one ? other : one;
    case URPC_AND:
        return one & other;
    default:
        return one | other;
    }
}

static uint64_t combine_signed(enum urpc_operation operation, uint64_t one, uint64_t other)
{
    /* With the sign bit flipped, signed numbers are ordered as unsigned ones are. */
    const uint64_t sign = UINT64_C(1) << 63;
    bool compares = operation == URPC_MIN || operation == URPC_MAX;
    return compares ? combine_unsigned(operation, one ^ sign, other ^ sign) ^ sign
                    : combine_unsigned(operation, one, other);
}

static double combine_float(enum urpc_operation operation, double one, double other)
{
    if (operation == URPC_SUM) {
        return one + other;
    }
    if (one != one || other != other) {
        return one != one ? one : other;
    }
    return (operation == URPC_MIN ? other < one : other > one) ? other : one;
}

void urpc_reduce(enum urpc_operation operation, enum urpc_type type, void *into, const void *from,
                 size_t count)
{
    unsigned char *target = into;
    const unsigned char *source = from;
    for (size_t i = 0; i < count; i++, target += 8, source += 8) {
        if (type == URPC_FLOAT64) {
            double one, other;
            memcpy(&one, target, 8);
            memcpy(&other, source, 8);
            one = combine_float(operation, one, other);
            memcpy(target, &one, 8);
        } else {
            uint64_t one, other;
            memcpy(&one, target, 8);
            memcpy(&other, source, 8);
            one = type == URPC_INT64 ? combine_signed(operation, one, other)
                                     : combine_unsigned(operation, one, other);
            memcpy(target, &one, 8);
        }
    }
}
