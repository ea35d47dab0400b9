// SPDX-License-Identifier: Apache-2.0
//
// Reading and mapping. A file with nothing absent goes to the real call after two loads.
#include "exports.h"

#include <sched.h>

// Runs `call` (which assigns `n`) with [at, at + size) present, and again if the driver evicted blocks meanwhile.
#define BX_GUARDED_READ(fd, file, at, size, n, call)                     \
    do {                                                                 \
        uint32_t before = bx_evictions(file);                            \
        if (bx_make_present(fd, file, at, size, false) != 0) return -1;  \
        n = call;                                                        \
        if (!(before & 1) && bx_evictions(file) == before) break;        \
        sched_yield();                                                   \
    } while (1)

static uint64_t total_of(const struct iovec *parts, int count) {
    uint64_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    return total;
}

static ssize_t pread_file(int fd, struct bx_fd *file, void *to, size_t length, off_t offset) {
    ssize_t n;
    if (BX_LIKELY(!bx_guarded(file)) || offset < 0) return bx_real.pread(fd, to, length, offset);
    BX_GUARDED_READ(fd, file, offset, length, n, bx_real.pread(fd, to, length, offset));
    return n;
}

static ssize_t preadv_file(int fd, struct bx_fd *file, const struct iovec *parts, int count, off_t offset, int flags) {
    ssize_t n;
    if (BX_LIKELY(!bx_guarded(file)) || offset < 0 || count <= 0 || count > 1024)
        return bx_real.preadv2(fd, parts, count, offset, flags);
    BX_GUARDED_READ(fd, file, offset, total_of(parts, count), n, bx_real.preadv2(fd, parts, count, offset, flags));
    return n;
}

static ssize_t readv_file(int fd, struct bx_fd *file, const struct iovec *parts, int count) {
    if (BX_LIKELY(!bx_guarded(file)) || count <= 0 || count > 1024) return bx_real.readv(fd, parts, count);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    if (offset < 0) return -1;
    ssize_t n = preadv_file(fd, file, parts, count, offset, 0);
    if (n > 0) lseek(fd, offset + n, SEEK_SET);
    return n;
}

ssize_t bx_read_plain(int fd, void *to, size_t length) {
    struct bx_fd *file = bx_file_at(fd);
    if (BX_LIKELY(!file || !bx_guarded(file))) return bx_real.read(fd, to, length);
    struct iovec part = {to, length};
    return readv_file(fd, file, &part, 1);
}

ssize_t bx_pread_plain(int fd, void *to, size_t length, off_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    return BX_LIKELY(!file) ? bx_real.pread(fd, to, length, offset) : pread_file(fd, file, to, length, offset);
}

ssize_t read(int fd, void *to, size_t length) { return bx_read_plain(fd, to, length); }
ssize_t pread(int fd, void *to, size_t length, off_t offset) { return bx_pread_plain(fd, to, length, offset); }
ssize_t pread64(int fd, void *to, size_t length, off64_t offset) { return bx_pread_plain(fd, to, length, offset); }

ssize_t __read_chk(int fd, void *to, size_t length, size_t room) {
    return bx_file_at(fd) && length <= room ? bx_read_plain(fd, to, length) : bx_real.__read_chk(fd, to, length, room);
}
ssize_t __pread_chk(int fd, void *to, size_t length, off_t offset, size_t room) {
    return bx_file_at(fd) && length <= room ? bx_pread_plain(fd, to, length, offset)
                                            : bx_real.__pread_chk(fd, to, length, offset, room);
}
ssize_t __pread64_chk(int fd, void *to, size_t length, off64_t offset, size_t room) {
    return bx_file_at(fd) && length <= room ? bx_pread_plain(fd, to, length, offset)
                                            : bx_real.__pread64_chk(fd, to, length, offset, room);
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? readv_file(fd, file, parts, count) : bx_real.readv(fd, parts, count);
}
ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? preadv_file(fd, file, parts, count, offset, 0) : bx_real.preadv(fd, parts, count, offset);
}
ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? preadv_file(fd, file, parts, count, offset, 0) : bx_real.preadv64(fd, parts, count, offset);
}
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    struct bx_fd *file = bx_file_at(fd);
    if (!file) return bx_real.preadv2(fd, parts, count, offset, flags);
    return offset == -1 ? readv_file(fd, file, parts, count) : preadv_file(fd, file, parts, count, offset, flags);
}
ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    struct bx_fd *file = bx_file_at(fd);
    if (!file) return bx_real.preadv64v2(fd, parts, count, offset, flags);
    return offset == -1 ? readv_file(fd, file, parts, count) : preadv_file(fd, file, parts, count, offset, flags);
}

// That blocks will be needed concerns the driver first; all other advice is about the local cache.
static int advise(int fd, off_t offset, off_t length, int advice) {
    struct bx_fd *file = bx_file_at(fd);
    if (file && advice == POSIX_FADV_WILLNEED && bx_guarded(file)) bx_hint(fd, file, offset, length);
    return bx_real.posix_fadvise(fd, offset, length, advice);
}
int posix_fadvise(int fd, off_t offset, off_t length, int advice) { return advise(fd, offset, length, advice); }
int posix_fadvise64(int fd, off64_t offset, off64_t length, int advice) { return advise(fd, offset, length, advice); }

// Makes [offset, offset + length) present, for good: what is read through a mapping passes nobody who could fetch it. The
// driver marks an eviction first and looks for the flag then; we do the reverse, so one of the two sees the other.
static int hold_present(int fd, struct bx_fd *file, off_t offset, size_t length) {
    uint32_t slot;
    // An unlinked file is never evicted: the driver comes by names.
    if (bx_table_find(file->inode, &slot) == file->id) __atomic_fetch_or(&bx.files[slot].flags, BX_FILE_MAPPED, __ATOMIC_SEQ_CST);
    int present;
    BX_GUARDED_READ(fd, file, offset, length, present, 0);
    return present;
}

// A shared mapping of a read-only description can never be made writable: the kernel refuses that mprotect.
static void *map_shared(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int held = bx_real.open(link, O_RDONLY | O_CLOEXEC, 0);
    if (held < 0) return MAP_FAILED;
    void *map = bx_real.mmap64(at, length, protection, flags, held, offset);
    int error = errno;
    bx_real.close(held);
    errno = error;
    return map;
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    struct bx_fd *file = flags & MAP_ANONYMOUS ? NULL : bx_file_at(fd);
    if (BX_LIKELY(!file)) return bx_real.mmap64(at, length, protection, flags, fd, offset);
    int sharing = flags & MAP_TYPE;
    bool shared = sharing == MAP_SHARED || sharing == MAP_SHARED_VALIDATE;
    if (shared && (protection & PROT_WRITE)) {
        bx_complain("a writable shared mapping of a volume file (descriptor %d) is refused: its writes could not be seen", fd);
        errno = EACCES;
        return MAP_FAILED;
    }
    if (bx_guarded(file) && hold_present(fd, file, offset, length) != 0) return MAP_FAILED;
    if (shared) return map_shared(at, length, protection, flags, fd, offset);
    return bx_real.mmap64(at, length, protection, flags, fd, offset);
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    if (BX_LIKELY((flags & MAP_ANONYMOUS) || !bx_file_at(fd))) return bx_real.mmap(at, length, protection, flags, fd, offset);
    return mmap64(at, length, protection, flags, fd, offset);
}
