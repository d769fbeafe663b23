/* ANY: Rounding mode, traps and flush-to-zero of the calling thread's floating-point unit. They are
 * read and set by the processor's own instructions, because <fenv.h> is part of another library. On
 * other processors the children of SERVER and SPAWN have the defaults. */
#ifndef FC_OS_FPU_H
#define FC_OS_FPU_H

#include <stdint.h>

struct fc_fpu {
    uint64_t control;
    uint16_t x87_control; /* x86: the older unit's, for long double */
};

#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE__))
static inline void fc_fpu_take(struct fc_fpu *fpu)
{
    uint32_t control;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(control), "=m"(fpu->x87_control));
    fpu->control = control;
}

static inline void fc_fpu_set(const struct fc_fpu *fpu)
{
    const uint32_t control = (uint32_t)fpu->control;
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(control), "m"(fpu->x87_control));
}
#elif defined(__aarch64__)
static inline void fc_fpu_take(struct fc_fpu *fpu)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpu->control));
}

static inline void fc_fpu_set(const struct fc_fpu *fpu)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(fpu->control));
}
#elif defined(__riscv) && defined(__riscv_flen)
static inline void fc_fpu_take(struct fc_fpu *fpu)
{
    unsigned long control;
    __asm__ volatile("frcsr %0" : "=r"(control));
    fpu->control = control;
}

static inline void fc_fpu_set(const struct fc_fpu *fpu)
{
    __asm__ volatile("fscsr %0" : : "r"((unsigned long)fpu->control));
}
#else
static inline void fc_fpu_take(struct fc_fpu *fpu)
{
    fpu->control = 0;
}

static inline void fc_fpu_set(const struct fc_fpu *fpu)
{
    (void)fpu;
}
#endif

#endif
