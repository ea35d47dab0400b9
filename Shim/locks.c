// SPDX-License-Identifier: Apache-2.0
//
// Range locks in shared memory. They order a block's fetch, its write and its eviction. A futex mutex whose word
// holds the owner's thread id, so that a lock whose owner was killed can be taken over.
#include "shim.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CONTENDED 0x80000000u

void bx_lock(uint32_t index) {
    uint32_t *word = &bx.ring->locks[index];
    uint32_t self = (uint32_t)syscall(SYS_gettid), seen = 0;
    if (__atomic_compare_exchange_n(word, &seen, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
    int saved = errno;
    for (int round = 0;; round++) {
        seen = bx_load(word);
        uint32_t owner = seen & ~CONTENDED;
        // Taking it with the mark set keeps the other sleepers' claim to be woken.
        bool dead = owner != 0 && round % 8 == 7 && kill((pid_t)owner, 0) != 0 && errno == ESRCH;
        if (owner == 0 || dead) {
            if (__atomic_compare_exchange_n(word, &seen, self | CONTENDED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) break;
            continue;
        }
        if (!(seen & CONTENDED) &&
            !__atomic_compare_exchange_n(word, &seen, seen | CONTENDED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        bx_futex_sleep(word, seen | CONTENDED, 100);
    }
    errno = saved;
}

void bx_unlock(uint32_t index) {
    uint32_t *word = &bx.ring->locks[index];
    if (__atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL) & CONTENDED) bx_futex_rouse(word, 1);
}

void bx_lock_span(struct bx_lock_set *set, uint64_t inode, uint64_t from, uint64_t to) {
    memset(set, 0, sizeof *set);
    uint64_t first = from / BX_FETCH_BYTES, last = to > from ? (to - 1) / BX_FETCH_BYTES : first;
    if (last - first >= BX_LOCKS * 4) {
        memset(set, 0xff, sizeof *set); // a span this long meets nearly every lock
        set->bits[0] &= ~1ull;
    } else {
        for (uint64_t chunk = first; chunk <= last; chunk++) {
            uint32_t index = bx_lock_index(inode, chunk * BX_FETCH_BYTES);
            set->bits[index / 64] |= 1ull << (index % 64);
        }
    }
    for (uint32_t i = 0; i < BX_LOCKS / 64; i++)
        for (uint64_t bits = set->bits[i]; bits; bits &= bits - 1) bx_lock(i * 64 + __builtin_ctzll(bits));
}

void bx_unlock_span(const struct bx_lock_set *set) {
    for (uint32_t i = 0; i < BX_LOCKS / 64; i++)
        for (uint64_t bits = set->bits[i]; bits; bits &= bits - 1) bx_unlock(i * 64 + __builtin_ctzll(bits));
}
