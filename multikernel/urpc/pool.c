#include "pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { APART = 128 };

struct side {
    /* How often this side has given back. Written by it, release; read by the other, acquire. */
    alignas(APART) _Atomic uint64_t returns;
    /* 1 once a channel has been made with this side. Exchanged by who makes it. */
    alignas(APART) _Atomic uint32_t claimed;
};

struct memory {
    struct urpc_memory_header header; /* parameter: pages of an area */
    struct side sides[2];
};

/* Written by the borrower, release; read by the lender, acquire. */
static _Atomic uint32_t *returned(const struct urpc_pool *pool, unsigned side, uint32_t page)
{
    unsigned char *table = (unsigned char *)pool->memory + URPC_PAGE;
    return (_Atomic uint32_t *)table + (size_t)side * pool->pages + page;
}

static size_t table_size(uint32_t pages)
{
    return urpc_round_up((size_t)2 * pages * sizeof(_Atomic uint32_t), URPC_PAGE);
}

size_t urpc_pool_area(uint32_t pages, size_t grain, unsigned side)
{
    return side == 0 ? URPC_PAGE + table_size(pages) : urpc_pool_layout(pages, grain).second;
}

static struct side *side_of(const struct urpc_pool *pool, unsigned side)
{
    return &((struct memory *)(void *)pool->memory)->sides[side];
}

struct urpc_layout urpc_pool_layout(uint32_t pages, size_t grain)
{
    _Static_assert(sizeof(struct memory) <= URPC_PAGE, "the table begins on a page");
    if (pages == 0 || pages > URPC_MAX_PAGES) {
        return (struct urpc_layout){0, 0};
    }
    size_t area = (size_t)pages * URPC_PAGE;
    size_t second = urpc_round_up(URPC_PAGE + table_size(pages) + area, grain);
    return (struct urpc_layout){second, second + area};
}

bool urpc_pool_init(struct urpc_pool *pool, void *memory, uint32_t pages, size_t grain, unsigned side)
{
    *pool = (struct urpc_pool){.memory = memory, .pages = pages, .side = side};
    for (unsigned each = 0; each < 2; each++) {
        pool->areas[each] = (unsigned char *)memory + urpc_pool_area(pages, grain, each);
    }
    pool->taken = calloc(pages, sizeof *pool->taken);
    return pool->taken != NULL;
}

void urpc_pool_end(struct urpc_pool *pool)
{
    free(pool->taken);
    free(pool->lent);
    pool->taken = NULL;
    pool->lent = NULL;
    pool->loans = 0;
}

static void mark(struct urpc_pool *pool, struct urpc_block block, bool taken)
{
    memset(pool->taken + block.page, taken, block.pages);
}

/* See what has come back. */
static void collect(struct urpc_pool *pool)
{
    size_t kept = 0;
    for (size_t i = 0; i < pool->loans; i++) {
        struct urpc_block block = pool->lent[i];
        if (atomic_load_explicit(returned(pool, pool->side, block.page), memory_order_acquire) ==
            block.generation) {
            mark(pool, block, false);
        } else {
            pool->lent[kept++] = block;
        }
    }
    pool->loans = kept;
}

/* The first of so many free pages in a row between two, or `end`. */
static uint32_t find(const struct urpc_pool *pool, uint32_t pages, uint32_t begin, uint32_t end)
{
    uint32_t free_pages = 0;
    for (uint32_t page = begin; page < end; page++) {
        const bool *next = free_pages == 0 ? memchr(pool->taken + page, false, end - page) : NULL;
        if (free_pages == 0) {
            if (next == NULL) {
                return end;
            }
            page = (uint32_t)(next - pool->taken);
        } else if (pool->taken[page]) {
            free_pages = 0;
            continue;
        }
        if (++free_pages == pages) {
            return page + 1 - pages;
        }
    }
    return end;
}

static bool take(struct urpc_pool *pool, uint32_t pages, struct urpc_block *block)
{
    uint32_t page = find(pool, pages, pool->next, pool->pages);
    if (page == pool->pages) {
        page = find(pool, pages, 0, pool->pages);
    }
    if (page == pool->pages) {
        return false;
    }
    if (++pool->generation == 0) {
        pool->generation = 1; /* 0 is what the table holds at first */
    }
    *block = (struct urpc_block){page, pages, pool->generation};
    mark(pool, *block, true);
    pool->next = page + pages == pool->pages ? 0 : page + pages;
    return true;
}

bool urpc_pool_take(struct urpc_pool *pool, size_t size, struct urpc_block *block)
{
    size_t pages = size == 0 ? 1 : (size - 1) / URPC_PAGE + 1;
    if (pages > pool->pages) {
        return false;
    }
    if (take(pool, (uint32_t)pages, block)) {
        return true;
    }
    collect(pool);
    return take(pool, (uint32_t)pages, block);
}

void urpc_pool_drop(struct urpc_pool *pool, struct urpc_block block)
{
    mark(pool, block, false);
}

bool urpc_pool_lend(struct urpc_pool *pool, struct urpc_block block)
{
    if (pool->loans == pool->loans_room) {
        collect(pool);
    }
    if (pool->loans == pool->loans_room) {
        size_t room = pool->loans_room == 0 ? 16 : pool->loans_room * 2;
        struct urpc_block *grown = realloc(pool->lent, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        pool->lent = grown;
        pool->loans_room = room;
    }
    pool->lent[pool->loans++] = block;
    return true;
}

void urpc_pool_unlend(struct urpc_pool *pool, struct urpc_block block)
{
    for (size_t i = pool->loans; i-- > 0;) {
        if (pool->lent[i].generation == block.generation) {
            pool->lent[i] = pool->lent[--pool->loans];
            return;
        }
    }
}

void urpc_pool_reclaim(struct urpc_pool *pool)
{
    for (size_t i = 0; i < pool->loans; i++) {
        mark(pool, pool->lent[i], false);
    }
    pool->loans = 0;
}

void *urpc_pool_address(const struct urpc_pool *pool, struct urpc_block block)
{
    return pool->areas[pool->side] + (size_t)block.page * URPC_PAGE;
}

void *urpc_pool_borrow(const struct urpc_pool *pool, const struct urpc_loan *loan)
{
    if (loan->page >= pool->pages || loan->length > (uint64_t)(pool->pages - loan->page) * URPC_PAGE) {
        return NULL;
    }
    return pool->areas[!pool->side] + (size_t)loan->page * URPC_PAGE;
}

void urpc_pool_return(const struct urpc_pool *pool, const struct urpc_loan *loan)
{
    struct side *own = side_of(pool, pool->side);
    atomic_store_explicit(returned(pool, !pool->side, loan->page), loan->generation, memory_order_release);
    uint64_t returns = atomic_load_explicit(&own->returns, memory_order_relaxed);
    atomic_store_explicit(&own->returns, returns + 1, memory_order_release);
}

const _Atomic uint64_t *urpc_pool_returns(const struct urpc_pool *pool)
{
    return &side_of(pool, !pool->side)->returns;
}

bool urpc_pool_claim(const struct urpc_pool *pool)
{
    return atomic_exchange(&side_of(pool, pool->side)->claimed, 1) == 0;
}
