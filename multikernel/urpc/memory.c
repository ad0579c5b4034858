#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static enum urpc_memory_error map(int fd, size_t size, int flags, void **memory)
{
    *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
    return *memory == MAP_FAILED ? URPC_MEMORY_SYSTEM : URPC_MEMORY_OK;
}

enum urpc_memory_error urpc_memory_create(const char *name, struct urpc_memory_header header, size_t size,
                                          int *fd, void **memory)
{
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        return URPC_MEMORY_SYSTEM;
    }
    if (ftruncate(*fd, (off_t)size) == 0 && fcntl(*fd, F_ADD_SEALS, SEALS) == 0 &&
        map(*fd, size, 0, memory) == URPC_MEMORY_OK) {
        memcpy(*memory, &header, sizeof header);
        return URPC_MEMORY_OK;
    }
    int error = errno;
    close(*fd);
    errno = error;
    return URPC_MEMORY_SYSTEM;
}

enum urpc_memory_error urpc_memory_attach(int fd, uint64_t magic, uint32_t version,
                                          size_t (*size_of)(uint32_t), void **memory, uint32_t *parameter)
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
    if (got != sizeof header || header.magic != magic || header.version != version ||
        size_of(header.parameter) == 0 || size_of(header.parameter) != (uint64_t)status.st_size) {
        return URPC_MEMORY_FOREIGN;
    }
    *parameter = header.parameter;
    /* Populated: a first message should not pay for page faults. */
    return map(fd, (size_t)status.st_size, MAP_POPULATE, memory);
}

void urpc_memory_unmap(void *memory, size_t size)
{
    munmap(memory, size);
}
