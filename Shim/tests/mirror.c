// SPDX-License-Identifier: Apache-2.0
//
// A driver for tests. Creates a ring, runs a command under the shim, applies the ring's entries to a mirror of the
// volume, and finally compares the mirror with the real directory.
//
//   mirror [options] --shim FILE --root DIR --mirror DIR -- command ...
//     --local PATTERNS   BOREALIS_LOCAL
//     --user NAME        run the command as this user
//     --attach full      the root holds everything that the mirror does
//     --attach holes     lay the root out as sparse files; blocks are fetched from the mirror
//     --evict            punch blocks out of the root while the command runs
//     --local-mode       copy-on-write mount: nothing is shipped
//     --latency US       pretend that durability takes this long
//     --log-bytes N      size of the ring's log area
//     --kill-after SEC   SIGKILL every process of the command after this time; no comparison
//     --fail-after SEC   declare the volume failed after this time; no comparison
//     --discard          do not apply the entries (to measure the shim alone)
//     --no-compare
//
// The mirror has two directories: objects/<id> holds the content of file <id>, and tree/ holds the names as hard
// links to the objects, so that tree/ is what the volume looks like.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "borealis_ring.h"

static const char *root, *mirror, *shim, *patterns = "", *user, *attach;
static bool evict, local_mode, discard, compare = true;
static long latency, kill_after, fail_after;
static uint64_t log_bytes = 32 << 20;
static char ring_path[PATH_MAX], tree[PATH_MAX], objects[PATH_MAX];
static bx_ring *ring;
static bx_file *files;
static bx_fetch *fetches;
static char *fetch_data, *ring_log;
static int bell, tree_fd, object_fd;
static int problems;
static volatile bool stopping;
static uint64_t entries_by_op[16], punched, served;

static void fatal(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "mirror: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, " (%s)\n", strerror(errno));
    exit(3);
}
static void problem(const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (++problems <= 20) {
        fprintf(stderr, "mirror: ");
        vfprintf(stderr, format, list);
        fprintf(stderr, "\n");
    }
    va_end(list);
}

