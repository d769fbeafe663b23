/* A queue that crashes in a forked child, as macOS's libdispatch does. */
#include "dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* A member of the queue. On 64-bit systems its link lies 16 bytes behind its beginning, as in
 * libdispatch. */
struct item {
    const void *kind;
    intptr_t number;
    struct item *next;
};

static struct queue {
    struct item *head, *tail;
} queue;
static atomic_bool used;

/* Sets the ends of the queue to an address that faults, and that tells why. */
static void poison_child(void)
{
    if (atomic_load(&used))
        queue.head = queue.tail = (struct item *)0x100;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, poison_child);
}

__attribute__((no_sanitize("address"), no_sanitize("undefined"))) void dispatch_push(int number)
{
    struct item *item = malloc(sizeof *item);
    atomic_store(&used, true);
    if (item == NULL)
        abort();
    *item = (struct item){.number = number};
    struct item *before = queue.tail;
    queue.tail = item;
    if (before != NULL)
        before->next = item;
    else
        queue.head = item;
}

__attribute__((no_sanitize("address"), no_sanitize("undefined"))) int dispatch_pop(void)
{
    struct item *item = queue.head;
    atomic_store(&used, true);
    if (item == NULL)
        return 0;
    const int number = (int)item->number;
    queue.head = item->next;
    if (queue.head == NULL)
        queue.tail = NULL;
    free(item);
    return number;
}

__attribute__((no_sanitize("address"), no_sanitize("undefined"))) int dispatch_read(const int *number)
{
    return *(const volatile int *)number;
}
