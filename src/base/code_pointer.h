/* ANY: Function pointers and the addresses of code. On arm64e a function pointer is signed (clang,
 * "Pointer Authentication"): its upper bits are no part of the address, and a call by a pointer
 * that is not signed ends the process. */
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

/* address: 0, or of the function's code. */
static inline forkcall_fn *fc_code_pointer(uintptr_t address)
{
#ifdef FC_POINTERS_ARE_SIGNED
    return address == 0 ? NULL : ptrauth_sign_unauthenticated((forkcall_fn *)address, ptrauth_key_function_pointer, 0);
#else
    return (forkcall_fn *)address;
#endif
}

#endif
