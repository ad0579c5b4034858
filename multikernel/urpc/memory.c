#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Constants of the kernel that older C libraries do not name. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
enum { HUGE_SHIFT = 26 }; /* MFD_HUGE_SHIFT: the binary logarithm of the page size stands there */

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

size_t urpc_ordinary_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static enum urpc_memory_error map(int fd, size_t size, int flags, void **memory)
{
    *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
    return *memory == MAP_FAILED ? URPC_MEMORY_SYSTEM : URPC_MEMORY_OK;
}

static int make_file(const char *name, size_t page_size)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    if (page_size > urpc_ordinary_page()) {
        flags |= MFD_HUGETLB | (unsigned)__builtin_ctzll(page_size) << HUGE_SHIFT;
    }
    return memfd_create(name, flags);
}

/* Have pages of a range come from a node. False if there is no such node; true also where the kernel will hear of none. */
static bool prefer(void *begin, size_t length, int node)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    if (node == URPC_ANYWHERE || length == 0) {
        return true;
    }
    unsigned long nodes[URPC_MAX_NODES / BITS] = {0};
    nodes[node / BITS] = 1UL << node % BITS;
    /* One more, since the kernel takes one away from it. */
    return syscall(SYS_mbind, begin, length, MPOL_PREFERRED, nodes, URPC_MAX_NODES + 1UL, 0U) == 0 ||
           errno != EINVAL;
}

/* Both halves lie in the same pages: then the only node that is asked for is that of all. */
static enum urpc_memory_error place(const struct urpc_memory *memory, size_t second,
                                    const struct urpc_wish *wish)
{
    unsigned char *begin = memory->address;
    int first_node = wish->nodes[0], second_node = wish->nodes[1];
    if (memory->grain < memory->page_size) {
        if (!prefer(begin, memory->size, first_node)) {
            return URPC_MEMORY_NO_NODE;
        }
        return prefer(begin, memory->size, second_node) ? URPC_MEMORY_OK : URPC_MEMORY_NO_SECOND_NODE;
    }
    if (!prefer(begin, second, first_node)) {
        return URPC_MEMORY_NO_NODE;
    }
    return prefer(begin + second, memory->size - second, second_node) ? URPC_MEMORY_OK
                                                                      : URPC_MEMORY_NO_SECOND_NODE;
}

/* Take the pages now. False if there are not enough of them. */
static bool touch(const struct urpc_memory *memory, size_t second, const struct urpc_wish *wish)
{
    unsigned char *begin = memory->address;
    if (memory->page_size > urpc_ordinary_page()) {
        return madvise(begin, memory->size, MADV_POPULATE_WRITE) == 0;
    }
    if (memory->page_size < wish->page_size) {
        madvise(begin, memory->size, MADV_HUGEPAGE); /* who cannot have the one may have the other */
    }
    /* The policy is the file's and holds later too, so it does not matter if this cannot be done. */
    if (wish->touch && wish->nodes[0] != URPC_ANYWHERE) {
        madvise(begin, second, MADV_POPULATE_WRITE);
    }
    if (wish->touch && wish->nodes[1] != URPC_ANYWHERE) {
        madvise(begin + second, memory->size - second, MADV_POPULATE_WRITE);
    }
    return true;
}

/* Fill a file that has just been made with memory. */
static enum urpc_memory_error fill(int fd, struct urpc_memory_header header, struct urpc_layout layout,
                                   const struct urpc_wish *wish, struct urpc_memory *memory)
{
    if (ftruncate(fd, (off_t)memory->size) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0 ||
        map(fd, memory->size, 0, &memory->address) != URPC_MEMORY_OK) {
        return URPC_MEMORY_SYSTEM;
    }
    enum urpc_memory_error error = place(memory, layout.second, wish);
    if (error == URPC_MEMORY_OK && !touch(memory, layout.second, wish)) {
        error = URPC_MEMORY_SYSTEM;
    }
    if (error != URPC_MEMORY_OK) {
        munmap(memory->address, memory->size);
        return error;
    }
    memcpy(memory->address, &header, sizeof header);
    return URPC_MEMORY_OK;
}

/* Make a file of `memory->size` bytes in pages of `memory->page_size`, and fill it. */
static enum urpc_memory_error make(const char *name, struct urpc_memory_header header,
                                   struct urpc_layout layout, const struct urpc_wish *wish, int *fd,
                                   struct urpc_memory *memory)
{
    *fd = make_file(name, memory->page_size);
    if (*fd < 0) {
        return URPC_MEMORY_SYSTEM;
    }
    enum urpc_memory_error error = fill(*fd, header, layout, wish, memory);
    if (error != URPC_MEMORY_OK) {
        int because = errno;
        close(*fd);
        errno = because;
    }
    return error;
}

