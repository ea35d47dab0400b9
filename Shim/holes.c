// SPDX-License-Identifier: Apache-2.0
//
// Absent blocks. In a file whose table slot says BX_FILE_HOLES, a hole in the local file is a block that the driver
// has to deliver first. Present data is never a hole, because fills write real bytes, zeros included.
#include "shim.h"

#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool bx_guarded_slow(struct bx_fd *file) {
    // The slot has gone to another inode: the file was unlinked. Look once more, then rely on what was known at open.
    uint32_t slot;
    if (bx_table_find(file->inode, &slot) == file->id) {
        file->slot = slot;
        return (bx_load(&bx.files[slot].flags) & BX_FILE_HOLES) || (bx_load(&bx.ring->mode) & BX_MODE_EVICTING);
    }
    return file->flags & BX_FD_HOLES;
}

bool bx_may_have_holes(struct bx_fd *file) {
    const bx_file *slot = &bx.files[file->slot];
    if (bx_load(&slot->inode) == file->inode) return bx_load(&slot->flags) & BX_FILE_HOLES;
    return file->flags & BX_FD_HOLES;
}

uint32_t bx_evictions(struct bx_fd *file) {
    const bx_file *slot = &bx.files[file->slot];
    return bx_load(&slot->inode) == file->inode ? bx_load(&slot->evictions) : 0;
}

