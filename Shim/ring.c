// SPDX-License-Identifier: Apache-2.0
//
// Appending to the ring, and waiting for room in it and for durability. Nothing here knows what an entry means.
#include "shim.h"

#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHECK_MILLISECONDS 1000

// Not FUTEX_PRIVATE: the words are shared between processes.
void bx_futex_sleep(uint32_t *word, uint32_t value, long milliseconds) {
    struct timespec limit = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

void bx_futex_rouse(uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0); }

void bx_ring_doorbell_if_asleep(void) {
    if (bx_load(&bx.ring->consumer_asleep) == 0) return;
    if (__atomic_exchange_n(&bx.ring->consumer_asleep, 0, __ATOMIC_SEQ_CST) == 0) return;
    uint64_t one = 1;
    bx_count(wakes, 1);
    bx_real.write(bx.doorbell, &one, sizeof one);
}

void bx_fail_volume(void) {
    __atomic_store_n(&bx.ring->state, BX_FAILED, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&bx.ring->durable_seq, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&bx.ring->space_seq, 1, __ATOMIC_SEQ_CST);
    bx_futex_rouse(&bx.ring->durable_seq, INT32_MAX);
    bx_futex_rouse(&bx.ring->space_seq, INT32_MAX);
}

// A driver that died and was not reaped yet still takes signals, so ask /proc for its state.
bool bx_driver_is_dead(void) {
    uint32_t pid = bx_load(&bx.ring->driver_pid);
    if (pid == 0) return false;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return true;
    char text[512];
    snprintf(text, sizeof text, "/proc/%u/stat", pid);
    int fd = bx_real.open(text, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return false;
    ssize_t n = bx_real.read(fd, text, sizeof text - 1);
    bx_real.close(fd);
    if (n <= 0) return false;
    text[n] = 0;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

static int died(void) {
    bx_complain("the driver (process %u) is gone; the volume takes no more writes", bx.ring->driver_pid);
    bx_fail_volume();
    errno = EIO;
    return -1;
}

static int wait_for_space(uint64_t total) {
    bx_ring *ring = bx.ring;
    int status = 0;
    __atomic_fetch_add(&ring->space_waiters, 1, __ATOMIC_SEQ_CST);
    for (int round = 0;; round++) {
        uint32_t seq = __atomic_load_n(&ring->space_seq, __ATOMIC_SEQ_CST);
        uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST) + total - head <= ring->log_bytes) break;
        if (bx_failed()) {
            errno = EIO;
            status = -1;
            break;
        }
        bx_ring_doorbell_if_asleep();
        if (round > 0 && bx_driver_is_dead()) {
            status = died();
            break;
        }
        bx_futex_sleep(&ring->space_seq, seq, CHECK_MILLISECONDS);
    }
    __atomic_fetch_sub(&ring->space_waiters, 1, __ATOMIC_SEQ_CST);
    return status;
}

bx_entry *bx_reserve(uint16_t op, uint32_t body) {
    bx_ring *ring = bx.ring;
    const uint64_t size = (sizeof(bx_entry) + body + BX_ALIGN - 1) & ~(uint64_t)(BX_ALIGN - 1);
    const uint64_t mask = ring->log_bytes - 1;
    uint64_t tail = bx_load(&ring->tail), pad;
    for (;;) {
        if (BX_UNLIKELY(bx_failed())) {
            errno = EIO;
            return NULL;
        }
        uint64_t left = ring->log_bytes - (tail & mask);
        pad = left < size ? left : 0;
        if (BX_UNLIKELY(tail + pad + size - bx_load(&ring->head) > ring->log_bytes)) {
            if (wait_for_space(pad + size) != 0) return NULL;
            tail = bx_load(&ring->tail);
            continue;
        }
        if (__atomic_compare_exchange_n(&ring->tail, &tail, tail + pad + size, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) break;
    }
    if (pad) {
        bx_entry *filler = (bx_entry *)(bx.log + (tail & mask));
        filler->size = (uint32_t)pad;
        filler->op = BX_OP_PAD;
        filler->pid = bx.pid;
        bx_store(&filler->state, BX_COMMITTED);
        tail += pad;
    }
    // The consumer zeroed this room, so fields that are not set here read as zero.
    bx_entry *entry = (bx_entry *)(bx.log + (tail & mask));
    entry->size = (uint32_t)size;
    entry->op = op;
    entry->pid = bx.pid;
    entry->body_length = body;
    return entry;
}

void bx_publish(bx_entry *entry) { bx_store(&entry->state, BX_RESERVED); }

void bx_finish(bx_entry *entry, uint32_t state) {
    if (!entry) return;
    bx_ring *ring = bx.ring;
    // The exchange is a full barrier: either the consumer sees the entry before it sleeps, or we see it asleep.
    __atomic_exchange_n(&entry->state, state, __ATOMIC_SEQ_CST);
    uint32_t asleep = bx_load(&ring->consumer_asleep);
    if (BX_LIKELY(asleep == 0)) return;
    if (asleep == 2 || bx_load(&ring->tail) - bx_load(&ring->head) > ring->log_bytes / 4) bx_ring_doorbell_if_asleep();
}

int bx_begin(bx_entry **entry, uint16_t op, uint64_t file, uint64_t offset, const char *path, const char *other) {
    *entry = NULL;
    if (bx_failed()) {
        errno = EIO;
        return -1;
    }
    if (!bx_shipping()) return 0;
    size_t first = strlen(path) + 1, second = other ? strlen(other) + 1 : 0;
    bx_entry *made = bx_reserve(op, (uint32_t)(first + second));
    if (!made) return -1;
    made->file = file;
    made->offset = offset;
    char *body = (char *)(made + 1);
    memcpy(body, path, first);
    if (other) memcpy(body + first, other, second);
    bx_publish(made);
    *entry = made;
    return 0;
}

int bx_wait_durable(void) {
    bx_ring *ring = bx.ring;
    if (!bx_shipping()) return 0;
    if (bx_failed()) {
        errno = EIO;
        return -1;
    }
    const uint64_t target = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST);
    bx_count(syncs, 1);
    if (bx_load(&ring->durable) >= target) return 0;
    bx_count(sync_waits, 1);
    int saved = errno, status = 0;
    uint64_t wanted = bx_load(&ring->wanted);
    while (wanted < target &&
           !__atomic_compare_exchange_n(&ring->wanted, &wanted, target, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    __atomic_fetch_add(&ring->durable_waiters, 1, __ATOMIC_SEQ_CST);
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &began);
    for (;;) {
        uint32_t seq = __atomic_load_n(&ring->durable_seq, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&ring->durable, __ATOMIC_SEQ_CST) >= target) break;
        if (bx_failed()) {
            errno = EIO;
            status = -1;
            break;
        }
        // Only who has still to wait rings: by the time a waiter is woken the consumer may sleep again, and ringing for what
        // is durable already would have it flush what others have only just begun to gather.
        bx_ring_doorbell_if_asleep();
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        if (now.tv_sec - began.tv_sec >= 2) {
            began = now;
            if (bx_driver_is_dead()) {
                status = died();
                break;
            }
        }
        bx_futex_sleep(&ring->durable_seq, seq, CHECK_MILLISECONDS);
    }
    __atomic_fetch_sub(&ring->durable_waiters, 1, __ATOMIC_SEQ_CST);
    if (status == 0) errno = saved;
    return status;
}
