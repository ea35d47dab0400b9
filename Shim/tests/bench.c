// SPDX-License-Identifier: Apache-2.0
//
// What a call costs, with and without the shim. Run plain, then through `mirror`; the current directory is the place.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // what the call costs, not how busy the machine is
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define MEASURE(name, count, action)                                            \
    do {                                                                        \
        double best = 1e18;                                                     \
        for (int round = 0; round < 5; round++) {                               \
            double from = now();                                                \
            for (int i = 0; i < (count); i++) { action; }                       \
            double each = (now() - from) / (count);                             \
            if (each < best) best = each;                                       \
        }                                                                       \
        printf("%-46s %9.0f ns\n", name, best);                                 \
    } while (0)

static char page[8192], zero[8192];

int main(void) {
    int fd = open("bench", O_RDWR | O_CREAT, 0600), null = open("/dev/null", O_RDWR), pair[2];
    ssize_t n = 0;
    if (fd < 0 || null < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    for (int i = 0; i < 1024; i++) n += pwrite(fd, page, sizeof page, i * 8192L);
    MEASURE("foreign write of 1 byte (/dev/null)", 200000, n += write(null, page, 1));
    MEASURE("foreign write + read of 1 byte (socket)", 100000, n += write(pair[0], page, 1) + read(pair[1], page, 1));
    MEASURE("foreign open + close (/dev/null)", 20000, close(open("/dev/null", O_RDONLY)));
    MEASURE("volume open + close", 20000, close(open("bench", O_RDWR)));
    MEASURE("volume pread of 8 KiB", 50000, n += pread(fd, page, sizeof page, (i & 1023) * 8192L));
    MEASURE("volume pwrite of 8 KiB, same content", 50000, n += pwrite(fd, zero, sizeof zero, 1023 * 8192L));
    memset(page, 0, sizeof page);
    MEASURE("volume pwrite of 8 KiB, 2 ranges of 60 bytes", 20000,
            int v = i + i / 512 * 3 + round * 77; memset(page + 20, v, 60); memset(page + 5000, v, 60); n += pwrite(fd, page, sizeof page, (i & 511) * 8192L));
    MEASURE("volume pwrite of 8 KiB, all different", 5000,
            memset(page, i + i / 512 * 3 + round * 77 + 1, sizeof page); n += pwrite(fd, page, sizeof page, (i & 511) * 8192L));
    MEASURE("  of which: memset of the page", 5000, memset(page, i + round * 7 + 1, sizeof page); __asm__ volatile("" ::: "memory"));
    MEASURE("volume fsync with nothing to wait for", 20, fsync(fd));
    return n == 42;
}
