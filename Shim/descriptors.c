// SPDX-License-Identifier: Apache-2.0
//
// Which descriptors stand for volume files: opening, duplicating and closing.
#include "exports.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

struct bx_fd bx_fds[BX_DESCRIPTORS];

int bx_track(int fd, enum bx_kind kind, int flags, uint64_t inode, uint64_t id, uint32_t slot) {
    if ((unsigned)fd >= BX_DESCRIPTORS) {
        bx_complain("descriptor %d is beyond the %d that can be tracked", fd, BX_DESCRIPTORS);
        errno = EMFILE;
        return -1;
    }
    struct bx_fd *file = &bx_fds[fd];
    file->flags = (uint8_t)flags;
    file->private_fd = 0;
    file->slot = slot;
    file->inode = inode;
    file->id = id;
    if (kind == BX_KIND_FILE && (bx_load(&bx.files[slot].flags) & BX_FILE_HOLES)) file->flags |= BX_FD_HOLES;
    __atomic_store_n(&file->kind, (uint8_t)kind, __ATOMIC_RELEASE);
    return 0;
}

static void drop_private(struct bx_fd *file) {
    int fd = __atomic_exchange_n(&file->private_fd, 0, __ATOMIC_ACQ_REL) - 1;
    if (fd < 0) return;
    bx_fds[fd].kind = BX_KIND_NONE;
    bx_real.close(fd);
}

void bx_forget(int fd) {
    struct bx_fd *file = bx_tracked(fd);
    if (!file || file->kind == BX_KIND_PRIVATE) return;
    if (file->kind == BX_KIND_FILE) drop_private(file);
    file->kind = BX_KIND_NONE;
}

// A description of our own: SEEK_HOLE through the program's descriptor would move its offset.
int bx_private_descriptor(int fd, struct bx_fd *file) {
    int held = __atomic_load_n(&file->private_fd, __ATOMIC_ACQUIRE) - 1;
    if (held >= 0) return held;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int made = bx_real.open(link, O_RDWR | O_CLOEXEC, 0);
    if (made < 0 && (errno == EACCES || errno == EROFS)) made = bx_real.open(link, O_RDONLY | O_CLOEXEC, 0);
    if (made < 0) return -1;
    if (made >= BX_DESCRIPTORS) {
        bx_real.close(made);
        errno = EMFILE;
        return -1;
    }
    bx_fds[made].private_fd = fd + 1;
    bx_fds[made].kind = BX_KIND_PRIVATE;
    int32_t none = 0;
    if (!__atomic_compare_exchange_n(&file->private_fd, &none, made + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        bx_fds[made].kind = BX_KIND_NONE; // another thread was first
        bx_real.close(made);
        return none - 1;
    }
    return made;
}

// ---- Opening.

// openat2 tells in the same system call whether the path meant what its text says: it fails with ELOOP when any
// component is a symbolic link.
static int open_strictly(int dir, const char *path, int flags, mode_t mode) {
    if (!bx.no_openat2) {
        struct open_how how = {
            .flags = (uint64_t)(unsigned)flags | O_LARGEFILE,
            .mode = flags & O_CREAT ? mode & 07777 : 0,
            .resolve = RESOLVE_NO_SYMLINKS,
        };
        int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) return fd;
        // A container's filter may refuse the call; from then on ask the kernel where each path leads.
        if (errno != EINVAL) bx.no_openat2 = true;
    }
    struct bx_place text, truth;
    if (bx_place_lexically(dir, path, &text) != 0 || bx_place_following(dir, path, &truth) != 0) return -1;
    if (strcmp(text.path, truth.path) != 0) {
        errno = ELOOP;
        return -1;
    }
    return bx_real.openat(dir, path, flags, mode);
}

static int fd_flags(int flags) {
    return (flags & O_APPEND ? BX_FD_APPEND : 0) | (flags & (O_SYNC | O_DSYNC) ? BX_FD_SYNC : 0) |
           ((flags & O_ACCMODE) != O_RDONLY ? BX_FD_WRITABLE : 0);
}

