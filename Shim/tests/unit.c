// SPDX-License-Identifier: Apache-2.0
//
// Unit tests of the parts that need no engine: comparison, patterns, path normalisation.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

struct bx_state bx;
struct bx_real_calls bx_real;

static void check_diff(const char *new, const char *old, size_t length) {
    static bx_range ranges[BX_MAX_RANGES];
    static char applied[BX_WRITE_MAX];
    size_t count = bx_diff(new, old, 0, length, ranges, 0);
    memcpy(applied, old, length);
    size_t before = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = ranges[i].at, end = at + ranges[i].length;
        assert(ranges[i].length > 0 && end <= length);
        assert(i == 0 || at >= before + 8); // closer ones are merged
        assert(new[at] != old[at] && new[end - 1] != old[end - 1]); // tight at both ends
        memcpy(applied + at, new + at, ranges[i].length);
        before = end;
    }
    assert(memcmp(applied, new, length) == 0);
}

static void test_diff(void) {
    static char a[BX_WRITE_MAX], b[BX_WRITE_MAX];
    srand(7);
    for (int round = 0; round < 20000; round++) {
        size_t length = 1 + (size_t)rand() % (round % 10 ? 300 : 8192);
        for (size_t i = 0; i < length; i++) a[i] = b[i] = (char)rand();
        for (int changes = rand() % 12; changes > 0; changes--) {
            size_t at = (size_t)rand() % length, n = 1 + (size_t)rand() % 20;
            for (size_t i = at; i < at + n && i < length; i++) b[i] = (char)(rand() % 3 ? ~a[i] : a[i]);
        }
        check_diff(b, a, length);
    }
    // The most ranges there can be, the fewest, and a word-sized gap at each alignment.
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < sizeof b; i++) b[i] = i % 9 == 0;
    check_diff(b, a, sizeof b);
    check_diff(a, a, sizeof a);
    memset(b, 1, sizeof b);
    check_diff(b, a, sizeof b);
    for (size_t gap = 1; gap < 20; gap++) {
        for (size_t at = 0; at < 70; at++) {
            memset(b, 0, 200);
            b[at] = b[at + gap + 1] = 1;
            check_diff(b, a, 200);
        }
    }
}

static void test_patterns(void) {
    assert(bx_pattern_matches("pgsql_tmp*", "pgsql_tmp", 9));
    assert(bx_pattern_matches("pgsql_tmp*", "pgsql_tmp123", 12));
    assert(!bx_pattern_matches("pgsql_tmp*", "xpgsql_tmp", 10));
    assert(bx_pattern_matches("*.err", "host.err", 8));
    assert(!bx_pattern_matches("*.err", "host.errx", 9));
    assert(bx_pattern_matches("a*b*c", "aXXbYYbc", 8));
    assert(!bx_pattern_matches("a*b*c", "aXXbYYbd", 8));
    assert(bx_pattern_matches("t?_init", "t3_init", 7));
    assert(bx_pattern_matches("[0-9]*_init", "77_init", 7));
    assert(!bx_pattern_matches("postmaster.pid", "postmaster.pid2", 15));
    assert(!bx_pattern_matches("postmaster.pid", "postmaster.pi", 13));
}

static void same(const char *base, const char *path, const char *expected) {
    char to[4096];
    bool dots;
    assert(bx_normalise(base, path, to, sizeof to, &dots));
    assert(strcmp(to, expected) == 0);
}

static void test_paths(void) {
    same("/v/data", "base/5/1", "/v/data/base/5/1");
    same("/v/data", "./base//5/./1/", "/v/data/base/5/1");
    same("/v/data", "../x/../y", "/v/y");
    same("/v/data", "/etc//passwd", "/etc/passwd");
    same("/v/data", "../../../..", "/");
    same("/", "a", "/a");
    same("/", ".", "/");
    char tiny[8];
    bool dots;
    assert(!bx_normalise("/", "/abcdefghij", tiny, sizeof tiny, &dots));

    struct bx_place place;
    strcpy(bx.root, "/v/data");
    bx.root_length = 7;
    bx.patterns[bx.pattern_count++] = "*.pid";
    bx.patterns[bx.pattern_count++] = "tmp*";
    strcpy(place.path, "/v/data/base/1");
    bx_classify(&place);
    assert(place.where == BX_VOLUME && strcmp(place.relative, "base/1") == 0);
    strcpy(place.path, "/v/data");
    bx_classify(&place);
    assert(place.where == BX_VOLUME && !*place.relative);
    strcpy(place.path, "/v/data2/x");
    bx_classify(&place);
    assert(place.where == BX_OUTSIDE);
    strcpy(place.path, "/v/data/base/tmp1/x");
    bx_classify(&place);
    assert(place.where == BX_LOCAL);
    strcpy(place.path, "/v/data/a.pid");
    bx_classify(&place);
    assert(place.where == BX_LOCAL);
}

int main(void) {
    test_diff();
    test_patterns();
    test_paths();
    return 0;
}
