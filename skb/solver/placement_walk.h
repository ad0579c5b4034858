/*
 * Two searches for placements, which walk from assignment to assignment.
 *
 *   walk_run    robust tabu search (Taillard 1991): always the best step there is, but not back to where it was
 *   walk_climb  iterated local search (Stuetzle 2006): down to where no step helps, a small disturbance, down again; what came of it is kept
 *               if it is not worse. A disturbance concerns few, and only they and theirs are looked at again, so that where traffic is
 *               sparse a large problem is disturbed tens of thousands of times in a second
 *
 * The cost of an assignment `at` is
 *
 *     sum over a of linear[a][at a]  +  sum over terms, over ordered pairs a != b, of weight[a][b] * distance[at a][at b]
 *
 * One term is traffic times distance; the others, if any, are constraints: weight says between whom, distance by how much a pair of
 * cores breaks it. What may never be broken is capacity: room on a core, and what the parts of a machine hold of anything else.
 *
 * Neighbours of an assignment are those in which one dispatcher moves to a core with room, or two exchange their cores. Instead of a
 * table with the gain of every exchange, kept for all pairs, `pull[a][k]` holds what dispatcher a would cost on core k while all others
 * stay. A gain is then four look-ups and a correction for each term, an accepted change costs one pass over the rows of those that the
 * moved one has to do with, and cores beyond the number of dispatchers come for free.
 *
 * Costs are 64-bit; the caller scales them so that no sum overflows. Nothing here knows Python.
 */
#ifndef SKB_PLACEMENT_WALK_H
#define SKB_PLACEMENT_WALK_H

#include <stdbool.h>
#include <stdint.h>

struct walk_term {
    int64_t *weight;   /* [dispatchers][dispatchers], zero on the diagonal */
    int64_t *distance; /* [cores][cores] */
    int64_t *back;     /* distance, transposed */
    int64_t *both;     /* weight plus its transpose */
    int64_t
        *correction; /* what the gains of two that exchange cores count wrongly, per weight between them */
};

struct walk_capacity {
    int64_t *weight; /* [dispatchers] */
    int32_t *part;   /* [cores]: which part a core belongs to */
    int64_t *most;   /* [parts] */
    int64_t *used;   /* [parts] */
};

/* Dispatchers that want one part of a partition: they are disturbed together, since one alone can hardly leave. */
struct walk_group {
    int32_t *member;
    int32_t members;
    int32_t *part; /* [cores] */
};

/* The change that a step is: `a` goes to `core`, and `b`, which is there, to where `a` was, `left`; without b it is -1. */
struct walk_change {
    int64_t cost;
    int32_t a, b, left, core;
};

struct walk {
    int32_t dispatchers, cores, terms, capacities, groups;
    struct walk_term *term;
    struct walk_capacity *capacity;
    struct walk_group *group;
    int64_t *linear; /* [dispatchers][cores] */
    int32_t *room;   /* [cores] */
    int32_t *load;   /* [cores] */
    int32_t *at;     /* [dispatchers] */
    int64_t *pull;   /* [dispatchers][cores] */
    int64_t cost;
    uint64_t *tabu; /* [dispatchers][cores]: until which step a dispatcher must not go back */
    uint64_t steps, found;
    uint64_t random;
    bool *queued;          /* [dispatchers]: climbing will look at it again */
    int32_t *queue;        /* [dispatchers], a ring */
    int32_t waiting, next; /* how many stand in it, and where the first */
    struct walk_change *log;
    int32_t logged, log_room;
    int32_t *best_at;
    int64_t best_cost;
    int64_t *best_pull;
};

/* Stand at `at`, which is complete and within all capacities, and work out everything that follows from it. */
void walk_settle(struct walk *walk);

/*
 * Walk until `patience` steps have brought nothing better than the best, until the cost is `enough` or less, or until the monotonic clock
 * says `end` (ns). Returns whether it ended for another reason than the clock.
 */
bool walk_run(struct walk *walk, uint64_t patience, int64_t enough, int64_t end);

/* The same by climbing; a step is a disturbance and what follows. */
bool walk_climb(struct walk *walk, uint64_t patience, int64_t enough, int64_t end);

#endif
