// SPDX-License-Identifier: Apache-2.0
//
// The shared file table: which volume file id a local inode stands for. No lock; see the header for the protocol.
#include "shim.h"

#define REMOVED UINT64_MAX

static inline uint64_t place_of(uint64_t inode, uint64_t step) {
    return (bx_file_hash(inode) + step) & (bx.ring->file_table_slots - 1);
}

static uint32_t slot_of(uint64_t inode) {
    for (uint64_t step = 0; step < BX_FILE_PROBE; step++) {
        uint64_t slot = place_of(inode, step);
        uint64_t held = bx_load(&bx.files[slot].inode);
        if (held == inode) return (uint32_t)slot;
        if (held == 0) break;
    }
    return BX_NO_SLOT;
}

uint64_t bx_table_find(uint64_t inode, uint32_t *slot) {
    *slot = slot_of(inode);
    if (*slot == BX_NO_SLOT) return 0;
    uint64_t id = bx_load(&bx.files[*slot].id);
    // The slot may have changed hands between the two loads.
    return bx_load(&bx.files[*slot].inode) == inode ? id : 0;
}

int bx_table_insert(uint64_t inode, uint64_t id, uint32_t *slot) {
    uint32_t at = slot_of(inode);
    // A slot that is there already was left by a process that died between its unlink and the removal; the kernel
    // has given the inode to us since. Otherwise claim a free one.
    for (uint64_t step = 0; at == BX_NO_SLOT && step < BX_FILE_PROBE; step++) {
        uint64_t try = place_of(inode, step);
        uint64_t held = bx_load(&bx.files[try].inode);
        while (held == 0 || held == REMOVED) {
            if (__atomic_compare_exchange_n(&bx.files[try].inode, &held, inode, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                at = (uint32_t)try;
                break;
            }
        }
    }
    if (at == BX_NO_SLOT) {
        bx_complain("the file table is full");
        errno = EIO;
        return -1;
    }
    bx_store(&bx.files[at].flags, 0);
    bx_store(&bx.files[at].evictions, 0);
    bx_store(&bx.files[at].id, id);
    *slot = at;
    return 0;
}

// The caller keeps the inode alive (an O_PATH descriptor), so nobody can be given it while we remove it.
void bx_table_remove(uint64_t inode, uint64_t id) {
    uint32_t slot = slot_of(inode);
    if (slot == BX_NO_SLOT || id == 0) return;
    if (__atomic_compare_exchange_n(&bx.files[slot].id, &id, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        bx_store(&bx.files[slot].inode, REMOVED);
}
