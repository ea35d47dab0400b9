// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous I/O whose requests the kernel takes from shared memory, past every symbol. Setting it up fails, so an
// engine that was not told to keep to synchronous I/O falls back to it instead of writing where nobody looks.
#include "exports.h"

int io_setup(int events, void *context) {
    if (!bx_active()) return bx_real.io_setup(events, context);
    return -ENOSYS;
}
int io_uring_queue_init(unsigned int entries, void *ring, unsigned int flags) {
    if (!bx_active()) return bx_real.io_uring_queue_init(entries, ring, flags);
    return -ENOSYS;
}
int io_uring_queue_init_params(unsigned int entries, void *ring, void *parameters) {
    if (!bx_active()) return bx_real.io_uring_queue_init_params(entries, ring, parameters);
    return -ENOSYS;
}
