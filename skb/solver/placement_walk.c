/* See placement_walk.h. */
#include "placement_walk.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DETOUR = 40, /* steps per dispatcher without a better placement before it starts again beside the best */
    CLOCK_EVERY = 16, /* steps between two looks at the clock */
    LEAP =
        100 /* disturbances per dispatcher without a cheaper placement before climbing goes on from elsewhere */
};

static uint64_t draw(struct walk *walk)
{
    /* xorshift64*: good enough to break ties, and the same on every machine */
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return walk->random * UINT64_C(2685821657736338717) >> 32;
}

static int32_t below(struct walk *walk, int32_t limit)
{
    return (int32_t)(draw(walk) * (uint64_t)limit >> 32);
}

static int64_t *row_of(int64_t *matrix, int32_t row, int32_t width)
{
    return matrix + (int64_t)row * width;
}

/* Work out what everyone would cost everywhere, and the cost, from where all stand. */
static void work_out(struct walk *walk)
{
    int32_t n = walk->dispatchers, cores = walk->cores;
    int64_t linear = 0, twice = 0;
    memcpy(walk->pull, walk->linear, sizeof(int64_t) * (size_t)n * (size_t)cores);
    for (int32_t t = 0; t < walk->terms; t++) {
        struct walk_term *term = &walk->term[t];
        for (int32_t a = 0; a < n; a++) {
            int64_t *pull = row_of(walk->pull, a, cores);
            for (int32_t b = 0; b < n; b++) {
                int64_t out = row_of(term->weight, a, n)[b], home = row_of(term->weight, b, n)[a];
                if (out != 0) {
                    const int64_t *to = row_of(term->back, walk->at[b], cores);
                    for (int32_t k = 0; k < cores; k++)
                        pull[k] += out * to[k];
                }
                if (home != 0) {
                    const int64_t *from = row_of(term->distance, walk->at[b], cores);
                    for (int32_t k = 0; k < cores; k++)
                        pull[k] += home * from[k];
                }
            }
        }
    }
    for (int32_t a = 0; a < n; a++) {
        int64_t own = row_of(walk->linear, a, cores)[walk->at[a]];
        linear += own;
        twice += row_of(walk->pull, a, cores)[walk->at[a]] - own;
    }
    walk->cost = linear + twice / 2;
}

static void work_out_loads(struct walk *walk)
{
    memset(walk->load, 0, sizeof(int32_t) * (size_t)walk->cores);
    for (int32_t a = 0; a < walk->dispatchers; a++)
        walk->load[walk->at[a]]++;
    for (int32_t c = 0; c < walk->capacities; c++) {
        struct walk_capacity *capacity = &walk->capacity[c];
        for (int32_t k = 0; k < walk->cores; k++)
            capacity->used[capacity->part[k]] = 0;
        for (int32_t a = 0; a < walk->dispatchers; a++)
            capacity->used[capacity->part[walk->at[a]]] += capacity->weight[a];
    }
}

static void keep(struct walk *walk)
{
    walk->best_cost = walk->cost;
    memcpy(walk->best_at, walk->at, sizeof(int32_t) * (size_t)walk->dispatchers);
    memcpy(walk->best_pull, walk->pull, sizeof(int64_t) * (size_t)walk->dispatchers * (size_t)walk->cores);
}

void walk_settle(struct walk *walk)
{
    work_out(walk);
    work_out_loads(walk);
    keep(walk);
}

static void return_to_best(struct walk *walk)
{
    walk->cost = walk->best_cost;
    memcpy(walk->at, walk->best_at, sizeof(int32_t) * (size_t)walk->dispatchers);
    memcpy(walk->pull, walk->best_pull, sizeof(int64_t) * (size_t)walk->dispatchers * (size_t)walk->cores);
    work_out_loads(walk);
}

static void look_again(struct walk *walk, int32_t a)
{
    if (!walk->queued[a]) {
        walk->queued[a] = true;
        walk->queue[(walk->next + walk->waiting++) % walk->dispatchers] = a;
    }
}

