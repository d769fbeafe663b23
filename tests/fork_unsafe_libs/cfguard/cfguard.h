/* A library that reacts to a fork as macOS's CoreFoundation does, for systems without
 * CoreFoundation: the same functions are guarded, the guard trips in the same cases and writes the
 * same text, and the functions go on in the same way.
 *
 * A process has used CoreFoundation once it has called a guarded function. A fork marks the child
 * if its parent had used CoreFoundation, and the mark is inherited until exec. In a marked process
 * a guarded function writes two lines to descriptor 2, and then goes on or returns NULL. */
#ifndef CFGUARD_H
#define CFGUARD_H

struct cfguard_run_loop {
    int turns;
};

/* Guarded: warns and goes on, as CFRunLoopGetMain() does. Never returns NULL. */
struct cfguard_run_loop *cfguard_run_loop_main(void);

struct cfguard_port {
    int number;
};

/* Guarded: warns and returns NULL, as CFMachPortCreate() does. Otherwise returns a port, which
 * cfguard_port_free() frees. */
struct cfguard_port *cfguard_port_new(int number);
void cfguard_port_free(struct cfguard_port *port);

/* Not guarded, like CFStringGetLength(): it does not count as use, and never warns. */
int cfguard_string_length(const char *text);

#endif