// Tracks what an open returned. 1: the file was unlinked meanwhile, open again.
static int take(int fd, int flags, const char *path, struct stat *st) {
    struct timespec pause = {0, 100000};
    uint64_t id = 0;
    uint32_t slot = 0;
    for (int round = 0; round < 11000; round++) {
        if (fstat(fd, st) != 0) return -1;
        if (S_ISDIR(st->st_mode)) return bx_track(fd, BX_KIND_DIRECTORY, 0, st->st_ino, 0, 0);
        if (!S_ISREG(st->st_mode)) return 0;
        if ((id = bx_table_find(st->st_ino, &slot))) return bx_track(fd, BX_KIND_FILE, fd_flags(flags), st->st_ino, id, slot);
        if (st->st_nlink == 0) return 1;
        // Its creator is between the creation and the table entry.
        if (round < 1000) sched_yield();
        else nanosleep(&pause, NULL);
    }
    bx_complain("%s is in the volume's directory but not in the volume", path);
    errno = EIO;
    return -1;
}

static int create(int dir, const char *path, const char *relative, int flags, int asked, mode_t mode) {
    uint64_t id = __atomic_fetch_add(&bx.ring->next_file_id, 1, __ATOMIC_RELAXED);
    bx_entry *entry;
    if (bx_begin(&entry, BX_OP_CREATE, id, mode & 07777, relative, NULL) != 0) return -1;
    int fd = open_strictly(dir, path, flags | O_CREAT | O_EXCL, mode);
    struct stat st;
    uint32_t slot;
    if (fd >= 0 && (fstat(fd, &st) != 0 || bx_table_insert(st.st_ino, id, &slot) != 0 ||
                    bx_track(fd, BX_KIND_FILE, fd_flags(asked), st.st_ino, id, slot) != 0)) {
        int error = errno;
        bx_real.unlinkat(dir, path, 0);
        bx_real.close(fd);
        errno = error;
        fd = -1;
    }
    int error = errno;
    if (entry && fd >= 0) entry->offset = st.st_mode & 07777;
    bx_finish(entry, fd >= 0 ? BX_COMMITTED : BX_ABANDONED);
    if (fd >= 0) bx_count(creates, 1);
    errno = error;
    return fd;
}

// `path` is what the caller gave, `relative` its name in the volume if no symbolic link is on the way (else ELOOP).
static int open_volume(int dir, const char *path, const char *relative, int flags, mode_t mode) {
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if ((flags & O_TRUNC) && (flags & O_ACCMODE) == O_RDONLY) {
        errno = EINVAL;
        return -1;
    }
    int plain = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_DIRECT | O_SYNC | O_DSYNC);
    // The old content is read for the comparison, so a write-only descriptor has to be readable underneath.
    if ((plain & O_ACCMODE) == O_WRONLY) plain = (plain & ~O_ACCMODE) | O_RDWR;
    bool exclusive = (flags & O_CREAT) && (flags & O_EXCL);
    for (;;) {
        if (!exclusive) {
            int fd = open_strictly(dir, path, plain, 0);
            if (fd < 0 && errno == EACCES && (flags & O_ACCMODE) == O_WRONLY && (plain & O_ACCMODE) == O_RDWR) {
                plain = (plain & ~O_ACCMODE) | O_WRONLY;
                continue;
            }
            if (fd >= 0) {
                struct stat st;
                int status = take(fd, flags, relative, &st);
                if (status == 0 && (flags & O_TRUNC) && S_ISREG(st.st_mode) && st.st_size > 0)
                    status = bx_set_size(fd, bx_file_at(fd), 0);
                if (status == 0) return fd;
                int error = errno;
                bx_forget(fd);
                bx_real.close(fd);
                errno = error;
                if (status < 0) return -1;
                continue;
            }
            if (errno != ENOENT || !(flags & O_CREAT)) return -1;
        }
        int fd = create(dir, path, relative, plain, flags, mode);
        if (fd >= 0 || errno != EEXIST || exclusive) return fd;
    }
}

// A path outside the volume can still name a volume file, through a link or /proc/self/fd.
static int adopt(int fd, int flags) {
    struct stat st;
    uint32_t slot;
    uint64_t id;
    if (fd < 0) return fd;
    bx_forget(fd); // closedir and the like close a number without our seeing it
    if (fstat(fd, &st) != 0 || st.st_dev != bx.root_device || !S_ISREG(st.st_mode)) return fd;
    if (!(id = bx_table_find(st.st_ino, &slot))) return fd;
    if (bx_track(fd, BX_KIND_FILE, fd_flags(flags), st.st_ino, id, slot) == 0) return fd;
    bx_real.close(fd);
    errno = EMFILE;
    return -1;
}

