// SPDX-License-Identifier: Apache-2.0
//
// Loaded into storage processes by the power-loss test: notes every write below $POWER_DIRECTORY and every flush that has
// ended, in the file $POWER_LOG, so that the test knows what a power loss at this moment might take.
//
// One line each, in one write(2) to an O_APPEND file, which outlives SIGKILL in the page cache:
//   W number inode offset length    before the write
//   F number inode                  after a flush that began when `number` was the last write
//   S number inode                  after a write that is its own flush (O_DSYNC)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_ulong last;
static int log_fd = -1;
static const char *directory;
static unsigned delay;

static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void start(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    directory = getenv("POWER_DIRECTORY");
    const char *path = getenv("POWER_LOG"), *wait = getenv("POWER_DELAY");
    delay = wait ? (unsigned)atoi(wait) : 0;
    if (!directory || !path) return;
    // One log a process: numbers are its own.
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.%d", path, getpid());
    log_fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static unsigned long inode(int fd) {
    if (log_fd < 0 || fd == log_fd) return 0;
    int saved = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    struct stat info;
    unsigned long found = 0;
    if (n > 0) {
        path[n] = 0;
        if (strncmp(path, directory, strlen(directory)) == 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) found = info.st_ino;
    }
    errno = saved;
    return found;
}

static void note(char kind, unsigned long number, unsigned long ino, long long offset, size_t length) {
    char line[128];
    int n = kind == 'W' ? snprintf(line, sizeof line, "W %lu %lu %lld %zu\n", number, ino, offset, length)
                        : snprintf(line, sizeof line, "%c %lu %lu\n", kind, number, ino);
    int saved = errno;
    if (real_write(log_fd, line, (size_t)n) != n) abort();
    errno = saved;
}

/* The write's number; 0 if it is of no interest. */
static unsigned long writing(int fd, long long offset, size_t length) {
    unsigned long ino = inode(fd);
    if (!ino) return 0;
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR);
    unsigned long number = atomic_fetch_add(&last, 1) + 1;
    note('W', number, ino, offset, length);
    return number;
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

#define REAL(name, ...) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count) {
    if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
    writing(fd, -1, count);
    return real_write(fd, bytes, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    writing(fd, -1, total(parts, count));
    return real(fd, parts, count);
}
/* A write through a synchronous descriptor: on the disk when it returns, if all of it was taken. */
static void written(int fd, unsigned long number, size_t count, ssize_t result) {
    int saved = errno;
    unsigned long ino = inode(fd);
    if (ino && result == (ssize_t)count && fcntl(fd, F_GETFL) & O_DSYNC) note('S', number, ino, 0, 0);
    errno = saved;
}
static int held_up(int fd) { return delay && fcntl(fd, F_GETFL) & O_DSYNC ? usleep(delay) : 0; }

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    REAL(pwrite);
    unsigned long number = writing(fd, offset, count);
    if (number) held_up(fd);
    ssize_t result = real(fd, bytes, count, offset);
    if (number) written(fd, number, count, result);
    return result;
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(pwrite64);
    unsigned long number = writing(fd, offset, count);
    if (number) held_up(fd);
    ssize_t result = real(fd, bytes, count, offset);
    if (number) written(fd, number, count, result);
    return result;
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    REAL(pwritev);
    writing(fd, offset, total(parts, count));
    return real(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    REAL(pwritev64);
    writing(fd, offset, total(parts, count));
    return real(fd, parts, count, offset);
}

static int flushing(int fd, int (*real)(int)) {
    unsigned long ino = inode(fd), number = atomic_load(&last);
    if (ino && delay) usleep(delay);
    int result = real(fd);
    if (ino && result == 0) note('F', number, ino, 0, 0);
    return result;
}
int fsync(int fd) {
    REAL(fsync);
    return flushing(fd, real);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return flushing(fd, real);
}
