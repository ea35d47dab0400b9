// SPDX-License-Identifier: Apache-2.0
//
// The real libc calls. Each pointer starts out at a stub that runs the look-up and then calls what it found, so a
// wrapper for a foreign descriptor needs no "are we ready" test. A call that arrives while the look-up itself is
// under way (dlsym may allocate, and an allocator may read a file) goes straight to the kernel.
#include "shim.h"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer architectures lack the calls that have an "at" form; the stubs are only for the moments before start-up.
#ifndef SYS_open
#define SYS_open -1
#define SYS_creat -1
#define SYS_dup2 -1
#define SYS_rename -1
#define SYS_link -1
#define SYS_symlink -1
#define SYS_unlink -1
#define SYS_mkdir -1
#define SYS_rmdir -1
#define SYS_chmod -1
#endif
#ifndef SYS_renameat
#define SYS_renameat -1
#endif

#define BX_EXPAND(...) __VA_ARGS__
#define BX_EARLY(number, ...) syscall((number)__VA_OPT__(, ) __VA_ARGS__)

#define BX_CALL(result, name, parameters, arguments, number)                         \
    static result lazy_##name parameters {                                           \
        bx_start();                                                                  \
        if (bx_real.name != lazy_##name) return bx_real.name arguments;              \
        return (result)BX_EARLY_CALL(number, BX_EXPAND arguments);                   \
    }
#define BX_CALL_VARIADIC(result, name, declared, parameters, arguments, number) BX_CALL(result, name, parameters, arguments, number)
#define BX_EARLY_CALL(number, ...) BX_EARLY(number __VA_OPT__(, ) __VA_ARGS__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wint-to-pointer-cast"
#include "intercept.def"
#pragma GCC diagnostic pop
#undef BX_CALL
#undef BX_CALL_VARIADIC

struct bx_real_calls bx_real = {
#define BX_CALL(result, name, parameters, arguments, number) .name = lazy_##name,
#define BX_CALL_VARIADIC(result, name, declared, parameters, arguments, number) .name = lazy_##name,
#include "intercept.def"
#undef BX_CALL
#undef BX_CALL_VARIADIC
};

// A libc without the call: whoever reaches this could not have been linked against that libc.
static long missing(void) {
    errno = ENOSYS;
    return -1;
}

void bx_find_real_calls(void) {
    void *found;
#define BX_CALL(result, name, parameters, arguments, number) \
    found = dlsym(RTLD_NEXT, #name);                         \
    bx_real.name = found ? (result(*) parameters)found : (result(*) parameters)(void *)missing;
#define BX_CALL_VARIADIC(result, name, declared, parameters, arguments, number) BX_CALL(result, name, parameters, arguments, number)
#include "intercept.def"
#undef BX_CALL
#undef BX_CALL_VARIADIC
}