static void wake(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

static bool is_local(const char *name) {
    static char copy[4096];
    snprintf(copy, sizeof copy, "%s", patterns);
    for (char *one = strtok(copy, ":"); one; one = strtok(NULL, ":"))
        if (fnmatch(one, name, 0) == 0) return true;
    return false;
}

// ---- The ring.

static void make_ring(void) {
    const uint64_t slots = 1 << 16, fetch_slots = 16;
    uint64_t at = 65536;
    snprintf(ring_path, sizeof ring_path, "/dev/shm/borealis-mirror-%d", getpid());
    int fd = open(ring_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) fatal("cannot create %s", ring_path);
    uint64_t table = at;
    at += slots * sizeof(bx_file);
    uint64_t fetch = at;
    at += 4096;
    uint64_t data = at;
    at += fetch_slots * BX_FETCH_BYTES;
    uint64_t log = at;
    at += log_bytes;
    if (ftruncate(fd, (off_t)at) != 0) fatal("cannot size the ring");
    fchmod(fd, 0666);
    ring = mmap(NULL, at, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) fatal("cannot map the ring");
    close(fd);
    ring->version = BX_VERSION;
    ring->mode = (local_mode ? BX_MODE_LOCAL : 0) | (evict ? BX_MODE_EVICTING : 0);
    ring->total_bytes = at;
    ring->file_table_offset = table;
    ring->file_table_slots = slots;
    ring->fetch_offset = fetch;
    ring->fetch_slots = fetch_slots;
    ring->fetch_data_offset = data;
    ring->log_offset = log;
    ring->log_bytes = log_bytes;
    ring->driver_pid = (uint32_t)getpid();
    ring->next_file_id = 1;
    ring->magic = BX_MAGIC;
    files = (bx_file *)((char *)ring + table);
    fetches = (bx_fetch *)((char *)ring + fetch);
    fetch_data = (char *)ring + data;
    ring_log = (char *)ring + log;
}

static bx_file *slot_of(uint64_t inode, bool insert) {
    for (uint64_t step = 0; step < BX_FILE_PROBE; step++) {
        bx_file *slot = &files[(bx_file_hash(inode) + step) & (ring->file_table_slots - 1)];
        if (slot->inode == inode) return slot;
        if (slot->inode == 0) return insert ? slot : NULL;
    }
    return NULL;
}

// ---- Applying entries.

static struct {
    uint64_t id;
    int fd;
} cache[512];

static int object(uint64_t id) {
    size_t at = id % 512;
    if (cache[at].id == id) return cache[at].fd;
    char name[32];
    snprintf(name, sizeof name, "%llu", (unsigned long long)id);
    int fd = openat(object_fd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return -1;
    if (cache[at].id) close(cache[at].fd);
    cache[at].id = id;
    cache[at].fd = fd;
    return fd;
}

static void write_object(int fd, const char *data, size_t length, uint64_t offset) {
    while (length > 0) {
        ssize_t n = pwrite(fd, data, length, (off_t)offset);
        if (n <= 0) fatal("cannot write to the mirror");
        data += n;
        length -= (size_t)n;
        offset += (uint64_t)n;
    }
}

static void apply(const bx_entry *e) {
    const char *body = (const char *)(e + 1), *second = NULL;
    char name[32];
    struct stat st;
    if (e->op < 16) entries_by_op[e->op]++;
    if (e->op == BX_OP_RENAME || e->op == BX_OP_LINK || e->op == BX_OP_SYMLINK) second = body + strlen(body) + 1;
    snprintf(name, sizeof name, "%llu", (unsigned long long)e->file);
    switch (e->op) {
    case BX_OP_CREATE: {
        int fd = openat(object_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) return problem("create: id %s exists already", name);
        fchmod(fd, (mode_t)e->offset);
        close(fd);
        if (linkat(object_fd, name, tree_fd, body, 0) != 0) problem("create %s: %s", body, strerror(errno));
        break;
    }
    case BX_OP_WRITE: {
        int fd = object(e->file);
        if (fd < 0) return; // written after its last name went
        const bx_range *range = (const bx_range *)body;
        const char *data = body + e->ranges * sizeof(bx_range);
        uint32_t before = 0;
        for (uint32_t i = 0; i < e->ranges; i++) {
            if (i > 0 && range[i].at < before) problem("ranges out of order in file %s", name);
            if (range[i].at + (uint64_t)range[i].length > e->length) problem("range outside the write in file %s", name);
            before = range[i].at + range[i].length;
            write_object(fd, data, range[i].length, e->offset + range[i].at);
            data += range[i].length;
        }
        if (data != body + e->body_length) problem("body length of a write to file %s is wrong", name);
        fstat(fd, &st);
        if (e->file_size > (uint64_t)st.st_size && ftruncate(fd, (off_t)e->file_size) != 0) fatal("cannot grow");
        if (!e->file_size && e->offset + e->length > (uint64_t)st.st_size) problem("write beyond the end of file %s", name);
        break;
    }
    case BX_OP_ZERO: {
        int fd = object(e->file);
        if (fd < 0) return;
        fstat(fd, &st);
        if (e->length && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)e->offset, (off_t)e->length) != 0)
            fatal("cannot punch");
        if (!(e->flags & BX_KEEP_SIZE) && e->offset + e->length > (uint64_t)st.st_size &&
            ftruncate(fd, (off_t)(e->offset + e->length)) != 0)
            fatal("cannot grow");
        break;
    }
    case BX_OP_SIZE: {
        int fd = object(e->file);
        if (fd >= 0 && ftruncate(fd, (off_t)e->offset) != 0) fatal("cannot truncate");
        break;
    }
    case BX_OP_RENAME:
        if (renameat(tree_fd, body, tree_fd, second) != 0) problem("rename %s to %s: %s", body, second, strerror(errno));
        break;
    case BX_OP_LINK:
        if (linkat(tree_fd, body, tree_fd, second, 0) != 0) problem("link %s to %s: %s", body, second, strerror(errno));
        break;
    case BX_OP_UNLINK:
        if (fstatat(tree_fd, body, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 2) {
            struct stat other;
            if (fstatat(object_fd, name, &other, 0) != 0 || other.st_ino != st.st_ino) problem("unlink %s names the wrong id", body);
            if (cache[e->file % 512].id == e->file) {
                close(cache[e->file % 512].fd);
                cache[e->file % 512].id = 0;
            }
            unlinkat(object_fd, name, 0);
        }
        if (unlinkat(tree_fd, body, 0) != 0) problem("unlink %s: %s", body, strerror(errno));
        break;
    case BX_OP_MKDIR:
        if (mkdirat(tree_fd, body, 0700) != 0) problem("mkdir %s: %s", body, strerror(errno));
        fchmodat(tree_fd, body, (mode_t)e->offset, 0);
        break;
    case BX_OP_RMDIR:
        if (unlinkat(tree_fd, body, AT_REMOVEDIR) != 0) problem("rmdir %s: %s", body, strerror(errno));
        break;
    case BX_OP_SYMLINK:
        if (symlinkat(body, tree_fd, second) != 0) problem("symlink %s: %s", second, strerror(errno));
        break;
    case BX_OP_CHMOD:
        if (fchmodat(tree_fd, body, (mode_t)e->offset, 0) != 0) problem("chmod %s: %s", body, strerror(errno));
        break;
    case BX_OP_PAD:
    case BX_OP_MARKER:
        break;
    default:
        problem("unknown op %u", e->op);
    }
}

// Applies what is committed; true if anything was.
static bool drain(void) {
    uint64_t head = ring->head, from = head, mask = ring->log_bytes - 1;
    for (;;) {
        uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST);
        if (head == tail || head - from > ring->log_bytes / 8) break;
        bx_entry *e = (bx_entry *)(ring_log + (head & mask));
        uint32_t state = __atomic_load_n(&e->state, __ATOMIC_ACQUIRE);
        if (state != BX_COMMITTED && state != BX_ABANDONED) break;
        if (state == BX_COMMITTED && !discard) apply(e);
        uint32_t size = e->size;
        if (size < 64 || size % 64) fatal("entry of size %u", size);
        memset(e, 0, size);
        head += size;
    }
    if (head == from) return false;
    if (latency) usleep((useconds_t)latency);
    __atomic_store_n(&ring->head, head, __ATOMIC_SEQ_CST);
    __atomic_store_n(&ring->durable, head, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&ring->durable_seq, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->durable_waiters, __ATOMIC_SEQ_CST)) wake(&ring->durable_seq);
    if (__atomic_load_n(&ring->space_waiters, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&ring->space_seq, 1, __ATOMIC_SEQ_CST);
        wake(&ring->space_seq);
    }
    return true;
}

