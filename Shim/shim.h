// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the shim share: its one state, the descriptor table, and the functions each part offers.
#ifndef BOREALIS_SHIM_H
#define BOREALIS_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "borealis_ring.h"

#define BX_LIKELY(x) __builtin_expect(!!(x), 1)
#define BX_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BX_EXPORT __attribute__((visibility("default")))
// Initial-exec is safe because a preloaded library is loaded at start-up, and it spares a call for each access.
#define BX_THREAD __thread __attribute__((tls_model("initial-exec")))

#define bx_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define bx_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define bx_count(field, n) __atomic_fetch_add(&bx.ring->field, (n), __ATOMIC_RELAXED)

// ---- The real calls (real.c). Every member is callable at any time: before start-up it looks the call up first.

struct bx_real_calls {
#define BX_CALL(result, name, parameters, arguments, number) result(*name) parameters;
#define BX_CALL_VARIADIC(result, name, declared, parameters, arguments, number) result(*name) parameters;
#include "intercept.def"
#undef BX_CALL
#undef BX_CALL_VARIADIC
};
extern struct bx_real_calls bx_real;
void bx_find_real_calls(void);

// ---- The state (start.c).

#define BX_PATTERNS 64

struct bx_state {
    int ready;   // 0 not yet, 1 being initialised, 2 done
    bool active; // BOREALIS_RING was set
    bool no_openat2;
    int doorbell;
    uint32_t pid;
    bx_ring *ring;
    bx_file *files;
    bx_fetch *fetches;
    char *fetch_data;
    char *log;
    char root[4096];
    size_t root_length;
    dev_t root_device;
    char cwd[4096];
    char pattern_text[4096];
    const char *patterns[BX_PATTERNS];
    int pattern_count;
};
extern struct bx_state bx;

void bx_start(void);
static inline bool bx_active(void) {
    if (BX_UNLIKELY(__atomic_load_n(&bx.ready, __ATOMIC_ACQUIRE) != 2)) bx_start();
    return bx.active;
}
// One line on stderr, without stdio and without touching errno.
void bx_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- Paths (paths.c).

enum bx_where { BX_OUTSIDE, BX_LOCAL, BX_VOLUME };

struct bx_place {
    enum bx_where where;
    bool dots;         // the path had a ".." component, so only the kernel knows what it means where links exist
    char path[4096];   // absolute and normalised
    const char *relative; // within path; "" is the root itself; valid unless outside
};

bool bx_pattern_matches(const char *pattern, const char *text, size_t length);
// Writes `path`, taken relative to the absolute `base`, without ".", ".." and double slashes. False: too long.
bool bx_normalise(const char *base, const char *path, char *to, size_t room, bool *dots);
void bx_classify(struct bx_place *place);
// By text alone.
int bx_place_lexically(int dir, const char *path, struct bx_place *place);
// With symbolic links in the parent resolved; the last component is taken as it is.
int bx_place_exactly(int dir, const char *path, struct bx_place *place);
// Like bx_place_exactly, but follows a symbolic link in the last component too, if what it names exists.
int bx_place_following(int dir, const char *path, struct bx_place *place);
void bx_note_directory_change(void);
int bx_path_of_descriptor(int fd, char *to, size_t room);

// ---- Descriptors (descriptors.c).

enum bx_kind { BX_KIND_NONE = 0, BX_KIND_FILE = 1, BX_KIND_DIRECTORY = 2, BX_KIND_PRIVATE = 3 };
enum { BX_FD_APPEND = 1, BX_FD_SYNC = 2, BX_FD_WRITABLE = 4, BX_FD_HOLES = 8 };

#define BX_DESCRIPTORS 65536

struct bx_fd {
    uint8_t kind;
    uint8_t flags;
    int32_t private_fd; // a separate description for SEEK_HOLE and fills, plus one; for BX_KIND_PRIVATE: its owner, plus one
    uint32_t slot;      // in the file table
    uint64_t inode;
    uint64_t id;
};
extern struct bx_fd bx_fds[BX_DESCRIPTORS];

static inline struct bx_fd *bx_tracked(int fd) {
    return (unsigned)fd < BX_DESCRIPTORS && bx_fds[fd].kind != BX_KIND_NONE ? &bx_fds[fd] : NULL;
}
static inline struct bx_fd *bx_file_at(int fd) {
    return (unsigned)fd < BX_DESCRIPTORS && bx_fds[fd].kind == BX_KIND_FILE ? &bx_fds[fd] : NULL;
}
int bx_track(int fd, enum bx_kind kind, int flags, uint64_t inode, uint64_t id, uint32_t slot);
void bx_forget(int fd);
void bx_classify_inherited(void);
int bx_private_descriptor(int fd, struct bx_fd *file);
int bx_open_any(int dir, const char *path, int flags, mode_t mode);
int bx_close_descriptor(int fd);

