/*
 * Shared memory: sealed memfd segments, mapped and checked; on which NUMA nodes they lie, and in pages of which size.
 *
 * Why memfd and not /dev/shm: a memfd has no name, so nothing is left behind by a process that is killed, and
 * only those who were handed the descriptor (by inheritance or SCM_RIGHTS) can map it.
 *
 * Why sealed: a peer that could shrink the file could make our next load a SIGBUS. Memory whose size is not
 * sealed is refused, whoever sends it. What the memory *holds* is never trusted either: see channel.h.
 *
 * Two halves. What two sides share has a half for each: the ring that it writes, the area that it allocates from. The first half begins
 * with the file (the header and all control words lie there), the second at a multiple of the *grain*, which stands in the header: the
 * size of a page, so that no page holds parts of both. Everything about the layout follows from the header, and is checked on attaching.
 *
 * Nodes. Each half can be asked for on a node of its own (mbind, MPOL_PREFERRED, before the memory is touched). In ordinary pages that
 * policy belongs to the file and holds for whoever touches a page first. A node that is full gives way to its neighbours; the memory says
 * where it lies (urpc_memory_node). Where the kernel has no mbind, or does not let us (seccomp profiles of containers: ENOSYS, EPERM),
 * memory lies where it is first touched, and that is no error: it works, only farther away. A node that is not there, has no memory, or
 * is outside our cpuset (EINVAL) is one: whoever named it was wrong, and would not learn it otherwise.
 *
 * Huge pages (hugetlbfs) save entries of the TLB, and cost memory: a segment of two rings of 128 lines fills 20 KiB of its 2 MiB. So both
 * halves share huge pages, whose grain is then an ordinary page, unless they are asked for on different nodes: then the second begins on a
 * huge page of its own, which is a page more, 4 MiB for those 20 KiB. They must be reserved by the administrator; where there are not
 * enough, or the kernel refuses (no such size, no sealing of them before Linux 4.16, no MADV_POPULATE_WRITE before 5.14), memory is made of
 * ordinary pages, with transparent huge ones asked for (madvise), and says so (page_size). The size is the stronger wish: if only another
 * node has huge pages left, the memory lies there. hugetlbfs knows no policy of the file, so all huge pages are touched by who creates
 * them; by MADV_POPULATE_WRITE, since a page that a cgroup's limit keeps from us is an error there and a SIGBUS to a plain store.
 *
 * Their price in trust. Nobody can be kept from punching holes into a file that he may write. A hole in ordinary memory reads as zeros. A
 * hole in huge pages is filled from the pages that are left, and if there are none, touching it is a SIGBUS: a hostile peer can end us.
 * So huge pages are for processes that trust each other, as the kernels of one multikernel do: whoever creates asks for them, and whoever
 * attaches must say that he takes them (`huge_pages`), or they are refused.
 */
#ifndef URPC_MEMORY_H
#define URPC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    URPC_PAGE = 4096,     /* the smallest ordinary page there is, and the smallest grain */
    URPC_ANYWHERE = -1,   /* no node in particular */
    URPC_MAX_NODES = 1024 /* more than any kernel is configured for */
};

enum urpc_memory_error {
    URPC_MEMORY_OK = 0,
    URPC_MEMORY_SYSTEM,         /* a system call failed: errno says how */
    URPC_MEMORY_UNSEALED,       /* its size can still change */
    URPC_MEMORY_FOREIGN,        /* not one of ours: magic, version, grain or size do not fit */
    URPC_MEMORY_HUGE,           /* made of huge pages, which its other users could take away under us */
    URPC_MEMORY_NO_NODE,        /* the node asked for the first half has no memory for us */
    URPC_MEMORY_NO_SECOND_NODE, /* likewise the second */
};

/* What every segment of ours begins with. Written once, by its creator, before any other process can see it.
 */
struct urpc_memory_header {
    uint64_t magic;
    uint32_t version;
    uint32_t parameter; /* capacity of a channel's rings; pages of a pool; spin budget of a doorbell, in ns */
    uint64_t grain;     /* what the second half begins at a multiple of: a power of two, URPC_PAGE or more */
};
_Static_assert(sizeof(struct urpc_memory_header) == 24, "a header has no gaps");

/* Where things are in a memory. */
struct urpc_layout {
    size_t second; /* where the second half begins: a multiple of the grain; `size` if there is none */
    size_t size;   /* bytes in all, of which the last page may be filled in part; 0: there can be none */
};

/* The layout that a header's parameter and grain call for. */
typedef struct urpc_layout urpc_layout_of(uint32_t parameter, size_t grain);

static inline size_t urpc_round_up(size_t size, size_t multiple)
{
    return (size + multiple - 1) & ~(multiple - 1);
}

/* How memory is wanted. */
struct urpc_wish {
    int nodes[2];     /* for each half, below URPC_MAX_NODES, or URPC_ANYWHERE */
    size_t page_size; /* a power of two. Ordinary pages, if it is no more than they have */
    bool touch;       /* what was asked for on a node is taken from it now, and not as it is first used */
};

/* A mapping, private to its process. What is needed of the header is kept here as it was checked, and never read from there again. */
struct urpc_memory {
    void *address;
    size_t size;      /* what is mapped: whole pages */
    size_t page_size; /* of its pages, as they came */
    size_t grain;
    uint32_t parameter;
};

/*
 * Create a sealed segment, zeroed but for its header, and map it. On success *fd is a new descriptor with
 * close-on-exec set. The header's grain follows from the wish, and need not be given.
 */
enum urpc_memory_error urpc_memory_create_placed(const char *name, struct urpc_memory_header header,
                                                 urpc_layout_of *layout_of, const struct urpc_wish *wish,
                                                 int *fd, struct urpc_memory *memory);

/* Likewise one of `size` bytes, without halves, in ordinary pages wherever they are. */
enum urpc_memory_error urpc_memory_create(const char *name, struct urpc_memory_header header, size_t size,
                                          int *fd, void **memory);

/*
 * Map the segment behind `fd`, after its seals, magic, version, grain and size have been checked. The
 * descriptor stays the caller's. One of huge pages is refused unless the caller takes them.
 */
enum urpc_memory_error urpc_memory_attach(int fd, uint64_t magic, uint32_t version, urpc_layout_of *layout_of,
                                          bool huge_pages, struct urpc_memory *memory);

/* The node on which the page at this address lies, or URPC_ANYWHERE if the kernel does not say. A page that was never touched is taken
 * now. */
int urpc_memory_node(const void *address);

/* Bytes of an ordinary page. */
size_t urpc_ordinary_page(void);

void urpc_memory_unmap(void *memory, size_t size);

#endif
