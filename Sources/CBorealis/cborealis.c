// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "include/cborealis.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bx_futex_wake(uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0); }

void bx_futex_wait(uint32_t *word, uint32_t value, int milliseconds) {
    struct timespec limit = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    syscall(SYS_futex, word, FUTEX_WAIT, value, milliseconds < 0 ? NULL : &limit, NULL, 0);
}

int bx_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int bx_eventfd_wait(int fd, int64_t microseconds) {
    uint64_t count;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec limit = {microseconds / 1000000, (microseconds % 1000000) * 1000};
    if (ppoll(&p, 1, microseconds < 0 ? NULL : &limit, NULL) <= 0) return 0;
    return read(fd, &count, sizeof count) == sizeof count;
}

void bx_eventfd_ring(int fd) {
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
}

void *bx_map_shared(int fd, size_t length) {
    void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void bx_unmap(void *address, size_t length) { munmap(address, length); }

pid_t bx_spawn_process(const bx_spawn *what) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -1;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        /* Only async-signal-safe calls from here on: the parent has threads. */
        int error = 0;
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (int s = 1; s < 32; s++) signal(s, SIG_DFL);
        if (what->new_session) setsid();
        if (what->output_fd >= 0) {
            dup2(what->output_fd, 1);
            dup2(what->output_fd, 2);
            int null = open("/dev/null", O_RDONLY);
            if (null >= 0) dup2(null, 0);
        }
        /* The parent's sockets and files must not live on in the child: libraries open some without O_CLOEXEC. */
        if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
            long most = sysconf(_SC_OPEN_MAX);
            for (int fd = 3; fd < (most > 0 ? most : 65536); fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
        if (what->keep_fd >= 0) fcntl(what->keep_fd, F_SETFD, 0);
        if (what->gid >= 0 && (setgroups(0, NULL) != 0 || setgid((gid_t)what->gid) != 0)) error = errno;
        if (!error && what->uid >= 0 && setuid((uid_t)what->uid) != 0) error = errno;
        if (!error && what->directory && chdir(what->directory) != 0) error = errno;
        if (!error && what->die_with_parent) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* after setuid, which clears it */
            if (getppid() != parent) _exit(127);
        }
        if (!error) {
            execve(what->path, what->argv, what->envp);
            error = errno;
        }
        ssize_t n = write(report[1], &error, sizeof error);
        (void)n;
        _exit(127);
    }
    int saved = errno;
    close(report[1]);
    if (child < 0) {
        close(report[0]);
        errno = saved;
        return -1;
    }
    int error = 0;
    ssize_t n;
    do n = read(report[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n == sizeof error) {
        waitpid(child, NULL, 0);
        errno = error;
        return -1;
    }
    return child;
}

int bx_user_ids(const char *name, int *uid, int *gid) {
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || !found) return -1;
    *uid = (int)entry.pw_uid;
    *gid = (int)entry.pw_gid;
    return 0;
}

int bx_punch_hole(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int bx_preallocate(int fd, int64_t length) { return posix_fallocate(fd, 0, length); }

int bx_open_direct(const char *path, int flags) {
    int fd = open(path, flags | O_DIRECT);
    return fd < 0 && errno == EINVAL ? open(path, flags) : fd;
}

int64_t bx_monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void set_thread_niceness(int nice) { setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice); }

void bx_thread_is_background(void) { set_thread_niceness(10); }

void bx_thread_is_commit_path(void) { set_thread_niceness(-10); }

void bx_limit_malloc_arenas(int arenas) {
    mallopt(M_ARENA_MAX, arenas);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
}