// What sysfs says of the sectors of the cache's disk is not true of the volume, where no write is torn, whatever its length:
// InnoDB would write its log in such units, and we would ship what it pads them with, which is garbage.
static bool asks_for_sectors(const char *path) {
    static const char disks[] = "/sys/dev/block/";
    return BX_UNLIKELY(strncmp(path, disks, sizeof disks - 1) == 0) && strstr(path, "block_size");
}

int bx_open_any(int dir, const char *path, int flags, mode_t mode) {
    int saved = errno, fd;
    struct bx_place place;
    if (asks_for_sectors(path)) {
        errno = ENOENT;
        return -1;
    }
    if (flags & O_PATH) return bx_real.openat(dir, path, flags, mode);
    if (bx_place_lexically(dir, path, &place) != 0) return -1;
    if (place.where == BX_OUTSIDE && (flags & (O_CREAT | O_TRUNC)) && bx_place_following(dir, path, &place) != 0) return -1;
    if (place.where == BX_VOLUME) {
        fd = open_volume(dir, path, place.relative, flags, mode);
        if (fd < 0 && errno == ELOOP) {
            // Some component is a symbolic link: find out where it leads and decide again.
            if ((flags & (O_NOFOLLOW | O_EXCL) ? bx_place_exactly : bx_place_following)(dir, path, &place) != 0) return -1;
            if (place.where == BX_VOLUME) fd = open_volume(AT_FDCWD, place.path, place.relative, flags, mode);
        }
        if (place.where == BX_VOLUME) {
            if (fd >= 0) errno = saved;
            return fd;
        }
    }
    fd = bx_real.openat(dir, path, flags, mode);
    if (place.where == BX_OUTSIDE) fd = adopt(fd, flags);
    else if (fd >= 0) bx_forget(fd);
    if (fd >= 0) errno = saved;
    return fd;
}

#define BX_MODE_ARGUMENT(flags)                                     \
    mode_t mode = 0;                                                \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {  \
        va_list list;                                               \
        va_start(list, flags);                                      \
        mode = va_arg(list, mode_t);                                \
        va_end(list);                                               \
    }

int open(const char *path, int flags, ...) {
    BX_MODE_ARGUMENT(flags)
    return bx_active() ? bx_open_any(AT_FDCWD, path, flags, mode) : bx_real.open(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    BX_MODE_ARGUMENT(flags)
    return bx_active() ? bx_open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode) : bx_real.open64(path, flags, mode);
}
int openat(int dir, const char *path, int flags, ...) {
    BX_MODE_ARGUMENT(flags)
    return bx_active() ? bx_open_any(dir, path, flags, mode) : bx_real.openat(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) {
    BX_MODE_ARGUMENT(flags)
    return bx_active() ? bx_open_any(dir, path, flags | O_LARGEFILE, mode) : bx_real.openat64(dir, path, flags, mode);
}
int __open_2(const char *path, int flags) {
    return bx_active() ? bx_open_any(AT_FDCWD, path, flags, 0) : bx_real.__open_2(path, flags);
}
int __open64_2(const char *path, int flags) {
    return bx_active() ? bx_open_any(AT_FDCWD, path, flags | O_LARGEFILE, 0) : bx_real.__open64_2(path, flags);
}
int __openat_2(int dir, const char *path, int flags) {
    return bx_active() ? bx_open_any(dir, path, flags, 0) : bx_real.__openat_2(dir, path, flags);
}
int __openat64_2(int dir, const char *path, int flags) {
    return bx_active() ? bx_open_any(dir, path, flags | O_LARGEFILE, 0) : bx_real.__openat64_2(dir, path, flags);
}
int creat(const char *path, mode_t mode) {
    return bx_active() ? bx_open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode) : bx_real.creat(path, mode);
}
int creat64(const char *path, mode_t mode) {
    return bx_active() ? bx_open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_LARGEFILE, mode)
                       : bx_real.creat64(path, mode);
}

// ---- Temporary names.

// Fills in the Xs and tries `make` until a name is free.
static int temporary(char *path, int suffix, int flags, bool directory) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static uint64_t counter;
    size_t length = strlen(path);
    if (suffix < 0 || length < (size_t)suffix + 6 || strncmp(path + length - suffix - 6, "XXXXXX", 6) != 0) {
        errno = EINVAL;
        return -1;
    }
    char *at = path + length - suffix - 6;
    for (int attempt = 0; attempt < 10000; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t seed = (uint64_t)now.tv_nsec * 65521 + (uint64_t)now.tv_sec + ((uint64_t)bx.pid << 32) +
                        __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
        uint64_t value = bx_file_hash(seed);
        for (int i = 0; i < 6; i++, value /= 62) at[i] = letters[value % 62];
        int made = directory ? mkdir(path, 0700)
                             : bx_open_any(AT_FDCWD, path, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL, 0600);
        if (made >= 0 || errno != EEXIST) return made;
    }
    errno = EEXIST;
    return -1;
}