ssize_t bx_pwrite_all(int fd, const char *from, size_t length, off_t offset) {
    size_t done = 0;
    while (done < length) {
        ssize_t n = bx_real.pwrite(fd, from + done, length - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return done > 0 ? (ssize_t)done : -1;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

// The next hole in [from, to). False: none.
static bool next_hole(int fd, off_t from, off_t to, off_t *begin, off_t *end) {
    off_t hole = lseek(fd, from, SEEK_HOLE);
    if (hole < 0 || hole >= to) return false;
    off_t data = lseek(fd, hole, SEEK_DATA);
    *begin = hole;
    *end = data < 0 || data > to ? to : data;
    return true;
}

// A free one of the first `count` slots, claimed; NULL if there is none now.
static bx_fetch *claim_free_slot(uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        bx_fetch *slot = &bx.fetches[(i + bx.pid) % count];
        uint32_t free = BX_FETCH_FREE;
        if (bx_load(&slot->state) == BX_FETCH_FREE &&
            __atomic_compare_exchange_n(&slot->state, &free, BX_FETCH_CLAIMED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return slot;
    }
    return NULL;
}

static bx_fetch *claim_slot(void) {
    struct timespec pause = {0, 50000};
    for (uint32_t round = 0;; round++) {
        bx_fetch *slot = claim_free_slot(bx.ring->fetch_slots);
        if (slot) return slot;
        if (round % 20000 == 19999 && bx_driver_is_dead()) {
            errno = EIO;
            return NULL;
        }
        nanosleep(&pause, NULL);
    }
}

// Fills in a claimed slot and hands it to the driver, which may still have to be woken.
static void post(bx_fetch *slot, struct bx_fd *file, off_t offset, uint32_t length, uint32_t state) {
    slot->pid = bx.pid;
    slot->file = file->id;
    slot->offset = (uint64_t)offset;
    slot->length = length;
    slot->error = 0;
    __atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&bx.ring->fetch_asked, 1, __ATOMIC_SEQ_CST);
}

// Asks for [offset, offset + length) and waits. On success the slot is the caller's to release.
static bx_fetch *ask(struct bx_fd *file, off_t offset, uint32_t length) {
    bx_fetch *slot = claim_slot();
    if (!slot) return NULL;
    post(slot, file, offset, length, BX_FETCH_ASKED);
    bx_count(fetches, 1);
    for (;;) {
        bx_ring_doorbell_if_asleep();
        uint32_t state = bx_load(&slot->state);
        if (state == BX_FETCH_DONE) return slot;
        if (state == BX_FETCH_ERROR) {
            int error = slot->error ? (int)slot->error : EIO;
            bx_store(&slot->state, BX_FETCH_FREE);
            errno = error;
            return NULL;
        }
        bx_futex_sleep(&slot->state, BX_FETCH_ASKED, 1000);
        // The slot is leaked on purpose when the driver is gone: nobody will serve it.
        if (bx_load(&slot->state) == BX_FETCH_ASKED && bx_driver_is_dead()) {
            bx_complain("the driver (process %u) is gone; a missing block cannot be fetched", bx.ring->driver_pid);
            errno = EIO;
            return NULL;
        }
    }
}

// Fetches one chunk and fills its holes. The caller holds the chunk's lock, so holes only vanish through us.
static int fill_chunk(struct bx_fd *file, int fd, off_t chunk, off_t from, off_t to) {
    struct stat st;
    off_t begin, end;
    if (fstat(fd, &st) != 0) return -1;
    if (to > st.st_size) to = st.st_size;
    if (from >= to || !next_hole(fd, from, to, &begin, &end)) return 0;
    off_t limit = chunk + (off_t)BX_FETCH_BYTES;
    if (limit > st.st_size) limit = st.st_size;
    bx_fetch *slot = ask(file, chunk, (uint32_t)(limit - chunk));
    if (!slot) return -1;
    const char *data = bx.fetch_data + (uint64_t)(slot - bx.fetches) * BX_FETCH_BYTES;
    int status = 0;
    for (off_t at = chunk; status == 0 && at < limit && next_hole(fd, at, limit, &begin, &end); at = end)
        if (bx_pwrite_all(fd, data + (begin - chunk), (size_t)(end - begin), begin) != end - begin) status = -1;
    int error = errno;
    bx_store(&slot->state, BX_FETCH_FREE);
    if (status != 0) {
        bx_complain("cannot store a fetched block: %s", strerror(error));
        errno = error == EBADF ? EIO : error;
    }
    return status;
}

int bx_make_present(int fd, struct bx_fd *file, off_t offset, uint64_t length, bool locked) {
    if (length == 0 || !bx_may_have_holes(file)) return 0;
    int own = bx_private_descriptor(fd, file);
    if (own < 0) return -1;
    int saved = errno;
    off_t end = offset + (off_t)length;
    if (end < offset) end = INT64_MAX;
    off_t hole = lseek(own, offset, SEEK_HOLE);
    if (hole < 0 || hole >= end) { // beyond the end of the file, or all there
        errno = saved;
        return 0;
    }
    struct stat st;
    if (fstat(own, &st) != 0) return -1;
    if (end > st.st_size) end = st.st_size;
    for (off_t chunk = hole & ~(off_t)(BX_FETCH_BYTES - 1); chunk < end; chunk += BX_FETCH_BYTES) {
        off_t from = chunk < offset ? offset : chunk;
        off_t to = chunk + (off_t)BX_FETCH_BYTES < end ? chunk + (off_t)BX_FETCH_BYTES : end, begin, stop;
        if (!next_hole(own, from, to, &begin, &stop)) continue;
        uint32_t index = bx_lock_index(file->inode, (uint64_t)chunk);
        if (!locked) bx_lock(index);
        int status = fill_chunk(file, own, chunk, from, to);
        int error = errno;
        if (!locked) bx_unlock(index);
        errno = error;
        if (status != 0) return -1;
    }
    errno = saved;
    return 0;
}

// Advice about more than this is cut short: whoever reads that much in order fetches whole chunks anyway.
#define HINT_BYTES (8 * (off_t)BX_FETCH_BYTES)

void bx_hint(int fd, struct bx_fd *file, off_t offset, off_t length) {
    if (offset < 0 || length < 0 || !bx_may_have_holes(file) || bx_failed()) return;
    int saved = errno;
    int own = bx_private_descriptor(fd, file);
    struct stat st;
    if (own < 0 || fstat(own, &st) != 0 || offset >= st.st_size) goto out;
    off_t end = length == 0 || length > HINT_BYTES ? offset + HINT_BYTES : offset + length;
    if (end > st.st_size) end = st.st_size;
    bool told = false;
    for (off_t at = offset, chunk_end, begin, stop; at < end; at = chunk_end) {
        chunk_end = (at & ~(off_t)(BX_FETCH_BYTES - 1)) + (off_t)BX_FETCH_BYTES;
        if (!next_hole(own, at, chunk_end < end ? chunk_end : end, &begin, &stop)) continue;
        // Half of the slots are for those who wait.
        bx_fetch *slot = claim_free_slot(bx.ring->fetch_slots / 2);
        if (!slot) break;
        post(slot, file, chunk_end - (off_t)BX_FETCH_BYTES, BX_FETCH_BYTES, BX_FETCH_HINTED);
        told = true;
    }
    if (told) bx_ring_doorbell_if_asleep();
out:
    errno = saved;
}
