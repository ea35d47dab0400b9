// SPDX-License-Identifier: Apache-2.0
//
// Finds what a write changes. Hot: every page write of the engine passes through here.
#include "shim.h"

#include <string.h>

static inline uint64_t word(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

// Written so that the compiler turns it into vector compares.
static inline bool same64(const char *a, const char *b) {
    uint64_t difference = 0;
    for (int i = 0; i < 64; i += 8) difference |= word(a + i) ^ word(b + i);
    return difference == 0;
}

// Whether each word of the 64 bytes differs: then they hold no gap worth a range of its own.
static inline bool dense64(const char *a, const char *b) {
    int equal = 0;
    for (int i = 0; i < 64; i += 8) equal |= word(a + i) == word(b + i);
    return !equal;
}

// Appends the ranges of [from, to) in which `new` and `old` differ. Ranges less than 8 bytes apart are merged,
// because a range costs 8 bytes itself. Returns the new count.
size_t bx_diff(const char *new, const char *old, size_t from, size_t to, bx_range *ranges, size_t count) {
    size_t at = from;
    while (at < to) {
        while (at + 64 <= to && same64(new + at, old + at)) at += 64;
        while (at + 8 <= to && word(new + at) == word(old + at)) at += 8;
        if (at + 8 <= to) {
            at += __builtin_ctzll(word(new + at) ^ word(old + at)) / 8;
        } else {
            while (at < to && new[at] == old[at]) at++;
            if (at == to) break;
        }
        size_t start = at, end = at + 1;
        for (;;) {
            // New content is often different throughout; word by word that would be one long chain of dependencies.
            while (end + 64 <= to && dense64(new + end, old + end))
                end += 64 - __builtin_clzll(word(new + end + 56) ^ word(old + end + 56)) / 8;
            if (end + 8 <= to) {
                uint64_t difference = word(new + end) ^ word(old + end);
                if (difference == 0) break;
                end += 8 - __builtin_clzll(difference) / 8;
            } else {
                size_t last = to;
                while (last > end && new[last - 1] == old[last - 1]) last--;
                end = last;
                break;
            }
        }
        if (count > 0 && start - (ranges[count - 1].at + (size_t)ranges[count - 1].length) < 8) {
            ranges[count - 1].length = (uint32_t)(end - ranges[count - 1].at);
        } else {
            ranges[count++] = (bx_range){(uint32_t)start, (uint32_t)(end - start)};
        }
        at = end;
    }
    return count;
}
