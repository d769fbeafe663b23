/* The part of macOS's <mach/vm_prot.h> that the library uses. */
#ifndef SHIM_VM_PROT_H
#define SHIM_VM_PROT_H

#define VM_PROT_READ 1
#define VM_PROT_WRITE 2
#define VM_PROT_EXECUTE 4

#endif