/* Let all feel that dispatcher `a` goes from one core to another and, if there is one, `b` the other way. */
static void shift(struct walk *walk, int32_t a, int32_t b, int32_t left, int32_t core)
{
    int32_t n = walk->dispatchers, cores = walk->cores;
    for (int32_t t = 0; t < walk->terms; t++) {
        struct walk_term *term = &walk->term[t];
        const int64_t *to_new = row_of(term->back, core, cores), *to_old = row_of(term->back, left, cores);
        const int64_t *from_new = row_of(term->distance, core, cores),
                      *from_old = row_of(term->distance, left, cores);
        const int64_t *weight_a = row_of(term->weight, a, n),
                      *weight_b = b < 0 ? NULL : row_of(term->weight, b, n);
        for (int32_t c = 0; c < n; c++) {
            const int64_t *own = row_of(term->weight, c, n);
            int64_t out = own[a], home = weight_a[c];
            if (weight_b != NULL) {
                out -= own[b];
                home -= weight_b[c];
            }
            if (out == 0 && home == 0)
                continue;
            look_again(walk, c);
            int64_t *restrict pull = row_of(walk->pull, c, cores);
            for (int32_t k = 0; k < cores; k++)
                pull[k] += out * (to_new[k] - to_old[k]) + home * (from_new[k] - from_old[k]);
        }
    }
}

static void bar(struct walk *walk, int32_t a, int32_t core)
{
    int32_t size = walk->dispatchers < 4 ? 4 : walk->dispatchers;
    uint64_t tenure = (uint64_t)(size - size / 4 + below(walk, size / 2 + 1));
    walk->tabu[(int64_t)a * walk->cores + core] = walk->steps + tenure;
}

static void carry(struct walk *walk, int32_t a, int32_t left, int32_t core)
{
    for (int32_t c = 0; c < walk->capacities; c++) {
        struct walk_capacity *capacity = &walk->capacity[c];
        capacity->used[capacity->part[left]] -= capacity->weight[a];
        capacity->used[capacity->part[core]] += capacity->weight[a];
    }
}

static void take(struct walk *walk, struct walk_change step)
{
    int32_t left = step.left;
    bar(walk, step.a, left);
    carry(walk, step.a, left, step.core);
    walk->at[step.a] = step.core;
    if (step.b >= 0) {
        bar(walk, step.b, step.core);
        carry(walk, step.b, step.core, left);
        walk->at[step.b] = left;
    } else {
        walk->load[left]--;
        walk->load[step.core]++;
    }
    shift(walk, step.a, step.b, left, step.core);
    walk->cost += step.cost;
    if (walk->logged < walk->log_room)
        walk->log[walk->logged++] = step;
}

/* Do the parts hold what comes when `a` goes to `core`, and `b`, if any, comes from there. */
static bool fits(const struct walk *walk, int32_t a, int32_t b, int32_t core)
{
    for (int32_t c = 0; c < walk->capacities; c++) {
        const struct walk_capacity *capacity = &walk->capacity[c];
        int32_t from = capacity->part[walk->at[a]], to = capacity->part[core];
        if (from == to)
            continue;
        int64_t more = capacity->weight[a] - (b < 0 ? 0 : capacity->weight[b]);
        if ((more > 0 && capacity->used[to] + more > capacity->most[to]) ||
            (more < 0 && capacity->used[from] - more > capacity->most[from]))
            return false;
    }
    return true;
}

static int64_t exchange_cost(const struct walk *walk, int32_t a, int32_t b)
{
    int32_t n = walk->dispatchers, cores = walk->cores, here = walk->at[a], there = walk->at[b];
    const int64_t *pull_a = walk->pull + (int64_t)a * cores, *pull_b = walk->pull + (int64_t)b * cores;
    int64_t cost = pull_a[there] - pull_a[here] + pull_b[here] - pull_b[there];
    for (int32_t t = 0; t < walk->terms; t++) {
        const struct walk_term *term = &walk->term[t];
        cost += term->both[(int64_t)a * n + b] * term->correction[(int64_t)here * cores + there];
    }
    return cost;
}

/* Is this the step to take so far? Of equals one is drawn. */
static bool better(struct walk *walk, int64_t cost, const struct walk_change *chosen, int32_t *equals)
{
    if (cost > chosen->cost)
        return false;
    if (cost < chosen->cost) {
        *equals = 1;
        return true;
    }
    return below(walk, ++*equals) == 0;
}

