/* ANY: Converts between function pointers and addresses of code. On arm64e a function pointer is
 * signed (clang, "Pointer Authentication"): its upper bits are not part of the address, and a call
 * by an unsigned pointer ends the process. */
#ifndef FC_BASE_CODE_POINTER_H
#define FC_BASE_CODE_POINTER_H

#include <forkcall.h>
#include <stdint.h>

#ifdef __has_feature
#if __has_feature(ptrauth_calls)
#include <ptrauth.h>
#define FC_POINTERS_ARE_SIGNED
#endif
#endif

static inline uintptr_t fc_code_address(forkcall_fn *fn)
{
#ifdef FC_POINTERS_ARE_SIGNED
    return (uintptr_t)ptrauth_strip(fn, ptrauth_key_function_pointer);
#else
    return (uintptr_t)fn;
#endif
}

/* address: that of the function's code, or 0. */
static inline forkcall_fn *fc_code_pointer(uintptr_t address)
{
#ifdef FC_POINTERS_ARE_SIGNED
    return address == 0 ? NULL : ptrauth_sign_unauthenticated((forkcall_fn *)address, ptrauth_key_function_pointer, 0);
#else
    return (forkcall_fn *)address;
#endif
}

#endif
