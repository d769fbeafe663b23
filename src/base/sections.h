/* ANY: Where variables lie that are 0 at the start, and some code. Each page that a child writes to
 * costs it a page fault, and the host another if it writes there, too. Without this, what stands
 * where is the linker's choice, and with link-time optimisation the compiler's.
 *
 * FC_LARGE_STORAGE: large arrays, behind all small variables.
 * FC_FORK_STORAGE: what each call by FORK writes. With link-time optimisation it lies together, and
 * in one page, because the section begins at a multiple of what it needs: FC_ALIGN_FORK_STORAGE. If
 * a variable were aligned instead, there would be a gap before it.
 * FC_FORK_CODE: what a child by FORK runs first, beside the rest that it runs: it maps the code
 * anew, sixteen pages at a time. */
#ifndef FC_BASE_SECTIONS_H
#define FC_BASE_SECTIONS_H

/* Other formats of object files know no such section. There the order of the files has to do. */
#ifdef __ELF__
#define FC_LARGE_STORAGE __attribute__((section(".bss.fc_large")))
#define FC_FORK_STORAGE __attribute__((section(".bss.fc_fork")))
#define FC_ALIGN_FORK_STORAGE __asm__(".pushsection .bss.fc_fork,\"aw\",%nobits\n.balign 1024\n.popsection")
#define FC_FORK_CODE __attribute__((section(".text.fc_fork")))
#else
#define FC_LARGE_STORAGE
#define FC_FORK_STORAGE
#define FC_ALIGN_FORK_STORAGE _Static_assert(1, "nothing to align")
#define FC_FORK_CODE
#endif

#endif
