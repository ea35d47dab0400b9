// SPDX-License-Identifier: Apache-2.0
//
// Durability. The local files are a cache and are never synced: a sync waits for the volume instead.
#include "exports.h"

int fsync(int fd) {
    struct bx_fd *file = bx_tracked(fd);
    return BX_LIKELY(!file || file->kind == BX_KIND_PRIVATE) ? bx_real.fsync(fd) : bx_wait_durable();
}
int fdatasync(int fd) {
    struct bx_fd *file = bx_tracked(fd);
    return BX_LIKELY(!file || file->kind == BX_KIND_PRIVATE) ? bx_real.fdatasync(fd) : bx_wait_durable();
}
// Advice to start write-back, which a cache does not need.
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
    return bx_file_at(fd) ? 0 : bx_real.sync_file_range(fd, offset, length, flags);
}
int syncfs(int fd) {
    struct bx_fd *file = bx_tracked(fd);
    return !file || file->kind == BX_KIND_PRIVATE ? bx_real.syncfs(fd) : bx_wait_durable();
}
void sync(void) {
    if (bx_active()) bx_wait_durable();
    bx_real.sync();
}
