/* ANY: Where large arrays of zeros lie: behind all small variables, which then share a few pages.
 * Each page that a child writes to costs it a page fault. Without this, what stands where is the
 * linker's choice, and with link-time optimisation the compiler's. */
#ifndef FC_BASE_LARGE_STORAGE_H
#define FC_BASE_LARGE_STORAGE_H

/* Other formats of object files know no such section. There the order of the files has to do. */
#ifdef __ELF__
#define FC_LARGE_STORAGE __attribute__((section(".bss.fc_large")))
#else
#define FC_LARGE_STORAGE
#endif

#endif
