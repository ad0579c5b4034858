/*
 * Shared memory: sealed memfd segments, mapped and checked.
 *
 * Why memfd and not /dev/shm: a memfd has no name, so nothing is left behind by a process that is killed, and
 * only those who were handed the descriptor (by inheritance or SCM_RIGHTS) can map it.
 *
 * Why sealed: a peer that could shrink the file could make our next load a SIGBUS. Memory whose size is not
 * sealed is refused, whoever sends it. What the memory *holds* is never trusted either: see channel.h.
 */
#ifndef URPC_MEMORY_H
#define URPC_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum urpc_memory_error {
    URPC_MEMORY_OK = 0,
    URPC_MEMORY_SYSTEM,   /* a system call failed: errno says how */
    URPC_MEMORY_UNSEALED, /* its size can still change */
    URPC_MEMORY_FOREIGN,  /* not one of ours: magic, version or size do not fit */
};

/* What every segment of ours begins with. Written once, by its creator, before any other process can see it.
 */
struct urpc_memory_header {
    uint64_t magic;
    uint32_t version;
    uint32_t parameter; /* capacity of a channel's rings; spin budget of a doorbell, in ns */
};

/*
 * Create a sealed segment of `size` bytes, zeroed but for its header, and map it. On success *fd is a new
 * descriptor with close-on-exec set, and *memory its mapping.
 */
enum urpc_memory_error urpc_memory_create(const char *name, struct urpc_memory_header header, size_t size,
                                          int *fd, void **memory);

/*
 * Map the segment behind `fd`, after its seals, magic, version and size have been checked. `size_of` gives
 * the size that a header's parameter calls for, or 0 if the parameter is out of range. The descriptor stays
 * the caller's.
 */
enum urpc_memory_error urpc_memory_attach(int fd, uint64_t magic, uint32_t version,
                                          size_t (*size_of)(uint32_t), void **memory, uint32_t *parameter);

void urpc_memory_unmap(void *memory, size_t size);

#endif