/* Give the best step allowed, with a == -1 if there is none. What leads to a new best is always allowed. */
static struct walk_change best_step(struct walk *walk)
{
    int32_t n = walk->dispatchers, cores = walk->cores, equals = 0;
    struct walk_change chosen = {INT64_MAX, -1, -1, -1, -1};
    int64_t record = walk->best_cost - walk->cost;
    uint64_t now = walk->steps;
    for (int32_t a = 0; a < n; a++) {
        const uint64_t *tabu = walk->tabu + (int64_t)a * cores;
        int32_t here = walk->at[a];
        for (int32_t b = a + 1; b < n; b++) {
            int32_t there = walk->at[b];
            if (here == there)
                continue;
            int64_t cost = exchange_cost(walk, a, b);
            if (cost > chosen.cost)
                continue;
            if (cost >= record && tabu[there] > now && walk->tabu[(int64_t)b * cores + here] > now)
                continue;
            if (walk->capacities != 0 && !fits(walk, a, b, there))
                continue;
            if (better(walk, cost, &chosen, &equals))
                chosen = (struct walk_change){cost, a, b, here, there};
        }
    }
    for (int32_t k = 0; k < cores; k++) {
        if (walk->load[k] >= walk->room[k])
            continue;
        for (int32_t a = 0; a < n; a++) {
            const int64_t *pull = walk->pull + (int64_t)a * cores;
            int32_t here = walk->at[a];
            int64_t cost = pull[k] - pull[here];
            if (here == k || cost > chosen.cost)
                continue;
            if (cost >= record && walk->tabu[(int64_t)a * cores + k] > now)
                continue;
            if (walk->capacities != 0 && !fits(walk, a, -1, k))
                continue;
            if (better(walk, cost, &chosen, &equals))
                chosen = (struct walk_change){cost, a, -1, here, k};
        }
    }
    return chosen;
}

/* Put `a` on `core`, if need be in exchange for one that is there. Does nothing where capacity forbids. */
static void push(struct walk *walk, int32_t a, int32_t core)
{
    int32_t b = -1;
    if (walk->at[a] == core)
        return;
    if (walk->load[core] >= walk->room[core]) {
        int32_t first = below(walk, walk->dispatchers);
        for (int32_t i = 0; i < walk->dispatchers && b < 0; i++) {
            int32_t other = (first + i) % walk->dispatchers;
            if (walk->at[other] == core)
                b = other;
        }
        if (b < 0)
            return; /* a core without any room */
    }
    if (!fits(walk, a, b, core))
        return;
    const int64_t *pull = walk->pull + (int64_t)a * walk->cores;
    int64_t cost = b < 0 ? pull[core] - pull[walk->at[a]] : exchange_cost(walk, a, b);
    take(walk, (struct walk_change){cost, a, b, walk->at[a], core});
}

/* Send a whole group to another part of its partition. */
static void push_group(struct walk *walk, const struct walk_group *group)
{
    int32_t goal = group->part[below(walk, walk->cores)];
    for (int32_t i = 0; i < group->members; i++) {
        int32_t a = group->member[i], first = below(walk, walk->cores), full = -1, core = -1;
        if (group->part[walk->at[a]] == goal)
            continue;
        for (int32_t step = 0; step < walk->cores && core < 0; step++) {
            int32_t k = (first + step) % walk->cores;
            if (group->part[k] != goal || walk->room[k] == 0)
                continue;
            if (walk->load[k] < walk->room[k]) {
                core = k;
            } else if (full < 0) {
                bool own = false; /* exchanging two of the group would lead nowhere */
                for (int32_t j = 0; j < group->members; j++)
                    own |= walk->at[group->member[j]] == k;
                if (!own)
                    full = k;
            }
        }
        if (core < 0)
            core = full;
        if (core >= 0)
            push(walk, a, core);
    }
}

