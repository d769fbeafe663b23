/* How do I pass strings and several values, and get several back, in CBOR?
 *
 * As msgpack.c, with libcbor: c, d = f("cat", True). Values are built, written to bytes, and read
 * again on the other side. Exit status 0: the answers are those that are wanted. */
#include <forkcall.h>

#include <cbor.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes both values over. Returns an array of them, or NULL: no memory. */
static cbor_item_t *two(cbor_item_t *first, cbor_item_t *second)
{
    cbor_item_t *array = cbor_new_definite_array(2);
    bool good = array != NULL && first != NULL && second != NULL;
    good = good && cbor_array_push(array, first) && cbor_array_push(array, second);
    if (first != NULL)
        cbor_decref(&first);
    if (second != NULL)
        cbor_decref(&second);
    if (!good && array != NULL)
        cbor_decref(&array);
    return array;
}

/* Writes a value, which it takes over, to a buffer. 0 or an errno. */
static int put(struct forkcall_buf *buf, cbor_item_t *value)
{
    unsigned char *bytes = NULL;
    size_t room = 0;
    if (value == NULL)
        return ENOMEM;
    const size_t size = cbor_serialize_alloc(value, &bytes, &room);
    const int r = size == 0 ? -ENOMEM : forkcall_buf_append(buf, bytes, size);
    free(bytes);
    cbor_decref(&value);
    return -r;
}

/* Reads an array of a string and another value. NULL: these bytes are none. */
static cbor_item_t *get_two(const void *data, size_t size)
{
    struct cbor_load_result loaded;
    cbor_item_t *array = size > 0 ? cbor_load(data, size, &loaded) : NULL;
    if (array == NULL)
        return NULL;
    if (cbor_isa_array(array) && cbor_array_size(array) == 2) {
        cbor_item_t *first = cbor_move(cbor_array_get(array, 0));
        if (cbor_isa_string(first) && cbor_string_is_definite(first))
            return array;
    }
    cbor_decref(&array);
    return NULL;
}

/* An element, which belongs to the array. */
static cbor_item_t *at(const cbor_item_t *array, size_t index)
{
    return cbor_move(cbor_array_get(array, index));
}

/* ---- In the child: c, d = f(word, shout) ----------------------------------------------------- */

static int f(const void *args, size_t args_size, struct forkcall_buf *result)
{
    cbor_item_t *values = get_two(args, args_size);
    if (values == NULL)
        return forkcall_fail(EINVAL, "a string and a truth value are wanted");
    unsigned char *word = cbor_string_handle(at(values, 0));
    const size_t length = cbor_string_length(at(values, 0));
    int code = 0;
    if (!cbor_is_bool(at(values, 1)))
        code = forkcall_fail(EINVAL, "a truth value is wanted");
    else if (length == 0)
        code = forkcall_fail(EINVAL, "which word?");
    if (code == 0) {
        for (size_t i = 0; i < length && cbor_get_bool(at(values, 1)); i++)
            word[i] = (unsigned char)toupper(word[i]);
        code = put(result, two(cbor_build_stringn((char *)word, length), cbor_build_uint64(length)));
    }
    cbor_decref(&values);
    return code;
}

/* ---- In the caller --------------------------------------------------------------------------- */

/* The bytes come from another process, so they are checked as any input is. */
static bool print(const struct forkcall_buf *result)
{
    cbor_item_t *values = get_two(result->data, result->size);
    if (values == NULL)
        return false;
    const bool good = cbor_isa_uint(at(values, 1));
    if (good)
        printf("c is %.*s, d is %llu\n", (int)cbor_string_length(at(values, 0)),
               (char *)cbor_string_handle(at(values, 0)), (unsigned long long)cbor_get_int(at(values, 1)));
    cbor_decref(&values);
    return good;
}

/* Returns whether c, d = f(word, shout) worked. */
static bool ask(const char *word, bool shout)
{
    struct forkcall_buf args = FORKCALL_BUF_INIT;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = 10000};
    bool good = put(&args, two(cbor_build_string(word), cbor_build_bool(shout))) == 0;
    if (!good) {
        fprintf(stderr, "no memory for the arguments\n");
    } else {
        const struct forkcall_report report = forkcall_run(f, args.data, args.size, &result, &options);
        good = report.status == FORKCALL_OK && print(&result);
        if (!good)
            printf("%s: %s\n", forkcall_status_name(report.status), report.message);
    }
    forkcall_buf_free(&result);
    forkcall_buf_free(&args);
    return good;
}

int main(void)
{
    forkcall_init();
    const bool right = ask("cat", true) && ask("a much longer word, of any length", false) && !ask("", true);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
