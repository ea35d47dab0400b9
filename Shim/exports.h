// SPDX-License-Identifier: Apache-2.0
//
// Declares every intercepted call with default visibility; all else in the library is hidden.
#ifndef BOREALIS_EXPORTS_H
#define BOREALIS_EXPORTS_H
#include "shim.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#define BX_CALL(result, name, parameters, arguments, number) BX_EXPORT result name parameters;
#define BX_CALL_VARIADIC(result, name, declared, parameters, arguments, number) BX_EXPORT result name declared;
#include "intercept.def"
#undef BX_CALL
#undef BX_CALL_VARIADIC
#endif