static bool in_volume(const char *path) {
    struct bx_place place;
    return bx_active() && bx_place_exactly(AT_FDCWD, path, &place) == 0 && place.where == BX_VOLUME;
}

int mkstemp(char *path) { return in_volume(path) ? temporary(path, 0, 0, false) : bx_real.mkstemp(path); }
int mkstemp64(char *path) { return in_volume(path) ? temporary(path, 0, 0, false) : bx_real.mkstemp64(path); }
int mkostemp(char *path, int flags) {
    return in_volume(path) ? temporary(path, 0, flags, false) : bx_real.mkostemp(path, flags);
}
int mkostemp64(char *path, int flags) {
    return in_volume(path) ? temporary(path, 0, flags, false) : bx_real.mkostemp64(path, flags);
}
int mkstemps(char *path, int suffix) {
    return in_volume(path) ? temporary(path, suffix, 0, false) : bx_real.mkstemps(path, suffix);
}
int mkstemps64(char *path, int suffix) {
    return in_volume(path) ? temporary(path, suffix, 0, false) : bx_real.mkstemps64(path, suffix);
}
int mkostemps(char *path, int suffix, int flags) {
    return in_volume(path) ? temporary(path, suffix, flags, false) : bx_real.mkostemps(path, suffix, flags);
}
int mkostemps64(char *path, int suffix, int flags) {
    return in_volume(path) ? temporary(path, suffix, flags, false) : bx_real.mkostemps64(path, suffix, flags);
}
char *mkdtemp(char *path) {
    if (!in_volume(path)) return bx_real.mkdtemp(path);
    return temporary(path, 0, 0, true) == 0 ? path : NULL;
}

// ---- Closing. The entry goes first: once the kernel has closed it, another thread may be given the number.

int bx_close_descriptor(int fd) {
    struct bx_fd *file = bx_tracked(fd);
    if (BX_LIKELY(!file)) return bx_real.close(fd);
    if (file->kind == BX_KIND_PRIVATE) return 0; // ours: the program believes it closed it
    bx_forget(fd);
    return bx_real.close(fd);
}

int close(int fd) { return bx_close_descriptor(fd); }

// Closes [first, last] except what is ours and must stay open.
static int close_span(unsigned first, unsigned last, int flags) {
    if (!(flags & CLOSE_RANGE_CLOEXEC)) {
        unsigned end = last < BX_DESCRIPTORS ? last : BX_DESCRIPTORS - 1;
        for (unsigned fd = first; fd <= end; fd++) bx_forget((int)fd);
    }
    unsigned bell = (unsigned)bx.doorbell;
    if (bell < first || bell > last) return bx_real.close_range(first, last, flags);
    int status = bell > first ? bx_real.close_range(first, bell - 1, flags) : 0;
    if (status == 0 && bell < last) status = bx_real.close_range(bell + 1, last, flags);
    return status;
}

int close_range(unsigned int first, unsigned int last, int flags) {
    if (!bx_active() || first > last) return bx_real.close_range(first, last, flags);
    return close_span(first, last, flags);
}

