// SPDX-License-Identifier: Apache-2.0
//
// Start-up: reads the environment, maps the ring, finds out about inherited descriptors.
#include "shim.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bx_state bx = {.doorbell = -1};

void bx_complain(const char *format, ...) {
    int saved = errno;
    char line[1024];
    int n = snprintf(line, sizeof line, "borealis shim [%d]: ", (int)getpid());
    va_list list;
    va_start(list, format);
    n += vsnprintf(line + n, sizeof line - n - 1, format, list);
    va_end(list);
    if (n > (int)sizeof line - 2) n = sizeof line - 2;
    line[n++] = '\n';
    bx_real.write(2, line, n);
    errno = saved;
}

static void refuse(const char *why, const char *what) {
    bx_complain("%s: %s", why, what);
    _exit(71);
}

static void map_ring(const char *path) {
    int fd = bx_real.open(path, O_RDWR | O_CLOEXEC, 0);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) refuse("cannot open the ring", path);
    if ((size_t)st.st_size < sizeof(bx_ring)) refuse("not a ring", path);
    void *map = bx_real.mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) refuse("cannot map the ring", path);
    bx_real.close(fd);
    bx_ring *ring = map;
    if (ring->magic != BX_MAGIC || ring->version != BX_VERSION) refuse("ring of another version", path);
    uint64_t total = st.st_size;
    bool fits = ring->total_bytes <= total &&
                ring->file_table_offset + ring->file_table_slots * sizeof(bx_file) <= total &&
                ring->fetch_offset + ring->fetch_slots * sizeof(bx_fetch) <= total &&
                ring->fetch_data_offset + ring->fetch_slots * BX_FETCH_BYTES <= total &&
                ring->log_offset + ring->log_bytes <= total;
    bool shaped = ring->log_bytes >= 4 * BX_WRITE_MAX && (ring->log_bytes & (ring->log_bytes - 1)) == 0 &&
                  ring->file_table_slots >= BX_FILE_PROBE &&
                  (ring->file_table_slots & (ring->file_table_slots - 1)) == 0 && ring->fetch_slots > 0;
    if (!fits || !shaped) refuse("ring with impossible dimensions", path);
    // Where the system allows it, fewer and larger pages: every process takes its own faults on the ring.
    madvise(map, total, MADV_HUGEPAGE);
    bx.ring = ring;
    bx.files = (bx_file *)((char *)map + ring->file_table_offset);
    bx.fetches = (bx_fetch *)((char *)map + ring->fetch_offset);
    bx.fetch_data = (char *)map + ring->fetch_data_offset;
    bx.log = (char *)map + ring->log_offset;
}

static void split_patterns(const char *text) {
    if (strlen(text) >= sizeof bx.pattern_text) refuse("too long", "BOREALIS_LOCAL");
    strcpy(bx.pattern_text, text);
    char *rest = bx.pattern_text, *one;
    while ((one = strsep(&rest, ":"))) {
        if (!*one) continue;
        if (bx.pattern_count == BX_PATTERNS) refuse("too many patterns", "BOREALIS_LOCAL");
        bx.patterns[bx.pattern_count++] = one;
    }
}

static void refresh_pid(void) { bx.pid = (uint32_t)getpid(); }

void bx_start(void) {
    int expected = 0;
    if (!__atomic_compare_exchange_n(&bx.ready, &expected, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
    int saved = errno;
    bx_find_real_calls();
    const char *ring = getenv("BOREALIS_RING");
    if (ring && *ring) {
        const char *root = getenv("BOREALIS_ROOT");
        if (!root || root[0] != '/' || strlen(root) >= sizeof bx.root) refuse("no absolute path", "BOREALIS_ROOT");
        bool dots;
        if (!bx_normalise("/", root, bx.root, sizeof bx.root, &dots)) refuse("too long", "BOREALIS_ROOT");
        bx.root_length = strlen(bx.root);
        struct stat st;
        if (stat(bx.root, &st) != 0) refuse("cannot stat the volume root", bx.root);
        bx.root_device = st.st_dev;
        const char *local = getenv("BOREALIS_LOCAL");
        if (local) split_patterns(local);
        const char *bell = getenv("BOREALIS_DOORBELL_FD");
        bx.doorbell = bell && *bell ? atoi(bell) : -1;
        if (bx.doorbell < 0 || bx.doorbell >= BX_DESCRIPTORS || bx_real.fcntl(bx.doorbell, F_GETFD, NULL) < 0)
            refuse("not an open descriptor", "BOREALIS_DOORBELL_FD");
        map_ring(ring);
        bx_fds[bx.doorbell].kind = BX_KIND_PRIVATE;
        refresh_pid();
        pthread_atfork(NULL, NULL, refresh_pid);
        bx_note_directory_change();
        bx_classify_inherited();
        bx.active = true;
    }
    errno = saved;
    __atomic_store_n(&bx.ready, 2, __ATOMIC_RELEASE);
}

__attribute__((constructor(101))) static void start_early(void) { bx_start(); }
