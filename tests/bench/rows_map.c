/* Measures maps: many items by a child (items_per_child), and a process for each. */
#include "bench.h"
#include "handmade_map.h"

#include <forkcall.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct map {
    size_t count;
    struct forkcall_map_options options;
    uint64_t *items;
    struct forkcall_buf *results;
};

static int square(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const uint64_t number = *(const uint64_t *)args;
    const uint64_t answer = number * number;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

/* A run. The results are new memory each time, as Python's and those by hand. */
static int64_t library_map(void *context)
{
    const struct map *map = context;
    const uint64_t start = clock_ns();
    const struct forkcall_report report =
        forkcall_map(square, map->items, sizeof *map->items, map->count, map->results, NULL, &map->options);
    const int64_t ns = elapsed_since(start);
    bool ok = report.status == FORKCALL_OK;
    for (size_t i = 0; i < map->count; i++) {
        ok = ok && map->results[i].size == sizeof(uint64_t) && *(uint64_t *)map->results[i].data == (uint64_t)i * i;
        forkcall_buf_free(&map->results[i]);
    }
    return ok && map->count > 0 ? ns / (int64_t)map->count : RUN_FAILED;
}

static bool make_map(struct map *map, enum forkcall_method method, size_t count, uint64_t items_per_child)
{
    memset(map, 0, sizeof *map);
    map->count = count;
    map->options.call.method = method;
    map->options.processes = 2;
    map->options.items_per_child = items_per_child;
    map->items = calloc(count, sizeof *map->items);
    map->results = calloc(count, sizeof *map->results);
    for (size_t i = 0; map->items != NULL && i < count; i++)
        map->items[i] = i;
    return map->items != NULL && map->results != NULL;
}

static void free_map(struct map *map)
{
    free(map->items);
    free(map->results);
}

static void print_many(struct bench *bench, struct map maps[3], size_t count)
{
    static const char *const methods[3] = {"FORK", "SERVER", "SPAWN"};
    const bool has_python = python_pool_start();
    const struct variant variants[] = {
        {"map by hand", handmade_workers_map, &count}, {"map by hand, batches", handmade_batches_map, &count},
        {"map by FORK", library_map, &maps[0]},        {"map by SERVER", library_map, &maps[1]},
        {"map by SPAWN", library_map, &maps[2]},       {"map by Python's Pool", python_pool_map, &count},
    };
    const struct effort effort = {.warm_up = 2, .min_rounds = 15, .max_rounds = 60, .seconds = 20};
    struct summary times[6];
    char what[96];
    measure(bench, variants, has_python ? 6 : 5, effort, times);
    for (size_t i = 0; i < 3; i++) {
        snprintf(what, sizeof what, "map, %zu items, items_per_child, %s", count, methods[i]);
        print_row(bench, &(struct row){what, "2 reused workers by hand, 8 items in flight", &times[0], &times[i + 2], 3,
                                       UNIT_RATE});
        print_row(bench, &(struct row){what, "the same, 8 items in a message", &times[1], &times[i + 2], 0, UNIT_RATE});
        if (has_python)
            print_row(bench, &(struct row){what, "Python's Pool(2).map", &times[5], &times[i + 2], 1, UNIT_RATE});
    }
    if (has_python)
        python_pool_stop();
    else
        print_skip(bench, "map, Python's Pool(2).map", "no python3");
}

static void print_fresh(struct bench *bench, struct map *map, size_t count)
{
    const struct variant variants[] = {{"forks by hand", handmade_forks_map, &count}, {"map", library_map, map}};
    const struct effort effort = {.warm_up = 1, .min_rounds = 5, .max_rounds = 20, .seconds = 15};
    struct summary times[2];
    char what[96];
    measure(bench, variants, 2, effort, times);
    snprintf(what, sizeof what, "map, %zu items, a fresh process each, FORK", count);
    print_row(bench, &(struct row){what, "forks by hand, 2 at once", &times[0], &times[1], 0.8, UNIT_RATE});
}

static void run_map_rows(struct bench *bench)
{
    static const enum forkcall_method methods[3] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN};
    const size_t many = 100000;
    const size_t few = bench->quick ? 100 : 5000;
    struct map maps[4];
    bool ok = make_map(&maps[3], FORKCALL_FORK, few, 0);
    for (size_t i = 0; i < 3; i++)
        ok = make_map(&maps[i], methods[i], many, many) && ok;
    if (ok && handmade_workers_start()) {
        print_many(bench, maps, many);
        handmade_workers_stop();
        print_fresh(bench, &maps[3], few);
    } else {
        bench->failures++;
        print_skip(bench, "map", "no memory, or no process");
    }
    for (size_t i = 0; i < 4; i++)
        free_map(&maps[i]);
    forkcall_server_stop();
}

const struct group map_group = {"map", "many items: by few children, and a process for each", run_map_rows, false};