// A fetch sees everything that was reserved before it: nobody waits for a fetch while holding a reservation, so
// waiting for the ring to drain up to that point ends.
static uint64_t fetch_barrier, hints;
static bool serve(void) {
    if (__atomic_load_n(&ring->fetch_asked, __ATOMIC_SEQ_CST) == 0) return false;
    bool any = false;
    for (uint64_t i = 0; i < ring->fetch_slots; i++) {
        // Nobody waits for these, and this driver fetches nothing ahead.
        if (__atomic_load_n(&fetches[i].state, __ATOMIC_SEQ_CST) != BX_FETCH_HINTED) continue;
        __atomic_store_n(&fetches[i].state, BX_FETCH_FREE, __ATOMIC_SEQ_CST);
        __atomic_fetch_sub(&ring->fetch_asked, 1, __ATOMIC_SEQ_CST);
        hints++;
    }
    fetch_barrier = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST);
    bool asked[64] = {false};
    for (uint64_t i = 0; i < ring->fetch_slots; i++)
        asked[i] = __atomic_load_n(&fetches[i].state, __ATOMIC_SEQ_CST) == BX_FETCH_ASKED;
    fetch_barrier = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST);
    while (ring->head < fetch_barrier && !stopping)
        if (!drain()) usleep(20);
    for (uint64_t i = 0; i < ring->fetch_slots; i++) {
        if (!asked[i]) continue;
        char *data = fetch_data + i * BX_FETCH_BYTES;
        int fd = object(fetches[i].file);
        any = true;
        __atomic_fetch_sub(&ring->fetch_asked, 1, __ATOMIC_SEQ_CST);
        memset(data, 0, fetches[i].length);
        if (fd < 0 || pread(fd, data, fetches[i].length, (off_t)fetches[i].offset) < 0) {
            problem("fetch of unknown file %llu", (unsigned long long)fetches[i].file);
            fetches[i].error = EIO;
            __atomic_store_n(&fetches[i].state, BX_FETCH_ERROR, __ATOMIC_SEQ_CST);
        } else {
            served++;
            __atomic_store_n(&fetches[i].state, BX_FETCH_DONE, __ATOMIC_SEQ_CST);
        }
        wake(&fetches[i].state);
    }
    return any;
}

