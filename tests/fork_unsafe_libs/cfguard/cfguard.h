/* The guard with which macOS's CoreFoundation answers a fork, for systems that have no
 * CoreFoundation: which functions are guarded, when the guard trips, what it writes and how the
 * functions go on is as there.
 *
 * A process has used CoreFoundation when it has called a guarded function. A fork marks the child
 * if its parent had used it, and the mark is inherited until exec. In a marked process a guarded
 * function writes two lines to descriptor 2 and goes on, or returns NULL. */
#ifndef CFGUARD_H
#define CFGUARD_H

struct cfguard_run_loop {
    int turns;
};

/* Guarded: warns and goes on, as CFRunLoopGetMain does. Never NULL. */
struct cfguard_run_loop *cfguard_run_loop_main(void);

struct cfguard_port {
    int number;
};

/* Guarded: warns and returns NULL, as CFMachPortCreate does; else a port that is freed by
 * cfguard_port_free. */
struct cfguard_port *cfguard_port_new(int number);
void cfguard_port_free(struct cfguard_port *port);

/* Not guarded, as CFStringGetLength is not: counts as no use, and never warns. */
int cfguard_string_length(const char *text);

#endif
