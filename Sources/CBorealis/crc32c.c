// SPDX-License-Identifier: Apache-2.0
//
// CRC32C as in RFC 3720, appendix B.4: reflected polynomial 0x82f63b78, initial and final complement.
#include "include/cborealis.h"

#include <string.h>

static uint32_t table_crc(uint32_t c, const uint8_t *p, size_t n) {
    static uint32_t table[256];
    static int ready;
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = i;
            for (int k = 0; k < 8; k++) v = v & 1 ? v >> 1 ^ 0x82f63b78u : v >> 1;
            table[i] = v;
        }
        __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    }
    while (n--) c = table[(c ^ *p++) & 255] ^ c >> 8;
    return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t hardware_crc(uint32_t c, const uint8_t *p, size_t n) {
    uint64_t wide = c;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        wide = __builtin_ia32_crc32di(wide, v);
    }
    c = (uint32_t)wide;
    while (n--) c = __builtin_ia32_crc32qi(c, *p++);
    return c;
}
static int has_hardware(void) { return __builtin_cpu_supports("sse4.2"); }
#else
static uint32_t hardware_crc(uint32_t c, const uint8_t *p, size_t n) { return table_crc(c, p, n); }
static int has_hardware(void) { return 0; }
#endif

uint32_t bx_crc32c(uint32_t crc, const void *data, size_t length) {
    uint32_t c = ~crc;
    c = has_hardware() ? hardware_crc(c, data, length) : table_crc(c, data, length);
    return ~c;
}