// ---- Eviction: some chunks of some files, when the ring is empty.

static uint32_t chance = 12345;
static uint32_t dice(void) { return chance = chance * 1664525 + 1013904223, chance >> 8; }

static void evict_file(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0) return;
    bx_file *slot;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && (slot = slot_of(st.st_ino, false)) && slot->id) {
        uint64_t chunk = dice() % ((uint64_t)st.st_size / BX_FETCH_BYTES + 1) * BX_FETCH_BYTES;
        uint32_t *lock = &ring->locks[bx_lock_index(st.st_ino, chunk)], none = 0;
        if (__atomic_compare_exchange_n(lock, &none, (uint32_t)syscall(SYS_gettid), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            if (__atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST) == ring->head) {
                __atomic_fetch_add(&slot->evictions, 1, __ATOMIC_SEQ_CST);
                bool mapped = __atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & BX_FILE_MAPPED;
                if (!mapped) __atomic_fetch_or(&slot->flags, BX_FILE_HOLES, __ATOMIC_SEQ_CST);
                if (!mapped && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)chunk, BX_FETCH_BYTES) == 0) punched++;
                __atomic_fetch_add(&slot->evictions, 1, __ATOMIC_SEQ_CST);
            }
            if (__atomic_exchange_n(lock, 0, __ATOMIC_SEQ_CST) & 0x80000000u) wake(lock);
        }
    }
    close(fd);
}

static void evict_under(const char *path, int depth) {
    DIR *dir = opendir(path);
    if (!dir) return;
    struct dirent *one;
    while ((one = readdir(dir))) {
        char below[PATH_MAX];
        if (one->d_name[0] == '.' || is_local(one->d_name)) continue;
        snprintf(below, sizeof below, "%s/%s", path, one->d_name);
        if (one->d_type == DT_DIR && depth < 6) evict_under(below, depth + 1);
        else if (one->d_type == DT_REG && dice() % 4 == 0) evict_file(below);
    }
    closedir(dir);
}

static void *consume(void *unused) {
    (void)unused;
    int idle = 0;
    struct timespec last = {0}, now;
    for (;;) {
        bool busy = drain();
        busy |= serve();
        if (evict) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            if (now.tv_sec * 1000 + now.tv_nsec / 1000000 - last.tv_sec * 1000 - last.tv_nsec / 1000000 > 20) {
                evict_under(root, 0);
                clock_gettime(CLOCK_MONOTONIC, &last);
            }
        }
        if (busy) {
            idle = 0;
            continue;
        }
        if (stopping && ++idle > 3) return NULL;
        bool pending = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST) != ring->head;
        __atomic_store_n(&ring->consumer_asleep, pending ? 2 : 1, __ATOMIC_SEQ_CST);
        bx_entry *next = (bx_entry *)(ring_log + (ring->head & (ring->log_bytes - 1)));
        bool ready = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST) != ring->head &&
                     __atomic_load_n(&next->state, __ATOMIC_SEQ_CST) >= BX_COMMITTED;
        ready |= __atomic_load_n(&ring->fetch_asked, __ATOMIC_SEQ_CST) != 0;
        if (!ready) {
            struct pollfd wait = {bell, POLLIN, 0};
            poll(&wait, 1, 5);
        }
        __atomic_store_n(&ring->consumer_asleep, 0, __ATOMIC_SEQ_CST);
        uint64_t count;
        if (read(bell, &count, sizeof count) < 0 && errno != EAGAIN) fatal("doorbell");
    }
}

// ---- Attaching.

static uint64_t *ids, *inodes;
static size_t known;
static int by_inode(const void *a, const void *b) {
    uint64_t x = ((const uint64_t *)a)[0], y = ((const uint64_t *)b)[0];
    return x < y ? -1 : x > y;
}

