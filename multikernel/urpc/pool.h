/*
 * The pool: memory for payloads that are too large to be copied, passed from one end of a channel to the other by reference.
 *
 *   offset 0     header: magic, version, pages of an area
 *          128   side 0: returns | side 1: returns, two lines apart
 *          4096  returned[side][page]: the generation of the loan that began at this page and has come back
 *          ...   area of side 0: `pages` pages of 4096 bytes
 *          ...   area of side 1, at the next multiple of the header's grain (memory.h): it can lie on another node
 *
 * Ownership. Each side allocates from its own area, and nobody else does; what is taken and what is free stands in its private memory. A
 * block is its allocator's until it is lent; from then on it is the borrower's, who may read and write it, until it is given back. A loan
 * travels as a message (kind URPC_LENT) that holds a struct urpc_loan, in order with all others: whoever receives it sees all that was
 * written into the block before, because the message's header is written with release and read with acquire.
 *
 * Giving back costs one store of the borrower's: returned[page] = generation, with release, after its last use of the block; the
 * allocator loads it with acquire before it takes the pages again. No lock, no list in shared memory, and nothing to repair after a
 * crash. A generation is never used twice within 2^32 loans, so an old word cannot stand for a new loan.
 *
 * Waiting for room. After giving back the borrower adds one to its `returns` and notifies the allocator as a message would
 * (urpc_notify). An allocator that finds no room waits, on its doorbell, for that word to be another than before it looked (wait.h).
 *
 * Trust. A loan is checked before it is used: it must lie within the peer's area. So a hostile peer can lend what it has lent before, or
 * change it while it is read, which is as if it had sent something else: copy what has to hold still (`bytes(view)`) before you check it.
 * It can also claim that a loan has come back which it still reads, or scribble over an area that is not its own: what it then sees or
 * spoils is payload that this side meant for it, or had from it. No index, length or pointer is ever taken from there unchecked.
 */
#ifndef URPC_POOL_H
#define URPC_POOL_H

#include "line.h"
#include "memory.h"
#include <stdbool.h>

#define URPC_POOL_MAGIC UINT64_C(0x6c6f6f7063707275) /* "urpcpool", read as little-endian bytes */
enum {
    URPC_POOL_VERSION = 2,
    URPC_MAX_PAGES = 1 << 20, /* of an area: 4 GiB */
};

/* What a message of kind URPC_LENT holds. */
struct urpc_loan {
    uint32_t page; /* of the lender's area, where the block begins */
    uint32_t generation;
    uint64_t length; /* bytes */
};

/* A block of one's own. */
struct urpc_block {
    uint32_t page;
    uint32_t pages;
    uint32_t generation;
};

/* One side of a pool, private to its process. */
struct urpc_pool {
    struct urpc_memory_header *memory;
    uint32_t pages; /* of each area */
    unsigned char *areas[2];
    unsigned side;
    bool *taken;   /* [pages] */
    uint32_t next; /* where the last search ended */
    uint32_t generation;
    struct urpc_block *lent; /* what has not come back, or not been seen to */
    size_t loans, loans_room;
};

/* Where the second area is in a pool with this many pages in each; `size` is 0 if it is none or too many. */
struct urpc_layout urpc_pool_layout(uint32_t pages, size_t grain);
/* Where the area of a side is. */
size_t urpc_pool_area(uint32_t pages, size_t grain, unsigned side);

/* Become side 0 or 1. Pages and grain are those that the header was checked to have. False if memory is short. */
bool urpc_pool_init(struct urpc_pool *pool, void *memory, uint32_t pages, size_t grain, unsigned side);
void urpc_pool_end(struct urpc_pool *pool);

/* Take a block of `size` bytes; what has come back is looked for when nothing else is left. False if there is no room. */
bool urpc_pool_take(struct urpc_pool *pool, size_t size, struct urpc_block *block);
/* Make a block free that was not lent. */
void urpc_pool_drop(struct urpc_pool *pool, struct urpc_block block);
/* A block is now the peer's. False if memory is short: then it is not. */
bool urpc_pool_lend(struct urpc_pool *pool, struct urpc_block block);
/* The message that lent a block was not sent after all. */
void urpc_pool_unlend(struct urpc_pool *pool, struct urpc_block block);
/* The peer is no more: all that was lent has come back. */
void urpc_pool_reclaim(struct urpc_pool *pool);
/* Where a block of one's own is. */
void *urpc_pool_address(const struct urpc_pool *pool, struct urpc_block block);

/* Where a loan of the peer's is, or NULL if it cannot be one. */
void *urpc_pool_borrow(const struct urpc_pool *pool, const struct urpc_loan *loan);
/* Give it back; then notify the peer. */
void urpc_pool_return(const struct urpc_pool *pool, const struct urpc_loan *loan);
/* How often the peer has given back. */
const _Atomic uint64_t *urpc_pool_returns(const struct urpc_pool *pool);

/* Take side 0 or 1, which can be done once. */
bool urpc_pool_claim(const struct urpc_pool *pool);

#endif