static enum urpc_memory_error create_in(size_t page_size, const char *name, struct urpc_memory_header header,
                                        urpc_layout_of *layout_of, const struct urpc_wish *wish, int *fd,
                                        struct urpc_memory *memory)
{
    bool apart = wish->nodes[0] != wish->nodes[1] && wish->nodes[0] != URPC_ANYWHERE &&
                 wish->nodes[1] != URPC_ANYWHERE;
    header.grain = apart ? page_size : urpc_ordinary_page();
    struct urpc_layout layout = layout_of(header.parameter, header.grain);
    *memory = (struct urpc_memory){
        .size = urpc_round_up(layout.size, page_size),
        .page_size = page_size,
        .grain = header.grain,
        .parameter = header.parameter,
    };
    return make(name, header, layout, wish, fd, memory);
}

enum urpc_memory_error urpc_memory_create_placed(const char *name, struct urpc_memory_header header,
                                                 urpc_layout_of *layout_of, const struct urpc_wish *wish,
                                                 int *fd, struct urpc_memory *memory)
{
    if (wish->page_size > urpc_ordinary_page()) {
        enum urpc_memory_error error = create_in(wish->page_size, name, header, layout_of, wish, fd, memory);
        if (error != URPC_MEMORY_SYSTEM) {
            return error;
        }
    }
    return create_in(urpc_ordinary_page(), name, header, layout_of, wish, fd, memory);
}

enum urpc_memory_error urpc_memory_create(const char *name, struct urpc_memory_header header, size_t size,
                                          int *fd, void **memory)
{
    const struct urpc_wish anyhow = {.nodes = {URPC_ANYWHERE, URPC_ANYWHERE}};
    size_t page_size = urpc_ordinary_page();
    struct urpc_memory made = {
        .size = urpc_round_up(size, page_size), .page_size = page_size, .grain = URPC_PAGE};
    header.grain = URPC_PAGE;
    enum urpc_memory_error error = make(name, header, (struct urpc_layout){size, size}, &anyhow, fd, &made);
    *memory = made.address;
    return error;
}

/* The size of the pages that a memfd is made of. */
static size_t page_size_of(int fd)
{
    struct statfs system;
    bool huge = fstatfs(fd, &system) == 0 && system.f_type == HUGETLBFS_MAGIC;
    return huge ? (size_t)system.f_bsize : urpc_ordinary_page();
}

enum urpc_memory_error urpc_memory_attach(int fd, uint64_t magic, uint32_t version, urpc_layout_of *layout_of,
                                          bool huge_pages, struct urpc_memory *memory)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return URPC_MEMORY_SYSTEM;
    }
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) {
        return errno == EINVAL ? URPC_MEMORY_FOREIGN : URPC_MEMORY_SYSTEM; /* EINVAL: not a memfd at all */
    }
    if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) {
        return URPC_MEMORY_UNSEALED;
    }
    /* Read through the file, not the mapping: the copy cannot change between the checks. */
    struct urpc_memory_header header;
    ssize_t got = pread(fd, &header, sizeof header, 0);
    if (got < 0) {
        return URPC_MEMORY_SYSTEM;
    }
    size_t page_size = page_size_of(fd);
    /* A grain above the page would make a small channel as large as its creator likes. */
    if (got != sizeof header || header.magic != magic || header.version != version ||
        header.grain < URPC_PAGE || header.grain > page_size || (header.grain & (header.grain - 1)) != 0) {
        return URPC_MEMORY_FOREIGN;
    }
    struct urpc_layout layout = layout_of(header.parameter, header.grain);
    if (layout.size == 0 || urpc_round_up(layout.size, page_size) != (uint64_t)status.st_size) {
        return URPC_MEMORY_FOREIGN;
    }
    if (page_size > urpc_ordinary_page() && !huge_pages) {
        return URPC_MEMORY_HUGE;
    }
    *memory = (struct urpc_memory){
        .size = (size_t)status.st_size,
        .page_size = page_size,
        .grain = header.grain,
        .parameter = header.parameter,
    };
    /* Populated: a first message should not pay for page faults. */
    return map(fd, memory->size, MAP_POPULATE, &memory->address);
}

int urpc_memory_node(const void *address)
{
    int node;
    long error =
        syscall(SYS_get_mempolicy, &node, NULL, 0UL, address, (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR));
    return error == 0 ? node : URPC_ANYWHERE;
}

void urpc_memory_unmap(void *memory, size_t size)
{
    munmap(memory, size);
}