static void scan_objects(void) {
    DIR *dir = opendir(objects);
    struct dirent *one;
    size_t room = 0;
    while ((one = readdir(dir))) {
        if (one->d_name[0] == '.') continue;
        if (known == room) ids = realloc(ids, (room = room ? room * 2 : 4096) * 16);
        ids[known * 2] = one->d_ino;
        ids[known * 2 + 1] = strtoull(one->d_name, NULL, 10);
        if (ids[known * 2 + 1] >= ring->next_file_id) ring->next_file_id = ids[known * 2 + 1] + 1;
        known++;
    }
    closedir(dir);
    qsort(ids, known, 16, by_inode);
    (void)inodes;
}

static void lay_out(const char *from, const char *to, uid_t uid, gid_t gid) {
    DIR *dir = opendir(from);
    struct dirent *one;
    bool holes = strcmp(attach, "holes") == 0;
    if (!dir) fatal("cannot read %s", from);
    while ((one = readdir(dir))) {
        char source[PATH_MAX], target[PATH_MAX], text[PATH_MAX];
        struct stat st;
        if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..")) continue;
        snprintf(source, sizeof source, "%s/%s", from, one->d_name);
        snprintf(target, sizeof target, "%s/%s", to, one->d_name);
        if (lstat(source, &st) != 0) fatal("cannot stat %s", source);
        if (S_ISDIR(st.st_mode)) {
            if (holes && mkdir(target, 0700) == 0) {
                chmod(target, st.st_mode & 07777);
                if (chown(target, uid, gid) != 0) fatal("chown");
            }
            lay_out(source, target, uid, gid);
        } else if (S_ISLNK(st.st_mode)) {
            ssize_t n = readlink(source, text, sizeof text - 1);
            text[n < 0 ? 0 : n] = 0;
            if (holes && symlink(text, target) != 0) fatal("symlink");
        } else {
            int fd = open(target, holes ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
            uint64_t key = st.st_ino, *found = bsearch(&key, ids, known, 16, by_inode);
            struct stat local;
            if (fd < 0 || !found) fatal("cannot lay out %s", target);
            if (holes && (ftruncate(fd, st.st_size) != 0 || fchmod(fd, st.st_mode & 07777) != 0 || fchown(fd, uid, gid) != 0))
                fatal("cannot lay out %s", target);
            fstat(fd, &local);
            close(fd);
            bx_file *slot = slot_of(local.st_ino, true);
            if (!slot) fatal("file table is full");
            slot->inode = local.st_ino;
            slot->flags = holes ? BX_FILE_HOLES : 0;
            slot->id = found[1];
        }
    }
    closedir(dir);
}

// ---- Comparing.

static void compare_file(const char *a, const char *b, const struct stat *x, const struct stat *y) {
    static char left[1 << 16], right[1 << 16];
    if (x->st_size != y->st_size) return problem("%s: %lld bytes, mirror has %lld", a, (long long)x->st_size, (long long)y->st_size);
    int p = open(a, O_RDONLY | O_CLOEXEC), q = open(b, O_RDONLY | O_CLOEXEC);
    bx_file *slot = slot_of(x->st_ino, false);
    bool holes = slot && (slot->flags & BX_FILE_HOLES);
    if (!slot || !slot->id) problem("%s is not in the file table", a);
    off_t at = 0, end = x->st_size;
    while (at < end) {
        off_t stop = end;
        if (holes) {
            at = lseek(p, at, SEEK_DATA);
            if (at < 0) break;
            stop = lseek(p, at, SEEK_HOLE);
        }
        while (at < stop) {
            size_t want = stop - at < (off_t)sizeof left ? (size_t)(stop - at) : sizeof left;
            if (pread(p, left, want, at) != (ssize_t)want || pread(q, right, want, at) != (ssize_t)want) fatal("cannot read %s", a);
            if (memcmp(left, right, want) != 0) {
                size_t i = 0;
                while (left[i] == right[i]) i++;
                problem("%s differs from its mirror at byte %lld", a, (long long)at + (long long)i);
                stop = at = end;
                break;
            }
            at += (off_t)want;
        }
    }
    close(p);
    close(q);
}

static int compared;
static void compare_under(const char *a, const char *b) {
    struct dirent **left, **right;
    int n = scandir(a, &left, NULL, alphasort), m = scandir(b, &right, NULL, alphasort);
    if (n < 0 || m < 0) return problem("cannot read %s or %s", a, b);
    for (int i = 0, j = 0; i < n || j < m;) {
        if (i < n && (left[i]->d_type == DT_SOCK || is_local(left[i]->d_name))) {
            i++;
            continue;
        }
        int order = i == n ? 1 : j == m ? -1 : strcmp(left[i]->d_name, right[j]->d_name);
        if (order < 0) {
            problem("%s/%s is missing in the mirror", a, left[i++]->d_name);
            continue;
        }
        if (order > 0) {
            problem("%s/%s is only in the mirror", a, right[j++]->d_name);
            continue;
        }
        const char *name = left[i++]->d_name;
        j++;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        char p[PATH_MAX], q[PATH_MAX];
        struct stat x, y;
        snprintf(p, sizeof p, "%s/%s", a, name);
        snprintf(q, sizeof q, "%s/%s", b, name);
        if (lstat(p, &x) != 0 || lstat(q, &y) != 0) fatal("cannot stat %s", p);
        compared++;
        if (x.st_mode != y.st_mode) problem("%s: mode %o, mirror has %o", p, x.st_mode, y.st_mode);
        else if (S_ISDIR(x.st_mode)) compare_under(p, q);
        else if (S_ISREG(x.st_mode)) compare_file(p, q, &x, &y);
        else if (S_ISLNK(x.st_mode)) {
            char s[PATH_MAX] = {0}, t[PATH_MAX] = {0};
            if (readlink(p, s, sizeof s - 1) < 0 || readlink(q, t, sizeof t - 1) < 0 || strcmp(s, t)) problem("%s: links differ", p);
        }
    }
}

// ---- The command.

static bool descends(pid_t pid, pid_t from) {
    for (int depth = 0; depth < 32 && pid > 1; depth++) {
        char path[64], text[512];
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return false;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        if (n <= 0) return false;
        text[n] = 0;
        char *end = strrchr(text, ')');
        int parent;
        if (!end || sscanf(end + 2, "%*c %d", &parent) != 1) return false;
        if (parent == from) return true;
        pid = parent;
    }
    return false;
}

// We are the subreaper, so every process of the command descends from us whatever it did.
static volatile sig_atomic_t interrupted;
static void interrupt(int signal) { interrupted = signal; }

static int kill_descendants(void) {
    int killed = 0;
    DIR *dir = opendir("/proc");
    struct dirent *one;
    while ((one = readdir(dir))) {
        int pid = atoi(one->d_name);
        if (pid > 1 && pid != getpid() && descends(pid, getpid()) && kill(pid, SIGKILL) == 0) killed++;
    }
    closedir(dir);
    return killed;
}

int main(int count, char **arguments) {
    int i = 1;
    for (; i < count && strcmp(arguments[i], "--"); i++) {
        const char *name = arguments[i];
        if (!strcmp(name, "--evict")) { evict = true; continue; }
        if (!strcmp(name, "--local-mode")) { local_mode = true; continue; }
        if (!strcmp(name, "--discard")) { discard = true; compare = false; continue; }
        if (!strcmp(name, "--no-compare")) { compare = false; continue; }
        if (i + 1 >= count) fatal("option %s", name);
        const char *value = arguments[++i];
        if (!strcmp(name, "--shim")) shim = value;
        else if (!strcmp(name, "--root")) root = value;
        else if (!strcmp(name, "--mirror")) mirror = value;
        else if (!strcmp(name, "--local")) patterns = value;
        else if (!strcmp(name, "--user")) user = value;
        else if (!strcmp(name, "--attach")) attach = value;
        else if (!strcmp(name, "--latency")) latency = atol(value);
        else if (!strcmp(name, "--log-bytes")) log_bytes = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--kill-after")) kill_after = atol(value), compare = false;
        else if (!strcmp(name, "--fail-after")) fail_after = atol(value), compare = false;
        else fatal("unknown option %s", name);
    }
    if (!shim || !root || !mirror || i + 1 >= count) fatal("usage: see the top of mirror.c");
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (user && uid == 0) {
        struct passwd *who = getpwnam(user);
        if (!who) fatal("no user %s", user);
        uid = who->pw_uid;
        gid = who->pw_gid;
    }
    umask(022);
    mkdir(mirror, 0755);
    snprintf(tree, sizeof tree, "%s/tree", mirror);
    snprintf(objects, sizeof objects, "%s/objects", mirror);
    mkdir(objects, 0755);
    mkdir(tree, 0755);
    tree_fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    object_fd = open(objects, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree_fd < 0 || object_fd < 0) fatal("cannot make %s", mirror);
    make_ring();
    if (attach) {
        scan_objects();
        lay_out(tree, root, uid, gid);
    }
    int made = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bell = fcntl(made, F_DUPFD_CLOEXEC, 200);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGTERM, interrupt);
    signal(SIGINT, interrupt);
    pid_t child = fork();
    if (child == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", bell);
        fcntl(bell, F_SETFD, 0);
        if (getuid() == 0 && uid != 0 && (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) fatal("setuid");
        setenv("BOREALIS_RING", ring_path, 1);
        setenv("BOREALIS_ROOT", root, 1);
        setenv("BOREALIS_LOCAL", patterns, 1);
        setenv("BOREALIS_DOORBELL_FD", number, 1);
        setenv("LD_PRELOAD", shim, 1);
        execvp(arguments[i + 1], arguments + i + 1);
        fatal("cannot run %s", arguments[i + 1]);
    }
    pthread_t consumer;
    pthread_create(&consumer, NULL, consume, NULL);
    int status = 0, result = 0;
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    bool child_gone = false, all_gone = false, done_killing = false;
    while (!all_gone) {
        pid_t gone = waitpid(-1, &status, WNOHANG);
        if (gone == child) {
            child_gone = true;
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        } else if (gone < 0 && errno == ECHILD) {
            all_gone = true;
        } else if (gone == 0) {
            usleep(2000);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        long passed = now.tv_sec - began.tv_sec;
        if (kill_after && passed >= kill_after && !done_killing) {
            while (kill_descendants() > 0) while (waitpid(-1, NULL, WNOHANG) > 0) continue;
            done_killing = true;
        }
        if (fail_after && passed >= fail_after && ring->state == BX_OPEN) {
            ring->state = BX_FAILED;
            __atomic_fetch_add(&ring->durable_seq, 1, __ATOMIC_SEQ_CST);
            wake(&ring->durable_seq);
        }
        if (interrupted || passed > 300) {
            if (!problems) problem("interrupted, or the command took more than 300 seconds");
            kill_descendants();
        }
    }
    (void)child_gone;
    stopping = true;
    pthread_join(consumer, NULL);
    uint64_t rest = ring->tail - ring->head;
    if (compare) {
        if (rest) problem("%llu bytes of entries were never committed", (unsigned long long)rest);
        if (!local_mode) compare_under(root, tree);
    }
    fprintf(stderr,
            "mirror: status %d, %d problems, %d names compared; log %llu KB (%llu bytes in doubt), writes %llu (%llu KB, %llu KB "
            "shipped), creates %llu, syncs %llu, waits %llu, wakes %llu, fetches %llu, hints %llu, punched %llu; entries",
            result, problems, compared, (unsigned long long)ring->tail / 1024, (unsigned long long)rest, (unsigned long long)ring->writes,
            (unsigned long long)ring->write_bytes / 1024, (unsigned long long)ring->shipped_bytes / 1024,
            (unsigned long long)ring->creates, (unsigned long long)ring->syncs, (unsigned long long)ring->sync_waits,
            (unsigned long long)ring->wakes, (unsigned long long)ring->fetches, (unsigned long long)hints,
            (unsigned long long)punched);
    static const char *ops[16] = {"", "pad", "create", "write", "zero", "size", "rename", "link", "unlink", "mkdir", "rmdir", "symlink", "chmod", "marker"};
    for (int op = 1; op < 14; op++)
        if (entries_by_op[op]) fprintf(stderr, " %s=%llu", ops[op], (unsigned long long)entries_by_op[op]);
    fprintf(stderr, "\n");
    unlink(ring_path);
    if (kill_after || fail_after) return problems ? 2 : 0;
    return problems ? 2 : result;
}
