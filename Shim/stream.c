// SPDX-License-Identifier: Apache-2.0
//
// stdio. The writes of an ordinary stream happen inside libc, where no symbol leads to us. A stream on a volume
// file is therefore a cookie stream on top of a descriptor: whenever libc flushes it (fflush, fclose, a full buffer,
// exit), the bytes arrive at the same code as any other write, in the right order. A cookie stream has no
// descriptor as far as libc knows, so fileno is intercepted as well.
#include "exports.h"

#include <pthread.h>
#include <string.h>

struct cookie {
    FILE *stream;
    int fd;
    struct cookie *next;
};

static struct cookie *cookies;
static pthread_mutex_t cookies_lock = PTHREAD_MUTEX_INITIALIZER;

// A child of a threaded process must not inherit the lock in the middle of a change.
static void lock_cookies(void) { pthread_mutex_lock(&cookies_lock); }
static void unlock_cookies(void) { pthread_mutex_unlock(&cookies_lock); }
__attribute__((constructor(102))) static void guard_fork(void) { pthread_atfork(lock_cookies, unlock_cookies, unlock_cookies); }

static ssize_t cookie_read(void *cookie, char *to, size_t length) { return bx_read_plain(((struct cookie *)cookie)->fd, to, length); }

static ssize_t cookie_write(void *cookie, const char *from, size_t length) {
    ssize_t n = bx_write_plain(((struct cookie *)cookie)->fd, from, length);
    return n < 0 ? 0 : n; // what fopencookie wants for an error
}

static int cookie_seek(void *cookie, off64_t *offset, int whence) {
    off_t at = lseek(((struct cookie *)cookie)->fd, *offset, whence);
    if (at < 0) return -1;
    *offset = at;
    return 0;
}

static int cookie_close(void *opaque) {
    struct cookie *cookie = opaque;
    lock_cookies();
    for (struct cookie **link = &cookies; *link; link = &(*link)->next) {
        if (*link == cookie) {
            __atomic_store_n(link, cookie->next, __ATOMIC_RELEASE);
            break;
        }
    }
    unlock_cookies();
    int status = bx_close_descriptor(cookie->fd);
    free(cookie);
    return status;
}

static FILE *stream_on(int fd, const char *mode) {
    static const cookie_io_functions_t calls = {cookie_read, cookie_write, cookie_seek, cookie_close};
    struct cookie *cookie = malloc(sizeof *cookie);
    if (!cookie) return NULL;
    char plain[4] = {mode[0], strchr(mode, '+') ? '+' : 0, 0, 0};
    cookie->fd = fd;
    cookie->stream = fopencookie(cookie, plain, calls);
    if (!cookie->stream) {
        free(cookie);
        return NULL;
    }
    lock_cookies();
    cookie->next = cookies;
    __atomic_store_n(&cookies, cookie, __ATOMIC_RELEASE);
    unlock_cookies();
    return cookie->stream;
}

static int open_flags(const char *mode) {
    int flags;
    switch (mode[0]) {
    case 'r': flags = O_RDONLY; break;
    case 'w': flags = O_WRONLY | O_CREAT | O_TRUNC; break;
    case 'a': flags = O_WRONLY | O_CREAT | O_APPEND; break;
    default: return -1;
    }
    for (const char *c = mode + 1; *c && *c != ','; c++) {
        if (*c == '+') flags = (flags & ~O_ACCMODE) | O_RDWR;
        else if (*c == 'e') flags |= O_CLOEXEC;
        else if (*c == 'x') flags |= O_EXCL;
    }
    return flags;
}

static FILE *open_stream(const char *path, const char *mode) {
    int flags = open_flags(mode);
    struct bx_place place;
    if (flags < 0 || strchr(mode, ',') || !bx_active()) return bx_real.fopen(path, mode);
    if (bx_place_lexically(AT_FDCWD, path, &place) != 0) return NULL;
    if (place.where == BX_LOCAL) return bx_real.fopen(path, mode);
    int fd = bx_open_any(AT_FDCWD, path, flags, 0666);
    if (fd < 0) return NULL;
    FILE *stream = bx_file_at(fd) ? stream_on(fd, mode) : bx_real.fdopen(fd, mode);
    if (!stream) {
        int error = errno;
        bx_close_descriptor(fd);
        errno = error;
    } else if (flags & O_APPEND) {
        // An appending stream reports its position as if it had been at the end from the start.
        lseek(fd, 0, SEEK_END);
    }
    return stream;
}

FILE *fopen(const char *path, const char *mode) { return open_stream(path, mode); }
FILE *fopen64(const char *path, const char *mode) { return open_stream(path, mode); }

FILE *fdopen(int fd, const char *mode) {
    return bx_file_at(fd) ? stream_on(fd, mode) : bx_real.fdopen(fd, mode);
}

// freopen changes a stream in place, which cannot turn it into a cookie stream.
static bool refused(const char *path) {
    struct bx_place place;
    if (!path || !bx_active() || bx_place_following(AT_FDCWD, path, &place) != 0 || place.where != BX_VOLUME) return false;
    bx_complain("freopen of %s is refused: keep such a file outside the volume or name it in BOREALIS_LOCAL", path);
    errno = EOPNOTSUPP;
    return true;
}
FILE *freopen(const char *path, const char *mode, FILE *stream) {
    return refused(path) ? NULL : bx_real.freopen(path, mode, stream);
}
FILE *freopen64(const char *path, const char *mode, FILE *stream) {
    return refused(path) ? NULL : bx_real.freopen64(path, mode, stream);
}

static int descriptor_of(FILE *stream) {
    int fd = -1;
    lock_cookies();
    for (struct cookie *cookie = cookies; cookie; cookie = cookie->next)
        if (cookie->stream == stream) fd = cookie->fd;
    unlock_cookies();
    return fd;
}
int fileno(FILE *stream) {
    int fd = BX_LIKELY(!__atomic_load_n(&cookies, __ATOMIC_ACQUIRE)) ? -1 : descriptor_of(stream);
    return fd >= 0 ? fd : bx_real.fileno(stream);
}
int fileno_unlocked(FILE *stream) {
    int fd = BX_LIKELY(!__atomic_load_n(&cookies, __ATOMIC_ACQUIRE)) ? -1 : descriptor_of(stream);
    return fd >= 0 ? fd : bx_real.fileno_unlocked(stream);
}