// ---- The shared file table (table.c).

#define BX_NO_SLOT UINT32_MAX
// Finds the id of an inode. Returns 0 if it is unknown or still being filled in.
uint64_t bx_table_find(uint64_t inode, uint32_t *slot);
int bx_table_insert(uint64_t inode, uint64_t id, uint32_t *slot);
void bx_table_remove(uint64_t inode, uint64_t id);

// ---- The ring (ring.c).

static inline bool bx_shipping(void) { return !(__atomic_load_n(&bx.ring->mode, __ATOMIC_RELAXED) & BX_MODE_LOCAL); }
static inline bool bx_failed(void) { return __atomic_load_n(&bx.ring->state, __ATOMIC_RELAXED) == BX_FAILED; }
// Claims room for an entry with `body` bytes after the header. NULL with errno EIO when the volume has failed.
bx_entry *bx_reserve(uint16_t op, uint32_t body);
void bx_publish(bx_entry *entry);
// BX_COMMITTED or BX_ABANDONED. A null entry (nothing is shipped) is allowed.
void bx_finish(bx_entry *entry, uint32_t state);
// An entry that names one or two paths, published. `*entry` is NULL when nothing is shipped. -1 with errno on failure.
int bx_begin(bx_entry **entry, uint16_t op, uint64_t file, uint64_t offset, const char *path, const char *other);
int bx_wait_durable(void);
void bx_ring_doorbell_if_asleep(void);
bool bx_driver_is_dead(void);
void bx_fail_volume(void);
void bx_futex_sleep(uint32_t *word, uint32_t value, long milliseconds);
void bx_futex_rouse(uint32_t *word, int count);

// ---- Range locks (locks.c).

struct bx_lock_set {
    uint64_t bits[BX_LOCKS / 64];
};
void bx_lock(uint32_t index);
void bx_unlock(uint32_t index);
void bx_lock_span(struct bx_lock_set *set, uint64_t inode, uint64_t from, uint64_t to);
void bx_unlock_span(const struct bx_lock_set *set);

// ---- Absent blocks (holes.c).

#define BX_HOLE 4096u

bool bx_guarded_slow(struct bx_fd *file);
// Whether blocks of the file can be absent, or become so.
static inline bool bx_guarded(struct bx_fd *file) {
    const bx_file *slot = &bx.files[file->slot];
    if (BX_LIKELY(__atomic_load_n(&slot->inode, __ATOMIC_RELAXED) == file->inode))
        return (__atomic_load_n(&slot->flags, __ATOMIC_RELAXED) & BX_FILE_HOLES) ||
               (__atomic_load_n(&bx.ring->mode, __ATOMIC_RELAXED) & BX_MODE_EVICTING);
    return bx_guarded_slow(file);
}
bool bx_may_have_holes(struct bx_fd *file);
uint32_t bx_evictions(struct bx_fd *file);
// Makes [offset, offset + length) present. `locked`: the caller holds the range locks.
int bx_make_present(int fd, struct bx_fd *file, off_t offset, uint64_t length, bool locked);
// Tells the driver that [offset, offset + length) is about to be read. Nobody waits; a hint may be lost. length 0: to the end.
void bx_hint(int fd, struct bx_fd *file, off_t offset, off_t length);

// ---- Data (diff.c, write.c, read.c).

size_t bx_diff(const char *new, const char *old, size_t from, size_t to, bx_range *ranges, size_t count);
#define BX_MAX_RANGES (BX_WRITE_MAX / 8)

ssize_t bx_write_file(int fd, struct bx_fd *file, const struct iovec *parts, int count, off_t offset, bool positioned);
ssize_t bx_write_plain(int fd, const void *from, size_t length);
int bx_set_size(int fd, struct bx_fd *file, off_t size);
int bx_zero_range(int fd, struct bx_fd *file, off_t offset, off_t length, bool keep_size, bool punch);
ssize_t bx_read_plain(int fd, void *to, size_t length);
ssize_t bx_pread_plain(int fd, void *to, size_t length, off_t offset);
// Ships everything in a file that the volume does not know yet, under its new id.
int bx_ship_content(int fd, uint64_t id, uint64_t size);
ssize_t bx_pwrite_all(int fd, const char *from, size_t length, off_t offset);

#endif