void closefrom(int first) {
    if (!bx_active()) {
        bx_real.closefrom(first);
        return;
    }
    close_span(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

// ---- Duplicating.

static int copied(int fd, int to) {
    struct bx_fd *file = bx_tracked(fd);
    if (!file || to < 0 || file->kind == BX_KIND_PRIVATE) return to;
    if (bx_track(to, file->kind, file->flags, file->inode, file->id, file->slot) == 0) return to;
    bx_real.close(to);
    errno = EMFILE;
    return -1;
}

// Makes the number `to` free for reuse. The doorbell has to stay where children look for it.
static int vacate(int to) {
    struct bx_fd *there = bx_tracked(to);
    if (!there) return 0;
    if (there->kind != BX_KIND_PRIVATE) {
        bx_forget(to);
        return 0;
    }
    if (to == bx.doorbell) {
        bx_complain("descriptor %d is the doorbell and cannot be replaced", to);
        errno = EBUSY;
        return -1;
    }
    struct bx_fd *owner = &bx_fds[there->private_fd - 1];
    __atomic_store_n(&owner->private_fd, 0, __ATOMIC_RELEASE);
    there->kind = BX_KIND_NONE;
    return 0;
}

int dup(int fd) { return copied(fd, bx_real.dup(fd)); }

int dup2(int fd, int to) {
    if (fd == to) return bx_real.dup2(fd, to);
    if (bx_tracked(to)) {
        if (bx_real.fcntl(fd, F_GETFD, NULL) < 0) return -1;
        if (vacate(to) != 0) return -1;
    }
    return copied(fd, bx_real.dup2(fd, to));
}

int dup3(int fd, int to, int flags) {
    if (fd == to) return bx_real.dup3(fd, to, flags);
    if (bx_tracked(to)) {
        if (bx_real.fcntl(fd, F_GETFD, NULL) < 0) return -1;
        if (vacate(to) != 0) return -1;
    }
    return copied(fd, bx_real.dup3(fd, to, flags));
}

// Duplicates share the flag in the kernel, so every descriptor of the file is asked again.
static void refresh_append(uint64_t inode) {
    for (int fd = 0; fd < BX_DESCRIPTORS; fd++) {
        struct bx_fd *file = bx_file_at(fd);
        if (!file || file->inode != inode) continue;
        int flags = bx_real.fcntl(fd, F_GETFL, NULL);
        file->flags = (uint8_t)((file->flags & ~BX_FD_APPEND) | (flags & O_APPEND ? BX_FD_APPEND : 0));
    }
}

static int control(int fd, int command, void *argument) {
    struct bx_fd *file = bx_tracked(fd);
    if (BX_LIKELY(!file)) return bx_real.fcntl(fd, command, argument);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return copied(fd, bx_real.fcntl(fd, command, argument));
    case F_SETFD:
        if (file->kind == BX_KIND_PRIVATE) return 0;
        break;
    case F_SETFL:
        if (file->kind == BX_KIND_FILE) {
            long flags = (long)argument;
            int status = bx_real.fcntl(fd, command, (void *)(flags & ~(long)(O_DIRECT | O_SYNC)));
            if (status == 0) refresh_append(file->inode);
            return status;
        }
    }
    return bx_real.fcntl(fd, command, argument);
}

#define BX_POINTER_ARGUMENT(last)            \
    va_list list;                            \
    va_start(list, last);                    \
    void *argument = va_arg(list, void *);   \
    va_end(list);

int fcntl(int fd, int command, ...) {
    BX_POINTER_ARGUMENT(command)
    return control(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    BX_POINTER_ARGUMENT(command)
    return control(fd, command, argument);
}

// A reflink would change a volume file without a write; programs fall back to copying.
int ioctl(int fd, unsigned long request, ...) {
    BX_POINTER_ARGUMENT(request)
    if ((request == FICLONE || request == FICLONERANGE || request == FIDEDUPERANGE) && bx_file_at(fd)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return bx_real.ioctl(fd, request, argument);
}

// ---- After exec.

void bx_classify_inherited(void) {
    int dir = bx_real.open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) return;
    char buffer[2048];
    ssize_t n;
    while ((n = syscall(SYS_getdents64, dir, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *one = (struct dirent64 *)(buffer + at);
            at += one->d_reclen;
            if (one->d_name[0] < '0' || one->d_name[0] > '9') continue;
            int fd = 0;
            for (const char *c = one->d_name; *c; c++) fd = fd * 10 + (*c - '0');
            struct stat st;
            uint32_t slot;
            uint64_t id;
            if (fd == dir || fd == bx.doorbell || fstat(fd, &st) != 0 || st.st_dev != bx.root_device) continue;
            if (S_ISREG(st.st_mode) && (id = bx_table_find(st.st_ino, &slot))) {
                bx_track(fd, BX_KIND_FILE, fd_flags(bx_real.fcntl(fd, F_GETFL, NULL)), st.st_ino, id, slot);
            } else if (S_ISDIR(st.st_mode)) {
                struct bx_place place;
                if (bx_path_of_descriptor(fd, place.path, sizeof place.path) != 0) continue;
                bx_classify(&place);
                if (place.where == BX_VOLUME) bx_track(fd, BX_KIND_DIRECTORY, 0, st.st_ino, 0, 0);
            }
        }
    }
    bx_real.close(dir);
}