/* Start again beside the best: some dispatchers, a different number each time, go elsewhere. */
static void start_beside(struct walk *walk)
{
    return_to_best(walk);
    if (walk->groups != 0 && draw(walk) % 2 == 0)
        push_group(walk, &walk->group[below(walk, walk->groups)]);
    int32_t changes = 1 + below(walk, walk->dispatchers < 24 ? (walk->dispatchers + 1) / 2 : 12);
    for (int32_t i = 0; i < changes; i++) {
        int32_t a = below(walk, walk->dispatchers);
        /* mostly to where somebody is: on a machine with many idle cores the rest would scatter all */
        bool idle = below(walk, walk->cores) >= walk->dispatchers;
        push(walk, a, idle ? below(walk, walk->cores) : walk->at[below(walk, walk->dispatchers)]);
    }
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

bool walk_run(struct walk *walk, uint64_t patience, int64_t enough, int64_t end)
{
    uint64_t detour = (uint64_t)DETOUR * (uint64_t)walk->dispatchers;
    while (walk->best_cost > enough && walk->steps - walk->found < patience) {
        if (walk->steps % CLOCK_EVERY == 0 && now() >= end)
            return false;
        walk->steps++;
        if ((walk->steps - walk->found) % detour == 0)
            start_beside(walk);
        struct walk_change step = best_step(walk);
        if (step.a >= 0)
            take(walk, step);
        if (walk->cost < walk->best_cost) {
            keep(walk);
            walk->found = walk->steps;
        }
    }
    return true;
}

/* Give the best step for one dispatcher, with a == -1 if none makes it cheaper. */
static struct walk_change best_step_of(struct walk *walk, int32_t a)
{
    int32_t here = walk->at[a];
    const int64_t *pull = walk->pull + (int64_t)a * walk->cores;
    struct walk_change chosen = {-1, -1, -1, -1, -1};
    for (int32_t b = 0; b < walk->dispatchers; b++) {
        int32_t there = walk->at[b];
        if (here == there)
            continue;
        int64_t cost = exchange_cost(walk, a, b);
        if (cost <= chosen.cost && (walk->capacities == 0 || fits(walk, a, b, there)))
            chosen = (struct walk_change){cost, a, b, here, there};
    }
    for (int32_t k = 0; k < walk->cores; k++) {
        int64_t cost = pull[k] - pull[here];
        if (walk->load[k] < walk->room[k] && cost <= chosen.cost &&
            (walk->capacities == 0 || fits(walk, a, -1, k)))
            chosen = (struct walk_change){cost, a, -1, here, k};
    }
    return chosen;
}

static void descend(struct walk *walk)
{
    while (walk->waiting > 0) {
        int32_t a = walk->queue[walk->next];
        walk->next = (walk->next + 1) % walk->dispatchers;
        walk->waiting--;
        walk->queued[a] = false;
        struct walk_change step = best_step_of(walk, a);
        if (step.a >= 0) {
            take(walk, step);
            look_again(walk, a);
            if (step.b >= 0)
                look_again(walk, step.b);
        }
    }
}

static void undo(struct walk *walk)
{
    int32_t count = walk->logged;
    walk->log_room = 0;
    while (count > 0) {
        struct walk_change step = walk->log[--count];
        take(walk, (struct walk_change){-step.cost, step.a, step.b, step.core, step.left});
    }
    while (walk->waiting > 0) {
        walk->queued[walk->queue[walk->next]] = false;
        walk->next = (walk->next + 1) % walk->dispatchers;
        walk->waiting--;
    }
}

/* Disturb a few, most often such as have to do with each other. */
static void disturb(struct walk *walk, int32_t changes)
{
    if (walk->groups != 0 && draw(walk) % 8 == 0)
        push_group(walk, &walk->group[below(walk, walk->groups)]);
    int32_t n = walk->dispatchers, a = below(walk, n);
    for (int32_t i = 0; i < changes; i++) {
        int32_t b = below(walk, n);
        const int64_t *both = walk->term[0].both + (int64_t)a * n;
        if (draw(walk) % 2 == 0)
            for (int32_t j = 0, c = b; j < n; j++, c = c + 1 == n ? 0 : c + 1)
                if (both[c] != 0) {
                    b = c; /* the next, from a place drawn, that exchanges messages with it */
                    break;
                }
        bool idle = below(walk, walk->cores) >= n;
        push(walk, a, idle ? below(walk, walk->cores) : walk->at[b]);
        look_again(walk, a);
        look_again(walk, b);
        a = b;
    }
}

bool walk_climb(struct walk *walk, uint64_t patience, int64_t enough, int64_t end)
{
    int32_t n = walk->dispatchers, log_room = 64 * n;
    if (walk->log == NULL) {
        walk->log = malloc(sizeof *walk->log * (size_t)log_room);
        if (walk->log == NULL)
            return true;
    }
    walk->log_room = 0;
    for (int32_t a = 0; a < n; a++)
        look_again(walk, a);
    descend(walk);
    uint64_t stale = 0;
    while (true) {
        if (walk->cost < walk->best_cost) {
            walk->best_cost = walk->cost;
            memcpy(walk->best_at, walk->at, sizeof(int32_t) * (size_t)n);
            walk->found = walk->steps;
        }
        if (walk->best_cost <= enough || walk->steps - walk->found >= patience)
            return true;
        if (now() >= end)
            return false;
        walk->steps++;
        int64_t before = walk->cost;
        bool leap = ++stale >= (uint64_t)LEAP * (uint64_t)n;
        walk->logged = 0;
        walk->log_room = leap ? 0 : log_room;
        disturb(walk, leap ? 2 + n / 8 : 2 + below(walk, 3));
        descend(walk);
        if (walk->cost < before || leap)
            stale = 0;
        else if (walk->cost > before && walk->logged < log_room)
            undo(walk);
    }
}
