// SPDX-License-Identifier: Apache-2.0
//
// Thin C helpers for what Swift on Linux cannot say directly: CRC32C in hardware, atomics on shared memory, futexes,
// eventfd, spawning a process under another account.
#ifndef CBOREALIS_H
#define CBOREALIS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "borealis_ring.h"

/* CRC32C (Castagnoli), continuing from `crc` (0 to start). Uses SSE4.2 or ARMv8 CRC instructions where there are any. */
uint32_t bx_crc32c(uint32_t crc, const void *data, size_t length);

/* Atomics on shared memory. */
static inline uint32_t bx_load32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint64_t bx_load64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void bx_store32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void bx_store64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline uint32_t bx_exchange32(uint32_t *p, uint32_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
static inline uint32_t bx_add32(uint32_t *p, uint32_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static inline uint64_t bx_add64(uint64_t *p, uint64_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static inline void bx_or32(uint32_t *p, uint32_t v) { __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
static inline void bx_max64(uint64_t *p, uint64_t v) {
    uint64_t seen = __atomic_load_n(p, __ATOMIC_ACQUIRE);
    while (seen < v && !__atomic_compare_exchange_n(p, &seen, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) continue;
}
static inline _Bool bx_compare_exchange32(uint32_t *p, uint32_t expected, uint32_t v) {
    return __atomic_compare_exchange_n(p, &expected, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}
static inline void bx_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void bx_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Wakes up to `count` processes that sleep on the shared word. */
void bx_futex_wake(uint32_t *word, int count);
/* Sleeps while *word == value, at most `milliseconds` (negative: no limit). */
void bx_futex_wait(uint32_t *word, uint32_t value, int milliseconds);

/* A non-blocking, close-on-exec eventfd; -1 and errno on failure. */
int bx_eventfd(void);
/* Waits until the eventfd is readable, at most `microseconds` (negative: no limit), and drains it. 1 = rung, 0 = time out. */
int bx_eventfd_wait(int fd, int64_t microseconds);
void bx_eventfd_ring(int fd);

/* Maps a file shared and writable; NULL and errno on failure. */
void *bx_map_shared(int fd, size_t length);
void bx_unmap(void *address, size_t length);

/* What to start: NULL-terminated argv and envp. */
typedef struct bx_spawn {
    const char *path;
    char *const *argv;
    char *const *envp;
    const char *directory; /* NULL: inherit */
    int uid, gid;          /* -1: keep */
    int output_fd;         /* stdout and stderr; -1: inherit */
    int keep_fd;           /* inherited at its own number; -1: none */
    int die_with_parent;   /* SIGKILL when the calling thread's process ends */
    int new_session;
} bx_spawn;
/* Returns the process id, or -1 with errno set (also when exec itself failed). */
pid_t bx_spawn_process(const bx_spawn *what);

/* Account and group ids of a user name; 0, or -1 if there is none. */
int bx_user_ids(const char *name, int *uid, int *gid);

/* fallocate and lseek modes Glibc's module does not export. */
int bx_punch_hole(int fd, int64_t offset, int64_t length);
int bx_preallocate(int fd, int64_t length);
/* Opens a file for direct I/O, or without on a file system that cannot do that; the descriptor, or -1 with errno. */
int bx_open_direct(const char *path, int flags);
int64_t bx_monotonic_ns(void);
/* Bounds glibc's malloc arenas and lets it give memory back early. */
void bx_limit_malloc_arenas(int arenas);
/* What the calling thread does is for later: it gives way to others, and back-pressure has to see to it that it gets enough.
   (Linux: niceness is per thread.) */
void bx_thread_is_background(void);
/* Every commit waits for the calling thread, which works for microseconds at a time: on a busy machine it goes before the engine's
   processes. Where that is not allowed (root, CAP_SYS_NICE or RLIMIT_NICE is) nothing changes. */
void bx_thread_is_commit_path(void);

#endif
